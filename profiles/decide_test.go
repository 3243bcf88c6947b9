package profiles

import (
	"reflect"
	"strings"
	"testing"
)

func TestExpand(t *testing.T) {
	env := map[string]string{"XDG_CACHE_HOME": "/cache", "XDG_DATA_HOME": "relative/is/ignored"}
	v := Vars{OS: "linux", Home: "/home/u", WorkDir: "/w", TempDir: "/tmp/t", UID: 1000, Env: func(n string) string { return env[n] }}
	for _, c := range []struct{ path, want string }{
		{"/a/b", "/a/b"},
		{"/a//b/./c/", "/a/b/c"},
		{"/", "/"},
		{"~", "/home/u"},
		{"~/x", "/home/u/x"},
		{"/a/~/b", "/a/~/b"},
		{"$HOME/x", "/home/u/x"},
		{"${HOME}x", "/home/ux"},
		{"$WORKDIR", "/w"},
		{".", "/w"},
		{".git/hooks", "/w/.git/hooks"},
		{"./a", "/w/a"},
		{"$TMPDIR/x", "/tmp/t/x"},
		{"/run/user/$UID/x", "/run/user/1000/x"},
		{"/run/user/${UID}x", "/run/user/1000x"},
		{"$UID", "/w/1000"},
		{"$XDG_CONFIG_HOME/x", "/home/u/.config/x"},
		{"$XDG_DATA_HOME/x", "/home/u/.local/share/x"},
		{"$XDG_STATE_HOME/x", "/home/u/.local/state/x"},
		{"$XDG_CACHE_HOME/x", "/cache/x"},
		{"$XDG_RUNTIME_DIR/x", "/run/user/1000/x"},
		{"/a/$$b", "/a/$b"},
		{"/a/$-b$", "/a/$-b$"},
	} {
		p := parse(t, `{"filesystem": {"read": ["`+c.path+`"]}, "network": {"allow_unix_sockets": ["`+c.path+`"]}}`)
		q, err := p.Expand(v)
		if err != nil {
			t.Errorf("%s: %v", c.path, err)
			continue
		}
		if got := q.Filesystem.Read[0].Path; got != c.want {
			t.Errorf("%s is %s, want %s", c.path, got, c.want)
		}
		if got := q.Network.AllowUnixSockets[0].Path; got != c.want {
			t.Errorf("as a socket %s is %s, want %s", c.path, got, c.want)
		}
		if p.Filesystem.Read[0].Path != c.path {
			t.Errorf("%s: Expand changed what it was given", c.path)
		}
	}

	p := parse(t, `{"environment": {"set_vars": {"A": "$HOME/a ~ $$", "B": ""}}}`)
	q, err := p.Expand(v)
	if err != nil {
		t.Fatal(err)
	}
	if got := q.Environment.SetVars["A"].Value; got != "/home/u/a ~ $" {
		t.Errorf("A is %q", got)
	}
	if got := p.Environment.SetVars["A"].Value; got != "$HOME/a ~ $$" {
		t.Errorf("Expand changed what it was given: %q", got)
	}
}

func TestExpandLeavesOut(t *testing.T) {
	const rules = `{"filesystem": {"read": ["/all", {"path": "/l", "when": "linux"}, {"path": "/d", "when": "darwin"}, {"path": "/e", "when": "exists"},
		{"path": "/le", "when": ["linux", "exists"]}]}}`
	for os, want := range map[string]string{"linux": "/all /l /e /le", "darwin": "/all /d /e", "": "/all /e"} {
		q, err := parse(t, rules).Expand(Vars{OS: os, WorkDir: "/w"})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range q.Filesystem.Read {
			got = append(got, r.Path)
			if strings.HasSuffix(r.Path, "e") != r.When.Exists {
				t.Errorf("%s: %q is to be settled by the launcher", os, r.Path)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("on %q: %q, want %q", os, got, want)
		}
	}
}

// Without a home directory what may be missing is left out; what is asked for is a mistake that names its line.
func TestExpandWithoutAHome(t *testing.T) {
	p := parse(t, "{\"filesystem\": {\"read\": [\n{\"path\": \"~/a\", \"when\": \"exists\"},\n\"~/b\", \"$XDG_DATA_HOME/c\"]}, \"environment\": {\n\"set_vars\": {\"A\": \"$HOME\"}}}")
	_, err := p.Expand(Vars{OS: "linux", WorkDir: "/w"})
	if err == nil {
		t.Fatal("expanded")
	}
	want := "test.json:3: filesystem.read: $HOME has no value here\n" +
		"test.json:3: filesystem.read: $XDG_DATA_HOME has no value here\n" +
		"test.json:4: environment.set_vars.A: $HOME has no value here\n"
	if got := report(t, err); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestDecideVariable(t *testing.T) {
	e := parse(t, `{"environment": {
		"allow_vars": ["PATH", "LC_*", "AWS_*", "AWS_REGION", "MY_*", "MY_API_KEY", "XDG_*", "XDG_RUNTIME_DIR"],
		"deny_vars": ["AWS_R*", "PATH", "XDG_RUNTIME_*", "LC_X*"]
	}}`).Environment
	for _, c := range []struct {
		name    string
		allowed bool
		rule    string
	}{
		{"LC_ALL", true, "LC_*"},
		{"LC_", true, "LC_*"},
		{"LC", false, ""},
		{"HOME", false, ""},
		{"PATH", false, "PATH"},              // deny beats allow at equal length
		{"AWS_PROFILE", true, "AWS_*"},       //
		{"AWS_ROLE", false, "AWS_R*"},        // the longer prefix
		{"AWS_REGION", true, "AWS_REGION"},   // the exact name
		{"AWS_SECRET_ACCESS_KEY", false, ""}, // a prefix never lets these in
		{"MY_TOKEN", false, ""}, {"MY_KEY", false, ""}, {"MY_PASSWORD", false, ""}, {"MY_CREDS", false, ""}, {"MY_monkey", false, ""},
		{"MY_API_KEY", true, "MY_API_KEY"},           // an exact name does
		{"XDG_RUNTIME_DIR", true, "XDG_RUNTIME_DIR"}, //
		{"XDG_RUNTIME_X", false, "XDG_RUNTIME_*"},    //
		{"LC_X_TOKEN", false, "LC_X*"},               // a prefix may deny them
	} {
		rule, allowed := e.Decide(c.name)
		if allowed != c.allowed || rule.Name != c.rule {
			t.Errorf("%s: %v by %q, want %v by %q", c.name, allowed, rule.Name, c.allowed, c.rule)
		}
	}
}

func TestOtherPackagesCanBuildAProfile(t *testing.T) {
	var p Profile
	p.Filesystem.Allow = append(p.Filesystem.Allow, PathRule{Path: "/x", Why: Why{File: "--allow"}})
	q, err := p.Expand(Vars{})
	if err != nil || !reflect.DeepEqual(*q, p) {
		t.Errorf("got %+v, %v", q, err)
	}
}
