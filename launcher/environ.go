package launcher

import (
	"errors"
	"slices"
	"strings"

	"ward/profiles"
)

// environment decides about every variable of ward's own environment, and which credentials come on top.
func (p *Plan) environment(merged *profiles.Profile, o Options, h Host) error {
	var wrong []error
	taken := map[string]bool{}
	for _, c := range merged.EnvCredentials {
		if other := slices.IndexFunc(p.Credentials, func(x Credential) bool { return x.Var == c.Var }); other >= 0 {
			// A flag comes last and means it: the profile's own source for that variable gives way.
			if p.Credentials[other].Ref != c.Ref && !strings.HasPrefix(c.Why.File, "--") {
				wrong = append(wrong, Mistake(c.Why.String()+": "+c.Var+": "+p.Credentials[other].Ref.String()+" goes there already", "one variable has one source"))
			}
			p.Credentials = slices.Delete(p.Credentials, other, other+1)
		}
		taken[c.Var] = true
		p.Credentials = append(p.Credentials, Credential{Ref: c.Ref, Var: c.Var, Optional: c.Optional, Why: c.Why.String()})
		if c.Ref.Scheme == "env" {
			p.wipe = append(p.wipe, c.Ref.Path)
		}
	}
	p.wipe = append(p.wipe, passphraseVars()...)
	for _, e := range h.Environ {
		name, value, ok := strings.Cut(e, "=")
		if !ok || name == "" || taken[name] || strings.HasPrefix(name, "WARD_") {
			continue
		}
		if _, set := merged.Environment.SetVars[name]; set {
			continue
		}
		rule, allowed := merged.Environment.Decide(name)
		if !allowed {
			continue
		}
		if slices.Contains(p.wipe, name) {
			// The same variable is a credential's source: as a plain copy the guard would know it, but the
			// supervisor would hold it.
			p.Warnings = append(p.Warnings, name+" is the source of a credential and is not passed on under its own name")
			continue
		}
		if name == "TMPDIR" && h.OS == "linux" {
			value = "/tmp" // the launch has its own
		}
		p.Environment = append(p.Environment, Variable{name, value, rule.Why.String()})
	}
	for name, set := range merged.Environment.SetVars {
		if taken[name] {
			wrong = append(wrong, Mistake(set.Why.String()+": "+name+": a credential goes there already", "leave one of the two out"))
			continue
		}
		p.Environment = append(p.Environment, Variable{name, set.Value, set.Why.String()})
	}
	p.Environment = append(p.Environment, Variable{"WARD", "1", "ward: tells what runs inside that it does"})
	slices.SortFunc(p.Environment, func(a, b Variable) int { return strings.Compare(a.Name, b.Name) })
	return errors.Join(wrong...)
}

// passphraseVars open the vault; nothing that ward starts, but the resolver, gets them.
func passphraseVars() []string {
	return []string{"WARD_VAULT_PASSPHRASE", "WARD_VAULT_PASSPHRASE_FILE"}
}

// lookup is the PATH of the command, from which it is searched: not ward's own.
func (p *Plan) lookup(name string) string {
	for _, v := range p.Environment {
		if v.Name == name {
			return v.Value
		}
	}
	return ""
}
