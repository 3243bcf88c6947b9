package guard

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// maskWith is a hook's Mask that knows one value.
func maskWith(t testing.TB, value string) func([]byte) ([]byte, error) {
	return func(text []byte) ([]byte, error) {
		g, _ := New(testKey, []Print{Fingerprint(testKey, "TOKEN", []byte(value))}, Options{})
		defer g.Wipe()
		masked, err := MaskJSON(g, text)
		return bytes.Clone(masked), err
	}
}

// The payloads are what each version wrote, shortened to the fields that matter; «» is a stored value, ‹› one that has to
// come back masked.
const (
	claudeHead = `"session_id":"f76a5714","transcript_path":"/home/u/.claude/projects/p/f76a5714.jsonl","cwd":"/p","prompt_id":"d09ed289","permission_mode":"default","effort":{"level":"medium"},`
	codexHead  = `"session_id":"0199","turn_id":"1","transcript_path":null,"cwd":"/p","model":"gpt-5","permission_mode":"bypassPermissions",`
	geminiHead = `"session_id":"s","transcript_path":"/t","cwd":"/p","timestamp":"2026-11-22T15:00:00Z",`
	cursorHead = `"conversation_id":"c","generation_id":"g","cursor_version":"2.1","workspace_roots":["/p"],`
)

func TestHookAnswers(t *testing.T) {
	value := random(newRand(8), base62, 40)
	for name, c := range map[string]struct {
		in, out string // out "" is nothing
		stderr  string
	}{
		"claude 2.1.330 Bash": {
			`{` + claudeHead + `"hook_event_name":"PostToolUse","tool_name":"Bash","tool_input":{"command":"cat .env"},"tool_response":{"stdout":"A=‹›\n<b>","stderr":"","interrupted":false,"isImage":false,"noOutputExpected":false},"tool_use_id":"toolu_1","duration_ms":43}`,
			`{"hookSpecificOutput":{"hookEventName":"PostToolUse","updatedToolOutput":{"stdout":"A=‹›\n<b>","stderr":"","interrupted":false,"isImage":false,"noOutputExpected":false}},"systemMessage":"` + saidMasked + `"}`, ""},
		"claude Bash, output kept in a file": {
			`{` + claudeHead + `"hook_event_name":"PostToolUse","tool_name":"Bash","tool_input":{},"tool_response":{"stdout":"‹›","stderr":"","interrupted":false,"isImage":false,"persistedOutputPath":"/x","persistedOutputSize":31000}}`,
			`{"hookSpecificOutput":{"hookEventName":"PostToolUse","updatedToolOutput":{"interrupted":false,"isImage":false,"stderr":"","stdout":"‹›"}},"systemMessage":"` + saidMasked + `"}`, ""},
		"claude Read": {
			`{` + claudeHead + `"hook_event_name":"PostToolUse","tool_name":"Read","tool_input":{"file_path":"/p/.env"},"tool_response":{"type":"text","file":{"filePath":"/p/.env","content":"A=‹›","numLines":1,"startLine":1,"totalLines":1}}}`,
			`{"hookSpecificOutput":{"hookEventName":"PostToolUse","updatedToolOutput":{"type":"text","file":{"filePath":"/p/.env","content":"A=‹›","numLines":1,"startLine":1,"totalLines":1}}},"systemMessage":"` + saidMasked + `"}`, ""},
		"claude MCP, a list": {
			`{` + claudeHead + `"hook_event_name":"PostToolUse","tool_name":"mcp__a__b","tool_input":{},"tool_response":[{"type":"text","text":"‹›"}]}`,
			`{"hookSpecificOutput":{"hookEventName":"PostToolUse","updatedToolOutput":[{"type":"text","text":"‹›"}]},"systemMessage":"` + saidMasked + `"}`, ""},
		"claude, nothing to mask": {
			`{` + claudeHead + `"hook_event_name":"PostToolUse","tool_name":"Bash","tool_input":{"command":"echo «»"},"tool_response":{"stdout":"hi","stderr":""}}`, ``, ""},
		"claude, stars written to a file": {
			`{` + claudeHead + `"hook_event_name":"PostToolUse","tool_name":"Write","tool_input":{"file_path":"/p/.env","content":"TOKEN=****************"},"tool_response":{"type":"create"}}`,
			`{"systemMessage":"` + saidStars + `"}`, ""},
		"claude, a tool that failed": {
			`{` + claudeHead + `"hook_event_name":"PostToolUseFailure","tool_name":"Bash","tool_input":{},"tool_use_id":"toolu_1","error":"Exit code 3\n«»","is_interrupt":false}`,
			`{"continue":false,"stopReason":"` + saidStop + `","systemMessage":"` + saidStop + `"}`, ""},
		"claude, before the model is asked": {
			`{` + claudeHead + `"hook_event_name":"PostToolBatch","tool_calls":[{"tool_name":"Bash","tool_input":{},"tool_use_id":"toolu_1","tool_response":"Exit code 3\n«»"}]}`,
			`{"continue":false,"stopReason":"` + saidStop + `"}`, ""},
		"claude, another event": {
			`{` + claudeHead + `"hook_event_name":"Stop"}`,
			`{"continue":false,"stopReason":"ward could not check the output of a tool: the event is not one that ward was made for"}`,
			"ward could not check the output of a tool: the event is not one that ward was made for"},
		"codex 0.169 shell": {
			`{` + codexHead + `"hook_event_name":"PostToolUse","tool_name":"Bash","tool_input":{"command":"cat .env"},"tool_response":"A=‹›\n","tool_use_id":"call_1"}`,
			`{"continue":false,"stopReason":"A=‹›\n"}`, ""},
		"codex, nothing": {`{` + codexHead + `"hook_event_name":"PostToolUse","tool_name":"Bash","tool_input":{"command":"«»"},"tool_response":"ok"}`, ``, ""},
		"gemini 0.61 shell": {
			`{` + geminiHead + `"hook_event_name":"AfterTool","tool_name":"run_shell_command","tool_input":{"command":"cat .env"},"tool_response":{"llmContent":"Output: ‹›","returnDisplay":"‹›"}}`,
			`{"decision":"deny","reason":"` + saidMasked + `:\nOutput: ‹›","systemMessage":"` + saidMasked + `"}`, ""},
		"gemini, parts": {
			`{` + geminiHead + `"hook_event_name":"AfterTool","tool_name":"read_file","tool_input":{},"tool_response":{"llmContent":[{"text":"a ‹›"},{"text":" b"}],"returnDisplay":""}}`,
			`{"decision":"deny","reason":"` + saidMasked + `:\na ‹› b","systemMessage":"` + saidMasked + `"}`, ""},
		"gemini, nothing": {`{` + geminiHead + `"hook_event_name":"AfterTool","tool_name":"x","tool_input":{},"tool_response":{"llmContent":"ok"}}`, ``, ""},
		"cursor shell": {
			`{` + cursorHead + `"hook_event_name":"afterShellExecution","command":"cat .env","output":"«»","duration":3}`, `{}`, saidShell},
		"cursor MCP": {
			`{` + cursorHead + `"hook_event_name":"postToolUse","tool_name":"MCP:db","tool_input":{},"tool_output":"{\"output\":\"‹›\"}"}`,
			`{"updated_mcp_tool_output":{"output":"‹›"}}`, ""},
		"cursor tool": {`{` + cursorHead + `"hook_event_name":"postToolUse","tool_name":"Shell","tool_input":{},"tool_output":"{\"output\":\"«»\",\"exitCode\":0}"}`, `{}`, saidShell},
		"cursor file": {
			`{` + cursorHead + `"hook_event_name":"beforeReadFile","file_path":"/p/.env","content":"«»"}`,
			`{"agent_message":"` + saidFile + `","permission":"deny","user_message":"` + saidFile + `"}`, ""},
		"cursor file, nothing": {`{` + cursorHead + `"hook_event_name":"beforeReadFile","file_path":"/p/a","content":"x"}`, `{"permission":"allow"}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			in, _ := starred(c.in, value)
			_, want := starred(c.out, value)
			got := Hook{Mask: maskWith(t, value)}.Answer([]byte(in))
			if string(got.Stdout) != want || got.Stderr != c.stderr || got.Code != 0 {
				t.Errorf("got  %s, %q, %d\nwant %s, %q, 0", got.Stdout, got.Stderr, got.Code, want, c.stderr)
			}
		})
	}
}

// What cannot be checked stops the agent, or passes and is said: never neither.
func TestHookUnchecked(t *testing.T) {
	broken := func([]byte) ([]byte, error) { return nil, errors.New("the keyring is locked") }
	const why = "ward could not check the output of a tool: "
	claude := `{` + claudeHead + `"hook_event_name":"PostToolUse","tool_name":"Bash","tool_input":{},"tool_response":{"stdout":"a","code":1,"type":"as long as a value","parts":[{"type":"text","text":"a"},{"type":"image","data":"aGk="}]}}`
	for _, c := range []struct {
		name, in string
		agent    Agent
		open     bool
		out      string
		stderr   string
		code     int
	}{
		{"empty", "", "", false, "", why + "the payload is empty", 2},
		{"empty, open", "\n", "", true, "", why + "the payload is empty; it passes", 0},
		{"empty, agent known", "", Claude, false, `{"continue":false,"stopReason":"` + why + `the payload is empty"}`, why + "the payload is empty", 0},
		{"bad", `{"a":`, Codex, false, `{"continue":false,"stopReason":"` + why + `the payload is not the JSON of a hook"}`, why + "the payload is not the JSON of a hook", 0},
		{"bad, cursor", `[`, Cursor, false, "", why + "the payload is not the JSON of a hook", 2},
		{"nobody's", `{"hook_event_name":"x"}`, "", false, "", why + "the payload is of no agent that ward knows", 2},
		{"no output", `{` + claudeHead + `"hook_event_name":"PostToolBatch","toolCalls":[]}`, "", false, `{"continue":false,"stopReason":"` + why + `the payload has no output in it"}`, why + "the payload has no output in it", 0},
		{"no output, codex", `{` + codexHead + `"hook_event_name":"PostToolUse","tool_name":"Bash","response":"a"}`, "", true, `{"systemMessage":"` + why + `the payload has no output in it; it passes"}`, why + "the payload has no output in it; it passes", 0},
		{"no output, gemini", `{` + geminiHead + `"hook_event_name":"AfterTool","tool_name":"x"}`, "", false, `{"continue":false,"stopReason":"` + why + `the payload has no output in it"}`, why + "the payload has no output in it", 0},
		{"no output, cursor", `{` + cursorHead + `"hook_event_name":"afterShellExecution","stdout":"a"}`, "", false, "", why + "the payload has no output in it", 2},
		{"no mask", claude, "", false, `{"continue":false,"hookSpecificOutput":{"hookEventName":"PostToolUse","updatedToolOutput":{"code":1,"parts":[{"text":"","type":"text"},{"data":"aGk=","type":"image"}],"stdout":"","type":""}},"stopReason":"` + why + `the keyring is locked"}`, why + "the keyring is locked", 0},
		{"no mask, one string", `{` + claudeHead + `"hook_event_name":"PostToolUse","tool_name":"x","tool_response":"a"}`, "", false, `{"continue":false,"hookSpecificOutput":{"hookEventName":"PostToolUse","updatedToolOutput":""},"stopReason":"` + why + `the keyring is locked"}`, why + "the keyring is locked", 0},
		{"no mask, open", claude, "", true, `{"systemMessage":"` + why + `the keyring is locked; it passes"}`, why + "the keyring is locked; it passes", 0},
	} {
		got := Hook{Agent: c.agent, Open: c.open, Mask: broken}.Answer([]byte(c.in))
		if string(got.Stdout) != c.out || got.Stderr != c.stderr || got.Code != c.code {
			t.Errorf("%s: got %s, %q, %d\nwant %s, %q, %d", c.name, got.Stdout, got.Stderr, got.Code, c.out, c.stderr, c.code)
		}
	}
}

// Whatever comes in, what goes out is one JSON object or nothing, and holds no secret.
func FuzzHook(f *testing.F) {
	for _, seed := range []string{
		`{` + claudeHead + `"hook_event_name":"PostToolUse","tool_name":"Bash","tool_input":{"a":"VALUE"},"tool_response":{"stdout":"VALUE","persistedOutputPath":"VALUE"}}`,
		`{` + claudeHead + `"hook_event_name":"PostToolBatch","tool_calls":["VALUE"]}`,
		`{` + codexHead + `"hook_event_name":"PostToolUse","tool_response":{"a":["\u0041VALUE"]}}`,
		`{` + geminiHead + `"hook_event_name":"AfterTool","tool_name":"VALUE","tool_response":{"llmContent":{"a":"VALUE"}}}`,
		`{` + cursorHead + `"hook_event_name":"postToolUse","tool_name":"MCP:VALUE","tool_output":"VALUE"}`, "VALUE", "{}", "",
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, in []byte, open bool) {
		in = bytes.ReplaceAll(in[:min(len(in), 4096)], []byte("VALUE"), []byte(fuzzValue))
		got := Hook{Open: open, Mask: maskWith(t, fuzzValue)}.Answer(in)
		if len(got.Stdout) > 0 {
			var object map[string]any
			if err := json.Unmarshal(got.Stdout, &object); err != nil {
				t.Fatalf("%q: %v", got.Stdout, err)
			}
		} else if got.Masked {
			t.Fatalf("a secret was found and nothing done: %q", in)
		}
		if strings.Contains(string(got.Stdout)+got.Stderr, fuzzValue) {
			t.Fatalf("the answer holds the secret: %s", got.Stdout)
		}
	})
}
