package detect

import (
	"path"
	"slices"
	"strings"
)

// signature is how one agent is known.
type signature struct {
	agent, title string
	// programs are base names: of the file that runs, of the script that an
	// interpreter runs, or of the title that an interpreter's process has.
	programs []string
	// dirs are pieces of the path of the file that runs, or of an
	// interpreter's script: what lies below is the agent's.
	dirs []string
	// modules are Python's (python -m).
	modules []string
	// marks are variables that the agent sets for what it starts, and that
	// nobody sets to configure it.
	marks []mark
}

// mark is a variable, with any value or with this one.
type mark struct{ name, value string }

type signatureTable []signature

// signatures is the table of agents. Where a version is named, the agent was
// run, or its code was read, in that version; "told" is what others report of
// programs that are not to be had without an account.
//
// Many variables that begin with an agent's name configure it and are set by
// people (CODEX_HOME, AIDER_MODEL, GOOSE_PROVIDER, COPILOT_MODEL,
// OPENCODE_CONFIG): those are no marks.
func signatures() signatureTable {
	return signatureTable{
		{ // 2.1: one binary, or a script of the SDK; its own files are called by their version
			agent: "claude", title: "Claude Code", programs: []string{"claude"},
			dirs:  []string{"/claude/versions/", "/@anthropic-ai/claude-code/", "/@anthropic-ai/claude-agent-sdk/"},
			marks: []mark{{"CLAUDECODE", ""}, {"CLAUDE_CODE_ENTRYPOINT", ""}, {"CLAUDE_CODE_CHILD_SESSION", ""}},
		},
		{ // told: a shell script that becomes its own node; the editor's agent sets the same mark
			agent: "cursor", title: "Cursor", programs: []string{"cursor-agent"}, dirs: []string{"/cursor-agent/versions/"},
			marks: []mark{{"CURSOR_AGENT", ""}, {"CURSOR_EXTENSION_HOST_ROLE", "agent-exec"}},
		},
		{ // 0.169: node that starts a binary, which Homebrew calls by its target
			agent: "codex", title: "Codex",
			programs: []string{"codex", "codex-x86_64-unknown-linux-musl", "codex-aarch64-unknown-linux-musl",
				"codex-x86_64-apple-darwin", "codex-aarch64-apple-darwin"},
			dirs: []string{"/@openai/codex/"},
			marks: []mark{{"CODEX_THREAD_ID", ""}, {"CODEX_SANDBOX", ""}, {"CODEX_SANDBOX_NETWORK_DISABLED", ""},
				{"CODEX_CI", ""}},
		},
		{ // told: an agent inside an editor; its terminals have a mark
			agent: "windsurf", title: "Windsurf", dirs: []string{"/extensions/windsurf/bin/"},
			marks: []mark{{"WINDSURF_CASCADE_TERMINAL", ""}},
		},
		{ // 1.0; told of the agent in VS Code
			agent: "copilot", title: "GitHub Copilot", programs: []string{"copilot"}, dirs: []string{"/@github/copilot/"},
			marks: []mark{{"COPILOT_CLI", ""}, {"COPILOT_AGENT", ""}, {"COPILOT_AGENT_SESSION_ID", ""}},
		},
		{ // 0.61
			agent: "gemini", title: "Gemini CLI", programs: []string{"gemini"}, dirs: []string{"/@google/gemini-cli/"},
			marks: []mark{{"GEMINI_CLI", ""}},
		},
		{ // 1.18
			agent: "opencode", title: "opencode", programs: []string{"opencode"}, dirs: []string{"/opencode-ai/bin/"},
			marks: []mark{{"OPENCODE", ""}},
		},
		{ // 0.86: it sets no mark on purpose, but its name for OpenRouter
			agent: "aider", title: "Aider", programs: []string{"aider"}, modules: []string{"aider"},
			marks: []mark{{"OR_APP_NAME", "Aider"}},
		},
		{ // told
			agent: "goose", title: "Goose", programs: []string{"goose", "goosed"},
			marks: []mark{{"GOOSE_TERMINAL", ""}, {"AGENT", "goose"}},
		},
		{ // told
			agent: "amp", title: "Amp", programs: []string{"amp"}, dirs: []string{"/@sourcegraph/amp/", "/@ampcode/cli/"},
			marks: []mark{{"AMP_CURRENT_THREAD_ID", ""}, {"AGENT", "amp"}},
		},
		{ // 0.24
			agent: "qwen", title: "Qwen Code", programs: []string{"qwen"}, dirs: []string{"/@qwen-code/qwen-code/"},
			marks: []mark{{"QWEN_CODE", ""}},
		},
	}
}

// Other is an agent that is not in the table, but said by AI_AGENT that it is
// one.
const Other = "other"

// Agents lists the short names of all agents that are known, sorted, without
// Other.
func Agents() []string {
	var names []string
	for _, s := range signatures() {
		names = append(names, s.agent)
	}
	slices.Sort(names)
	return names
}

// Title is what people call an agent: "Claude Code" for claude.
func Title(agent string) string {
	for _, s := range signatures() {
		if s.agent == agent {
			return s.title
		}
	}
	return "an agent"
}

// match gives the agent that a process is, and the file that says so.
func (t signatureTable) match(p Process) (*signature, string) {
	file := p.Exe
	if file == "" { // another user's: its own word is all there is
		file = p.title()
	}
	candidates := []string{file}
	module := ""
	if kind := interpreter(file); kind != 0 {
		run := parseRun(kind, p.Argv)
		candidates = append(candidates, p.Script, run.script)
		// A program that an interpreter runs can call itself anything; most
		// that do so give their own name.
		word, _, _ := strings.Cut(p.title(), " ")
		candidates = append(candidates, p.title(), word)
		module = run.module
	}
	top, _, _ := strings.Cut(module, ".")
	for i := range t {
		s := &t[i]
		for _, c := range candidates {
			if c != "" && s.owns(c) {
				return s, c
			}
		}
		if slices.Contains(s.modules, top) {
			return s, file + " -m " + module
		}
	}
	return nil, ""
}

// owns says whether a file is the agent's.
func (s *signature) owns(file string) bool {
	if slices.Contains(s.programs, strings.TrimSuffix(path.Base(file), ".exe")) {
		return true
	}
	file = "/" + strings.TrimPrefix(file, "npm:") + "/" // deno runs packages by such a name
	return slices.ContainsFunc(s.dirs, func(dir string) bool { return strings.Contains(file, dir) })
}

// marked gives the agent that the environment speaks of, and the variable.
func (t signatureTable) marked(environ func(string) (string, bool)) (agent, name string) {
	for _, s := range t {
		for _, m := range s.marks {
			if v, ok := environ(m.name); ok && v != "" && (m.value == "" || m.value == v) {
				return s.agent, m.name
			}
		}
	}
	// The name that several agents agreed on; its values are not.
	v, _ := environ("AI_AGENT")
	if v == "" {
		return "", ""
	}
	for _, s := range t {
		if strings.HasPrefix(strings.ToLower(v), s.agent) {
			return s.agent, "AI_AGENT"
		}
	}
	if strings.HasPrefix(v, "github_copilot") {
		return "copilot", "AI_AGENT"
	}
	return Other, "AI_AGENT"
}

// title is the first word of the command line, or what stands in its place.
func (p Process) title() string {
	if len(p.Argv) > 0 && p.Argv[0] != "" {
		return p.Argv[0]
	}
	return p.Name
}
