package main_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ward/detect"
)

// fakeAgent is a shell that is a file where the agent's program would be: what detect goes by is the process table, and
// there it is that file.
func (p *person) fakeAgent(t *testing.T, agent string) string {
	t.Helper()
	file, ok := map[string]string{"cursor": "cursor-agent", "windsurf": "extensions/windsurf/bin/language_server"}[agent]
	if !ok {
		file = agent
	}
	file = filepath.Join(p.home, "agents", file)
	shell, err := os.ReadFile("/bin/dash")
	if err != nil {
		agentNeeds(t, "dash")
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, shell, 0o755)); err != nil {
		t.Fatal(err)
	}
	return file
}

// asAgent runs ward below a process that is the agent. The shell stays: it would become ward otherwise.
func (p *person) asAgent(t *testing.T, agent, stdin string, args ...string) outcome {
	t.Helper()
	cmd := p.command(t, append([]string{agent, "-c", `"$@"; exit $?`, "agent", p.ward}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	return end(t, cmd)
}

// accessCase is a command line that does what an action of the access table says.
type accessCase struct {
	action detect.Action
	args   []string
	stdin  string
}

func accessCases(dotenv, fresh string) []accessCase {
	return []accessCase{
		{detect.List, []string{"ls"}, ""},
		{detect.Peek, []string{"peek", "acme/TOKEN"}, ""},
		{detect.Get, []string{"get", "acme/TOKEN"}, ""},
		{detect.GetRaw, []string{"get", "acme/TOKEN", "--raw"}, ""},
		{detect.Set, []string{"set", fresh, "--stdin"}, "a new value of some length"},
		{detect.SetOver, []string{"set", "acme/TOKEN", "--stdin"}, "another value of some length"},
		{detect.Load, []string{"load", "acme"}, ""},
		{detect.Bundle, []string{"bundle", "deploy"}, ""},
		{detect.Export, []string{"export", "acme"}, ""},
		{detect.Remove, []string{"rm", "acme/TOKEN"}, ""},
		{detect.Move, []string{"mv", "acme/TOKEN", "acme/OTHER"}, ""},
		{detect.Rotate, []string{"rotate", "acme/TOKEN", "--stdin"}, "another value of some length"},
		{detect.Import, []string{"import", dotenv, "--prefix", fresh + "/file"}, ""},
		{detect.ImportDelete, []string{"import", dotenv, "--prefix", "x", "--delete"}, ""},
		{detect.SetOver, []string{"import", dotenv, "--prefix", "acme", "--force"}, ""},
		{detect.Unlock, []string{"unlock", "acme"}, ""},
		{detect.Lock, []string{"lock"}, ""},
		{detect.Check, []string{"check"}, ""},
		{detect.RunCredential, []string{"run", "--env-credential", "acme/TOKEN", "--", "true"}, ""},
	}
}

// The access table, as a person who reads it would try it: each command by each agent. What is refused ends with 77, a
// reason and a hint, shows nothing, and changes nothing.
func TestAccess(t *testing.T) {
	p := one(t)
	p.vault()
	value := secretValue()
	p.store(t, "acme/TOKEN", value, "--bundle", "deploy")
	dotenv := p.write(t, ".env", []byte("TOKEN=from-a-file-of-some-length\n"), 0o600)
	for _, agent := range append(detect.Agents(), "") {
		name, program := "person", "/bin/dash"
		if agent != "" {
			name, program = agent, p.fakeAgent(t, agent)
		}
		t.Run(name, func(t *testing.T) {
			if agent != "" {
				firstSeen(t, p, agent, program)
			}
			for _, c := range accessCases(dotenv, "new-"+name) {
				if agent == "" && c.action != detect.GetRaw && c.action != detect.Load {
					continue // a person may do all of it, which other tests do
				}
				o := p.asAgent(t, program, c.stdin, c.args...)
				at := slices.IndexFunc(detect.Rules(), func(r detect.Rule) bool { return r.Action == c.action })
				rule := detect.Rules()[at]
				if agent == "" || rule.Why == "" {
					if o.code != 0 {
						t.Errorf("%s: exit code %d, want 0: %s", c.args, o.code, o.stderr)
					}
					if agent != "" && strings.Contains(o.stdout+o.stderr, value[8:]) {
						t.Errorf("%s: shows the value", c.args)
					}
					continue
				}
				if o.code != 77 || !strings.Contains(o.stderr, "refused to "+detect.Title(agent)+", because "+rule.Why) || !strings.Contains(o.stderr, "\n      "+rule.Hint) {
					t.Errorf("%s: exit code %d, want 77, a reason and a hint: %s", c.args, o.code, o.stderr)
				}
				if strings.Contains(o.stdout+o.stderr, value[8:]) || strings.Contains(o.stdout, "export") {
					t.Errorf("%s: shows the value: %q", c.args, o.stdout)
				}
			}
			o := end(t, p.command(t, p.ward, "get", "acme/TOKEN", "--raw"))
			if o.stdout != value || p.read(t, ".env") == "" {
				t.Errorf("something was changed by what was refused: %d bytes, %s", len(o.stdout), o.stderr)
			}
		})
	}
}

// firstSeen: a caller that is new is reported, once.
func firstSeen(t *testing.T, p *person, agent, program string) {
	t.Helper()
	for i, want := range []bool{true, false} {
		o := p.asAgent(t, program, "", "ls")
		line := "ward: seen for the first time: " + detect.Title(agent) + " (" + program + ")\n"
		if strings.Contains(o.stderr, line) != want {
			t.Errorf("call %d: %q, want %q there: %v", i+1, o.stderr, line, want)
		}
	}
}

// What an agent's tools have in their environment tells too, whoever their parent is.
func TestAccessByEnvironment(t *testing.T) {
	p := one(t)
	p.vault()
	p.store(t, "TOKEN", secretValue())
	for mark, want := range map[string]int{
		"CLAUDECODE=1": 77, "CURSOR_AGENT=1": 77, "GEMINI_CLI=1": 77, "OPENCODE=1": 77, "CODEX_THREAD_ID=x": 77, "AI_AGENT=some": 77,
		"CODEX_HOME=/x": 0, "TERM_PROGRAM=vscode": 0, "AIDER_MODEL=x": 0,
	} {
		cmd := p.command(t, p.ward, "get", "TOKEN", "--raw")
		cmd.Env = append(cmd.Env, mark)
		if o := end(t, cmd); o.code != want {
			t.Errorf("%s: exit code %d, want %d: %s", mark, o.code, want, o.stderr)
		}
	}
}

// A person at the terminal lifts a refusal by proving to be there; a terminal that the agent opened proves nothing, and
// nobody is asked at it.
func TestAccessPresence(t *testing.T) {
	p := one(t)
	p.vault()
	p.store(t, "TOKEN", secretValue())
	needs(t, "script")
	claude := p.fakeAgent(t, "claude")
	below := []string{"/bin/dash", "-c", `"$@"; exit $?`, "shell", claude, "-c", `"$@"; exit $?`, "agent"}

	shown, code := p.session(t, p.command(t, append(below, "script", "-qec", p.ward+" rm TOKEN", "/dev/null")...))
	if code != 77 || strings.Contains(shown, "to agree") {
		t.Errorf("at the agent's own terminal: exit code %d, %q", code, shown)
	}
	for _, right := range []bool{false, true} {
		term := p.atTerminal(t, p.command(t, append(below, p.ward, "rm", "TOKEN")...))
		at := term.await(t, 0, "Claude Code asks for: ward rm TOKEN")
		at = term.await(t, at, "type ")
		term.await(t, at, " to agree: ")
		number := "0000"
		if right {
			number = term.shown()[at : at+4]
		}
		term.press(t, number+"\n")
		want := 77
		if right {
			want = 0
		}
		if code := term.code(t); code != want {
			t.Errorf("number right %v: exit code %d, want %d; %q", right, code, want, term.shown())
		}
	}
	if o := end(t, p.command(t, p.ward, "ls")); strings.Contains(o.stdout, "TOKEN") {
		t.Errorf("a person agreed, and it is still there: %q", o.stdout)
	}
}
