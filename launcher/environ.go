package launcher

import (
	"errors"
	"slices"
	"strings"
	"time"

	"ward/profiles"
)

// environment decides about every variable of ward's own environment, and which credentials come on top.
func (p *Plan) environment(merged *profiles.Profile, h Host) error {
	taken := map[string]bool{}
	wrong := p.credentials(merged, taken)
	p.wipe = append(p.wipe, passphraseVars()...)
	for _, e := range h.Environ {
		name, value, ok := strings.Cut(e, "=")
		if opensStore(name) {
			p.tokens = append(p.tokens, name)
		}
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
		if opensStore(name) {
			p.Warnings = append(p.Warnings, name+" opens a whole store of secrets and is not passed on; a credential of its own can be, as env://"+name)
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

// credentials takes the profile's and the flags', and notes the variables that they go to.
func (p *Plan) credentials(merged *profiles.Profile, taken map[string]bool) (wrong []error) {
	for _, c := range merged.EnvCredentials {
		if other := slices.IndexFunc(p.Credentials, func(x Credential) bool { return x.Var == c.Var }); other >= 0 {
			// A flag comes last and means it: the profile's own source for that variable gives way.
			if p.Credentials[other].Ref != c.Ref && !strings.HasPrefix(c.Why.File, "--") {
				wrong = append(wrong, Mistake(c.Why.String()+": "+c.Var+": "+p.Credentials[other].Ref.String()+" goes there already", "one variable has one source"))
			}
			p.Credentials = slices.Delete(p.Credentials, other, other+1)
		}
		taken[c.Var] = true
		credential := Credential{Ref: c.Ref, Var: c.Var, Optional: c.Optional, Why: c.Why.String()}
		if c.Ref.Scheme == "cmd" {
			capture, declared := merged.CredentialCapture[c.Ref.Path]
			if !declared { // a flag names it: the profile's own names are checked where it is loaded
				wrong = append(wrong, Mistake(c.Why.String()+": "+c.Ref.String()+": the profile declares no such command",
					`in the profile: "credential_capture": {"`+c.Ref.Path+`": {"command": ["PROGRAM", "ARGUMENT"]}}`))
			}
			credential.Command, credential.Timeout = capture.Command, time.Duration(capture.Timeout)
		}
		p.Credentials = append(p.Credentials, credential)
		if c.Ref.Scheme == "env" && !opensStore(c.Ref.Path) {
			p.wipe = append(p.wipe, c.Ref.Path)
		}
	}
	return wrong
}

// opensStore names the variables that open 1Password or Bitwarden. The resolver's programs get them, the command never,
// whatever is allowed.
func opensStore(name string) bool {
	switch name {
	case "OP_SERVICE_ACCOUNT_TOKEN", "OP_CONNECT_TOKEN", "BW_SESSION", "BW_PASSWORD", "BW_CLIENTSECRET":
		return true
	}
	return strings.HasPrefix(name, "OP_SESSION_")
}

// searchPath is the PATH of the command, from which it is searched: not ward's own.
func (p *Plan) searchPath() string {
	for _, v := range p.Environment {
		if v.Name == "PATH" {
			return v.Value
		}
	}
	return ""
}
