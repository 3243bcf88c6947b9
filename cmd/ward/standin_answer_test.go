package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"unicode/utf8"
)

// standinDelta is how many bytes of text one event of a stream carries. A
// provider sends a few characters at a time; a value that is longer than this
// reaches the agent in pieces, as it would in earnest.
const standinDelta = 7

// standinAnswer is one turn of the model: one block, of one of two kinds.
type standinAnswer struct {
	text string

	toolID string // empty: a text
	input  []byte // JSON
}

func standinText(text string) standinAnswer { return standinAnswer{text: text} }

func standinToolUse(turn int, command string) standinAnswer {
	input, _ := json.Marshal(map[string]string{ // strings always encode
		"command":     command,
		"description": fmt.Sprintf("Step %d", turn+1),
	})
	return standinAnswer{toolID: fmt.Sprintf("toolu_%024d", turn+1), input: input}
}

func (a standinAnswer) stopReason() string {
	if a.toolID != "" {
		return "tool_use"
	}
	return "end_turn"
}

// block is the answer's content block, whole or as the empty one that opens
// a stream.
func (a standinAnswer) block(whole bool) map[string]any {
	switch {
	case a.toolID == "" && whole:
		return map[string]any{"type": "text", "text": a.text}
	case a.toolID == "":
		return map[string]any{"type": "text", "text": ""}
	case whole:
		return map[string]any{"type": "tool_use", "id": a.toolID, "name": "Bash", "input": json.RawMessage(a.input)}
	default:
		return map[string]any{"type": "tool_use", "id": a.toolID, "name": "Bash", "input": map[string]any{}}
	}
}

// message is the answer to a request that did not ask for a stream.
func (a standinAnswer) message(model string) map[string]any {
	return map[string]any{
		"id": "msg_standin", "type": "message", "role": "assistant", "model": model,
		"content":     []any{a.block(true)},
		"stop_reason": a.stopReason(), "stop_sequence": nil,
		"usage": map[string]any{"input_tokens": 1, "output_tokens": 1},
	}
}

// stream sends the answer as the provider's server-sent events.
func (a standinAnswer) stream(w http.ResponseWriter, model string) {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	send := func(event string, fields map[string]any) {
		fields["type"] = event
		data, _ := json.Marshal(fields) // strings and numbers only
		fmt.Fprintf(w, "event: %s\ndata: %s\n\n", event, data)
		w.(http.Flusher).Flush()
	}
	opening := a.message(model)
	opening["content"], opening["stop_reason"] = []any{}, nil
	send("message_start", map[string]any{"message": opening})
	send("content_block_start", map[string]any{"index": 0, "content_block": a.block(false)})
	for _, piece := range a.pieces() {
		delta := map[string]any{"type": "text_delta", "text": piece}
		if a.toolID != "" {
			delta = map[string]any{"type": "input_json_delta", "partial_json": piece}
		}
		send("content_block_delta", map[string]any{"index": 0, "delta": delta})
	}
	send("content_block_stop", map[string]any{"index": 0})
	send("message_delta", map[string]any{
		"delta": map[string]any{"stop_reason": a.stopReason(), "stop_sequence": nil},
		"usage": map[string]any{"output_tokens": 1},
	})
	send("message_stop", map[string]any{})
}

// pieces cuts the answer for the stream, never inside a character.
func (a standinAnswer) pieces() []string {
	rest := a.text
	if a.toolID != "" {
		rest = string(a.input)
	}
	var pieces []string
	for len(rest) > 0 {
		n := min(standinDelta, len(rest))
		for n < len(rest) && !utf8.RuneStart(rest[n]) {
			n++
		}
		pieces, rest = append(pieces, rest[:n]), rest[n:]
	}
	return pieces
}

func standinJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(value)
}
