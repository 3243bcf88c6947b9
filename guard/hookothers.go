package guard

import (
	"encoding/json"
)

// codex: a hook cannot give a tool's result another value (a key that Codex does not know makes the whole answer void),
// but "continue": false puts stopReason in its place.
func (h Hook) codex(p *toolCall) (Answer, error) {
	if p.Event != "PostToolUse" {
		return Answer{}, unknownEvent()
	}
	masked, found, err := h.masked(p.Response)
	if err != nil || !found {
		return Answer{}, err
	}
	return Answer{Stdout: object("continue", false, "stopReason", plain(masked)), Masked: true}, nil
}

// gemini: a denied result is hidden, and the reason goes to the model in its place. What is shown to the person stays
// as it is.
func (h Hook) gemini(p *toolCall) (Answer, error) {
	if p.Event != "AfterTool" {
		return Answer{}, unknownEvent()
	}
	masked, found, err := h.masked(p.Response)
	if err != nil || !found {
		return Answer{}, err
	}
	var response struct {
		Content json.RawMessage `json:"llmContent"`
	}
	if err := json.Unmarshal(masked, &response); err != nil {
		return Answer{}, err
	}
	return Answer{Stdout: object("decision", "deny", "reason", saidMasked+":\n"+plain(response.Content), "systemMessage", saidMasked), Masked: true}, nil
}

// cursor: the result of an MCP tool can be replaced, and a file can be kept from being read. The output of a shell
// command cannot be touched; it is only said.
func (h Hook) cursor(p *toolCall) (Answer, error) {
	switch p.Event {
	case "beforeReadFile":
		_, found, err := h.masked(p.Content)
		if err != nil || !found {
			return Answer{Stdout: object("permission", "allow")}, err
		}
		return Answer{Stdout: object("permission", "deny", "user_message", saidFile, "agent_message", saidFile), Masked: true}, nil
	case "afterShellExecution":
		_, found, err := h.masked(p.ShellOutput)
		if err != nil || !found {
			return Answer{Stdout: []byte("{}")}, err
		}
		return Answer{Stdout: []byte("{}"), Stderr: saidShell, Masked: true}, nil
	case "postToolUse", "postToolUseFailure", "afterMCPExecution":
		return h.cursorOutput(p)
	}
	return Answer{}, unknownEvent()
}

func (h Hook) cursorOutput(p *toolCall) (Answer, error) {
	output := p.Output
	if len(output) == 0 {
		output = p.Result
	}
	if len(output) == 0 {
		output = p.Error
	}
	masked, found, err := h.masked(output)
	if err != nil || !found {
		return Answer{Stdout: []byte("{}")}, err
	}
	if p.Event != "postToolUse" || !isMCP(p.Tool) {
		return Answer{Stdout: []byte("{}"), Stderr: saidShell, Masked: true}, nil
	}
	var inner json.RawMessage
	if text := plain(masked); json.Valid([]byte(text)) {
		inner = json.RawMessage(text)
	} else {
		inner = masked
	}
	return Answer{Stdout: object("updated_mcp_tool_output", inner), Masked: true}, nil
}

func isMCP(tool string) bool { return len(tool) > 4 && tool[:4] == "MCP:" }

// plain is the text of a result that is a string, or of parts that have texts; else its JSON.
func plain(result json.RawMessage) string {
	var text string
	if json.Unmarshal(result, &text) == nil {
		return text
	}
	var parts []struct{ Text *string }
	if json.Unmarshal(result, &parts) == nil && len(parts) > 0 {
		for _, p := range parts {
			if p.Text == nil {
				return string(result)
			}
			text += *p.Text
		}
		return text
	}
	return string(result)
}
