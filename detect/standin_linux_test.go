package detect

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// model plays four providers on loopback: the part of each API that its agent
// uses. It asks for one command by the agent's own shell tool and then ends
// the conversation. See cmd/ward for what a worse model would do.
type model struct {
	*httptest.Server
	command string

	mu    sync.Mutex
	calls int      // how often the command was asked for
	log   []string // requests, and what was made of them
}

func newModel(t *testing.T, command string) *model {
	t.Helper()
	m := &model{command: command}
	m.Server = httptest.NewServer(m)
	t.Cleanup(func() {
		m.CloseClientConnections() // an agent that was killed leaves streams open
		m.Close()
	})
	return m
}

// tool is a shell tool as the agent offers it, and the argument that takes
// the command.
type tool struct{ name, argument string }

func shellTools() []tool {
	return []tool{
		{"Bash", "command"},              // claude
		{"exec_command", "cmd"},          // codex
		{"shell_command", "command"},     // codex, before
		{"bash", "command"},              // opencode
		{"run_shell_command", "command"}, // gemini
	}
}

// offered finds the shell tool among those of a request: names stand in
// different places in each API.
func offered(body []byte) (tool, bool) {
	for _, t := range shellTools() {
		for _, form := range []string{`"name":"%s"`, `"name": "%s"`} {
			if strings.Contains(string(body), fmt.Sprintf(form, t.name)) {
				return t, true
			}
		}
	}
	return tool{}, false
}

// next decides about a turn: the arguments of a call, or nil for a text.
func (m *model) next(r *http.Request, body []byte) (name string, arguments map[string]any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, ok := offered(body)
	done := strings.Contains(string(body), probeDone)
	m.log = append(m.log, fmt.Sprintf("%s %s: tool %q, done %v", r.Method, r.URL.Path, t.name, done))
	if !ok || done || m.calls == 3 {
		return "", nil
	}
	m.calls++
	return t.name, map[string]any{t.argument: m.command, "description": "Look around"}
}

// ServeHTTP answers as the provider would whose path it is.
func (m *model) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 16<<20))
	if err != nil {
		return
	}
	answer := map[bool]func(http.ResponseWriter, string, map[string]any){
		strings.HasSuffix(r.URL.Path, "/v1/messages"):           answerMessages,
		strings.HasSuffix(r.URL.Path, "/responses"):             answerResponses,
		strings.HasSuffix(r.URL.Path, "/chat/completions"):      answerCompletions,
		strings.HasSuffix(r.URL.Path, ":streamGenerateContent"): answerGemini,
	}[true]
	if r.Method != http.MethodPost || answer == nil {
		m.mu.Lock()
		m.log = append(m.log, r.Method+" "+r.URL.Path+": not served")
		m.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		if r.Method != http.MethodHead {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"error":{"message":"not found","code":404,"status":"NOT_FOUND"}}`)
		}
		return
	}
	name, arguments := m.next(r, body)
	w.Header().Set("Content-Type", "text/event-stream")
	answer(w, name, arguments)
}

// send is one server-sent event. OpenAI's chat and Gemini name none.
func send(w io.Writer, event string, data map[string]any) {
	if event != "" {
		data["type"] = event
		fmt.Fprintf(w, "event: %s\n", event)
	}
	text, _ := json.Marshal(data) // strings and numbers only
	fmt.Fprintf(w, "data: %s\n\n", text)
}

func encoded(arguments map[string]any) string {
	text, _ := json.Marshal(arguments)
	return string(text)
}

// answerMessages is Anthropic's Messages API.
func answerMessages(w http.ResponseWriter, name string, arguments map[string]any) {
	send(w, "message_start", map[string]any{"message": map[string]any{
		"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": []any{}, "stop_reason": nil, "stop_sequence": nil,
		"usage": map[string]any{"input_tokens": 1, "output_tokens": 1}}})
	block, reason := map[string]any{"type": "text", "text": ""}, "end_turn"
	delta := map[string]any{"type": "text_delta", "text": "That was all."}
	if name != "" {
		block, reason = map[string]any{"type": "tool_use", "id": "toolu_1", "name": name, "input": map[string]any{}}, "tool_use"
		delta = map[string]any{"type": "input_json_delta", "partial_json": encoded(arguments)}
	}
	send(w, "content_block_start", map[string]any{"index": 0, "content_block": block})
	send(w, "content_block_delta", map[string]any{"index": 0, "delta": delta})
	send(w, "content_block_stop", map[string]any{"index": 0})
	send(w, "message_delta", map[string]any{"delta": map[string]any{"stop_reason": reason, "stop_sequence": nil},
		"usage": map[string]any{"output_tokens": 1}})
	send(w, "message_stop", map[string]any{})
}

// answerResponses is OpenAI's Responses API.
func answerResponses(w http.ResponseWriter, name string, arguments map[string]any) {
	item := map[string]any{"type": "message", "role": "assistant", "id": "msg_1",
		"content": []any{map[string]any{"type": "output_text", "text": "That was all."}}}
	if name != "" {
		item = map[string]any{"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": name, "arguments": encoded(arguments)}
	}
	send(w, "response.created", map[string]any{"response": map[string]any{"id": "resp_1"}})
	send(w, "response.output_item.done", map[string]any{"output_index": 0, "item": item})
	send(w, "response.completed", map[string]any{"response": map[string]any{"id": "resp_1",
		"usage": map[string]any{"input_tokens": 1, "input_tokens_details": nil, "output_tokens": 1, "output_tokens_details": nil, "total_tokens": 2}}})
}

// answerCompletions is OpenAI's Chat Completions API, which others speak too.
func answerCompletions(w http.ResponseWriter, name string, arguments map[string]any) {
	delta, reason := map[string]any{"role": "assistant", "content": "That was all."}, "stop"
	if name != "" {
		delta, reason = map[string]any{"role": "assistant", "tool_calls": []any{map[string]any{"index": 0, "id": "call_1", "type": "function",
			"function": map[string]any{"name": name, "arguments": encoded(arguments)}}}}, "tool_calls"
	}
	chunk := func(delta map[string]any, reason any) map[string]any {
		return map[string]any{"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m",
			"choices": []any{map[string]any{"index": 0, "delta": delta, "finish_reason": reason}}}
	}
	send(w, "", chunk(delta, nil))
	send(w, "", chunk(map[string]any{}, reason))
	fmt.Fprint(w, "data: [DONE]\n\n")
}

// answerGemini is Google's generateContent as a stream.
func answerGemini(w http.ResponseWriter, name string, arguments map[string]any) {
	part := map[string]any{"text": "That was all."}
	if name != "" {
		part = map[string]any{"functionCall": map[string]any{"name": name, "args": arguments}}
	}
	send(w, "", map[string]any{
		"candidates": []any{map[string]any{"index": 0, "finishReason": "STOP",
			"content": map[string]any{"role": "model", "parts": []any{part}}}},
		"usageMetadata": map[string]any{"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}})
}
