package profiles

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Vars are what ~ and the variables of a profile stand for on this machine.
type Vars struct {
	OS      string              // as runtime.GOOS: rules for another system are left out; "" leaves out all that name one
	Home    string              // absolute: ~ and $HOME
	WorkDir string              // absolute: $WORKDIR, and where relative paths start
	TempDir string              // absolute: $TMPDIR
	UID     int                 // $UID
	Env     func(string) string // asked for XDG_*; nil for none
}

// variables are the names that a profile may use.
var variables = [...]string{"HOME", "WORKDIR", "TMPDIR", "UID",
	"XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"}

// value gives one variable. The XDG variables have the defaults of the XDG Base Directory Specification,
// which also says to ignore one that is not absolute; for XDG_RUNTIME_DIR, which has no default there, it
// is the directory that systemd makes.
func (v Vars) value(name string) (string, error) {
	var value string
	switch name {
	case "HOME":
		value = v.Home
	case "WORKDIR":
		value = v.WorkDir
	case "TMPDIR":
		value = v.TempDir
	case "UID":
		return strconv.Itoa(v.UID), nil
	case "XDG_CONFIG_HOME":
		value = v.xdg(name, v.Home, ".config")
	case "XDG_DATA_HOME":
		value = v.xdg(name, v.Home, ".local/share")
	case "XDG_STATE_HOME":
		value = v.xdg(name, v.Home, ".local/state")
	case "XDG_CACHE_HOME":
		value = v.xdg(name, v.Home, ".cache")
	case "XDG_RUNTIME_DIR":
		value = v.xdg(name, "/run/user", strconv.Itoa(v.UID))
	default:
		return "", errors.New("unknown variable $" + name)
	}
	if !filepath.IsAbs(value) {
		return "", fmt.Errorf("$%s has no value here", name)
	}
	return value, nil
}

func (v Vars) xdg(name, base, rest string) string {
	if v.Env != nil {
		if value := v.Env(name); filepath.IsAbs(value) {
			return value
		}
	}
	if base == "" {
		return ""
	}
	return filepath.Join(base, rest)
}

// Expand gives a copy of p whose paths are absolute and clean, without the rules for other systems. It
// touches no file: "exists", Create and symbolic links are left to the launcher. Its errors are *Error,
// joined, for variables that have no value here. The files that p was read from are protected in it: a launch
// that could write them would say what the next one may do.
func (p *Profile) Expand(v Vars) (*Profile, error) {
	e := expander{vars: v}
	q := *p
	for _, l := range q.Filesystem.lists() {
		*l.rules = e.paths("filesystem."+l.name, *l.rules)
	}
	for _, s := range p.Sources {
		if path, err := filepath.Abs(s.Path); err == nil && s.Path != "" {
			why := Why{File: "ward", Text: "a file of this launch's profile, which says what the next one may do"}
			q.Filesystem.Protect = append(slices.Clip(q.Filesystem.Protect), PathRule{Path: path, Why: why})
		}
	}
	q.Guard.Files = e.paths("guard.files", p.Guard.Files)
	q.Network.AllowUnixSockets = e.paths("network.allow_unix_sockets", p.Network.AllowUnixSockets)
	q.Environment.SetVars = maps.Clone(p.Environment.SetVars)
	for name, s := range q.Environment.SetVars {
		s.Value = e.value(s.Why, "environment.set_vars."+name, s.Value)
		q.Environment.SetVars[name] = s
	}
	if len(e.mistakes) > 0 {
		return nil, joined(e.mistakes)
	}
	return &q, nil
}

// ExpandPaths is Expand for a list of its own, such as Credentials.
func ExpandPaths(rules []PathRule, v Vars) ([]PathRule, error) {
	e := expander{vars: v}
	out := e.paths("path", rules)
	return out, joined(e.mistakes)
}

type expander struct {
	vars     Vars
	values   map[string]string // of the variables that were asked for
	mistakes []*Error
}

// variable remembers what a variable stands for: most paths begin with one.
func (e *expander) variable(name string) (string, error) {
	if value, known := e.values[name]; known {
		return value, nil
	}
	value, err := e.vars.value(name)
	if err == nil {
		if e.values == nil {
			e.values = map[string]string{}
		}
		e.values[name] = value
	}
	return value, err
}

func (e *expander) value(w Why, subject, s string) string {
	s, err := substitute(s, e.variable)
	if err != nil {
		e.mistakes = append(e.mistakes, errorAt(w, subject, "", err.Error()))
	}
	return s
}

func (e *expander) paths(subject string, rules []PathRule) (out []PathRule) {
	for _, r := range rules {
		if r.When.OS != "" && r.When.OS != e.vars.OS {
			continue
		}
		if r.Path == "~" || strings.HasPrefix(r.Path, "~/") {
			r.Path = "$HOME" + r.Path[1:]
		}
		path, err := substitute(r.Path, e.variable)
		if err != nil {
			if r.When.Exists {
				continue // below a directory that is not there nothing exists
			}
			e.mistakes = append(e.mistakes, errorAt(r.Why, subject, "", err.Error()))
		}
		r.Path = path
		if !filepath.IsAbs(r.Path) {
			r.Path = e.value(r.Why, subject, "$WORKDIR") + "/" + r.Path
		}
		r.Path = filepath.Clean(r.Path)
		out = append(out, r)
	}
	return out
}

// nameLen is how many letters, digits and underscores s begins with.
func nameLen(s string) int {
	for i := range len(s) {
		if c := s[i]; c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return i
		}
	}
	return len(s)
}

// substitute replaces $NAME and ${NAME}; $$ is a dollar sign, and so is one that no name follows.
func substitute(s string, value func(string) (string, error)) (string, error) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, "$")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		if s, found = strings.CutPrefix(rest, "$"); found {
			b.WriteByte('$')
			continue
		}
		var name string
		if braced, ok := strings.CutPrefix(rest, "{"); ok {
			if name, s, found = strings.Cut(braced, "}"); !found {
				return "", errors.New("${ without }")
			}
		} else if name = rest[:nameLen(rest)]; name != "" {
			s = rest[len(name):]
		} else {
			b.WriteByte('$')
			s = rest
			continue
		}
		v, err := value(name)
		if err != nil {
			return "", err
		}
		b.WriteString(v)
	}
}
