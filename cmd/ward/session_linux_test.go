package main_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"ward/secrets"
)

const vaultPassphrase = "correct horse battery"

// atSecrets gives the person a directory for sockets, and a vault with secrets in it, by name.
func (p *person) atSecrets(t *testing.T, values map[string]string) {
	t.Helper()
	run := filepath.Join(p.home, "run")
	if err := errors.Join(os.Mkdir(run, 0o700), os.Chown(run, p.uid, p.uid)); err != nil {
		t.Fatal(err)
	}
	p.env = append(p.env, "XDG_RUNTIME_DIR="+run)
	for name, value := range values {
		set := p.command(t, p.ward, "set", name, "--stdin")
		set.Env = append(set.Env, "WARD_VAULT_PASSPHRASE="+vaultPassphrase)
		set.Stdin = strings.NewReader(value)
		if o := end(t, set); o.code != 0 {
			t.Fatalf("ward set %s: %+v", name, o)
		}
	}
}

// strict marks a secret as one that is asked for every time.
func (p *person) strict(t *testing.T, name string) {
	t.Helper()
	data := filepath.Join(p.home, ".local", "share", "ward")
	index := secrets.Index{Path: filepath.Join(data, "index.json")}
	if err := index.Update(t.Context(), name, func(m *secrets.Meta) error { m.Strict = true; return nil }); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(data, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Chown(path, p.uid, p.uid))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// shell is a person's shell at a terminal.
type shellAt struct {
	*terminal
	at int
}

func (p *person) shellAt(t *testing.T) *shellAt {
	t.Helper()
	cmd := p.command(t, "bash", "--norc", "--noprofile", "-i")
	cmd.Env = append(cmd.Env, "PS1="+ready, "W="+p.ward, "HISTFILE=")
	return &shellAt{terminal: p.atTerminal(t, cmd)}
}

const ready = "ready: "

// does types a command once the shell is there for it, and waits for what comes of it, behind the line itself.
func (s *shellAt) does(t *testing.T, line, want string) {
	t.Helper()
	s.at = s.await(t, s.at, ready)
	s.answers(t, line, want)
}

// answers types what a command asked for.
func (s *shellAt) answers(t *testing.T, line, want string) {
	t.Helper()
	s.press(t, line+"\n")
	s.at = s.await(t, s.at, "\n") // the line, as the terminal echoes it
	s.at = s.await(t, s.at, want)
}

func sum(value string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(value))) }

// waiting are the sessions and hand-offs of the person: each removes what it has there when it ends.
func (p *person) waiting(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(p.home, "run", "ward", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestUnlock: at a terminal the vault's passphrase is asked for once, and neither get nor run asks again, until the
// session ends: by lock, or with the terminal.
func TestUnlock(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		token, other := secretValue(), secretValue()
		p.atSecrets(t, map[string]string{"acme/api/token": token, "acme/api/strict": other, "beta/x": other, "acme/apiary": other})
		p.strict(t, "acme/api/strict")
		s := p.shellAt(t)
		// What the environment has proves nobody's presence.
		s.does(t, "WARD_VAULT_PASSPHRASE='"+vaultPassphrase+"' $W unlock acme/api --for 1m", "Passphrase of ward's vault")
		s.answers(t, vaultPassphrase, "unlocked acme/api in this terminal: acme/api/token, until")
		s.at = s.await(t, s.at, "since strict or not in the index: acme/api/strict")
		s.does(t, "$W get acme/api/token --raw | sha256sum", sum(token))
		s.does(t, `(bash -c "$W get acme/api/token --raw | sha256sum; :"); :`, sum(token))
		s.does(t, `eval "$($W get acme/api/token)"; printf %s "$TOKEN" | sha256sum`, sum(token))
		s.does(t, `$W run --silent --env-credential acme/api/token -- sh -c 'printf %s "$TOKEN" | sha256sum'`, sum(token))
		s.does(t, `$W run --silent --allow "$XDG_RUNTIME_DIR" --allow-unix-socket "$XDG_RUNTIME_DIR/**" -- sh -c 'echo inside $(ls -A ../run/ward | wc -l)'`, "inside 0")
		for _, asked := range []string{"beta/x", "acme/apiary", "acme/api/strict"} {
			s.does(t, "$W get "+asked+" --raw | sha256sum", "Passphrase of ward's vault")
			s.press(t, "\x03")
		}
		s.does(t, "$W lock", "locked acme/api")
		s.does(t, "$W get acme/api/token --raw | sha256sum", "Passphrase of ward's vault")
		s.press(t, "\x03")
		s.does(t, "$W unlock acme/api", "Passphrase")
		s.answers(t, vaultPassphrase, "unlocked acme/api")
		if all := p.waiting(t); len(all) != 1 || !strings.HasPrefix(filepath.Base(all[0]), "session-") {
			t.Errorf("in the background there are %q, want one session", all)
		}
		if got := end(t, p.command(t, p.ward, "get", "acme/api/token", "--raw")); got.code == 0 || strings.Contains(got.stdout, token) {
			t.Errorf("outside of the terminal: %+v", got)
		}
		s.at = s.await(t, s.at, ready)
		s.press(t, "exit\n")
		if code := s.code(t); code != 0 && code != 130 {
			t.Errorf("the shell ended with %d", code)
		}
		until(t, "the session ends with its terminal", func() bool { return len(p.waiting(t)) == 0 })
	})
}

// TestUnlockKeyring: a keyring is open already, so a number has to be typed, and not from a pipe.
func TestUnlockKeyring(t *testing.T) {
	p := one(t)
	p.keyring(t)
	value := secretValue()
	set := p.command(t, p.ward, "set", "acme/token", "--stdin")
	set.Stdin = strings.NewReader(value)
	if o := end(t, set); o.code != 0 {
		t.Fatalf("ward set: %+v", o)
	}
	s := p.shellAt(t)
	s.does(t, "yes | $W unlock acme --for 1m", "to agree: ")
	s.press(t, "1\n")
	s.at = s.await(t, s.at, "another number was typed")
	s.does(t, "$W get acme/token >/dev/null; $W lock", "nothing was unlocked")
	from := s.at
	s.does(t, "$W unlock acme --for 1m", "to agree: ")
	number := regexp.MustCompile(`type (\d{4}) to agree`).FindStringSubmatch(s.shown()[from:])
	s.answers(t, number[1], "unlocked acme in this terminal: acme/token, until")
	s.does(t, "$W get acme/token --raw | sha256sum", sum(value))
	s.does(t, "$W lock --all", "locked acme")
}

// TestUnlockRefused: an agent, a pipe, and what there is not to unlock.
func TestUnlockRefused(t *testing.T) {
	p := one(t)
	p.atSecrets(t, map[string]string{"acme/api/token": secretValue()})
	for _, c := range []struct {
		args, env []string
		code      int
		says      string
	}{
		{[]string{"unlock", "acme"}, nil, 1, "there is no terminal to bind a session to"},
		{[]string{"unlock", "acme"}, []string{"CLAUDECODE=1"}, 77, "unlock: refused to Claude Code"},
		{[]string{"unlock", "acme", "--for", "0s"}, nil, 1, "--for 0s: not between"},
		{[]string{"unlock", "acme", "--for", "10000h"}, nil, 1, "not between 1s and 168h0m0s"},
		{[]string{"unlock", "../acme"}, nil, 1, "cannot be parts of it"},
		{[]string{"unlock", "op://x/y/z"}, nil, 1, "is a reference, and a name is wanted"},
		{[]string{"unlock"}, nil, 2, "expected \"<prefix>\""},
		{[]string{"lock"}, nil, 0, "nothing was unlocked"},
	} {
		cmd := p.command(t, append([]string{p.ward}, c.args...)...)
		cmd.Env = append(cmd.Env, append(c.env, "WARD_VAULT_PASSPHRASE="+vaultPassphrase)...)
		cmd.SysProcAttr.Setpgid, cmd.SysProcAttr.Setsid = false, true
		cmd.Stdin = strings.NewReader(vaultPassphrase + "\n")
		if got := end(t, cmd); got.code != c.code || !strings.Contains(got.stderr, c.says) || got.stdout != "" {
			t.Errorf("%q: %+v; want exit %d and %q", c.args, got, c.code, c.says)
		}
	}
	s := p.shellAt(t)
	s.does(t, "$W unlock acme/ap", "nothing to unlock there")
	s.does(t, "$W unlock acme", "Passphrase")
	s.answers(t, "wrong", "wrong passphrase")
	if all := p.waiting(t); len(all) > 0 {
		t.Errorf("in the background there are %q, want nothing", all)
	}
}

// TestGetAgent: what an agent types puts the value into its shell, and nothing of it on stdout or stderr.
func TestGetAgent(t *testing.T) {
	for _, name := range []string{"bash", "dash", "zsh"} {
		needs(t, name)
	}
	asEach(t, func(t *testing.T, p *person) {
		value := secretValue()
		p.atSecrets(t, map[string]string{"acme/api/token": value})
		agent := filepath.Join(p.home, "codex")
		link(t, p, agent)
		for _, sh := range []string{"bash", "dash", "zsh"} {
			script := `eval "$($W get acme/api/token)" || exit 9; printf %s "$TOKEN" | sha256sum; $W get acme/api/token | sed 1q >&2`
			cmd := p.command(t, agent, "-c", "exec 3>&-; "+sh+" -c '"+script+"'; exit $?")
			cmd.Env = append(cmd.Env, "W="+p.ward, "WARD_VAULT_PASSPHRASE="+vaultPassphrase)
			cmd.SysProcAttr.Setpgid, cmd.SysProcAttr.Setsid = false, true // as the shells of agents' tools are
			got := end(t, cmd)
			if got.code != 0 || !strings.HasPrefix(got.stdout, sum(value)) {
				t.Errorf("%s: %+v", sh, got)
			}
			for what, form := range traces(value) {
				if strings.Contains(got.stdout+got.stderr, string(form)) {
					t.Errorf("%s: the %s is on its output", sh, what)
				}
			}
			raw := p.command(t, agent, "-c", sh+` -c '$W get acme/api/token --raw'; exit $?`)
			raw.Env = cmd.Env
			if got := end(t, raw); got.code != 77 || got.stdout != "" || !strings.Contains(got.stderr, "refused to Codex") {
				t.Errorf("%s, raw: %+v", sh, got)
			}
			missing := p.command(t, sh, "-c", `eval "$($W get acme/none)"; echo $?`)
			missing.Env = cmd.Env
			if got := end(t, missing); got.stdout != "1\n" || !strings.Contains(got.stderr, "not found") {
				t.Errorf("%s, what is not there: %+v", sh, got)
			}
		}
		until(t, "what nobody evaluated ends with the shell that asked", func() bool { return len(p.waiting(t)) == 0 })
	})
}

// link puts a shell under another name, as which it counts as an agent.
func link(t *testing.T, p *person, path string) {
	t.Helper()
	bash, err := exec.LookPath("/bin/bash")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(bash)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(path, data, 0o755), os.Chown(path, p.uid, p.uid)); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Access(path, 1); err != nil {
		t.Fatal(err)
	}
}
