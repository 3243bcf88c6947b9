package launcher

import (
	"path/filepath"
	"strings"
	"testing"

	"ward/sandbox"
)

// TestRules: what a plan lets the command do with a path, rule by rule. Of the rules around a path the longest wins, and at
// equal depth deny beats protect beats a grant; a grant beats the mask of a credential path that it names, or lies inside.
func TestRules(t *testing.T) {
	root := tree(t, "w/a/b", "w/deny/x", "w/.git/hooks/x", "w/.git/config", "w/.claude/settings.json", "w/agent/x",
		"w/agent/hooks/x", "wx/", "usr/bin/x", "usr/secret/x", "usr/p", "drop/x", "same/x", "shut/x", "shut/r", "w/in/x", "w/in/r/x", "w/in/rw/x", "w/in/rw/deny/x",
		"home/project/", "home/x", "home/.ssh/id", "home/.aws/x", "home/.docker/x", "home/.docker/rw/x", "home/.gnupg/in/x", "home/.gnupg/in/deep/x", "else/x")
	p := plan(t, strings.ReplaceAll(`{"extends": [], "environment": {"allow_vars": ["PATH"]}, "filesystem": {
		"allow": ["R/w", "R/w/in/rw", "~", "R/same", "~/.aws", "~/.docker/rw", "~/.gnupg/in/deep"],
		"read": ["~/.docker", "R/usr", "R/shut/r", "R/w/in/r"],
		"write": ["R/drop"],
		"deny": ["R/w/in/rw/deny", "R/w/in", "R/w/deny", "R/same", "R/shut", "R/usr/secret"],
		"protect": ["R/w/.git/hooks", "R/w/.claude", "R/w/agent", "R/w/agent/hooks", "R/usr/p"],
		"unprotect": ["R/w/.claude", "R/w/agent"]
	}}`, "R/", root+"/"), Options{}, host(root))
	for _, c := range []struct {
		path        string
		read, write bool
		why         string
	}{
		{"w", true, true, "the path itself"},
		{"w/a/b", true, true, "everything in it"},
		{"wx", false, false, "a name that only begins the same"},
		{"", false, false, "what is above"},
		{"usr/bin/x", true, false, "read does not write"},
		{"drop/x", false, true, "write does not read"},
		{"w/deny/x", false, false, "the longer path wins"},
		{"usr/secret/x", false, false, "deny in what may be read"},
		{"same/x", false, false, "deny beats allow at equal depth"},
		{"shut/r", true, false, "deeper wins again"},
		{"shut/x", false, false, "for that alone"},
		{"w/in/x", false, false, "as deep as deny"},
		{"w/in/r/x", true, false, "what is open inside what is denied is so as it says, not as a wider grant does"},
		{"w/in/new", true, false, "and nothing can be made beside it"},
		{"w/in/rw/x", true, true, "what it grants is granted"},
		{"w/in/rw/deny/x", false, false, "but for what is denied further down"},
		{"w/.git/hooks/x", true, false, "protected paths can be read"},
		{"w/.git/config", true, true, "beside a protected path"},
		{"usr/p", true, false, "protect grants nothing"},
		{"w/.claude/settings.json", true, true, "unprotect lifts at equal depth"},
		{"w/agent/x", true, true, "unprotect lifts at equal depth"},
		{"w/agent/hooks/x", true, false, "but not what is protected further down"},
		{"home/x", true, true, "beside a mask"},
		{"home/.ssh", false, false, "a wider grant does not lift a mask"},
		{"home/.ssh/id", false, false, "nor for what is in it"},
		{"home/.aws/x", true, true, "a grant that names the mask does"},
		{"home/.docker/x", true, false, "as it says, not as a wider grant does"},
		{"home/.docker/rw/x", true, true, "but for what another one opens in it"},
		{"home/.gnupg/in/deep/x", true, true, "and one that names something inside"},
		{"home/.gnupg/in/x", false, false, "for that alone"},
		{"else/x", false, false, "nothing speaks of it"},
	} {
		for _, op := range []struct {
			access sandbox.Access
			want   bool
		}{{sandbox.Read, c.read}, {sandbox.Write, c.write}} {
			v := p.Policy.Explain(filepath.Join(root, c.path), op.access)
			if v.Allowed != op.want {
				t.Errorf("/%s (%s): %s is %v by %q, want %v", c.path, c.why, op.access, v.Allowed, v.Path, op.want)
			}
		}
	}
}

// A link that the command may exchange, or that leads out of the project, opens nothing more than is open anyway: the launch
// before may have put it there.
func TestExchangedLinks(t *testing.T) {
	root := tree(t, "home/project/sub/", "home/project/key -> ../.ssh/id", "home/project/to -> sub", "home/project/out -> ../else", "home/fixed -> else", "home/far/key -> ../.ssh/id", "home/.ssh/id", "home/else/x")
	ssh := filepath.Join(root, "home/.ssh/id")
	for _, c := range []struct {
		name, files     string
		refused, warned bool
		key, elsewhere  bool // what is open then
	}{
		{"a key", `"allow": ["~/project"], "read": ["~/project/key"]`, true, false, false, false},
		{"a key, if it is there", `"allow": ["~/project"], "read": [{"path": "~/project/key", "when": "exists"}]`, true, false, false, false},
		{"a key in what is open", `"allow": ["~"], "read": [{"path": "~/project/key", "when": "exists"}]`, false, false, false, true},
		{"a key by itself too", `"allow": ["~/project"], "read": [{"path": "~/project/key", "when": "exists"}, "~/.ssh/id"]`, false, false, true, false},
		{"another directory", `"write": ["~/project"], "read": ["~/project/out"]`, true, false, false, false},
		{"what links back", `"allow": ["~/project/to"], "write": ["~/project"]`, true, false, false, false},
		{"the same directory", `"allow": ["~/project", "~/project/to"]`, false, true, false, false},
		{"a link that nobody can exchange", `"allow": ["~/project", "~/fixed"]`, false, false, false, true},
		{"nothing may be written", `"read": ["~/project", "~/project/key"]`, true, false, false, false},
		{"nor is it there for sure", `"read": [{"path": "~/project/key", "when": "exists"}]`, false, true, false, false},
		{"nor does it lead out", `"read": ["~/project/to"]`, false, false, false, false},
		{"another project", `"read": ["~/far/key"]`, false, false, true, false},
	} {
		p, err := NewPlan(load(t, `{"extends": [], "environment": {"allow_vars": ["PATH"]}, "filesystem": {`+c.files+`}}`), Options{Argv: []string{"sh"}}, host(root))
		if (err != nil) != c.refused || err != nil && !strings.Contains(Hint(err), "itself") {
			t.Errorf("%s: %v", c.name, err)
		}
		if err != nil {
			continue
		}
		if (len(p.Warnings) > 0) != c.warned {
			t.Errorf("%s: %q", c.name, p.Warnings)
		}
		for path, want := range map[string]bool{ssh: c.key, filepath.Join(root, "home/else/x"): c.elsewhere} {
			if v := p.Policy.Explain(path, sandbox.Read); v.Allowed != want {
				t.Errorf("%s: %s: %+v", c.name, path, v)
			}
		}
	}
}

// So does one on the way to a socket.
func TestExchangedSockets(t *testing.T) {
	root := tree(t, "home/project/in/", "home/project/out -> ../else", "home/project/back -> in", "home/own -> else", "home/else/", "home/far/")
	for _, at := range []struct{ dir, files string }{{"far", `"allow": ["~/project"]`}, {"project", ""}} {
		for socket, refused := range map[string]bool{
			"~/project/out/x.sock": true, "~/project/out/**": true, "~/project/none/x": false, "~/project/in/*": false, "~/project/back/x": false, "~/own/x.sock": false,
		} {
			text := `{"extends": [], "environment": {"allow_vars": ["PATH"]}, "filesystem": {` + at.files + `}, "network": {"allow_unix_sockets": ["` + socket + `"]}}`
			h := host(root)
			h.WorkDir = filepath.Join(h.Home, at.dir)
			_, err := NewPlan(load(t, text), Options{Argv: []string{"sh"}}, h)
			if (err != nil) != refused || refused && !strings.Contains(Hint(err), filepath.Join(root, "home/else")+" itself") {
				t.Errorf("%s in %s: %v", socket, at.dir, err)
			}
		}
	}
}

// So does the working directory, if it is named by one. A dollar sign in its name is that, and begins no variable.
func TestExchangedWorkdir(t *testing.T) {
	root := tree(t, "home/project/in/", "home/project/out -> ../else", "home/project/back -> in", "home/own -> else", "home/else/", "home/far/", "home/project/x$UID/", "home/project/x0 -> ../else")
	for _, c := range []struct {
		dir, allow, leads string // "": refused
		from              string // where ward is started; "": there
		profile           string
	}{
		{"project/out", "project", "", "far", bare}, {"project/back", "project", "project/in", "project", bare}, {"own", "project", "else", "project", bare},
		{"project/out", "", "", "project", bare}, {"project/out", "", "else", "far", bare}, {"project/out", "", "else", "", bare},
		{"project/out", "project", "", "", `{"extends": [], "environment": {"allow_vars": ["PATH"]}, "filesystem": {"allow": ["$WORKDIR"]}}`},
		{"project/x$UID", "", "project/x$UID", "project", bare},
	} {
		o, h := Options{Argv: []string{"sh"}, AllowCWD: c.profile == bare}, host(root)
		h.WorkDir = filepath.Join(root, "home", c.from)
		if c.from == "" {
			h.WorkDir = filepath.Join(root, "home", c.dir)
		} else {
			o.WorkDir = filepath.Join(root, "home", c.dir)
		}
		if c.allow != "" {
			o.Allow = []string{filepath.Join(root, "home", c.allow)}
		}
		p, err := NewPlan(load(t, c.profile), o, h)
		if c.leads == "" {
			if err == nil || !strings.Contains(err.Error(), "a command may have put there") {
				t.Errorf("%+v: %v", c, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%+v: %v", c, err)
		} else if at := filepath.Join(root, "home", c.leads); !p.Policy.Explain(at, sandbox.Write).Allowed {
			t.Errorf("%+v: %s is not open: %+v", c, at, p.Policy.Rules)
		}
	}
}
