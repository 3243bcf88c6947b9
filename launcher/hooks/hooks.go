// Package hooks knows how agents are told to call `ward guard hook` after each tool: for one run by their command line,
// and for good by their settings.
package hooks

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"ward/guard"
)

// event is one of an agent's hooks.
type event struct {
	name    string
	matcher bool // the agent wants to be told which tools
	closed  bool // the agent can be told to stop where the hook itself fails, and stopping there keeps the output back
}

// events are those that ward has to be asked at.
func events(agent guard.Agent) []event {
	switch agent {
	case guard.Claude:
		return []event{{name: "PostToolUse", matcher: true}, {name: "PostToolUseFailure", matcher: true}, {name: "PostToolBatch", closed: true}}
	case guard.Codex:
		return []event{{name: "PostToolUse", matcher: true}}
	case guard.GeminiCLI:
		return []event{{name: "AfterTool", matcher: true}}
	}
	return []event{{name: "postToolUse"}, {name: "afterShellExecution"}, {name: "beforeReadFile", closed: true}}
}

// patience is how long an agent waits for an answer, in seconds, before the hook has failed.
const patience = 60

// command is what an agent's shell runs. mark tells it from other hooks. Codex and Gemini CLI pass a hook over that is
// gone or was killed, and take 2 for a block: what the shell says of it is what their model gets.
func command(agent guard.Agent, self string, flags ...string) string {
	line := quoted(self) + mark + strings.Join(append([]string{string(agent)}, flags...), " ")
	if agent == guard.Codex || agent == guard.GeminiCLI {
		line += " || exit 2"
	}
	return line
}

const mark = " guard hook --agent "

// atLaunch is what the hook of one run is told besides: without the launch's answer the output is not checked. Settings of a
// project can set variables, WARD_BROKER too, for the agent and so for its hooks.
const atLaunch = "--launch"

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
// milliseconds. A hook that is gone, is killed or takes too long is passed over by Claude Code and Cursor unless its entry
// says otherwise, which Claude Code does since 2.1.295; older ones do not look at that.
func entry(agent guard.Agent, e event, line string) map[string]any {
	switch agent {
	case guard.Cursor:
		one := map[string]any{"command": line, "timeout": patience}
		if e.closed {
			one["failClosed"] = true
		}
		return one
	case guard.GeminiCLI:
		return map[string]any{"matcher": ".*", "hooks": []any{map[string]any{"type": "command", "name": "ward", "command": line, "timeout": patience * 1000}}}
	}
	hook := map[string]any{"type": "command", "command": line, "timeout": patience}
	if e.closed {
		hook["onFailure"] = "block"
	}
	one := map[string]any{"hooks": []any{hook}}
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
		return codexRun(argv, self)
	}
	return argv, nil
}

func insert(argv []string, words ...string) []string {
	return append(append([]string{argv[0]}, words...), argv[1:]...)
}

// codexRun uses -c. Codex runs a hook only if a person has trusted the digest of what it is, which its own settings and
// the command line may say; of one that is not trusted it says nothing, and passes it over. A settings file can switch
// hooks off as a whole, silently too; the command line goes over it.
func codexRun(argv []string, self string) ([]string, error) {
	for i, word := range argv[1:] {
		if strings.Contains(word, "hooks.PostToolUse") || strings.Contains(word, "hooks.state") {
			return argv, errors.New("-c sets hooks, and Codex takes one such list from its command line")
		}
		if strings.Contains(word, "features.hooks") || word == "--disable=hooks" || word == "hooks" && argv[i] == "--disable" {
			return argv, fmt.Errorf("%s: says itself whether Codex runs hooks", word)
		}
		key, _, set := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(word, "--config="), "-c"), "=")
		if key = strings.TrimSpace(key); set && (key == "hooks" || key == "features") { // in the place of all that was set below it
			return argv, fmt.Errorf("%s: sets all of %s, of which ward's hook is a part", word, key)
		}
	}
	line := command(guard.Codex, self, atLaunch)
	digest, err := codexDigest(line)
	if err != nil {
		return argv, err
	}
	return insert(argv,
		"-c", "features.hooks=true",
		"-c", fmt.Sprintf("hooks.PostToolUse=[{matcher=%q,hooks=[{type=%q,command=%s,timeout=%d}]}]", "*", "command", toml(line), patience),
		"-c", fmt.Sprintf("hooks.state={%q={trusted_hash=%q}}", "/<session-flags>/config.toml:post_tool_use:0:0", digest),
	), nil
}

// codexDigest is SHA-256 of the hook as JSON with its keys in order; its name is that of the place it is from (tried with
// Codex 0.169).
func codexDigest(line string) (string, error) {
	one := map[string]any{"type": "command", "command": line, "timeout": patience, "async": false}
	var identity bytes.Buffer
	e := json.NewEncoder(&identity)
	e.SetEscapeHTML(false)
	err := e.Encode(map[string]any{"event_name": "post_tool_use", "matcher": "*", "hooks": []any{one}})
	return fmt.Sprintf("sha256:%x", sha256.Sum256(bytes.TrimSpace(identity.Bytes()))), err
}

// toml is a string of TOML; it has JSON's escapes.
func toml(text string) string {
	b, _ := json.Marshal(text) // strings always encode
	return string(b)
}

// disableAll is the setting by which Claude Code runs no hook at all. It may stand in the settings of a project, which the
// command line's go over.
const disableAll = "disableAllHooks"

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
		case argv[i] == "--bare" || argv[i] == "--safe-mode":
			return argv, fmt.Errorf("%s: has Claude Code pass over hooks", argv[i])
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
	added, err := add(guard.Claude, settings, command(guard.Claude, self, atLaunch))
	if err != nil {
		return argv, fmt.Errorf("--settings: %w", err)
	}
	_, one, err := parse(added) // with comments, as it may have been given
	if err != nil {
		return argv, fmt.Errorf("--settings: %w", err)
	}
	if one[disableAll] != nil && one[disableAll] != false {
		return argv, fmt.Errorf("--settings: %s is set", disableAll)
	}
	one[disableAll] = false
	line, err := json.Marshal(one)
	if err != nil {
		return argv, err
	}
	return insert(rest, "--settings", string(line)), nil
}
