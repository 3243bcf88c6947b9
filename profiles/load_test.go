package profiles

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// tree writes files below a new directory; "profiles/x.json" there is the user profile x.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func sourceNames(p *Profile) (names []string) {
	for _, s := range p.Sources {
		names = append(names, s.Name)
	}
	return names
}

func TestWhatALoadedProfileIsMadeOf(t *testing.T) {
	dir := tree(t, map[string]string{
		"profiles/plain.json":   `{}`,
		"profiles/alone.json":   `{"extends": []}`,
		"profiles/mine.json":    `{"extends": ["claude", "alone"]}`,
		"profiles/claude.json":  `{"extends": "claude"}`,
		"profiles/default.json": `{"environment": {"allow_vars": ["MINE"]}}`,
		"profiles/left.json":    `{"extends": "alone"}`,
		"profiles/right.json":   `{"extends": "alone"}`,
		"profiles/both.json":    `{"extends": ["left", "right"]}`,
		"project/ward.json":     `{"extends": "../shared/base.json"}`,
		"shared/base.json":      `{"extends": ["./more.json"]}`,
		"shared/more.json":      `{"extends": []}`,
	})
	for _, c := range []struct {
		name string
		want []string
	}{
		{"alone", []string{"alone"}},
		{"plain", []string{"default", "default", "plain"}},                 // over the user's default, which is over the built-in
		{"mine", []string{"default", "claude", "claude", "alone", "mine"}}, // the user's claude, which is over the built-in
		{"both", []string{"alone", "left", "right", "both"}},               // a common ancestor counts once
		{dir + "/project/ward.json", []string{dir + "/shared/more.json", dir + "/shared/base.json", dir + "/project/ward.json"}},
	} {
		p, err := Load(c.name, dir)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if got := sourceNames(p); !slices.Equal(got, c.want) {
			t.Errorf("%s is made of %q, want %q", c.name, got, c.want)
		}
	}

	// A built-in rests on built-ins, whatever the user's are called.
	p, err := Load("default", "")
	if err != nil {
		t.Fatal(err)
	}
	if got := sourceNames(p); !slices.Equal(got, []string{"default"}) || p.Sources[0].Path != "" {
		t.Errorf("default is made of %+v", p.Sources)
	}

	p, err = Load("plain", dir)
	if err != nil {
		t.Fatal(err)
	}
	want := Source{Name: "plain", Path: dir + "/profiles/plain.json", SHA256: sha256.Sum256([]byte(`{}`))}
	if got := p.Sources[2]; got != want {
		t.Errorf("source %+v, want %+v", got, want)
	}
}

func TestLoadRefuses(t *testing.T) {
	dir := tree(t, map[string]string{
		"profiles/ring.json":    `{"extends": "round"}`,
		"profiles/round.json":   "{\n\"extends\": \"ring\"}",
		"profiles/self.json":    `{"extends": "./self.json"}`,
		"profiles/orphan.json":  "{\n\n\"extends\": [\"cluade\", \"no_such\"]}",
		"profiles/twice.json":   `{"extends": ["wrong", "alone"], "gard": {}}`,
		"profiles/wrong.json":   `{"netwrk": {}}`,
		"profiles/diamond.json": `{"extends": ["w1", "w2"]}`,
		"profiles/w1.json":      `{"extends": "wrong"}`,
		"profiles/w2.json":      `{"extends": "wrong"}`,
		"profiles/alone.json":   `{"extends": []}`,
		"profiles/route.json":   "{\"extends\": [], \"network\": {\"credentials\": [\n\"opnai\", \"openai\",\n\"other\"]}}",
		"profiles/cmd.json":     "{\"extends\": [], \"credential_capture\": {\"mint\": {\"command\": [\"x\"]}}, \"env_credentials\": {\n\"cmd://mnit\": \"A\", \"cmd://mint\": \"B\"}}",
		"profiles/open.json":    `{"extends": [], "network": {"mode": "open"}}`,
		"profiles/narrow.json":  "{\"extends\": \"open\",\n\"network\": {\"allow_hosts\": [\"a.example\"]}}",
		"profiles/env.json":     `{"extends": [], "env_credentials": {"a_key": "A"}}`,
		"profiles/set.json":     "{\"extends\": \"env\",\n\"environment\": {\"set_vars\": {\"A\": \"1\"}}}",
		"profiles/leak.json":    `{"extends": [], "env_credentials": {"a_key": "A_KEY"}, "network": {"custom_credentials": {"a": {"upstream": "https://a.example", "credential_key": "a_key", "env_var": "A_KEY"}}, "credentials": ["a"]}}`,
		"profiles/large.json":   strings.Repeat(" ", 1<<20+1),
	})
	if err := syscall.Mkfifo(dir+"/pipe.json", 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, want string }{
		{"ring", "D/round.json:2: extends: goes in a circle: ring → round → ring\n"},
		{"self", "D/self.json:1: extends: goes in a circle: self → D/self.json\n"},
		{"orphan", "D/orphan.json:3: extends: no profile is named \"cluade\"\n\tdid you mean \"claude\"?\n" +
			"D/orphan.json:3: extends: no profile is named \"no_such\"\n\tthere are: "},
		{"twice", "D/twice.json:1: unknown key \"gard\"\n\tdid you mean \"guard\"?\n"},
		{"diamond", "D/wrong.json:1: unknown key \"netwrk\"\n\tdid you mean \"network\"?\n"}, // once
		{"route", "D/route.json:2: network.credentials: no route is named \"opnai\"\n\tdid you mean \"openai\"?\n" +
			"D/route.json:3: network.credentials: no route is named \"other\"\n\tdeclare it under custom_credentials; built in are openai, anthropic, gemini, github, gitlab\n"},
		{"cmd", "D/cmd.json:2: env_credentials: credential_capture has no command named \"mnit\"\n\tdid you mean \"mint\"?\n"},
		{"narrow", "D/narrow.json:2: network.allow_hosts: does nothing where the network is open\n\tset \"mode\": \"proxy\", where only these are allowed, or leave it out\n"},
		{"set", "D/set.json:2: environment.set_vars: \"A\" is set already, by env_credentials at D/env.json:1\n\tone of them would be lost; use another variable\n"},
		{"leak", "D/leak.json:1: network.credentials: \"A_KEY\" is set already, by env_credentials at D/leak.json:1\n\tone of them would be lost; use another variable\n"},
		{"large", "D/large.json: the file is larger than 1 MiB\n"},
		{"cluade", "profile \"cluade\": not found\n\tdid you mean \"claude\"?\n"},
		{"./no/such.json", "./no/such.json: no such file or directory\n"},
		{dir + "/pipe.json", "D/../pipe.json: not a regular file\n"},
		{dir + "/", "D/../: not a regular file\n"},
	} {
		p, err := Load(c.name, dir)
		if err == nil || p != nil {
			t.Errorf("%s: loaded", c.name)
			continue
		}
		got := report(t, err)
		want := strings.ReplaceAll(strings.ReplaceAll(c.want, "D/..", dir), "D", dir+"/profiles")
		if got != want && !(strings.HasSuffix(want, ": ") && strings.HasPrefix(got, want)) {
			t.Errorf("%s:\ngot\n%swant\n%s", c.name, got, want)
		}
	}
	for _, missing := range []string{"no_such", "./no/such.json"} {
		if _, err := Load(missing, dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v is no fs.ErrNotExist", missing, err)
		}
	}
}

func TestALongLineOfParentsEnds(t *testing.T) {
	files := map[string]string{}
	for i := range 30 {
		files["profiles/p"+string(rune('a'+i))+".json"] = `{"extends": "p` + string(rune('a'+i+1)) + `"}`
	}
	dir := tree(t, files)
	_, err := Load("pa", dir)
	if want := "more than 16 generations or 64 files"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

func TestSelect(t *testing.T) {
	for command, want := range map[string]string{
		"claude": "claude", "/usr/local/bin/claude": "claude", "./claude": "claude",
		"claude-x": "default", "sh": "default", "default": "default", "": "default", "filesystem": "default", `"`: "default",
	} {
		if got := Select(command); got != want {
			t.Errorf("Select(%q) = %q, want %q", command, got, want)
		}
	}
}

func TestMerge(t *testing.T) {
	for _, c := range []struct{ name, parent, child, want string }{
		{"lists are joined, and nothing comes twice",
			`{"filesystem": {"read": ["/a", "/b"], "deny": ["/d"]}, "commands": ["p"]}`,
			`{"filesystem": {"read": ["/b", "/c"], "allow": ["/d"]}}`,
			`{"filesystem": {"read": ["/a", "/b", "/c"], "deny": ["/d"], "allow": ["/d"]}}`},
		{"another condition is another rule",
			`{"filesystem": {"read": [{"path": "/a", "when": "linux"}]}}`,
			`{"filesystem": {"read": [{"path": "/a", "when": ["linux"], "why": "not again"}, "/a"]}}`,
			`{"filesystem": {"read": [{"path": "/a", "when": "linux"}, "/a"]}}`},
		{"single values are the child's",
			`{"meta": {"name": "p", "version": "1"}, "guard": {"mode": "block", "exempt": ["a"]}, "network": {"mode": "proxy", "network_profile": "x"}}`,
			`{"meta": {"name": "c"}, "guard": {"mode": "off", "exempt": ["b"]}, "network": {"network_profile": "y"}}`,
			`{"meta": {"name": "c"}, "guard": {"mode": "off", "exempt": ["a", "b"]}, "network": {"mode": "proxy", "network_profile": "y"}}`},
		{"and the parent's where the child has none",
			`{"guard": {"mode": "block"}, "network": {"mode": "blocked", "deny_hosts": ["a.example"]}}`, `{}`,
			`{"guard": {"mode": "block"}, "network": {"mode": "blocked", "deny_hosts": ["a.example"]}}`},
		{"a variable is filled by the child",
			`{"env_credentials": {"a_key": "A", "b_key": "B"}, "environment": {"set_vars": {"X": "1", "Y": "1"}}}`,
			`{"env_credentials": {"c_key": "A"}, "environment": {"set_vars": {"Y": "2"}}}`,
			`{"env_credentials": {"b_key": "B", "c_key": "A"}, "environment": {"set_vars": {"X": "1", "Y": "2"}}}`},
		{"a route is the child's as a whole",
			`{"network": {"custom_credentials": {"r": {"upstream": "https://a.example", "credential_key": "a_key", "optional": true}, "s": {"upstream": "https://s.example", "credential_key": "s_key"}}}}`,
			`{"network": {"custom_credentials": {"r": {"upstream": "https://b.example", "credential_key": "b_key"}}}}`,
			`{"network": {"custom_credentials": {"r": {"upstream": "https://b.example", "credential_key": "b_key"}, "s": {"upstream": "https://s.example", "credential_key": "s_key"}}}}`},
		{"a child that blocks drops what it inherits",
			`{"network": {"mode": "proxy", "network_profile": "x", "allow_hosts": ["a.example"], "credentials": ["openai"], "allow_ports": [80]}}`,
			`{"network": {"mode": "blocked"}}`, `{"network": {"mode": "blocked", "allow_ports": [80]}}`},
		{"a child that opens keeps the routes",
			`{"network": {"network_profile": "x", "allow_hosts": ["a.example"], "deny_hosts": ["b.example"], "credentials": ["openai"]}}`,
			`{"network": {"mode": "open"}}`, `{"network": {"mode": "open", "deny_hosts": ["b.example"], "credentials": ["openai"]}}`},
		{"arguments are words, not a set", `{"command_args": ["-c", "a"]}`, `{"command_args": ["-c", "b"]}`, `{"command_args": ["-c", "a", "-c", "b"]}`},
		{"captures", `{"credential_capture": {"a": {"command": ["x"]}}}`, `{"credential_capture": {"b": {"command": ["y"]}}}`,
			`{"credential_capture": {"a": {"command": ["x"]}, "b": {"command": ["y"]}}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			parent, child := parse(t, c.parent), parse(t, c.child)
			got := bare(Merge(parent, child))
			if want := bare(parse(t, c.want)); !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
			if !reflect.DeepEqual(parent, parse(t, c.parent)) || !reflect.DeepEqual(child, parse(t, c.child)) {
				t.Error("Merge changed what it was given")
			}
		})
	}
}

func TestMergedRulesKeepTheirOrigin(t *testing.T) {
	parent, _ := Parse("parent", []byte("{\n\"guard\": {\"mode\": \"block\"}, \"filesystem\": {\"read\": [\"/a\"]}}"))
	child, _ := Parse("child", []byte("{\n\n\"network\": {\"mode\": \"blocked\"}, \"filesystem\": {\"read\": [\"/a\", \"/b\"]}}"))
	p := Merge(parent, child)
	for _, c := range []struct{ got, want string }{
		{p.Guard.ModeWhy.String(), "parent:2"},
		{p.Network.ModeWhy.String(), "child:3"},
		{p.Filesystem.Read[0].Why.String(), "parent:2"},
		{p.Filesystem.Read[1].Why.String(), "child:3"},
	} {
		if c.got != c.want {
			t.Errorf("got %s, want %s", c.got, c.want)
		}
	}
}
