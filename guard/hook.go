package guard

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Agent is who calls a tool hook.
type Agent string

// The agents whose hooks ward answers, and the versions whose contracts were read: Claude Code 2.1.330, Codex 0.169,
// Gemini CLI 0.61. Cursor's is from its documentation.
const (
	Claude    Agent = "claude"
	Codex     Agent = "codex"
	GeminiCLI Agent = "gemini"
	Cursor    Agent = "cursor"
)

// Hook answers the tool hooks of agents: it takes what the agent writes to a hook's stdin, and gives what the hook has to
// print. It starts nothing, and what it prints holds nothing of the payload but what Mask gave back.
type Hook struct {
	Agent Agent // "": told from the payload
	// Mask masks a JSON text, keeping its shape. It gives an error where it cannot tell what is secret.
	Mask func(text []byte) ([]byte, error)
	// Open lets pass what cannot be checked. Otherwise the agent is stopped before the model sees it.
	Open bool
}

// Answer is what a hook does: it prints Stdout, one JSON object or nothing, and Stderr, a sentence or nothing, and exits
// with Code.
type Answer struct {
	Stdout []byte
	Stderr string
	Code   int
	Masked bool // a secret was found
}

// codeBlock is the exit code that all four take for "this must not pass".
const codeBlock = 2

// toolCall is what a hook is told, as far as any of the agents tells it.
type toolCall struct {
	Event        string          `json:"hook_event_name"`
	Tool         string          `json:"tool_name"`
	Input        json.RawMessage `json:"tool_input"`
	Response     json.RawMessage `json:"tool_response"`
	Error        json.RawMessage `json:"error"`       // Claude Code: of a tool that failed
	Calls        json.RawMessage `json:"tool_calls"`  // Claude Code: of a batch
	Output       json.RawMessage `json:"tool_output"` // Cursor: JSON in a string
	Result       json.RawMessage `json:"result_json"` // Cursor: of an MCP tool
	ShellOutput  json.RawMessage `json:"output"`      // Cursor: of a shell command
	Content      json.RawMessage `json:"content"`     // Cursor: of a file
	Session      string          `json:"session_id"`
	Turn         *string         `json:"turn_id"`
	CursorSince  *string         `json:"cursor_version"`
	Conversation *string         `json:"conversation_id"`
}

// agent tells whose payload this is, "" if nobody's that is known. Gemini CLI alone names its events so; Codex and
// Claude Code share names, and only Codex has turns.
func (p *toolCall) agent() Agent {
	switch {
	case p.CursorSince != nil || p.Conversation != nil:
		return Cursor
	case p.Event == "AfterTool" || p.Event == "BeforeTool":
		return GeminiCLI
	case p.Turn != nil:
		return Codex
	case p.Session != "" && p.Event != "":
		return Claude
	}
	return ""
}

// what a hook says to people and models. Nothing in it is from the payload.
const (
	saidMasked = "ward masked a secret in the output of a tool; the stars stand in its place"
	saidStop   = "ward stopped the agent: a tool that failed printed a secret, which this agent lets no hook hide. It is in the conversation; start a new one"
	saidStars  = "ward: the input of this tool holds a run of stars that looks like a mask. If it was written to a file, the value it stands for is gone there"
	saidFile   = "ward: this file holds a secret"
	saidShell  = "ward: a secret is in the output of this command, and Cursor lets no hook hide it; run the agent under ward run"
)

// Answer takes the payload of one hook.
func (h Hook) Answer(stdin []byte) Answer {
	if len(bytes.TrimSpace(stdin)) == 0 {
		return h.Unchecked(errors.New("the payload is empty"))
	}
	var p toolCall
	if err := json.Unmarshal(stdin, &p); err != nil {
		return h.Unchecked(errors.New("the payload is not the JSON of a hook"))
	}
	agent := h.Agent
	if agent == "" {
		agent = p.agent()
	}
	var answer Answer
	var err error
	switch agent {
	case Claude:
		answer, err = h.claude(&p)
	case Codex:
		answer, err = h.codex(&p)
	case GeminiCLI:
		answer, err = h.gemini(&p)
	case Cursor:
		answer, err = h.cursor(&p)
	default:
		err = errors.New("the payload is of no agent that ward knows")
	}
	if err != nil {
		return h.unchecked(agent, &p, err)
	}
	return answer
}

// Unchecked is the answer where the payload itself could not be had.
func (h Hook) Unchecked(why error) Answer { return h.unchecked(h.Agent, &toolCall{}, why) }

// unchecked is the answer where nothing could be looked at: as configured, and never silently.
func (h Hook) unchecked(agent Agent, p *toolCall, why error) Answer {
	text := fmt.Sprintf("ward could not check the output of a tool: %s", why)
	if h.Open {
		a := Answer{Stderr: text + "; it passes"}
		if agent == Claude || agent == Codex || agent == GeminiCLI {
			a.Stdout = object("systemMessage", a.Stderr)
		}
		return a
	}
	switch agent {
	case Claude, Codex, GeminiCLI:
		answer := map[string]any{"continue": false, "stopReason": text}
		// Claude Code stops, and would show the output to the model when the person goes on.
		if agent == Claude && p.Event == "PostToolUse" && len(p.Response) > 0 {
			answer["hookSpecificOutput"] = map[string]any{"hookEventName": p.Event, "updatedToolOutput": withheld(p.Response)}
		}
		return Answer{Stdout: encode(answer), Stderr: text}
	}
	return Answer{Stderr: text, Code: codeBlock}
}

// withheld is a tool's output in its own shape with nothing in its strings. What says of what kind an object is stays,
// since the shape may ask for it, and so do images, which nobody looks at for text.
func withheld(response json.RawMessage) any {
	var value any
	d := json.NewDecoder(bytes.NewReader(response))
	d.UseNumber()
	if d.Decode(&value) != nil {
		return ""
	}
	return emptied(value)
}

const maxKind = 16 // "file_unchanged"

func emptied(value any) any {
	switch v := value.(type) {
	case string:
		return ""
	case []any:
		for i := range v {
			v[i] = emptied(v[i])
		}
	case map[string]any:
		if v["type"] == "image" {
			return v
		}
		for name, inner := range v {
			if kind, ok := inner.(string); ok && name == "type" && len(kind) <= maxKind {
				continue
			}
			v[name] = emptied(inner)
		}
	}
	return value
}

// object encodes names and values that always encode.
func object(pairs ...any) []byte {
	m := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
	}
	return encode(m)
}

// encode does without the escapes of HTML: what a tool printed stays readable.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return nil
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// masked masks a part of the payload and says whether there was anything to mask. A part that is not there is an error: the
// agent may have given it another name since.
func (h Hook) masked(part json.RawMessage) ([]byte, bool, error) {
	if len(part) == 0 {
		return nil, false, errors.New("the payload has no output in it")
	}
	masked, err := h.Mask(bytes.Clone(part))
	if err == nil && !json.Valid(masked) {
		err = errors.New("the mask broke the JSON")
	}
	return masked, !bytes.Equal(masked, part), err
}

// unknownEvent is an event that carries no output, or none that is known. ward is not asked about them by the
// configuration that it installs.
func unknownEvent() error { return errors.New("the event is not one that ward was made for") }

// claude: updatedToolOutput replaces what a tool gave, if it has the tool's own shape; else it is dropped and the
// original goes on (a block only adds words to it). No answer to PostToolUseFailure hides the error of a tool or stops
// the agent: that is done by PostToolBatch, which comes right before the model is asked and sees what it would get.
func (h Hook) claude(p *toolCall) (Answer, error) {
	switch p.Event {
	case "PostToolUse":
		masked, found, err := h.masked(orNull(p.Response))
		if err != nil {
			return Answer{}, err
		}
		said := []string{}
		if found {
			said = append(said, saidMasked)
		}
		if hasMask(p.Input) {
			said = append(said, saidStars)
		}
		if len(said) == 0 {
			return Answer{}, nil
		}
		answer := map[string]any{"systemMessage": strings.Join(said, ". ")}
		if found {
			answer["hookSpecificOutput"] = map[string]any{"hookEventName": p.Event, "updatedToolOutput": withoutCopies(masked)}
		}
		return Answer{Stdout: encode(answer), Masked: found}, nil
	case "PostToolUseFailure":
		_, found, err := h.masked(orNull(p.Error))
		if err != nil || !found {
			return Answer{}, err
		}
		return Answer{Stdout: object("continue", false, "stopReason", saidStop, "systemMessage", saidStop), Masked: true}, nil
	case "PostToolBatch":
		_, found, err := h.masked(p.Calls)
		if err != nil || !found {
			return Answer{}, err
		}
		return Answer{Stdout: object("continue", false, "stopReason", saidStop), Masked: true}, nil
	}
	return Answer{}, unknownEvent()
}

// orNull is for an output that may be missing: a tool may have none, and PostToolBatch looks at it again.
func orNull(part json.RawMessage) json.RawMessage {
	if len(part) == 0 {
		return json.RawMessage("null")
	}
	return part
}

// withoutCopies drops the names of files that hold the whole output, which the agent would show instead of the mask.
func withoutCopies(response json.RawMessage) json.RawMessage {
	var fields map[string]json.RawMessage
	if json.Unmarshal(response, &fields) != nil || fields == nil {
		return response // no object: the shape is the tool's own all the same
	}
	n := len(fields)
	for _, name := range [...]string{"persistedOutputPath", "persistedOutputSize", "rawOutputPath"} {
		delete(fields, name)
	}
	if len(fields) == n {
		return response
	}
	return encode(fields)
}

// hasMask says whether a tool's input holds what looks like a mask.
func hasMask(input json.RawMessage) bool {
	if len(input) == 0 {
		return false
	}
	b := Body{root: &spot{wants: watch, deep: true}}
	_, err := b.Process(input)
	return err == nil && b.MaskRuns() > 0
}
