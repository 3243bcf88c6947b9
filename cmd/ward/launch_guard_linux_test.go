package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestGuardModes: what becomes of a value in the output, and what is said of it, by mode and by a profile's exempt.
func TestGuardModes(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		value := secretValue()
		p.env = []string{"SOURCE=" + value}
		p.write(t, "exempt.json", []byte(`{"meta": {"name": "exempt"}, "guard": {"exempt": ["TOKEN"]}}`), 0o644)
		stars := "sk-" + strings.Repeat("*", 37)
		for _, c := range []struct {
			name   string
			flags  []string
			stdout string
			said   string
			code   int
		}{
			{"redact", nil, "<" + stars + ">\nend\n", "ward: masked TOKEN 1 time\n", 3},
			{"redact, silent", []string{"--silent"}, "<" + stars + ">\nend\n", "ward: masked TOKEN 1 time\n", 3},
			{"warn", []string{"--guard", "warn"}, "<" + value + ">\nend\n", "ward: saw TOKEN 1 time\n", 3},
			{"off", []string{"--guard", "off"}, "<" + value + ">\nend\n", "", 3},
			{"block", []string{"--guard", "block"}, "<" + stars + ">\n", "ward: masked TOKEN 1 time\n", 86},
			{"exempt", []string{"-p", "./exempt.json"}, "<" + value + ">\nend\n", "", 3},
		} {
			pause := ""
			if c.code == 86 {
				pause = "sleep 30; "
			}
			args := append(c.flags, "--env-credential-map", "env://SOURCE", "TOKEN", "--", "sh", "-c", `echo "<$TOKEN>"; `+pause+`echo end; exit 3`)
			got := end(t, p.run(t, args...))
			wantText(t, c.name+": stdout", got.stdout, c.stdout)
			wantText(t, c.name+": stderr", got.stderr, c.said)
			if got.code != c.code {
				t.Errorf("%s: exit %d, want %d", c.name, got.code, c.code)
			}
		}
	})
}

// TestGuardNames: a value is not in what ward itself says and records of a launch, though the command chooses the names of
// what it is refused, and of the program that asks for a secret.
func TestGuardNames(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		needs(t, "python3")
		value := secretValue()
		p.env = []string{"SOURCE=" + value}
		try := `cp "$0" "/tmp/$TOKEN" && "/tmp/$TOKEN" get OTHER; python3 -c '
import os, socket
s = socket.socket(socket.AF_UNIX)
try: s.bind("/etc/" + os.environ["TOKEN"] + "/socket")
except OSError: pass
s.bind("/usr/" + os.environ["TOKEN"])'`
		o := end(t, p.run(t, "-v", "--audit-log", "-", "--env-credential-map", "env://SOURCE", "TOKEN", "--", "sh", "-c", try, p.ward))
		for _, want := range []string{"ward: refused: bind /usr/", `"event":"get"`} {
			if !strings.Contains(o.stderr, want) {
				t.Errorf("%q is missing: %+v", want, o)
			}
		}
		for at := 3; at+8 <= len(value); at++ {
			if strings.Contains(o.stdout+o.stderr, value[at:at+8]) {
				t.Fatalf("%q of the value is in what was said: %+v", value[at:at+8], o)
			}
		}
	})
}

// TestGuardScreen: on a terminal a value is found that is painted cell by cell in another order than it is read.
func TestGuardScreen(t *testing.T) {
	p := one(t)
	p.env = []string{"SOURCE=" + secretValue()}
	paint := `printf '\033[2J'; for i in $(seq 1 2 40) $(seq 2 2 40); do
		printf '\033[5;%dH%s\033[9;1H%d' $i "$(printf %s "$TOKEN" | cut -c$i)" $i; done; printf '\033[12;1Hpainted'`
	term := p.atTerminal(t, p.run(t, "--env-credential-map", "env://SOURCE", "TOKEN", "--", "sh", "-c", paint))
	term.await(t, 0, "painted")
	if code := term.code(t); code != 0 {
		t.Errorf("exit %d", code)
	}
	shown, run := term.shown(), 0
	for i := len("sk-"); i < 40; i++ {
		if run++; strings.Contains(shown, fmt.Sprintf("\x1b[5;%dH*\x1b", i+1)) {
			run = 0
		}
		if run > 7 {
			t.Fatalf("8 characters up to number %d can be read:\n%q", i, shown)
		}
	}
	if !strings.Contains(shown, "masked TOKEN 1 time") {
		t.Errorf("not said in %q", shown)
	}
}

// TestCIMask: the values are registered with the runner of GitHub Actions, and printed for nobody else.
func TestCIMask(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		value, lines := "a%b-"+secretValue(), secretValue()+"\n  }\n"+secretValue()
		source := filepath.Join(filepath.Dir(p.home), "lines")
		if err := os.WriteFile(source, []byte(lines), 0o644); err != nil {
			t.Fatal(err)
		}
		p.env = []string{"SOURCE=" + value, "EXEMPT=" + secretValue(), "GITHUB_ACTIONS=true"}
		p.write(t, "exempt.json", []byte(`{"meta": {"name": "exempt"}, "guard": {"exempt": ["OPEN"]}}`), 0o644)
		args := []string{"-p", "./exempt.json", "--ci-mask", "--env-credential-map", "env://SOURCE", "TOKEN", "--env-credential-map", "file://" + source, "LINES",
			"--env-credential-map", "env://EXEMPT", "OPEN", "--", "sh", "-c", "echo begun >&2"}
		got := end(t, p.run(t, args...))
		first, last, _ := strings.Cut(lines, "\n  }\n")
		want := "::add-mask::a%25b-" + value[4:] + "\n::add-mask::" + first + "\n::add-mask::" + last + "\nbegun\n"
		wantText(t, "in a job", got.stderr, want)

		p.env[2] = "GITHUB_ACTIONS=false"
		got = end(t, p.run(t, args...))
		wantText(t, "elsewhere", got.stderr,
			"ward: --ci-mask: this is no job of GitHub Actions (GITHUB_ACTIONS is not true), so nothing is registered\nbegun\n")

		p.env[2] = "GITHUB_ACTIONS=true"
		file, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		cmd := p.run(t, args...)
		cmd.Stderr = file
		code := end(t, cmd).code
		said, err := os.ReadFile(file.Name())
		if err != nil || code != 125 || strings.Contains(string(said), "add-mask") || !strings.Contains(string(said), "stderr is not read by the runner") {
			t.Errorf("into a file: exit %d, %v, %d bytes", code, err, len(said))
		}
	})
}
