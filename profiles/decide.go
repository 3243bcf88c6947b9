package profiles

import "strings"

// Decide says whether a variable of the user's environment reaches the command, and which rule says so.
// An exact name beats a prefix, a longer prefix a shorter one, and deny beats allow at equal length. A
// prefix in AllowVars never matches a name with TOKEN, SECRET, KEY, PASS or CRED in it.
func (e *Environment) Decide(name string) (rule NameRule, allowed bool) {
	best := -1
	try := func(verdict bool, rules []NameRule) {
		for _, r := range rules {
			prefix, wild := strings.CutSuffix(r.Name, "*")
			rank := 2 * len(prefix)
			switch {
			case !wild && name == r.Name:
				rank++
			case !wild || !strings.HasPrefix(name, prefix) || verdict && soundsSecret(name):
				continue
			}
			if rank > best {
				best, rule, allowed = rank, r, verdict
			}
		}
	}
	try(false, e.DenyVars)
	try(true, e.AllowVars)
	return rule, allowed
}

func soundsSecret(name string) bool {
	for _, part := range [...]string{"TOKEN", "SECRET", "KEY", "PASS", "CRED"} {
		if strings.Contains(strings.ToUpper(name), part) {
			return true
		}
	}
	return false
}
