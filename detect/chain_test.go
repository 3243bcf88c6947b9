package detect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"testing"
)

// denied is a table in which one process may not be read.
type denied struct {
	tableMap
	pid int
}

func (d denied) Process(pid int) (Process, error) {
	if pid == d.pid {
		return Process{}, fmt.Errorf("process %d: %w", pid, fs.ErrPermission)
	}
	return d.tableMap.Process(pid)
}

// A chain is believed from the process up to the first doubt.
func TestChain(t *testing.T) {
	claude := Process{PPID: 1, Start: 50, Exe: "/usr/bin/claude"}
	whole := under(claude)
	reused := under(claude)
	reused[5] = Process{PPID: 1, Start: 61, Exe: "/usr/bin/claude"}
	twins := under(claude)
	twins[5] = Process{PPID: 1, Start: 60, Exe: "/usr/bin/claude"}
	gone := under(claude)
	delete(gone, 5)
	own := under(claude)
	own[10] = Process{PPID: 10, Start: 60, Exe: "/usr/bin/bash"}
	loop := under(claude)
	loop[10] = Process{PPID: 20, Start: 70, Exe: "/usr/bin/bash"}
	deep := tableMap{}
	for pid := 20; pid < 1020; pid++ {
		deep[pid] = Process{PPID: pid + 1, Start: 9, Exe: "/bin/sh"}
	}
	for _, c := range []struct {
		name  string
		table Table
		depth int
		agent string
		why   string
	}{
		{"whole", whole, 4, "claude", "process 5 is Claude Code (/usr/bin/claude)"},
		{"a parent that is younger than its child", reused, 2, "", "process 5 started after its child 10: another process has its number now"},
		{"a parent of the same tick", twins, 4, "claude", "process 5 is Claude Code"},
		{"a parent that ended", gone, 2, "", "process 5, the parent of 10, has ended or is hidden"},
		{"a parent that may not be read", denied{whole, 5}, 2, "", "process 5, the parent of 10, may not be read"},
		{"a process that is its own parent", own, 2, "", "process 10 is its own parent"},
		{"parents in a circle", loop, maxDepth, "", "128 is deep enough"},
		{"a thousand parents", deep, maxDepth, "", "128 is deep enough"},
	} {
		got := inspect(t, c.table, nil)
		if len(got.Chain) != c.depth || got.Agent != c.agent || !strings.Contains(got.Why, c.why) {
			t.Errorf("%s: depth %d, agent %q, %q; want %d, %q, …%q…", c.name, len(got.Chain), got.Agent, got.Why, c.depth, c.agent, c.why)
		}
	}
}

// The nearest agent is the one that called: agents start agents.
func TestChainNearest(t *testing.T) {
	m := under(Process{Exe: "/usr/bin/claude"})
	m[10] = Process{PPID: 5, Start: 60, Exe: "/usr/bin/codex"}
	if got := inspect(t, m, env("CLAUDECODE=1")); got.Agent != "codex" || got.Path != "/usr/bin/codex" ||
		got.Why != "process 10 is Codex (/usr/bin/codex); CLAUDECODE is set" {
		t.Errorf("%q, %q (%s)", got.Agent, got.Path, got.Why)
	}
}

// What cannot be seen is an error, and the environment is read all the same.
func TestInspectUnseen(t *testing.T) {
	for _, c := range []struct {
		table Table
		is    error
	}{
		{tableMap{}, fs.ErrNotExist},
		{denied{tableMap{}, 20}, fs.ErrPermission},
	} {
		got, err := Inspect(c.table, 20, env("OPENCODE=1"))
		if !errors.Is(err, c.is) || got.Agent != "opencode" || got.Chain != nil {
			t.Errorf("%q, chain %v, error %v; want opencode and %v", got.Agent, got.Chain, err, c.is)
		}
	}
}

// However a caller is printed, nobody's command line comes along.
func TestCallerPrintsNoWords(t *testing.T) {
	word := "s3" + "cret"
	c := inspect(t, under(Process{Exe: "/usr/bin/mysql", Argv: []string{"mysql", "-p" + word}}), nil)
	encoded, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "c", c)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "c", c)
	for _, text := range []string{fmt.Sprint(c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c), fmt.Sprintf("%+v", &c),
		fmt.Sprintf("%s", c.Chain), string(encoded), log.String()} {
		if strings.Contains(text, word) || !strings.Contains(text, "/usr/bin/mysql") {
			t.Errorf("prints %s", text)
		}
	}
}

// Title and words of an agent's command line may hold anything: Why does not.
func TestInspectWhyHoldsNoWords(t *testing.T) {
	word := "s3" + "cret"
	m := under(Process{Exe: "/usr/bin/node", Argv: []string{"node", "/usr/bin/claude", "--api-key", word}})
	if got := inspect(t, m, env("CLAUDECODE="+word, "AI_AGENT="+word)); got.Agent != "claude" || strings.Contains(got.Why, word) {
		t.Errorf("%q: %q", got.Agent, got.Why)
	}
}

func TestInspectMarks(t *testing.T) {
	for _, c := range []struct{ env, agent string }{
		{env: "CLAUDECODE=1", agent: "claude"},
		{env: "CLAUDE_CODE_ENTRYPOINT=cli", agent: "claude"},
		{env: "CLAUDE_CODE_CHILD_SESSION=1", agent: "claude"},
		{env: "AI_AGENT=claude-code_2-1-330_agent", agent: "claude"},
		{env: "CURSOR_AGENT=1", agent: "cursor"},
		{env: "CURSOR_EXTENSION_HOST_ROLE=agent-exec", agent: "cursor"},
		{env: "CODEX_THREAD_ID=0199", agent: "codex"},
		{env: "CODEX_SANDBOX=seatbelt", agent: "codex"},
		{env: "CODEX_SANDBOX_NETWORK_DISABLED=1", agent: "codex"},
		{env: "CODEX_CI=1", agent: "codex"},
		{env: "WINDSURF_CASCADE_TERMINAL=1", agent: "windsurf"},
		{env: "COPILOT_CLI=1", agent: "copilot"},
		{env: "COPILOT_AGENT=1", agent: "copilot"},
		{env: "COPILOT_AGENT_SESSION_ID=x", agent: "copilot"},
		{env: "AI_AGENT=github_copilot_vscode_agent", agent: "copilot"},
		{env: "GEMINI_CLI=1", agent: "gemini"},
		{env: "OPENCODE=1", agent: "opencode"},
		{env: "OR_APP_NAME=Aider", agent: "aider"},
		{env: "GOOSE_TERMINAL=1", agent: "goose"},
		{env: "AGENT=goose", agent: "goose"},
		{env: "AGENT=amp", agent: "amp"},
		{env: "AMP_CURRENT_THREAD_ID=T-1", agent: "amp"},
		{env: "QWEN_CODE=1", agent: "qwen"},
		{env: "AI_AGENT=somebody", agent: Other},

		// What people set to configure an agent, or what says nothing.
		{env: "CLAUDECODE="},
		{env: "CLAUDE_CONFIG_DIR=/x"},
		{env: "ANTHROPIC_API_KEY=x"},
		{env: "CODEX_HOME=/x"},
		{env: "CODEX_API_KEY=x"},
		{env: "GEMINI_API_KEY=x"},
		{env: "OPENCODE_CONFIG=/x"},
		{env: "AIDER_MODEL=x"},
		{env: "OR_APP_NAME=mine"},
		{env: "GOOSE_PROVIDER=x"},
		{env: "COPILOT_MODEL=x"},
		{env: "COPILOT_GITHUB_TOKEN=x"},
		{env: "AGENT=1"},
		{env: "AGENT=jenkins"},

		// Editors, whose terminals people work in.
		{env: "TERM_PROGRAM=vscode"},
		{env: "CURSOR_TRACE_ID=x"},
		{env: "CURSOR_EXTENSION_HOST_ROLE=user"},
		{env: "WINDSURF_CASCADE_TERMINAL_KIND=inherit"},
		{env: "ZED_TERM=true"},
		{env: "TERMINAL_EMULATOR=JetBrains-JediTerm"},
		{env: "TERM_PROGRAM=iTerm.app"},
	} {
		got := inspect(t, under(Process{Exe: "/usr/bin/bash"}), env(c.env))
		if got.Agent != c.agent || got.Inside {
			t.Errorf("%s: agent %q, inside %v; want %q (%s)", c.env, got.Agent, got.Inside, c.agent, got.Why)
		}
	}
}

// An editor is no agent; the agent within it is known by its mark or its own
// process.
func TestInspectEditors(t *testing.T) {
	for _, c := range []struct {
		exe, env, agent string
	}{
		{"/usr/share/cursor/cursor", "CURSOR_TRACE_ID=x", ""},
		{"/usr/share/cursor/cursor", "CURSOR_AGENT=1", "cursor"},
		{"/tmp/.mount_Cursor/usr/share/cursor/cursor", "TERM_PROGRAM=vscode", ""},
		{"/home/u/.cursor-server/bin/3578/node", "", ""},
		{"/Applications/Cursor.app/Contents/MacOS/Cursor", "", ""},
		{"/usr/share/code/code", "TERM_PROGRAM=vscode", ""},
		{"/usr/share/code/code", "COPILOT_AGENT=1", "copilot"},
		{"/home/u/.vscode-server/cli/servers/x/server/node", "", ""},
		{"/usr/share/windsurf/windsurf", "", ""},
		{"/usr/share/windsurf/windsurf", "WINDSURF_CASCADE_TERMINAL=1", "windsurf"},
		{"/opt/zed.app/libexec/zed-editor", "", ""},
		{"/usr/bin/vim", "", ""},
	} {
		got := inspect(t, under(Process{Exe: c.exe, Argv: []string{c.exe}}), env(c.env))
		if got.Agent != c.agent {
			t.Errorf("%s, %s: agent %q, want %q", c.exe, c.env, got.Agent, c.agent)
		}
	}
}

func TestInspectInside(t *testing.T) {
	bash := Process{Exe: "/usr/bin/bash"}
	two := Process{Exe: "/usr/bin/ward", Argv: []string{stageTwo}}
	for _, c := range []struct {
		name string
		p    Process
		env  string
		want bool
		who  string
	}{
		{"a launch", two, "WARD=1", true, "a command inside a launch"},
		{"a launch whose command unset the variable", two, "", true, "a command inside a launch"},
		{"the variable alone", bash, "WARD=1", true, "a command inside a launch"},
		{"the variable, empty", bash, "WARD=", false, "a person"},
		{"an agent inside", two, "GEMINI_CLI=1", true, "Gemini CLI"},
		{"outside", bash, "", false, "a person"},
		{"an agent that nobody knows", bash, "AI_AGENT=new", false, "an agent"},
	} {
		if got := inspect(t, under(c.p), env(c.env)); got.Inside != c.want || got.Who() != c.who {
			t.Errorf("%s: inside %v, %q; want %v, %q (%s)", c.name, got.Inside, got.Who(), c.want, c.who, got.Why)
		}
	}
}

// A leader that has ended cannot be placed: the terminal counts as the agent's.
func TestOwnTerminalWithoutLeader(t *testing.T) {
	m := under(Process{Exe: "/usr/bin/claude", Session: 1, Terminal: true})
	ward := m[20]
	for _, c := range []struct {
		session  int
		terminal bool
		want     bool
	}{
		{1, true, false},   // init's, above the agent
		{5, true, false},   // the agent's own
		{10, true, true},   // of the shell below it
		{777, true, true},  // ended
		{10, false, false}, // none
	} {
		ward.Session, ward.Terminal = c.session, c.terminal
		m[20] = ward
		if got := inspect(t, m, nil); got.OwnTerminal != c.want {
			t.Errorf("session %d, terminal %v: own %v, want %v", c.session, c.terminal, got.OwnTerminal, c.want)
		}
	}
}
