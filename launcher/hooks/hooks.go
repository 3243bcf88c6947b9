// Package hooks knows how agents are told to call `ward guard hook` after each tool: for one run by their command line,
// and for good by their settings.
package hooks

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"ward/guard"
)

// event is one of an agent's hooks.
type event struct {
	name    string
	matcher bool // the agent wants to be told which tools
}

// events are those that ward has to be asked at.
func events(agent guard.Agent) []event {
	switch agent {
	case guard.Claude:
		return []event{{"PostToolUse", true}, {"PostToolUseFailure", true}, {"PostToolBatch", false}}
	case guard.Codex:
		return []event{{"PostToolUse", true}}
	case guard.GeminiCLI:
		return []event{{"AfterTool", true}}
	}
	return []event{{"postToolUse", false}, {"afterShellExecution", false}, {"beforeReadFile", false}}
}

// Agents are those that can be told.
func Agents() []guard.Agent {
	return []guard.Agent{guard.Claude, guard.Codex, guard.GeminiCLI, guard.Cursor}
}

// patience is how long an agent waits for an answer, in seconds, before it goes on without one.
const patience = 60

// command is what an agent's shell runs. mark tells it from other hooks.
func command(agent guard.Agent, self string) string {
	return quoted(self) + mark + string(agent)
}

const mark = " guard hook --agent "

// quoted is a word of the shell's.
func quoted(word string) string {
	for _, c := range []byte(word) {
		if !strings.ContainsRune("/._-+@%", rune(c)) && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
	}
	return word
}

// entry is an agent's element of the list of one event. What each wants is in its documentation; Gemini counts
// milliseconds.
func entry(agent guard.Agent, e event, self string) map[string]any {
	line := command(agent, self)
	switch agent {
	case guard.Cursor:
		return map[string]any{"command": line, "timeout": patience}
	case guard.GeminiCLI:
		return map[string]any{"matcher": ".*", "hooks": []any{map[string]any{"type": "command", "name": "ward", "command": line, "timeout": patience * 1000}}}
	}
	one := map[string]any{"hooks": []any{map[string]any{"type": "command", "command": line, "timeout": patience}}}
	if e.matcher {
		one["matcher"] = "*"
	}
	return one
}

// ForRun gives the command line of an agent with the hooks of one run added to it. argv[0] says which agent it is; where
// it is none that can be told so, argv comes back as it is. read reads a file that the command line names. The error says
// why hooks could not be added.
func ForRun(argv []string, self string, read func(path string) ([]byte, error)) ([]string, error) {
	switch filepath.Base(argv[0]) {
	case "claude":
		return claudeRun(argv, self, read)
	case "codex":
		e := events(guard.Codex)[0]
		value := fmt.Sprintf("hooks.%s=[{matcher=%q,hooks=[{type=%q,command=%q,timeout=%d}]}]", e.name, "*", "command", command(guard.Codex, self), patience)
		return insert(argv, "-c", value), nil
	}
	return argv, nil
}

func insert(argv []string, words ...string) []string {
	return append(append([]string{argv[0]}, words...), argv[1:]...)
}

// claudeRun uses --settings, which adds to the settings of the user and of the project. Claude Code takes the last one
// only, so what the user gave is put into ours.
func claudeRun(argv []string, self string, read func(string) ([]byte, error)) ([]string, error) {
	settings := []byte("{}")
	rest := []string{argv[0]}
	for i := 1; i < len(argv); i++ {
		given, ok := strings.CutPrefix(argv[i], "--settings=")
		switch {
		case argv[i] == "--":
			rest = append(rest, argv[i:]...)
			i = len(argv)
			continue
		case ok:
		case argv[i] == "--settings" && i+1 < len(argv):
			i++
			given = argv[i]
		default:
			rest = append(rest, argv[i])
			continue
		}
		settings = []byte(given)
		if !strings.HasPrefix(strings.TrimSpace(given), "{") {
			var err error
			if settings, err = read(given); err != nil {
				return argv, fmt.Errorf("--settings %s: %w", given, err)
			}
		}
	}
	added, err := Add(guard.Claude, settings, self)
	if err != nil {
		return argv, fmt.Errorf("--settings: %w", err)
	}
	var one any
	if err := json.Unmarshal(added, &one); err != nil {
		return argv, fmt.Errorf("--settings: %w", err)
	}
	line, err := json.Marshal(one)
	if err != nil {
		return argv, err
	}
	return insert(rest, "--settings", string(line)), nil
}
