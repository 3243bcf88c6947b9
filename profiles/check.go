package profiles

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
)

// The checks of single words. Each gives what is wrong and what to do, or "".

func checkPath(s string) (what, hint string) {
	switch {
	case strings.HasPrefix(s, "~") && s != "~" && !strings.HasPrefix(s, "~/"):
		return "other users' home directories cannot be named by ~", "write the path in full"
	case strings.Contains(s, "..") && slices.Contains(strings.Split(s, "/"), ".."):
		return `".." in a path`, "a symbolic link can lead .. elsewhere; write the path in full, or from ~"
	}
	return checkVariables(s)
}

func checkNoGlob(s string) (what, hint string) {
	if strings.Contains(s, "*") {
		return "paths take no wildcards", "name the directory: a rule covers everything in it"
	}
	return "", ""
}

// checkVariables looks for variables that Expand does not know.
func checkVariables(s string) (what, hint string) {
	if !strings.Contains(s, "$") {
		return "", ""
	}
	_, err := substitute(s, func(name string) (string, error) {
		if !slices.Contains(variables[:], name) {
			hint = didYouMean(name, variables[:])
			if hint == "" {
				hint = "known are " + strings.Join(variables[:], " ") + "; a plain dollar sign is written $$"
			}
			return "", errors.New("unknown variable $" + strings.Trim(quoted(name), `"`))
		}
		return "", nil
	})
	if err != nil {
		return err.Error(), hint
	}
	return "", ""
}

// IsVariable is the shell's and C's idea of a name.
func IsVariable(s string) bool {
	return s != "" && (s[0] < '0' || s[0] > '9') &&
		strings.Trim(s, letters+"0123456789_") == ""
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

func checkVariable(s string) (what, hint string) {
	if !IsVariable(s) {
		return "not the name of a variable", "letters, digits and _, not starting with a digit"
	}
	return checkNoValue(s)
}

func checkSettable(s string) (what, hint string) {
	if what, hint = checkVariable(s); what == "" {
		what, hint = checkNotOurs(s)
	}
	return what, hint
}

func checkPattern(s string) (what, hint string) {
	if prefix := strings.TrimSuffix(s, "*"); prefix != "" && !IsVariable(prefix) {
		return "not the name of a variable", "letters, digits and _, not starting with a digit; a * may end it"
	}
	return "", ""
}

func checkNotBareStar(s string) (what, hint string) {
	if s == "*" {
		return "would let the whole environment in", "name the variables, or a prefix such as LC_*"
	}
	return "", ""
}

func checkNotOurs(s string) (what, hint string) {
	if s == "WARD" || strings.HasPrefix(s, "WARD_") {
		return "variables that begin with WARD are ward's own", ""
	}
	return "", ""
}

// checkHarmless refuses secrets in variables that a loader, a shell or an interpreter acts upon.
func checkHarmless(s string) (what, hint string) {
	acted := []string{"PATH", "HOME", "SHELL", "PWD", "IFS", "ENV", "BASH_ENV", "PROMPT_COMMAND", "NODE_OPTIONS", "PYTHONPATH",
		"PYTHONSTARTUP", "PERL5OPT", "PERL5LIB", "RUBYOPT", "RUBYLIB", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "GIT_SSH_COMMAND"}
	if slices.Contains(acted, s) || strings.HasPrefix(s, "LD_") || strings.HasPrefix(s, "DYLD_") {
		return "programs act upon this variable; a credential does not belong there", ""
	}
	return "", ""
}

// checkRouteName keeps names apart that become part of a variable: NAME_BASE_URL.
func checkRouteName(s string) (what, hint string) {
	switch {
	case strings.Contains(s, "-"):
		return "a hyphen in a name that becomes part of a variable", "use _ instead"
	case !IsVariable(s):
		return "a name that becomes part of a variable", "letters, digits and _, not starting with a digit"
	}
	return checkNoValue(s)
}

func checkBaseName(s string) (what, hint string) {
	if strings.ContainsAny(s, "/ ") || strings.HasPrefix(s, "-") {
		return "want a plain name, without / or space", ""
	}
	return "", ""
}

func checkNoValue(s string) (what, hint string) {
	if looksSecret(s) {
		return "looks like a secret itself, not like the name of one", "store it with `ward set NAME`, write the name here, and rotate the secret: it was in a file"
	}
	return "", ""
}

// checkHost takes a DNS name, "*." and a DNS name, or an IP address without brackets.
func checkHost(s string) (what, hint string) {
	if _, err := netip.ParseAddr(s); err == nil {
		return "", ""
	}
	name := strings.TrimPrefix(strings.ToLower(s), "*.")
	switch {
	case s == "*":
		return "a bare * is every host", `set "mode" to "open" or "blocked" instead`
	case strings.Contains(s, "/"):
		return "want a host, not a URL", "write the host alone; for paths use a route with endpoint_rules"
	case strings.Contains(s, ":"):
		return "want a host without a port", ""
	case strings.Contains(name, "*"):
		return "a wildcard stands for the first labels only", "write *.example.com"
	case strings.HasSuffix(s, "."):
		return "ends in a dot", "leave it out; example.com. and example.com are the same host"
	case strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789.-_") != "":
		return "not a host name", "names with other letters are written in their xn-- form"
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return "not a host name", ""
		}
	}
	if strings.Trim(name, "0123456789.") == "" {
		return "not an IP address", "four numbers from 0 to 255, without leading zeros"
	}
	return "", ""
}

func hintOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// conflicts finds rules that cannot both be meant. It holds for one file and for a merged profile alike.
func (p *Profile) conflicts() (mistakes []*Error) {
	w := &p.Network
	add := func(why Why, subject, hint, what string) {
		mistakes = append(mistakes, errorAt(why, subject, hint, what))
	}
	switch w.Mode {
	case "blocked":
		hint := `leave it out, or set "mode": "proxy"`
		if len(w.Credentials) > 0 {
			add(w.Credentials[0].Why, "network.credentials", hint, "a route needs the network, which is blocked")
		}
		if len(w.AllowHosts) > 0 {
			add(w.AllowHosts[0].Why, "network.allow_hosts", hint, "the network is blocked")
		}
		if w.NetworkProfile != "" {
			add(w.NetworkProfileWhy, "network.network_profile", hint, "the network is blocked")
		}
	case "open":
		hint := `set "mode": "proxy", where only these are allowed, or leave it out`
		if len(w.AllowHosts) > 0 {
			add(w.AllowHosts[0].Why, "network.allow_hosts", hint, "does nothing where the network is open")
		}
		if w.NetworkProfile != "" {
			add(w.NetworkProfileWhy, "network.network_profile", hint, "does nothing where the network is open")
		}
	}
	taken := map[string]string{} // variable → what sets it
	claim := func(why Why, subject, variable string) {
		if variable == "" {
			return
		}
		if other, ok := taken[variable]; ok {
			add(why, subject, "one of them would be lost; use another variable", quoted(variable)+" is set already, by "+other)
			return
		}
		taken[variable] = subject + " at " + Why{File: why.File, Line: why.Line}.String()
	}
	for _, c := range p.EnvCredentials {
		claim(c.Why, "env_credentials", c.Var)
	}
	for _, name := range sortedKeys(p.Environment.SetVars) {
		claim(p.Environment.SetVars[name].Why, "environment.set_vars", name)
	}
	for _, c := range w.Credentials { // only routes that are enabled set anything
		claim(c.Why, "network.credentials", w.CustomCredentials[c.Name].EnvVar)
	}
	return mistakes
}

// builtinRoutes are the routes that need no definition.
var builtinRoutes = [...]string{"openai", "anthropic", "gemini", "github", "gitlab"}

// dangling finds names that nothing declares, once all parents are merged in.
func (p *Profile) dangling() (mistakes []*Error) {
	for _, c := range p.Network.Credentials {
		if _, own := p.Network.CustomCredentials[c.Name]; own || slices.Contains(builtinRoutes[:], c.Name) {
			continue
		}
		known := append(sortedKeys(p.Network.CustomCredentials), builtinRoutes[:]...)
		hint := didYouMean(c.Name, known)
		if hint == "" {
			hint = "declare it under custom_credentials; built in are " + strings.Join(builtinRoutes[:], ", ")
		}
		mistakes = append(mistakes, errorAt(c.Why, "network.credentials", hint, "no route is named "+quoted(c.Name)))
	}
	capture := func(w Why, subject, scheme, name string) {
		if _, ok := p.CredentialCapture[name]; scheme == "cmd" && !ok {
			hint := didYouMean(name, sortedKeys(p.CredentialCapture))
			mistakes = append(mistakes, errorAt(w, subject, hint, "credential_capture has no command named "+quoted(name)))
		}
	}
	for _, c := range p.EnvCredentials {
		capture(c.Why, "env_credentials", c.Ref.Scheme, c.Ref.Path)
	}
	for _, name := range sortedKeys(p.Network.CustomCredentials) {
		r := p.Network.CustomCredentials[name]
		for _, ref := range r.CredentialKey {
			capture(r.Why, "network.custom_credentials."+name+".credential_key", ref.Scheme, ref.Path)
		}
	}
	return mistakes
}
