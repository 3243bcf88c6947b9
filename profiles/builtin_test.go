package profiles

import (
	"slices"
	"strings"
	"testing"
)

func expanded(t *testing.T, name, os string) (*Profile, []PathRule) {
	t.Helper()
	p, err := Load(name, "")
	if err != nil {
		t.Fatal(err)
	}
	v := Vars{OS: os, Home: "/home/u", WorkDir: "/home/u/proj", TempDir: "/tmp", UID: 1000}
	q, err := p.Expand(v)
	if err != nil {
		t.Fatal(err)
	}
	masked, err := ExpandPaths(Credentials(), v)
	if err != nil {
		t.Fatal(err)
	}
	return q, masked
}

func TestEveryBuiltinRuleHasAReason(t *testing.T) {
	if got, want := Builtins(), []string{"claude", "default"}; !slices.Equal(got, want) {
		t.Errorf("built-ins are %q, want %q", got, want)
	}
	lists := map[string][]PathRule{"credentials.json": Credentials()}
	for _, name := range Builtins() {
		p, err := Load(name, "")
		if err != nil {
			t.Fatal(err)
		}
		if p.Meta.Name != name || p.Meta.Description == "" {
			t.Errorf("%s: meta is %+v", name, p.Meta)
		}
		for _, l := range p.Filesystem.lists() {
			lists[name+" "+l.name] = *l.rules
		}
		for _, r := range slices.Concat(p.Environment.AllowVars, p.Environment.DenyVars) {
			if r.Why.Text == "" {
				t.Errorf("%s: no reason for the variable %s", name, r.Name)
			}
		}
		for v, r := range p.Environment.SetVars {
			if r.Why.Text == "" {
				t.Errorf("%s: no reason to set %s", name, v)
			}
		}
		for _, r := range p.EnvCredentials {
			if r.Why.Text == "" || !r.Optional {
				t.Errorf("%s: %s has no reason, or would stop a launch without it", name, r.Ref)
			}
		}
	}
	for where, rules := range lists {
		seen := map[PathRule]bool{}
		for _, r := range rules {
			if r.Why.Text == "" || r.Why.Line == 0 {
				t.Errorf("%s: no reason for %s", where, r.Path)
			}
			if seen[r.key()] {
				t.Errorf("%s: %s comes twice", where, r.Path)
			}
			seen[r.key()] = true
			grant := strings.HasSuffix(where, "allow") || strings.HasSuffix(where, "read") || strings.HasSuffix(where, "write")
			if grant && !r.When.Exists && r.Create == "" {
				t.Errorf("%s: a machine without %s could not launch anything", where, r.Path)
			}
		}
	}
}

// What the two profiles come to, with the credential paths masked, and with the home directory granted too.
func TestWhatBuiltinsGrant(t *testing.T) {
	const none, r, rw = "none", "read", "read and write"
	for _, c := range []struct {
		path                  string
		plain, claude, widest string // under default, under claude, under claude with --allow ~
	}{
		{"/usr/bin/git", r, r, r},
		{"/usr/include/stdio.h", r, r, r},
		{"/lib64/ld-linux-x86-64.so.2", r, r, r},
		{"/etc/passwd", r, r, r},
		{"/etc/ssl/certs/ca-certificates.crt", r, r, r},
		{"/etc/claude-code/managed-settings.json", r, r, r},
		{"/etc/ssh/ssh_config", r, r, r},
		{"/etc/shadow", none, none, none},
		{"/etc/sudoers.d/x", none, none, none},
		{"/etc/ssh/ssh_host_ed25519_key", none, none, none},
		{"/etc/ssl/private/x.key", none, none, none},
		{"/etc/NetworkManager/system-connections/x", none, none, none},
		{"/proc/self/maps", r, r, r},
		{"/sys/devices/system/cpu/online", r, r, r},
		{"/run/systemd/resolve/stub-resolv.conf", r, r, r},
		{"/run/user/1000/bus", none, none, none},
		{"/run/docker.sock", none, none, none},
		{"/root/x", none, none, none},
		{"/var/log/syslog", none, none, none},
		{"/tmp/x", none, none, none}, // the launch brings its own
		{"/dev/null", rw, rw, rw},
		{"/dev/tty", rw, rw, rw},
		{"/dev/sda", none, none, none},
		{"/dev/pts/0", none, none, none},         // the launch brings its own
		{"/home/u/proj/main.go", none, none, rw}, // granted by --allow-cwd alone
		{"/home/u/proj/.git/hooks/pre-commit", none, none, r},
		{"/home/u/proj/.git/config", none, none, r},
		{"/home/u/proj/.git/HEAD", none, none, rw},
		{"/home/u/proj/ward.json", none, none, r},
		{"/home/u/proj/.claude/settings.json", none, none, r},
		{"/home/u/.local/bin/tool", r, r, rw},
		{"/home/u/go/bin/tool", r, r, rw},
		{"/home/u/.cargo/bin/cargo", r, r, rw},
		{"/home/u/.cargo/config.toml", none, none, rw},
		{"/home/u/.cargo/credentials.toml", none, none, none},
		{"/home/u/.gitconfig", r, r, rw},
		{"/home/u/.config/git/config", r, r, rw},
		{"/home/u/.config/git/credentials", none, none, none},
		{"/home/u/.cache/go-build/x", none, none, rw},
		{"/home/u/.cache/ward-agents/go-build/x", none, rw, rw},
		{"/home/u/.ssh/id_ed25519", none, none, none},
		{"/home/u/.aws/credentials", none, none, none},
		{"/home/u/.config/gh/hosts.yml", none, none, none},
		{"/home/u/.local/share/keyrings/login.keyring", none, none, none},
		{"/home/u/.bash_history", none, none, none},
		{"/home/u/.codex/auth.json", none, none, none},
		{"/home/u/.claude/projects/x.jsonl", none, rw, rw},
		{"/home/u/.claude.json", none, rw, rw},
		{"/home/u/.claude.json.lock", none, none, rw}, // made by mkdir in the home directory
		{"/home/u/.claude/.credentials.json", none, rw, rw},
		{"/home/u/.claude/settings.json", none, r, r},
		{"/home/u/.claude/plugins/x/hooks.json", none, r, r},
		{"/home/u/.local/share/claude/versions/2", none, r, rw},
		{"/home/u/.config/ward/config.json", none, none, none},
		{"/run/user/1000/ward/x.sock", none, none, none},
	} {
		for name, want := range map[string]string{"default": c.plain, "claude": c.claude, "widest": c.widest} {
			p, masked := expanded(t, strings.Replace(name, "widest", "claude", 1), "linux")
			if len(p.Filesystem.Unprotect) > 0 {
				t.Fatal("a built-in profile lifts protections, which allowed knows nothing of")
			}
			if name == "widest" {
				p.Filesystem.Allow = append(slices.Clone(p.Filesystem.Allow), PathRule{Path: "/home/u"})
			}
			got := none
			if allowed(&p.Filesystem, c.path, masked, false) {
				got = r
			}
			if allowed(&p.Filesystem, c.path, masked, true) {
				got = rw
			}
			if got != want {
				t.Errorf("%s under %s: %s, want %s", c.path, name, got, want)
			}
		}
	}
}

// allowed says what a list of rules means, without links and without what is there. Of the rules that cover the path the
// longest counts; at equal depth deny beats protect beats a grant, and a grant beats a mask.
func allowed(f *Filesystem, path string, masked []PathRule, write bool) (yes bool) {
	longest := -1
	try := func(verdict bool, rules []PathRule) {
		for _, r := range rules {
			if (path == r.Path || strings.HasPrefix(path, r.Path+"/")) && len(r.Path) > longest {
				longest, yes = len(r.Path), verdict
			}
		}
	}
	try(false, f.Deny)
	if write {
		try(false, f.Protect)
	}
	try(true, f.Allow)
	if write {
		try(true, f.Write)
	} else {
		try(true, f.Read)
	}
	try(false, masked)
	return yes
}

func TestDefaultEnvironment(t *testing.T) {
	p, _ := expanded(t, "default", "linux")
	in := "PATH HOME USER LOGNAME SHELL PWD TERM TERM_PROGRAM TERM_PROGRAM_VERSION COLORTERM COLUMNS LINES NO_COLOR FORCE_COLOR CLICOLOR " +
		"LANG LANGUAGE LC_ALL LC_CTYPE TZ TMPDIR EDITOR VISUAL PAGER LESS MANPAGER XDG_CONFIG_HOME XDG_DATA_DIRS CI HOSTNAME SSH_TTY " +
		"NODE_EXTRA_CA_CERTS SSL_CERT_FILE SSL_CERT_DIR GOPATH GOROOT CARGO_HOME RUSTUP_HOME NVM_DIR PYENV_ROOT VIRTUAL_ENV JAVA_HOME"
	for name := range strings.FieldsSeq(in) {
		if _, ok := p.Environment.Decide(name); !ok {
			t.Errorf("%s is kept out", name)
		}
	}
	out := "AWS_SECRET_ACCESS_KEY GITHUB_TOKEN ANTHROPIC_API_KEY SSH_AUTH_SOCK DBUS_SESSION_BUS_ADDRESS XDG_RUNTIME_DIR GPG_AGENT_INFO " +
		"LD_PRELOAD NODE_OPTIONS BASH_ENV PYTHONPATH LC_MY_TOKEN XDG_SESSION_KEY WARD_VAULT_PASSPHRASE DOCKER_HOST KUBECONFIG HTTPS_PROXY"
	for name := range strings.FieldsSeq(out) {
		if r, ok := p.Environment.Decide(name); ok {
			t.Errorf("%s gets in by %q", name, r.Name)
		}
	}
	claude, _ := expanded(t, "claude", "linux")
	for name, want := range map[string]bool{"ANTHROPIC_BASE_URL": true, "CLAUDE_CODE_MAX_OUTPUT_TOKENS": true, "DISABLE_TELEMETRY": true,
		"ANTHROPIC_API_KEY": false, "ANTHROPIC_AUTH_TOKEN": false, "ANTHROPIC_CUSTOM_HEADERS": false, "CLAUDE_CODE_OAUTH_TOKEN": false} {
		if _, ok := claude.Environment.Decide(name); ok != want {
			t.Errorf("claude: %s allowed is %v", name, ok)
		}
	}
	if got := claude.Environment.SetVars["XDG_CACHE_HOME"].Value; got != "/home/u/.cache/ward-agents" {
		t.Errorf("the agents' cache is %s", got)
	}
}

func TestCredentialsPerSystem(t *testing.T) {
	for os, c := range map[string]struct{ in, out string }{
		"linux":  {"/home/u/.local/share/keyrings", "/home/u/Library/Keychains"},
		"darwin": {"/home/u/Library/Keychains", "/home/u/.local/share/keyrings"},
	} {
		_, masked := expanded(t, "default", os)
		has := func(path string) bool {
			return slices.ContainsFunc(masked, func(r PathRule) bool { return r.Path == path })
		}
		if !has(c.in) || has(c.out) || !has("/home/u/.ssh") {
			t.Errorf("%s: the list of %d is for another system", os, len(masked))
		}
	}
}

func BenchmarkLoadDefault(b *testing.B) {
	for b.Loop() {
		if _, err := Load("default", ""); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCredentials(b *testing.B) {
	for b.Loop() {
		Credentials()
	}
}
