package detect

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
	"testing"
)

// tableMap is a process table that a test writes down.
type tableMap map[int]Process

func (m tableMap) Process(pid int) (Process, error) {
	p, ok := m[pid]
	if !ok {
		return Process{}, fmt.Errorf("process %d: %w", pid, fs.ErrNotExist)
	}
	p.PID = pid
	return p, nil
}

// under is a table in which ward (20) was started by a shell (10) that p
// started: the tree of an agent's tool.
func under(p Process) tableMap {
	p.PPID, p.Start = 1, 50
	return tableMap{
		1:  {Start: 1, Name: "init", Exe: "/sbin/init"},
		5:  p,
		10: {PPID: 5, Start: 60, Name: "bash", Exe: "/usr/bin/bash", Argv: []string{"bash", "-c", "ward ls"}},
		20: {PPID: 10, Start: 70, Name: "ward", Exe: "/usr/bin/ward", Argv: []string{"ward", "ls"}},
	}
}

// env is an environment of the words K=V.
func env(words ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for _, w := range words {
			if v, ok := strings.CutPrefix(w, name+"="); ok {
				return v, true
			}
		}
		return "", false
	}
}

func inspect(t *testing.T, m Table, environ func(string) (string, bool)) Caller {
	t.Helper()
	c, err := Inspect(m, 20, environ)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Each row is a program with a shell below it that calls ward.
func TestInspectPrograms(t *testing.T) {
	for _, c := range []struct {
		exe, script string
		argv        []string
		want        string
	}{
		// Binaries, by the name of the file that runs.
		{exe: "/usr/local/bin/claude", want: "claude"},
		{exe: "/n/node_modules/@anthropic-ai/claude-code/bin/claude.exe", argv: []string{"claude", "-p", "hi"}, want: "claude"},
		{exe: "/home/u/.local/share/claude/versions/2.1.330", argv: []string{"claude"}, want: "claude"},
		{exe: "/home/u/.vscode/extensions/anthropic.claude-code-2.1.0-linux-x64/resources/native-binary/claude", want: "claude"},
		{exe: "/n/node_modules/@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex", want: "codex"},
		{exe: "/opt/homebrew/Caskroom/codex/0.169.0/codex-aarch64-apple-darwin", want: "codex"},
		{exe: "/n/node_modules/opencode-ai/bin/opencode.exe", want: "opencode"},
		{exe: "/n/node_modules/opencode-linux-x64/bin/opencode", want: "opencode"},
		{exe: "/n/node_modules/@github/copilot-linux-x64/copilot", want: "copilot"},
		{exe: "/home/u/.local/bin/goose", argv: []string{"goose", "session"}, want: "goose"},
		{exe: "/n/node_modules/@ampcode/cli/bin/amp.exe", want: "amp"},
		{exe: "/opt/Windsurf/resources/app/extensions/windsurf/bin/language_server_linux_x64", want: "windsurf"},
		{exe: "", argv: []string{"claude"}, want: "claude"}, // another user's: no link to the file

		// Cursor's agent brings its own node.
		{exe: "/home/u/.local/share/cursor-agent/versions/2026.07.20/node",
			argv: []string{"/home/u/.local/bin/agent", "--use-system-ca", "/home/u/.local/share/cursor-agent/versions/2026.07.20/index.js"}, want: "cursor"},

		// Scripts, by their package or their name in a bin directory.
		{exe: "/usr/bin/node", argv: []string{"node", "/n/node_modules/@anthropic-ai/claude-code/cli.js"}, want: "claude"},
		{exe: "/usr/bin/node", argv: []string{"node", "--no-warnings", "--enable-source-maps", "/usr/local/bin/claude", "-p"}, want: "claude"},
		{exe: "/usr/bin/node", argv: []string{"node", "--require", "/x/hook.js", "/usr/local/bin/gemini"}, want: "gemini"},
		{exe: "/usr/bin/node", argv: []string{"node", "/home/u/.npm/_npx/5f0e/node_modules/.bin/qwen"}, want: "qwen"},
		{exe: "/usr/bin/node22", argv: []string{"node22", "cli.js"}, script: "/n/node_modules/@github/copilot/npm-loader.js", want: "copilot"},
		{exe: "/usr/bin/node", argv: []string{"node", "/home/u/bin/ai"}, script: "/n/node_modules/@google/gemini-cli/bundle/gemini.js", want: "gemini"},
		{exe: "/usr/bin/bun", argv: []string{"bun", "run", "/n/@sourcegraph/amp/dist/main.js"}, want: "amp"},
		{exe: "/usr/bin/deno", argv: []string{"deno", "run", "-A", "npm:@google/gemini-cli"}, want: "gemini"},
		{exe: "/usr/bin/python3.12", argv: []string{"/v/bin/python", "/home/u/.local/bin/aider", "--yes"}, want: "aider"},
		{exe: "/usr/bin/python3.12", argv: []string{"python3", "-m", "aider"}, want: "aider"},
		{exe: "/usr/bin/python3.12", argv: []string{"python3", "-Wignore", "-Im", "aider.main"}, want: "aider"},
		{exe: "/usr/bin/node", argv: []string{"claude"}, want: "claude"},        // process.title
		{exe: "/usr/bin/node", argv: []string{"claude daemon"}, want: "claude"}, // one word, as titles are
		{exe: "/lib64/ld-linux-x86-64.so.2", argv: []string{"/lib64/ld-linux-x86-64.so.2", "--library-path", "/l", "/x/claude"}, want: "claude"},
		{exe: "/usr/bin/qemu-x86_64-static", argv: []string{"qemu", "-0", "claude", "/x/claude", "-p"}, want: "claude"},

		// People, with an agent's name about.
		{exe: "/usr/bin/vim", argv: []string{"vim", "claude.txt"}},
		{exe: "/usr/bin/vim", argv: []string{"claude", "notes"}},
		{exe: "/usr/bin/bash", argv: []string{"claude"}},
		{exe: "/usr/bin/bash", argv: []string{"bash", "/usr/local/bin/claude"}},
		{exe: "/usr/bin/grep", argv: []string{"grep", "-r", "claude", "/n/node_modules/@anthropic-ai/claude-code/"}},
		{exe: "/usr/bin/cat", argv: []string{"cat", "claude"}},
		{exe: "/usr/bin/less", argv: []string{"less", "/usr/local/bin/claude"}},
		{exe: "/usr/bin/node", argv: []string{"node", "/home/u/claude.js"}},
		{exe: "/usr/bin/node", argv: []string{"node", "-e", "require('claude')", "claude"}},
		{exe: "/usr/bin/node", argv: []string{"node", "/home/u/claude/server.js", "/usr/local/bin/claude"}},
		{exe: "/usr/bin/node", argv: []string{"npm exec @anthropic-ai/claude-code"}},
		{exe: "/usr/bin/python3", argv: []string{"python3", "-m", "pytest", "aider"}},
		{exe: "/usr/bin/python3", argv: []string{"python3", "-c", "pass", "aider"}},
		{exe: "/usr/bin/python3", argv: []string{"python3", "-m", "aiderlike"}},
		{exe: "/usr/bin/python3", argv: []string{"python3", "aider.py"}},
		{exe: "/usr/bin/tmux", argv: []string{"tmux", "new", "-s", "claude"}},
		{exe: "/usr/share/cursor/cursor", argv: []string{"/usr/share/cursor/cursor", "--type=utility"}},
		{exe: "/usr/share/code/code", argv: []string{"/usr/share/code/code"}},
		{exe: "/opt/gemini-tools/run"},
		{exe: "/usr/bin/codexter"},
		{exe: "", argv: []string{"bash"}},
	} {
		p := Process{Exe: c.exe, Name: path.Base(c.exe), Argv: c.argv, Script: c.script}
		got := inspect(t, under(p), nil)
		if got.Agent != c.want {
			t.Errorf("%s %q: agent %q, want %q (%s)", c.exe, c.argv, got.Agent, c.want, got.Why)
		}
	}
}
