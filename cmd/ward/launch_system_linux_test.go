package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNoNetwork: ward opens no network socket of its own, whatever it does.
func TestNoNetwork(t *testing.T) {
	needs(t, "strace")
	asEach(t, func(t *testing.T, p *person) {
		p.env = []string{"WARD_VAULT_PASSPHRASE=" + secretValue(), "NET_SOURCE=" + secretValue()}
		// The bus that is not there is a socket all the same, so that the trace is known to show sockets.
		p.env = append(p.env, "DBUS_SESSION_BUS_ADDRESS=unix:path="+p.home+"/bus")
		for _, c := range [][]string{
			{"set", "net", "--stdin"}, {"get", "net", "--raw"}, {"ls"},
			{"run", "--allow-cwd", "--env-credential-map", "env://NET_SOURCE", "NET_TOKEN", "--env-credential", "net", "--", "true"},
		} {
			cmd := p.command(t, append([]string{"strace", "-f", "-qq", "-e", "trace=socket,socketpair,connect", "-o", "trace", p.ward}, c...)...)
			cmd.Stdin = strings.NewReader(secretValue())
			if got := end(t, cmd); got.code != 0 {
				t.Fatalf("ward %s under strace: exit %d: %s", c[0], got.code, got.stderr)
			}
			trace := p.read(t, "trace")
			if c[0] != "ls" && !strings.Contains(trace, "AF_UNIX") {
				t.Errorf("ward %s: the trace shows not even a unix socket: %s", c[0], trace)
			}
			for line := range strings.Lines(trace) {
				if strings.Contains(line, "AF_") && !strings.Contains(line, "AF_UNIX") {
					t.Errorf("ward %s: %s", c[0], line)
				}
			}
		}
	})
}

// TestSetTyped: the value is typed without echo, and the terminal has its echo back after every end of it.
func TestSetTyped(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		value := secretValue()
		p.env = []string{"WARD_VAULT_PASSPHRASE=correct horse"}
		for _, c := range []struct {
			name  string
			press string
			want  int
		}{{"typed", value + "\r", 0}, {"Ctrl-C", value[:10] + "\x03", 130}, {"Ctrl-D", "\x04", 1}, {"empty", "\r", 1}} {
			term := p.atTerminal(t, p.command(t, p.ward, "set", "typed"))
			term.await(t, 0, "typed: ")
			if term.mode(t) == term.before {
				t.Fatalf("%s: the terminal still echoes", c.name)
			}
			term.press(t, c.press)
			if code := term.code(t); code != c.want {
				t.Errorf("%s: exit %d, want %d; %q", c.name, code, c.want, term.shown())
			}
			if strings.Contains(term.shown(), value[:10]) {
				t.Errorf("%s: the value was shown: %q", c.name, term.shown())
			}
			if term.mode(t) != term.before {
				t.Errorf("%s: the terminal is left as %s", c.name, term.mode(t))
			}
		}
		wantText(t, "what is stored", end(t, p.command(t, p.ward, "get", "typed", "--raw")).stdout, value)
	})
}

// TestAskedWhileLaunching: a passphrase that a launch asks for is typed without echo, and ward ended meanwhile gives
// the echo back.
func TestAskedWhileLaunching(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		set := p.command(t, p.ward, "set", "asked", "--stdin")
		set.Env = append(set.Env, "WARD_VAULT_PASSPHRASE=correct horse")
		set.Stdin = strings.NewReader(secretValue())
		if got := end(t, set); got.code != 0 {
			t.Fatal(got.stderr)
		}
		args := []string{"--silent", "--env-credential", "asked", "--", "sh", "-c", `test -n "$ASKED" && touch started`}
		for _, c := range []struct {
			name string
			do   func(*testing.T, *terminal, int, int)
			want int
		}{
			{"Ctrl-C", key("\x03"), 125},
			{"SIGTERM", send(15), 125},
			{"SIGKILL", send(9), 1009},
			{"wrong", key("wrong\r"), 125},
			{"right", key("correct horse\r"), 0},
		} {
			term := p.atTerminal(t, p.run(t, args...))
			term.await(t, 0, ": ")
			until(t, "echo is off", func() bool { return term.mode(t) != term.before })
			c.do(t, term, term.cmd.Process.Pid, 0)
			if code := term.code(t); code != c.want {
				t.Errorf("%s: exit %d, want %d: %q", c.name, code, c.want, term.shown())
			}
			if term.mode(t) != term.before {
				t.Errorf("%s: the terminal is left as %s\nwant %s", c.name, term.mode(t), term.before)
			}
			if strings.Contains(term.shown(), "horse") {
				t.Errorf("%s: the passphrase was shown: %q", c.name, term.shown())
			}
			_, err := os.Stat(filepath.Join(p.project, "started"))
			if started := err == nil; started != (c.want == 0) {
				t.Errorf("%s: started: %v", c.name, started)
			}
		}
	})
}
