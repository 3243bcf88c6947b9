package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// oneCall is the provider of an agent whose model asks for one shell command. It keeps what it was sent.
type oneCall struct {
	*httptest.Server
	tool   string         // the agent's shell
	args   map[string]any // of the call
	mu     sync.Mutex
	bodies []string
}

func newOneCall(t *testing.T, tool string, args map[string]any) *oneCall {
	t.Helper()
	m := &oneCall{tool: tool, args: args}
	m.Server = httptest.NewServer(m)
	t.Cleanup(func() {
		m.CloseClientConnections()
		m.Close()
	})
	return m
}

func (m *oneCall) port() string {
	_, port, _ := net.SplitHostPort(m.Listener.Addr().String())
	return port
}

// sent is all that the model got.
func (m *oneCall) sent() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return strings.Join(m.bodies, "\n")
}

func (m *oneCall) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 16<<20))
	if err != nil {
		return
	}
	m.mu.Lock()
	m.bodies = append(m.bodies, string(body))
	m.mu.Unlock()
	answered := strings.Contains(string(body), "function_call_output") || strings.Contains(string(body), `"functionResponse"`)
	send := func(event string, data map[string]any) {
		if event != "" {
			data["type"] = event
			fmt.Fprintf(w, "event: %s\n", event)
		}
		text, _ := json.Marshal(data) // strings and numbers only
		fmt.Fprintf(w, "data: %s\n\n", text)
	}
	w.Header().Set("Content-Type", "text/event-stream")
	switch {
	case r.Method != http.MethodPost:
		w.WriteHeader(http.StatusNotFound)
	case strings.HasSuffix(r.URL.Path, "/responses"):
		item := map[string]any{"type": "message", "role": "assistant", "id": "m", "content": []any{map[string]any{"type": "output_text", "text": "done"}}}
		if !answered {
			args, _ := json.Marshal(m.args)
			item = map[string]any{"type": "function_call", "id": "f", "call_id": "c", "name": m.tool, "arguments": string(args)}
		}
		send("response.created", map[string]any{"response": map[string]any{"id": "r"}})
		send("response.output_item.done", map[string]any{"output_index": 0, "item": item})
		send("response.completed", map[string]any{"response": map[string]any{"id": "r",
			"usage": map[string]any{"input_tokens": 1, "input_tokens_details": nil, "output_tokens": 1, "output_tokens_details": nil, "total_tokens": 2}}})
	default:
		part := map[string]any{"text": "done"}
		if !answered {
			part = map[string]any{"functionCall": map[string]any{"name": m.tool, "args": m.args}}
		}
		send("", map[string]any{"candidates": []any{map[string]any{"index": 0, "finishReason": "STOP", "content": map[string]any{"role": "model", "parts": []any{part}}}},
			"usageMetadata": map[string]any{"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}})
	}
}

// agentHome writes a person's files.
func (p *person) agentHome(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(p.home, name)
	dir := filepath.Dir(path)
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.Chown(dir, p.uid, p.uid), os.WriteFile(path, []byte(text), 0o600), os.Chown(path, p.uid, p.uid)); err != nil {
		t.Fatal(err)
	}
}

// node runs an agent that is a node program.
func (p *person) node(t *testing.T, bin string, argv ...string) string {
	t.Helper()
	argv = append([]string{}, argv...)
	if !filepath.IsAbs(argv[0]) {
		argv[0] = filepath.Join(bin, argv[0])
	}
	cmd := p.command(t, argv...)
	cmd.Env[0] = "PATH=" + bin + ":" + os.Getenv("PATH")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// masked checks that the model was sent the tool's output with stars in the place of the value, and no part of it.
func (m *oneCall) masked(t *testing.T, value, out string) {
	t.Helper()
	shards := agentShards{}
	shards.add("value", value)
	if found := shards.find(m.sent()); len(found) > 0 {
		t.Errorf("the model was sent a part of the value\n%s", strings.ReplaceAll(out, value, "VALUE"))
	}
	if !strings.Contains(m.sent(), "TOKEN=sk-****************") {
		t.Errorf("the model was not sent the line with stars: %d requests\n%s", len(m.bodies), strings.ReplaceAll(out, value, "VALUE"))
	}
}

// Codex under ward run: its hook comes by the command line, trusted by its digest, and masks commands that fail too; that
// the settings switch hooks off does not count.
func TestAgentHookCodex(t *testing.T) {
	bin := agentPackage(t, "codex-0.169.0", "@openai/codex@0.169.0", "codex")
	p := one(t)
	value := secretValue()
	p.write(t, ".env", []byte("TOKEN="+value+"\n"), 0o644)
	m := newOneCall(t, "exec_command", map[string]any{"cmd": "cat .env; exit 3"})
	p.agentHome(t, ".codex/config.toml", fmt.Sprintf("model = \"gpt-5\"\nmodel_provider = \"here\"\n[features]\nhooks = false\n[model_providers.here]\nname = \"here\"\nbase_url = \"%s/v1\"\nwire_api = \"responses\"\n", m.URL))
	p.env = append(p.env, "API_TOKEN="+value)
	exec := []string{"codex", "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "say hi"}
	under := append([]string{p.ward, "run", "-p", "default", "--allow-cwd", "--allow", filepath.Join(p.home, ".codex"), "--allow-port", m.port(),
		"--env-credential-map", "env://API_TOKEN", "API_TOKEN", "--"}, exec...)
	m.masked(t, value, p.node(t, bin, under...))

	bare := newOneCall(t, m.tool, m.args)
	p.agentHome(t, ".codex/config.toml", fmt.Sprintf("model = \"gpt-5\"\nmodel_provider = \"here\"\n[model_providers.here]\nname = \"here\"\nbase_url = \"%s/v1\"\nwire_api = \"responses\"\n", bare.URL))
	if out := p.node(t, bin, exec...); !strings.Contains(bare.sent(), value) {
		t.Errorf("without ward the model was not sent the value: this test cannot fail\n%s", out)
	}

	p.installGone(t, "codex")
	gone := newOneCall(t, m.tool, m.args)
	p.agentHome(t, ".codex/config.toml", fmt.Sprintf("model = \"gpt-5\"\nmodel_provider = \"here\"\n[model_providers.here]\nname = \"here\"\nbase_url = \"%s/v1\"\nwire_api = \"responses\"\n", gone.URL))
	exec = append([]string{"codex", "exec", "--dangerously-bypass-hook-trust"}, exec[2:]...)
	if out := p.node(t, bin, exec...); strings.Contains(gone.sent(), value) || !strings.Contains(gone.sent(), "function_call_output") {
		t.Errorf("with a hook that is gone: %d requests, want that the model is sent a result without the value\n%s", len(gone.bodies), out)
	}
}

// Gemini CLI with an installed hook.
func TestAgentHookGemini(t *testing.T) {
	bin := agentPackage(t, "gemini-0.61.0", "@google/gemini-cli@0.61.0", "gemini")
	p := one(t)
	h := &hooked{person: p}
	p.keyring(t)
	value := secretValue()
	h.store(t, "acme/token", value)
	p.write(t, ".env.local", []byte("TOKEN="+value+"\n"), 0o644)
	args := map[string]any{"command": "cat .env.local", "description": "look"}
	p.agentHome(t, ".gemini/settings.json", `{"security": {"auth": {"selectedType": "gemini-api-key"}, "folderTrust": {"enabled": false}}, "general": {"enableAutoUpdate": false}, "privacy": {"usageStatisticsEnabled": false}}`)
	p.env = append(p.env, "GEMINI_API_KEY=any")
	argv := []string{"gemini", "-m", "gemini-2.5-flash", "-p", "say hi", "--approval-mode", "yolo"}
	env := p.env

	bare := newOneCall(t, "run_shell_command", args)
	p.env = append(env, "GOOGLE_GEMINI_BASE_URL="+bare.URL)
	if out := p.node(t, bin, argv...); !strings.Contains(bare.sent(), value) {
		t.Errorf("without ward the model was not sent the value: this test cannot fail\n%s", out)
	}
	if o := end(t, p.command(t, p.ward, "guard", "install", "gemini", "--yes")); o.code != 0 {
		t.Fatalf("guard install: %+v", o)
	}
	m := newOneCall(t, bare.tool, args)
	p.env = append(env, "GOOGLE_GEMINI_BASE_URL="+m.URL)
	m.masked(t, value, p.node(t, bin, argv...))

	p.installGone(t, "gemini")
	gone := newOneCall(t, bare.tool, args)
	p.env = append(env, "GOOGLE_GEMINI_BASE_URL="+gone.URL)
	if out := p.node(t, bin, argv...); strings.Contains(gone.sent(), value) || !strings.Contains(gone.sent(), "functionResponse") {
		t.Errorf("with a hook that is gone: %d requests, want that the model is sent a result without the value\n%s", len(gone.bodies), out)
	}
}
