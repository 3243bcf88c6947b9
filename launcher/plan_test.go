package launcher

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ward/profiles"
	"ward/sandbox"
	"ward/secrets"
)

// host is a machine with a home and a project in it.
func host(root string, environ ...string) Host {
	home := filepath.Join(root, "home")
	return Host{OS: "linux", Home: home, WorkDir: filepath.Join(home, "project"), Environ: append([]string{"PATH=/usr/bin:/bin"}, environ...),
		State: home + "/.local/state/ward", Own: []string{home + "/.config/ward", home + "/.local/share/ward", home + "/.local/state/ward"}}
}

// load reads a profile from text.
func load(t *testing.T, text string) *profiles.Profile {
	t.Helper()
	file := filepath.Join(t.TempDir(), "p.json")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := profiles.Load(file, "")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func plan(t *testing.T, text string, o Options, h Host) *Plan {
	t.Helper()
	if o.Argv == nil {
		o.Argv = []string{"sh"}
	}
	p, err := NewPlan(load(t, text), o, h)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const bare = `{"extends": [], "environment": {"allow_vars": ["PATH"]}}`

// TestMasks: what stays closed inside what is open, in the order deny, credentials, ward's own, protect.
func TestMasks(t *testing.T) {
	root := tree(t, "home/.ssh/id_ed25519", "home/.ssh/known_hosts", "home/.ssh/deep/er", "home/.ssh/link -> known_hosts", "home/.aws/credentials",
		"home/.config/ward/config.json", "home/project/.git/hooks/x", "home/project/.git/config", "home/project/a/b/c", "home/project/secret -> a/b", "home/other/")
	for _, c := range []struct {
		name    string
		profile string
		want    []string // "hidden PATH" or "fixed PATH", below home; only those inside something open
	}{
		{"nothing is open", `{}`, nil},
		{"the project", `{"allow": ["~/project"], "protect": [".git/hooks", ".git/config", "missing"]}`, []string{"fixed project/.git/hooks", "fixed project/.git/config"}},
		{"unprotected", `{"allow": ["~/project"], "protect": [".git/hooks", ".git/config"], "unprotect": [".git/hooks"]}`, []string{"fixed project/.git/config"}},
		{"denied", `{"allow": ["~/project"], "deny": ["~/project/a", "~/project/missing"]}`, []string{"hidden project/a"}},
		{"denied by a link", `{"allow": ["~/project"], "deny": ["~/project/secret"]}`, []string{"hidden project/a/b", "hidden project/secret"}},
		{"open inside what is denied", `{"allow": ["~/project", "~/project/a/b/c"], "deny": ["~/project/a"]}`, []string{"fixed project/a"}},
		{"the whole home", `{"read": ["~"]}`, []string{"hidden .aws", "hidden .config/ward", "hidden .ssh"}},
		{"a credential by its name", `{"read": ["~", "~/.ssh"]}`, []string{"hidden .aws", "hidden .config/ward"}},
		{"a file below a credential", `{"read": ["~", "~/.ssh/known_hosts"]}`,
			[]string{"hidden .aws", "hidden .config/ward", "hidden .ssh/deep", "hidden .ssh/id_ed25519"}},
		{"a credential that is denied too", `{"read": ["~", "~/.ssh"], "deny": ["~/.ssh"]}`, []string{"hidden .aws", "hidden .config/ward", "hidden .ssh"}},
	} {
		p := plan(t, `{"extends": [], "environment": {"allow_vars": ["PATH"]}, "filesystem": `+c.profile+`}`, Options{}, host(root))
		var got []string
		for _, m := range p.Policy.Inside() {
			what := "hidden "
			if m.Fixed {
				what = "fixed "
			}
			rel, err := filepath.Rel(filepath.Join(root, "home"), m.Path)
			if err != nil {
				t.Fatal(err)
			}
			if m.Why == "" {
				t.Errorf("%s: %s has no reason", c.name, rel)
			}
			if !slices.Contains(got, what+rel) {
				got = append(got, what+rel)
			}
		}
		slices.Sort(got)
		slices.Sort(c.want)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q\nwant %q", c.name, got, c.want)
		}
	}
}

// TestOwnFiles: no grant opens ward's own files, and where the command could make them, they are made first.
func TestOwnFiles(t *testing.T) {
	root := tree(t, "home/project/", "home/.local/share/ward/vault/", "home/link -> .local/share/ward")
	for _, path := range []string{"~/.local/share/ward", "~/.local/share/ward/vault", "~/link"} {
		_, err := NewPlan(load(t, `{"extends": [], "filesystem": {"read": ["`+path+`"]}, "environment": {"allow_vars": ["PATH"]}}`), Options{Argv: []string{"sh"}}, host(root))
		if err == nil || !strings.Contains(err.Error(), "ward's own files") {
			t.Errorf("%s: %v", path, err)
		}
	}
	p := plan(t, `{"extends": [], "filesystem": {"allow": ["~"]}, "environment": {"allow_vars": ["PATH"]}}`, Options{}, host(root))
	var made []string
	for _, c := range p.create {
		made = append(made, strings.TrimPrefix(c.path, root))
	}
	if want := []string{"/home/.config/ward", "/home/.local/state/ward"}; !slices.Equal(made, want) {
		t.Errorf("made before the launch: %q, want %q", made, want)
	}
	if _, err := os.Stat(filepath.Join(root, "home/.config")); err == nil {
		t.Error("the plan already made it")
	}
	if err := p.prepare(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(root, "home/.config/ward")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
}

// TestEnvironment: one table of what becomes of a variable.
func TestEnvironment(t *testing.T) {
	root := tree(t, "home/project/")
	token := secrets.Ref{Scheme: "env", Path: "SOURCE"}
	h := host(root, "KEPT=1", "GONE=2", "SOURCE=3", "TOKEN=4", "TMPDIR=/x", "WARD_KEPT=5", "WARD=0", "SET=old", "=odd", "odd", "PRE_A=6", "PRE_SECRET=7")
	p := plan(t, `{"extends": [], "environment": {"allow_vars": ["PATH", "KEPT", "SOURCE", "TOKEN", "TMPDIR", "WARD*", "SET", "PRE_*"], "set_vars": {"SET": "new $HOME"}}}`,
		Options{SetVars: map[string]string{"FLAG": "$HOME stays"}, Credentials: []Credential{{Ref: token, Var: "TOKEN", Why: "--env-credential-map"}}}, h)
	got := map[string]string{}
	for _, v := range p.Environment {
		got[v.Name] = v.Value
		if v.Why == "" {
			t.Errorf("%s has no reason", v.Name)
		}
	}
	want := map[string]string{"PATH": "/usr/bin:/bin", "KEPT": "1", "TMPDIR": "/tmp", "SET": "new " + h.Home, "FLAG": "$HOME stays", "PRE_A": "6", "WARD": "1"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("environment = %v\nwant %v", got, want)
	}
	if want := []string{"SOURCE", "WARD_VAULT_PASSPHRASE", "WARD_VAULT_PASSPHRASE_FILE"}; !slices.Equal(p.wipe, want) {
		t.Errorf("overwritten: %q, want %q", p.wipe, want)
	}
	if !slices.ContainsFunc(p.Warnings, func(s string) bool { return strings.HasPrefix(s, "SOURCE is the source of a credential") }) {
		t.Errorf("warnings = %q", p.Warnings)
	}
}

// TestSources: one variable has one source; a flag's beats the profile's.
func TestSources(t *testing.T) {
	root := tree(t, "home/project/")
	flag := Credential{Ref: secrets.Ref{Scheme: "env", Path: "B"}, Var: "TOKEN", Why: "--env-credential-map"}
	for _, c := range []struct {
		profile string
		flags   []Credential
		want    string
	}{
		{`{"env://A": "TOKEN"}`, nil, "env://A"},
		{`{"env://A": "TOKEN"}`, []Credential{flag}, "env://B"},
	} {
		p := plan(t, `{"extends": [], "environment": {"allow_vars": ["PATH"]}, "env_credentials": `+c.profile+`}`, Options{Credentials: c.flags}, host(root))
		if len(p.Credentials) != 1 || p.Credentials[0].Ref.String() != c.want {
			t.Errorf("%s: %+v, want %s", c.profile, p.Credentials, c.want)
		}
	}
}

func TestTerminal(t *testing.T) {
	all, none := [3]bool{true, true, true}, [3]bool{}
	for _, c := range []struct {
		pty   string
		tty   [3]bool
		front bool
		want  Terminal
	}{
		{"", all, true, Terminal{PTY: all, Raw: true}},
		{"auto", all, false, Terminal{PTY: all}},
		{"auto", [3]bool{true, true, false}, true, Terminal{PTY: [3]bool{true, true, false}, Raw: true}},
		{"auto", [3]bool{true, false, true}, true, Terminal{PTY: [3]bool{false, false, true}}}, // before less: no keys are taken
		{"auto", [3]bool{false, true, true}, true, Terminal{PTY: [3]bool{false, true, true}}},
		{"auto", none, false, Terminal{}},
		{"always", none, false, Terminal{PTY: [3]bool{false, true, true}}},
		{"always", all, true, Terminal{PTY: all, Raw: true}},
		{"always", [3]bool{true, false, false}, true, Terminal{PTY: all}},
		{"never", all, true, Terminal{}},
	} {
		var p Plan
		if err := p.terminal(Options{PTY: c.pty}, Host{TTY: c.tty, Foreground: c.front}); err != nil || p.Terminal != c.want {
			t.Errorf("%s %v: %+v, %v; want %+v", c.pty, c.tty, p.Terminal, err, c.want)
		}
	}
	if err := new(Plan).terminal(Options{PTY: "maybe"}, Host{}); err == nil {
		t.Error("--pty maybe was taken")
	}
}

func TestResolvers(t *testing.T) {
	for text, want := range map[string]string{
		"":                                "[127.0.0.1]",
		"search x\nnameserver 10.0.0.1\n": "[10.0.0.1]",
		"nameserver fe80::1%eth0\n nameserver\t::ffff:8.8.8.8 # c\nnameserver\nnameserver x\n#nameserver 1.1.1.1\n": "[fe80::1 8.8.8.8]",
	} {
		file := filepath.Join(t.TempDir(), "resolv.conf")
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(resolvers(file)); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	if got := resolvers("/no/such/file"); !slices.Equal(got, []netip.Addr{netip.MustParseAddr("127.0.0.1")}) {
		t.Errorf("no file: %v", got)
	}
}

func TestQuote(t *testing.T) {
	for s, want := range map[string]string{
		"plain-1.2/x_y,z=:@%+": "plain-1.2/x_y,z=:@%+",
		"":                     `""`,
		"a b":                  `"a b"`,
		"$(id)":                `"$(id)"`,
		"*":                    `"*"`,
		"\x1b[31m":             `"\x1b[31m"`,
		"é":                    `"é"`,
		"\xff":                 `"\xff"`,
		"a\nb":                 `"a\nb"`,
		"~":                    `"~"`,
		`"`:                    `"\""`,
	} {
		if got := quote(s); got != want {
			t.Errorf("%q: %s, want %s", s, got, want)
		}
	}
}

// TestMistakesTogether: what is wrong in different places is said at once, each with its hint.
func TestMistakesTogether(t *testing.T) {
	root := tree(t, "home/project/")
	_, err := NewPlan(load(t, bare), Options{Argv: []string{"no-such-command"}, Allow: []string{"/no/such"}, Protect: []string{root + "/home"},
		Unprotect: []string{root + "/home/project"}, WorkDir: filepath.Join(root, "home"), AllowCWD: true}, host(root))
	var said []string
	for _, e := range Parts(err) {
		if hintOf(e) == "" {
			t.Errorf("%v: no hint", e)
		}
		said = append(said, strings.ReplaceAll(e.Error(), root, ""))
	}
	want := []string{"--allow-cwd: /home holds the home directory", "no-such-command: command not found", "--allow: /no/such: no such file or directory",
		"--unprotect: /home/project: is protected as a part of /home"}
	if !slices.Equal(said, want) {
		t.Errorf("said %q\nwant %q", said, want)
	}
}

// TestUnprotectedInVain: what lifts no protection is said, with what is protected inside.
func TestUnprotectedInVain(t *testing.T) {
	root := tree(t, "home/project/.git/hooks/", "home/project/other/")
	at := func(name string) string { return root + "/home/project/" + name }
	for _, c := range []struct {
		unprotect string
		want      []string
	}{
		{".git/hooks", nil},
		{".git", []string{"--unprotect: .git: is not protected itself; what is, in it: .git/config, .git/hooks"}},
		{"other", []string{"--unprotect: other: is not protected itself"}},
	} {
		p, err := NewPlan(load(t, bare), Options{Argv: []string{"true"}, AllowCWD: true, WorkDir: root + "/home/project",
			Protect: []string{at(".git/config"), at(".git/hooks")}, Unprotect: []string{at(c.unprotect)}}, host(root))
		if err != nil {
			t.Fatal(err)
		}
		var said []string
		for _, s := range p.Warnings {
			if strings.HasPrefix(s, "--unprotect") {
				said = append(said, strings.ReplaceAll(s, at(""), ""))
			}
		}
		if !slices.Equal(said, c.want) {
			t.Errorf("%s: said %q, want %q", c.unprotect, said, c.want)
		}
	}
}

// TestMissingPaths: a path that the command line closes and that is not there may be mistyped, so it is said. A profile
// names what is on other machines, too.
func TestMissingPaths(t *testing.T) {
	root := tree(t, "home/project/there")
	at := func(name string) string { return root + "/home/project/" + name }
	p, err := NewPlan(load(t, `{"filesystem": {"deny": ["`+at("elsewhere")+`"]}}`), Options{Argv: []string{"true"}, AllowCWD: true, WorkDir: root + "/home/project",
		Deny: []string{at("there"), at("their")}, Protect: []string{at("there"), at("ther")}}, host(root))
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, s := range p.Warnings {
		if strings.Contains(s, root) {
			said = append(said, strings.ReplaceAll(s, at(""), ""))
		}
	}
	want := []string{"--deny: their: is not there, and is open if it is made", "--protect: ther: is not there, and is open if it is made"}
	if !slices.Equal(said, want) {
		t.Errorf("said %q\nwant %q", said, want)
	}
}

// TestOwnProgram: where ward's own program lies in what the command may write, it stays as it is, unless somebody says
// otherwise.
func TestOwnProgram(t *testing.T) {
	root := tree(t, "home/project/ward", "home/bin/ward")
	for _, c := range []struct {
		self, lifted string
		want         bool
	}{{"home/project/ward", "", false}, {"home/project/ward", "home/project/ward", true}, {"home/bin/ward", "", false}} {
		h := host(root)
		h.Self = filepath.Join(root, c.self)
		o := Options{AllowCWD: true}
		if c.lifted != "" {
			o.Unprotect = []string{filepath.Join(root, c.lifted)}
		}
		p := plan(t, bare, o, h)
		if !p.Policy.Explain(h.Self, sandbox.Read).Allowed || p.Policy.Explain(h.Self, sandbox.Write).Allowed != c.want {
			t.Errorf("%+v: %+v", c, p.Policy.Masks)
		}
		if beside := h.Self + "2"; p.Policy.Explain(beside, sandbox.Write).Allowed != (c.self == "home/project/ward") {
			t.Errorf("%+v: beside it: %+v", c, p.Policy.Explain(beside, sandbox.Write))
		}
	}
}

// TestScratchMasked: the launches' directory is closed where the command could write in it, and only there: inside another
// launch, whose /tmp has it, nothing can be mounted.
func TestScratchMasked(t *testing.T) {
	root := tree(t, "home/project/tmp/", "home/other/")
	for _, c := range []struct {
		tmp    string
		nested bool
		want   int
	}{{"home/project/tmp", false, 1}, {"home/project/tmp", true, 0}, {"home/other", false, 0}} {
		t.Setenv("TMPDIR", filepath.Join(root, c.tmp))
		h := host(root)
		h.Nested = c.nested
		p := plan(t, bare, Options{AllowCWD: true}, h)
		masks := slices.DeleteFunc(p.Policy.Masks, func(m sandbox.Mask) bool { return m.Path != scratchBase() || m.Fixed })
		if len(masks) != c.want {
			t.Errorf("%+v: %+v", c, masks)
		}
	}
}

// TestPlanJSON: the plan that machines read says what the one for people says.
func TestPlanJSON(t *testing.T) {
	root := tree(t, "home/project/")
	p := plan(t, bare, Options{AllowCWD: true, AllowPorts: []uint16{8080}, BlockNet: true}, host(root))
	data, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var back struct {
		Network string
		Ports   []uint16
		Files   []struct{ Path, Access, Why string }
	}
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := p.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	if back.Network != "blocked" || !slices.Equal(back.Ports, []uint16{8080}) || !strings.Contains(text.String(), "network    blocked; loopback ports 8080\n") {
		t.Errorf("network: %s %v\n%s", back.Network, back.Ports, &text)
	}
	for _, f := range back.Files {
		if !strings.Contains(text.String(), f.Path) || !strings.Contains(text.String(), "("+f.Why+")") || f.Access == "" {
			t.Errorf("%+v is not in\n%s", f, &text)
		}
	}
	if !slices.ContainsFunc(p.Policy.Rules, func(r sandbox.Rule) bool { return r.Path == p.Dir && r.Access == sandbox.Read|sandbox.Write }) {
		t.Errorf("--allow-cwd: %+v", p.Policy.Rules)
	}
}
