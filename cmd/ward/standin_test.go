package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// standin plays the model's provider for a real agent: the part of Anthropic's
// Messages API that the agent uses, served on loopback, with a hijacked model
// behind it. The model asks for the calls of script one after the other, and
// in the end repeats everything that the tools gave it: the worst that a
// model which was talked over by a web page can do with a Bash tool.
type standin struct {
	*httptest.Server

	// script holds the shell commands of the tool calls, in order.
	script []string

	// closing is the last line of the model's last answer, by which a test
	// sees that the conversation came to its end.
	closing string

	mu       sync.Mutex
	requests []standinRequest
	results  []string
}

// standinRequest is one request as it came over the wire.
type standinRequest struct {
	Method, URI string
	Header      http.Header
	Body        []byte
}

// newStandin serves script until the test ends.
func newStandin(t *testing.T, closing string, script ...string) *standin {
	t.Helper()
	s := &standin{script: script, closing: closing}
	s.Server = httptest.NewServer(s)
	t.Cleanup(func() {
		// An agent that was killed leaves streams open, and Close alone
		// would wait for them.
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

// port is where the stand-in listens, as a word for a command line.
func (s *standin) port() string {
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	return port
}

// ServeHTTP records the request, then answers as the provider would.
func (s *standin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 16<<20))
	if err != nil {
		return // the agent went away in the middle
	}
	s.mu.Lock()
	s.requests = append(s.requests, standinRequest{r.Method, r.URL.RequestURI(), r.Header.Clone(), body})
	s.mu.Unlock()

	switch {
	case r.Method == http.MethodHead:
		w.WriteHeader(http.StatusOK)
	case r.Method == http.MethodPost && r.URL.Path == "/v1/messages/count_tokens":
		standinJSON(w, http.StatusOK, map[string]any{"input_tokens": 1})
	case r.Method == http.MethodPost && r.URL.Path == "/v1/messages":
		s.serveMessages(w, body)
	default:
		standinJSON(w, http.StatusNotFound, map[string]any{
			"type":  "error",
			"error": map[string]any{"type": "not_found_error", "message": "not found"},
		})
	}
}

// serveMessages answers one turn. Which turn it is follows from the request
// alone, so a repeated request gets the same answer again.
func (s *standin) serveMessages(w http.ResponseWriter, body []byte) {
	var request messagesRequest
	if err := json.Unmarshal(body, &request); err != nil {
		standinJSON(w, http.StatusBadRequest, map[string]any{
			"type":  "error",
			"error": map[string]any{"type": "invalid_request_error", "message": err.Error()},
		})
		return
	}
	answer := standinText("ok")
	if request.offersBash() { // else it is a side question: a title, a summary
		results := request.toolResults()
		s.mu.Lock()
		if len(results) > len(s.results) {
			s.results = results
		}
		s.mu.Unlock()
		if n := len(results); n < len(s.script) {
			answer = standinToolUse(n, s.script[n])
		} else {
			answer = standinText(strings.Join(results, "\n\n") + "\n\n" + s.closing)
		}
	}
	if request.Stream {
		answer.stream(w, request.Model)
		return
	}
	standinJSON(w, http.StatusOK, answer.message(request.Model))
}

// toolResults is what the tools gave the model so far, one text per call.
func (s *standin) toolResults() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.results...)
}

// recorded is every request so far.
func (s *standin) recorded() []standinRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]standinRequest(nil), s.requests...)
}

// wire is all that the stand-in has received, as text to search in.
func (s *standin) wire() string {
	var b strings.Builder
	for _, r := range s.recorded() {
		fmt.Fprintf(&b, "%s %s\n%v\n%s\n", r.Method, r.URI, r.Header, r.Body)
	}
	return b.String()
}

// messagesRequest is what the stand-in reads of a request to /v1/messages.
type messagesRequest struct {
	Model    string
	Stream   bool
	Tools    []struct{ Name string }
	Messages []struct {
		Role    string
		Content json.RawMessage
	}
}

func (r *messagesRequest) offersBash() bool {
	for _, tool := range r.Tools {
		if tool.Name == "Bash" {
			return true
		}
	}
	return false
}

// toolResults collects the tool_result blocks of the conversation in order.
func (r *messagesRequest) toolResults() []string {
	var results []string
	for _, message := range r.Messages {
		var blocks []struct {
			Type    string
			Content json.RawMessage
		}
		if json.Unmarshal(message.Content, &blocks) != nil {
			continue // the content is a bare string: no blocks in it
		}
		for _, block := range blocks {
			if block.Type == "tool_result" {
				results = append(results, standinPlain(block.Content))
			}
		}
	}
	return results
}

// standinPlain is the text of a content field, which is a string or a list
// of blocks.
func standinPlain(content json.RawMessage) string {
	var text string
	if json.Unmarshal(content, &text) == nil {
		return text
	}
	var blocks []struct{ Text string }
	if json.Unmarshal(content, &blocks) != nil {
		return string(content)
	}
	for _, block := range blocks {
		text += block.Text
	}
	return text
}
