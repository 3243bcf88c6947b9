package detect

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// realAgent is an agent from npm and how it is run without a person, against
// a model on loopback.
type realAgent struct {
	name string
	pkg  string // with the version that this was seen with
	argv []string
	// home gives the files below its HOME, env what it needs in addition.
	home func(base string) map[string]string
	env  func(base string) []string
	// marks are the variables of the table that its shell must have.
	marks []string
}

// nowhere is a port that nobody serves.
const nowhere = "http://127.0.0.1:9"

// key is no key of anybody: the model takes any.
const key = "any"

func realAgents() []realAgent {
	return []realAgent{
		{
			name: "claude", pkg: "@anthropic-ai/claude-code@2.1.330",
			argv: []string{"claude", "-p", "say hi", "--allowedTools", "Bash"},
			env: func(base string) []string {
				return []string{"ANTHROPIC_BASE_URL=" + base, "ANTHROPIC_API_KEY=" + key,
					"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1", "DISABLE_AUTOUPDATER=1"}
			},
			marks: []string{"CLAUDECODE", "CLAUDE_CODE_ENTRYPOINT", "CLAUDE_CODE_CHILD_SESSION"},
		},
		{
			name: "codex", pkg: "@openai/codex@0.169.0",
			argv: []string{"codex", "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "say hi"},
			home: func(base string) map[string]string {
				return map[string]string{".codex/config.toml": fmt.Sprintf(`
model = "gpt-5"
model_provider = "here"
[model_providers.here]
name = "here"
base_url = "%s/v1"
env_key = "OPENAI_API_KEY"
wire_api = "responses"
`, base)}
			},
			env:   func(string) []string { return []string{"OPENAI_API_KEY=" + key} },
			marks: []string{"CODEX_THREAD_ID", "CODEX_CI"},
		},
		{
			name: "opencode", pkg: "opencode-ai@1.18.33",
			argv: []string{"opencode", "run", "say hi"},
			home: func(base string) map[string]string {
				return map[string]string{".config/opencode/opencode.json": fmt.Sprintf(`{
"model": "here/m", "small_model": "here/m", "autoupdate": false, "share": "disabled", "permission": "allow",
"provider": {"here": {"npm": "@ai-sdk/openai-compatible", "options": {"baseURL": "%s/v1", "apiKey": "%s"},
"models": {"m": {"name": "m"}}}}}`, base, key)}
			},
			env: func(string) []string {
				return []string{"OPENCODE_DISABLE_MODELS_FETCH=1", "OPENCODE_DISABLE_LSP_DOWNLOAD=1", "OPENCODE_DISABLE_AUTOUPDATE=1"}
			},
			marks: []string{"OPENCODE"},
		},
		{
			name: "gemini", pkg: "@google/gemini-cli@0.61.0",
			argv: []string{"gemini", "-m", "gemini-2.5-flash", "-p", "say hi", "--approval-mode", "yolo"},
			home: func(string) map[string]string {
				return map[string]string{".gemini/settings.json": `{"security": {"auth": {"selectedType": "gemini-api-key"},
"folderTrust": {"enabled": false}}, "general": {"enableAutoUpdate": false}, "privacy": {"usageStatisticsEnabled": false}}`}
			},
			env: func(base string) []string {
				return []string{"GOOGLE_GEMINI_BASE_URL=" + base, "GEMINI_API_KEY=" + key}
			},
			marks: []string{"GEMINI_CLI"},
		},
		{
			name: "copilot", pkg: "@github/copilot@1.0.102",
			argv: []string{"copilot", "-p", "say hi", "--allow-all", "--no-auto-update"},
			env: func(base string) []string {
				return []string{"COPILOT_PROVIDER_BASE_URL=" + base + "/v1", "COPILOT_PROVIDER_API_KEY=" + key, "COPILOT_MODEL=m",
					"COPILOT_OFFLINE=true"}
			},
			marks: []string{"COPILOT_CLI", "COPILOT_AGENT_SESSION_ID"},
		},
		{
			name: "qwen", pkg: "@qwen-code/qwen-code@0.24.4",
			argv: []string{"qwen", "-p", "say hi", "--approval-mode", "yolo"},
			home: func(string) map[string]string {
				return map[string]string{".qwen/settings.json": `{"security": {"auth": {"selectedType": "openai"},
"folderTrust": {"enabled": false}}, "general": {"disableAutoUpdate": true}, "privacy": {"usageStatisticsEnabled": false}}`}
			},
			env: func(base string) []string {
				return []string{"OPENAI_BASE_URL=" + base + "/v1", "OPENAI_API_KEY=" + key, "OPENAI_MODEL=m"}
			},
			marks: []string{"QWEN_CODE"},
		},
	}
}

// run has the agent run a command by its own shell tool.
func (a realAgent) run(t *testing.T, command string) {
	t.Helper()
	bin := installed(t, a.name, a.pkg)
	m := newModel(t, command)
	if u, err := url.Parse(m.URL); err != nil || u.Hostname() != "127.0.0.1" {
		t.Fatalf("the model is at %s, want loopback", m.URL)
	}
	home := t.TempDir()
	if a.home != nil {
		for name, text := range a.home(m.URL) {
			file := filepath.Join(home, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	project := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(bin, a.argv[0]), a.argv[1:]...)
	cmd.Dir = project
	cmd.Env = append([]string{"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + t.TempDir(),
		"SHELL=/bin/bash", "TERM=xterm-256color", "LANG=C.UTF-8",
		// What they want from elsewhere (news, prices, updates) ends at a closed port.
		"HTTP_PROXY=" + nowhere, "HTTPS_PROXY=" + nowhere, "NO_PROXY=127.0.0.1"}, a.env(m.URL)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s said\n%s\nand the model was asked\n%s", a.name, out, strings.Join(m.log, "\n"))
		}
	})
	if err != nil {
		t.Errorf("%s: %v", a.name, err)
	}
}

// TestRealAgents has real agents run the probe twice by their own shell tools,
// as they start it and with an empty environment, and then ward itself.
func TestRealAgents(t *testing.T) {
	ward := buildWard(t)
	for _, a := range realAgents() {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			probe := probeIn(t, dir)
			marked, bare, refused := filepath.Join(dir, "marked"), filepath.Join(dir, "bare"), filepath.Join(dir, "refused")
			a.run(t, fmt.Sprintf("env -i HOME=%s %s get --raw demo/token >%s 2>&1; echo exit $? >>%s; %s; env -i %s",
				dir, ward, refused, refused, probe.to(marked), probe.to(bare)))

			s := readSight(t, marked)
			for _, c := range []struct {
				by   string
				got  Caller
				mark bool // whether Why names one
			}{
				{"the tree alone", s.Tree, false},
				{"its marks alone", s.Marks, true},
				{"both", s.Both, true},
				{"the tree after env -i", readSight(t, bare).Both, false},
			} {
				if c.got.Agent != a.name || strings.Contains(c.got.Why, " is set") != c.mark {
					t.Errorf("by %s: %q (%s)", c.by, c.got.Agent, c.got.Why)
				}
			}
			for _, mark := range a.marks {
				if !slices.Contains(s.Names, mark) {
					t.Errorf("its shell does not have %s, only %q", mark, s.Names)
				}
			}
			said, err := os.ReadFile(refused)
			want := "ward: get --raw: refused to " + Title(a.name) + ", because "
			if err != nil || !strings.Contains(string(said), want) || !strings.HasSuffix(string(said), "\nexit 77\n") {
				t.Errorf("ward said (error %v)\n%s\nwant …%s… and exit 77", err, said, want)
			}
			if s.Tree.OwnTerminal {
				t.Error("it runs its shell without a terminal, so it cannot own one")
			}
		})
	}
}
