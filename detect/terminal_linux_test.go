package detect

import (
	"strings"
	"testing"
)

// TestTerminalNested has agents, and what calls itself so, lead the terminals
// that another agent opened.
func TestTerminalNested(t *testing.T) {
	const open = `script -qec OUTER /dev/null; true`
	for _, c := range []struct {
		name         string
		first        string // AGENT is a program called claude, OTHER one called codex, EDITOR one called code
		outer, inner string // scripts of sh that OUTER and INNER run; PROBE is a command line
		agent        string
		want         bool
	}{
		{"another agent leads it", "AGENT -c '" + open + "'", "exec OTHER -c 'PROBE; true'", "", "codex", true},
		{"a second one of its kind", "AGENT -c '" + open + "'", "exec AGENT -c 'PROBE; true'", "", "claude", true},
		{"a program that gave itself the title", "AGENT -c '" + open + "'", "exec node NODE", "", "claude", true},
		{"a script of the name", "AGENT -c '" + open + "'", "exec python3 AIDER", "", "aider", true},
		{"the same, within a person's", "script -qec INNER /dev/null; true", "exec OTHER -c 'PROBE; true'", "AGENT -c '" + open + "'; true", "codex", true},
		{"two deep", "AGENT -c '" + open + "'", "exec OTHER -c 'script -qec INNER /dev/null; true'", "exec AGENT -c 'PROBE; true'", "claude", true},
		{"an editor that the agent started", "AGENT -c 'EDITOR -c OUTER; true'", "script -qec INNER /dev/null; true", "PROBE; true", "claude", true},
		{"an agent between two editors", "EDITOR -c 'script -qec OUTER /dev/null; true'", "AGENT -c 'INNER; true'; true",
			`EDITOR -c 'script -qec "PROBE; true" /dev/null; true'; true`, "claude", true},
		{"an agent of an agent, at a person's", open, "AGENT -c 'INNER; true'; true", "OTHER -c 'PROBE; true'; true", "codex", false},
		{"an agent of the one that the terminal is for", open, "exec AGENT -c 'INNER; true'", "OTHER -c 'PROBE; true'; true", "codex", false},
		{"an agent at an editor's terminal", "EDITOR -c '" + open + "'", "AGENT -c 'PROBE; true'; true", "", "claude", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, tool := range []string{"script", "node", "python3"} {
				needsProgram(t, tool)
			}
			f := newFixture(t)
			name := strings.NewReplacer("AGENT", f.shell(t, "claude"), "OTHER", f.shell(t, "codex"), "EDITOR", f.shell(t, "code"),
				"AIDER", f.write(t, "bin/aider", f.asPython(), 0o644), "NODE", f.write(t, "title.js", f.asNode("claude"), 0o644), "PROBE", f.look(),
				"OUTER", f.dir+"/outer", "INNER", f.dir+"/inner")
			for file, text := range map[string]string{"outer": c.outer, "inner": c.inner} {
				f.write(t, file, "#!/bin/sh\n"+name.Replace(text)+"\n", 0o755)
			}
			s := f.run(t, "bash", "-c", name.Replace(c.first)+"; true")
			if s.Tree.OwnTerminal != c.want || s.Tree.Agent != c.agent {
				for _, p := range s.Tree.Chain {
					t.Logf("%d %s session %d terminal %v", p.PID, p.Exe, p.Session, p.Terminal)
				}
				t.Errorf("agent %q, own terminal %v; want %q, %v (%s)", s.Tree.Agent, s.Tree.OwnTerminal, c.agent, c.want, s.Tree.Why)
			}
		})
	}
}

// An agent that is known by its marks alone has no place among the parents: who
// opened the terminal cannot be told.
func TestTerminalMarksAlone(t *testing.T) {
	m := under(Process{Exe: "/usr/bin/tmux", Session: 10, Terminal: true})
	ward := m[20]
	for _, c := range []struct {
		mark     string
		terminal bool
		want     bool
	}{{"CLAUDECODE=1", true, true}, {"AI_AGENT=new", true, true}, {"CLAUDECODE=1", false, false}, {"", true, false}, {"WARD=1", true, false}} {
		ward.Session, ward.Terminal = 10, c.terminal
		m[20] = ward
		if got := inspect(t, m, env(c.mark)); got.OwnTerminal != c.want {
			t.Errorf("%s, terminal %v: own %v, want %v", c.mark, c.terminal, got.OwnTerminal, c.want)
		}
	}
}
