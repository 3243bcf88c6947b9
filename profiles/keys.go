package profiles

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tailscale/hujson"

	"ward/secrets"
)

// aliases are nono's names for what has another name here; object is "" at the top of the file. What
// nono says in another shape (network.block, workdir.access) is read by a field of its own. "[]" stands
// for any index.
// Source of the names: nono's profile schema, crates/nono-cli/data/nono-profile.schema.json.
var aliases = [...]struct{ object, name, key string }{
	{"", "secrets", "env_credentials"},
	{"filesystem", "allow_file", "allow"},
	{"filesystem", "read_file", "read"},
	{"filesystem", "write_file", "write"},
	{"network", "allow_domain", "allow_hosts"},
	{"network", "deny_domain", "deny_hosts"},
	{"network", "open_port", "allow_ports"},
	{"network.allow_domain[]", "domain", "host"},
}

func canonicalKey(object, name string) string {
	object = anyIndex(object)
	for _, a := range aliases {
		if a.object == object && a.name == name {
			return a.key
		}
	}
	return name
}

func anyIndex(object string) string {
	if i := strings.LastIndexByte(object, '['); i >= 0 && strings.HasSuffix(object, "]") {
		return object[:i] + "[]"
	}
	return object
}

// notTaken gives the hint for keys of nono's that have no counterpart.
func notTaken(object, name string) string {
	object = anyIndex(object)
	for _, k := range [...]struct{ object, prefix, hint string }{
		{"", "groups", `the "default" profile has the paths of nono's groups; add others under "filesystem"`},
		{"", "security", "signals, processes and IPC are always confined to the launch; remove it"},
		{"", "command_policies", "commands are not confined one by one; use several profiles"},
		{"", "platform_overrides", `give the item "when": "linux" or "darwin"`},
		{"filesystem", "bypass_protection", "a grant that names a credential path itself opens it; list the path in a grant"},
		{"filesystem", "override_deny", "a grant that names a credential path itself opens it; list the path in a grant"},
		{"filesystem", "unix_socket", `list it in "network": {"allow_unix_sockets": […]}`},
		{"network.allow_domain[]", "endpoints", `make it a route in "custom_credentials" with "endpoint_rules"`},
		{"network", "listen_port", "loopback ports from 1024 up may always be bound; remove it"},
		{"network", "connect_port", `name the host in "allow_hosts"`},
	} {
		if k.object == object && strings.HasPrefix(name, k.prefix) {
			return k.hint
		}
	}
	return ""
}

func profileFields(p *Profile) fields {
	return fields{
		"$schema": text(new(string)),
		"meta": nested(fields{
			"name":        text(&p.Meta.Name),
			"description": text(&p.Meta.Description),
			"version":     text(&p.Meta.Version),
			"author":      text(&p.Meta.Author),
		}),
		"extends": func(d *decoder, n node) {
			p.Extends = []NameRule{} // also for an empty list: it says that no parent is wanted
			if n.kind() == '"' {
				p.Extends = append(p.Extends, NameRule{d.string(n), d.why(n)})
				return
			}
			names(&p.Extends)(d, n)
		},
		"commands":    list(&p.Commands, word(checkBaseName)),
		"filesystem":  nested(filesystemFields(&p.Filesystem)),
		"environment": nested(environmentFields(&p.Environment)),
		"env_credentials": func(d *decoder, n node) {
			d.members(n, func(ref string, key, value node) { d.envCredentials(p, ref, key, value) })
		},
		"guard": nested(fields{
			"mode":   oneOf(&p.Guard.Mode, &p.Guard.ModeWhy, "redact", "block", "warn", "off"),
			"exempt": names(&p.Guard.Exempt, checkNoValue),
			"files":  paths(&p.Guard.Files, false, checkNoGlob),
		}),
		"network": func(d *decoder, n node) {
			given := d.object(n, networkFields(&p.Network))
			if block, ok := given["block"]; ok && given["mode"].value != nil {
				d.fail(block, "", `"mode" says it already; leave one out`)
			}
		},
		"credential_capture": named(&p.CredentialCapture, checkRouteName, capture),
		"command_args":       list(&p.CommandArgs, word(checkNoValue)),
		"workdir":            nested(fields{"access": workdirAccess(&p.Filesystem)}),
	}
}

func filesystemFields(f *Filesystem) fields {
	return fields{
		"allow":     paths(&f.Allow, true, checkNoGlob),
		"read":      paths(&f.Read, true, checkNoGlob),
		"write":     paths(&f.Write, true, checkNoGlob),
		"deny":      paths(&f.Deny, false, checkNoGlob),
		"protect":   paths(&f.Protect, true, checkNoGlob),
		"unprotect": paths(&f.Unprotect, false, checkNoGlob),
	}
}

// workdirAccess reads nono's grant of the working directory.
func workdirAccess(f *Filesystem) field {
	return func(d *decoder, n node) {
		var access string
		oneOf(&access, nil, "none", "read", "write", "readwrite")(d, n)
		rule := PathRule{Path: "$WORKDIR", Why: d.why(n)}
		switch access {
		case "read":
			f.Read = append(f.Read, rule)
		case "write":
			f.Write = append(f.Write, rule)
		case "readwrite":
			f.Allow = append(f.Allow, rule)
		}
	}
}

func environmentFields(e *Environment) fields {
	return fields{
		"allow_vars": names(&e.AllowVars, checkPattern, checkNotBareStar),
		"deny_vars":  names(&e.DenyVars, checkPattern),
		"set_vars": named(&e.SetVars, checkSettable, func(d *decoder, n node, _ string) (v SetVar) {
			d.rule(n, &v.Why, '"', "value", setValue(&v.Value), nil)
			return v
		}),
	}
}

func networkFields(w *Network) fields {
	return fields{
		"mode": oneOf(&w.Mode, &w.ModeWhy, "open", "proxy", "blocked"),
		"network_profile": func(d *decoder, n node) {
			w.NetworkProfileWhy = d.why(n)
			text(&w.NetworkProfile, checkBaseName)(d, n)
		},
		"allow_hosts":        list(&w.AllowHosts, hostRule),
		"deny_hosts":         list(&w.DenyHosts, hostRule),
		"allow_ports":        list(&w.AllowPorts, portRule),
		"allow_unix_sockets": paths(&w.AllowUnixSockets, false),
		"credentials":        names(&w.Credentials, checkRouteName),
		"custom_credentials": named(&w.CustomCredentials, checkRouteName, route),
		"block": func(d *decoder, n node) {
			var block bool
			if boolean(&block)(d, n); block {
				w.Mode, w.ModeWhy = "blocked", d.why(n)
			}
		},
	}
}

// rule reads what may be a bare word (of the kind short) or an object with the word under key, "why", and
// more keys.
func (d *decoder) rule(n node, why *Why, short hujson.Kind, key string, set field, more fields) {
	*why = d.why(n)
	switch n.kind() {
	case short:
		set(d, n)
	case '{':
		known := fields{key: set, "why": text(&why.Text)}
		maps.Copy(known, more)
		if _, ok := d.object(n, known)[key]; !ok {
			d.fail(n, "", "has no %q", key)
		}
	default:
		d.wrongType(n, kindNames(short)+" or an object")
	}
}

// group is what one item of a list says: usually one word, or several with the same reason.
type group struct {
	words  []string
	when   When
	create string
	why    Why
}

// groups is a list whose items are words, or objects with one or more words under key.
func groups(key string, checks []check, more func(*group) fields, add func(word string, g group)) field {
	return func(d *decoder, n node) {
		var items []group
		list(&items, func(d *decoder, n node) (g group) {
			if n.kind() == '"' {
				return group{words: []string{word(checks...)(d, n)}, why: d.why(n)}
			}
			d.rule(n, &g.why, '"', key, oneOrMore(&g.words, word(checks...)), more(&g))
			if g.create != "" && g.when.Exists {
				d.fail(n, "leave one out", `"create" makes what is missing, and "when": "exists" leaves it out`)
			}
			return g
		})(d, n)
		for _, g := range items {
			for _, w := range g.words {
				add(w, g)
			}
		}
	}
}

func paths(into *[]PathRule, creatable bool, checks ...check) field {
	more := func(g *group) fields {
		f := fields{"when": conditions(&g.when)}
		if creatable {
			f["create"] = oneOf(&g.create, nil, "dir", "file", "json")
		}
		return f
	}
	return groups("path", append(checks, checkPath), more, func(path string, g group) {
		*into = append(*into, PathRule{Path: path, When: g.when, Create: g.create, Why: g.why})
	})
}

func names(into *[]NameRule, checks ...check) field {
	none := func(*group) fields { return nil }
	return groups("name", checks, none, func(name string, g group) {
		*into = append(*into, NameRule{Name: name, Why: g.why})
	})
}

func conditions(into *When) field {
	var words []string
	return oneOrMore(&words, func(d *decoder, n node) (w string) {
		if n.kind() == '"' && literal(n.value) == "macos" {
			w = "darwin" // nono's word for it
		} else {
			oneOf(&w, nil, "linux", "darwin", "exists")(d, n)
		}
		switch {
		case w == "exists":
			into.Exists = true
		case into.OS != "" && w != "" && w != into.OS:
			d.fail(n, "write a rule for each", "no system is both linux and darwin")
		default:
			into.OS = cmp.Or(w, into.OS)
		}
		return w
	})
}

func hostRule(d *decoder, n node) (r HostRule) {
	set := func(d *decoder, n node) {
		text(&r.Host, checkHost)(d, n)
		r.Host = strings.ToLower(r.Host)
	}
	d.rule(n, &r.Why, '"', "host", set, nil)
	return r
}

func portRule(d *decoder, n node) (r PortRule) {
	set := func(d *decoder, n node) {
		if f := d.number(n); f != math.Trunc(f) || f < 1 || f > 65535 {
			d.fail(n, "", "want a port from 1 to 65535")
		} else {
			r.Port = uint16(f)
		}
	}
	d.rule(n, &r.Why, '0', "port", set, nil)
	return r
}

// number gives NaN, which no range holds, where n is no number.
func (d *decoder) number(n node) float64 {
	if lit, ok := n.value.(hujson.Literal); ok && n.kind() == '0' {
		return lit.Float()
	}
	return math.NaN()
}

// setValue reads the value of a variable, which may be empty and may hold line breaks.
func setValue(into *string) field {
	return func(d *decoder, n node) {
		lit, ok := n.value.(hujson.Literal)
		if !ok || n.kind() != '"' {
			d.wrongType(n, "a string")
			return
		}
		*into = literal(lit)
		if strings.Contains(*into, "\x00") {
			d.fail(n, "", "holds a NUL byte, which no variable can")
		}
		d.check(n, *into, checkNoValue, checkVariables)
	}
}

// oneOf reads one of a closed set of words, and where it stands.
func oneOf(into *string, why *Why, words ...string) field {
	return func(d *decoder, n node) {
		s := d.string(n)
		if s == "" {
			return
		}
		if !slices.Contains(words, s) {
			d.fail(n, didYouMean(s, words), "want one of: %s", strings.Join(words, ", "))
			return
		}
		*into = s
		if why != nil {
			*why = d.why(n)
		}
	}
}

func (d *decoder) envCredentials(p *Profile, name string, key, value node) {
	ref := d.ref(key, name)
	one := func(d *decoder, n node) EnvCredential {
		c := EnvCredential{Ref: ref}
		d.rule(n, &c.Why, '"', "var", text(&c.Var, checkVariable, checkNotOurs, checkHarmless), fields{"optional": boolean(&c.Optional)})
		return c
	}
	oneOrMore((*[]EnvCredential)(&p.EnvCredentials), one)(d, value)
}

// ref parses a reference; the parser's errors do not repeat it, and it refuses what looks like a value.
func (d *decoder) ref(n node, s string) secrets.Ref {
	ref, err := secrets.ParseRef(s)
	if err != nil {
		d.fail(n, hintOf(err), "%v", err)
	}
	return ref
}

func capture(d *decoder, n node, _ string) (c Capture) {
	c.Why = d.why(n)
	given := d.object(n, fields{
		"command":      list(&c.Command, word(checkNoValue)),
		"timeout":      duration(&c.Timeout),
		"timeout_secs": duration(&c.Timeout),
		"ttl":          duration(&c.TTL),
		"why":          text(&c.Why.Text),
	})
	if given != nil && len(c.Command) == 0 {
		d.fail(n, `"command" is a list: the program and its arguments`, "has no command")
	}
	return c
}

func duration(into *Duration) field {
	return func(d *decoder, n node) {
		seconds := d.number(n)
		if n.kind() == '"' {
			parsed, _ := time.ParseDuration(d.string(n))
			seconds = parsed.Seconds()
		}
		if !(seconds > 0 && seconds <= 24*60*60) {
			d.fail(n, `a number of seconds, or text such as "90s" or "15m"`, "want a duration of more than 0 and at most 24 hours")
			return
		}
		*into = Duration(math.Round(seconds * float64(time.Second)))
	}
}
