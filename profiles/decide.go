package profiles

import "strings"

// Op is what is wanted of a path.
type Op uint8

// Reading includes executing and listing; writing includes creating, renaming and removing.
const (
	Read Op = iota
	Write
)

// Decision is the answer about one path, and the rule that gave it.
type Decision struct {
	Allowed bool
	List    string   // the list that the rule is in: allow, read, write, deny, protect; "credentials" for a mask; "" for none
	Rule    PathRule // empty where no rule speaks of the path
}

type ruleList struct {
	name  string
	rules *[]PathRule
}

// lists gives the lists in the order in which they win at equal depth.
func (f *Filesystem) lists() []ruleList {
	return []ruleList{{"deny", &f.Deny}, {"protect", &f.Protect}, {"allow", &f.Allow}, {"read", &f.Read}, {"write", &f.Write},
		{"unprotect", &f.Unprotect}}
}

// Decide says which rule governs op on path. The profile must be expanded, and path absolute, clean and
// free of symbolic links: Decide compares text. masked are the paths that stay closed under every wider
// grant: usually Credentials.
//
// Of the rules that cover path, the longest wins. At equal depth deny beats protect beats a grant; a grant
// beats a mask, so naming a credential path opens it and naming a directory above does not. Grants add up
// (a "read" below an "allow" takes nothing away); an unprotect lifts a protect at its own path and above
// it. What no rule covers is refused.
func (f *Filesystem) Decide(op Op, path string, masked []PathRule) Decision {
	lifted := -1
	for _, r := range f.Unprotect {
		if Covers(r.Path, path) {
			lifted = max(lifted, len(r.Path))
		}
	}
	best := Decision{}
	try := func(list string, allowed bool, rules []PathRule) {
		for _, r := range rules {
			if list == "protect" && len(r.Path) <= lifted {
				continue
			}
			if Covers(r.Path, path) && (best.List == "" || len(r.Path) > len(best.Rule.Path)) {
				best = Decision{allowed, list, r}
			}
		}
	}
	for _, l := range f.lists() {
		switch l.name {
		case "deny":
			try(l.name, false, *l.rules)
		case "protect":
			if op == Write {
				try(l.name, false, *l.rules)
			}
		case "allow":
			try(l.name, true, *l.rules)
		case "read":
			if op == Read {
				try(l.name, true, *l.rules)
			}
		case "write":
			if op == Write {
				try(l.name, true, *l.rules)
			}
		}
	}
	try("credentials", false, masked)
	return best
}

// Covers reports whether a rule for directory or file rule speaks of path; both are absolute and clean.
func Covers(rule, path string) bool {
	return path == rule || rule == "/" || strings.HasPrefix(path, rule) && path[len(rule)] == '/'
}

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
