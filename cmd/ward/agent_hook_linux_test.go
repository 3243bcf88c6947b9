package main_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// hooked is a real agent whose hijacked model prints stored secrets with its Bash tool: one that the launch hands over,
// and one that it does not use and that lies in a file of the project.
type hooked struct {
	*person
	bin           string
	given, unused string
	standin       *standin
	shards        agentShards
}

func newHooked(t *testing.T, p *person, script ...string) *hooked {
	t.Helper()
	h := &hooked{person: p, bin: agentInstalled(t), given: secretValue(), unused: secretValue(), shards: agentShards{}}
	p.keyring(t)
	h.store(t, "acme/given", h.given)
	h.store(t, "acme/unused", h.unused)
	h.shards.add("given", h.given)
	h.shards.add("unused", h.unused)
	p.write(t, ".env", []byte("DEBUG=1\nTOKEN="+h.unused+"\n"), 0o644)
	h.standin = newStandin(t, agentClosing, script...)
	key := "key-for-the-stand-in-of-the-provider"
	for name, v := range map[string]any{
		".claude.json": map[string]any{
			"hasCompletedOnboarding": true, "lastOnboardingVersion": agentVersion, "theme": "dark",
			"customApiKeyResponses": map[string]any{"approved": []string{key[len(key)-20:]}, "rejected": []string{}},
			"projects":              map[string]any{p.project: map[string]any{"hasTrustDialogAccepted": true, "hasCompletedProjectOnboarding": true}},
		},
		".claude/settings.json": map[string]any{"permissions": map[string]any{"allow": []string{"Bash"}, "disableAutoMode": "disable"}},
	} {
		text, err := json.MarshalIndent(v, "", "  ")
		path := filepath.Join(p.home, name)
		dir := filepath.Dir(path)
		if err := errors.Join(err, os.MkdirAll(dir, 0o755), os.Chown(dir, p.uid, p.uid), os.WriteFile(path, text, 0o600), os.Chown(path, p.uid, p.uid)); err != nil {
			t.Fatal(err)
		}
	}
	p.env = append(p.env, "ANTHROPIC_BASE_URL="+h.standin.URL, "ANTHROPIC_API_KEY="+key, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1",
		"DISABLE_AUTOUPDATER=1", "CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL=1")
	return h
}

func (h *hooked) store(t *testing.T, name, value string) {
	t.Helper()
	said := ""
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the last ward set said %q", said)
		}
	})
	until(t, "ward set, once the keyring answers", func() bool { // it takes its name on the bus before its collection is there
		set := h.command(t, h.ward, "set", name, "--stdin")
		set.Stdin = strings.NewReader(value)
		o := end(t, set)
		said = o.stderr
		return o.code == 0
	})
}

// agent is the agent's command line, in print mode.
func (h *hooked) agent(more ...string) []string {
	return append([]string{filepath.Join(h.bin, "claude"), "-p", agentPrompt, "--allowedTools", "Bash"}, more...)
}

// asked is the names of the secrets of which eight characters in a row are in any request to the provider.
func (h *hooked) asked() []string {
	var names []string
	for name := range h.shards.find(h.standin.wire()) {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Under ward run the agent is told for this run alone: its settings are as they were.
func TestAgentHookRun(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		h := newHooked(t, p, `printf '%s\n' "$API_TOKEN"; cat .env`, `cat .env; printf %s "$API_TOKEN" | base64 -w0; printf %s "$API_TOKEN" | od -An -tx1 -w64`, `cat .env >&2; echo "$API_TOKEN"; exit 3`)
		before, err := os.ReadFile(filepath.Join(p.home, ".claude/settings.json"))
		if err != nil {
			t.Fatal(err)
		}
		args := []string{p.ward, "run", "-p", "claude", "--allow-cwd", "--allow-port", h.standin.port(), "--env-credential-map", "acme/given", "API_TOKEN", "--"}
		o := end(t, h.command(t, append(args, h.agent("--settings", `{"env":{"OWN":"1"}}`)...)...))
		if leaked := h.asked(); len(leaked) > 0 {
			t.Errorf("the provider got parts of %q", leaked)
		}
		results := h.standin.toolResults()
		if len(results) != 2 {
			t.Fatalf("the provider got %d results, want 2: a tool that fails cannot be masked, and the agent is stopped before\n%+v", len(results), o)
		}
		for i, r := range results {
			if !strings.Contains(r, "****************") || i == 0 && !strings.Contains(r, "DEBUG=1\n") {
				t.Errorf("result %d is %q, want stars in the place of the values and all else as it was\n%s", i, r, o.stderr)
			}
		}
		for _, name := range []string{"API_TOKEN", "acme/unused"} {
			if !strings.Contains(o.stderr, "ward: masked "+name) {
				t.Errorf("it is not said that %s was masked: %q", name, o.stderr)
			}
		}
		after, err := os.ReadFile(filepath.Join(p.home, ".claude/settings.json"))
		if err != nil || string(before) != string(after) {
			t.Errorf("the settings were changed: %v\n%s", err, after)
		}
	})
}

// Settings that have the agent run no hooks, which a project may bring along, are no way around the launch's.
func TestAgentHookSwitchedOff(t *testing.T) {
	for name, file := range map[string]string{"project": ".claude/settings.json", "project, own": ".claude/settings.local.json"} {
		t.Run(name, func(t *testing.T) {
			p := one(t)
			h := newHooked(t, p, `cat .env`)
			dir := filepath.Dir(filepath.Join(p.project, file))
			if err := errors.Join(os.MkdirAll(dir, 0o755), os.Chown(dir, p.uid, p.uid)); err != nil {
				t.Fatal(err)
			}
			p.write(t, file, []byte(`{"disableAllHooks": true}`), 0o644)
			args := []string{p.ward, "run", "-p", "claude", "--allow-cwd", "--allow-port", h.standin.port(), "--"}
			o := end(t, h.command(t, append(args, h.agent()...)...))
			if leaked := h.asked(); len(leaked) > 0 {
				t.Errorf("the provider got parts of %q", leaked)
			}
			if results := h.standin.toolResults(); len(results) != 1 || !strings.Contains(results[0], "TOKEN=sk-****") {
				t.Errorf("the provider got %d results, want the line with stars: %+v", len(results), o)
			}
		})
	}
}

// Variables that a project's settings set for the agent, and so for its hooks, do not have the hook of a launch look
// elsewhere, here where nothing is stored: what cannot be checked stops the agent.
func TestAgentHookVariables(t *testing.T) {
	p := one(t)
	h := newHooked(t, p, `printf '%s\n' "$API_TOKEN"`)
	settings := filepath.Join(p.project, ".claude")
	if err := errors.Join(os.RemoveAll(filepath.Join(p.home, ".local/share/ward")), os.Mkdir(settings, 0o755), os.Chown(settings, p.uid, p.uid)); err != nil {
		t.Fatal(err)
	}
	p.write(t, ".claude/settings.json", []byte(`{"env": {"WARD": "", "WARD_BROKER": ""}}`), 0o644)
	p.env = append(p.env, "OWN_TOKEN="+h.given)
	args := []string{p.ward, "run", "-p", "claude", "--allow-cwd", "--allow-port", h.standin.port(), "--env-credential-map", "env://OWN_TOKEN", "API_TOKEN", "--"}
	o := end(t, h.command(t, append(args, h.agent("--debug-file", filepath.Join(p.project, "debug"))...)...))
	if leaked := h.asked(); len(leaked) > 0 {
		t.Errorf("the provider got parts of %q: %+v", leaked, o)
	}
	if said := p.read(t, "debug"); !strings.Contains(said, "WARD_BROKER is not set") {
		t.Errorf("the hook did not say why it stopped the agent: %+v", o)
	}
}

// An installed hook does it without ward run, and again after it was installed a second time; once it is taken out,
// everything arrives: the test can fail.
func TestAgentHookInstalled(t *testing.T) {
	p := one(t)
	h := newHooked(t, p, `cat .env`)
	for _, want := range []string{"ward: changed ", "nothing to change"} {
		if o := end(t, h.command(t, p.ward, "guard", "install", "claude", "--yes")); o.code != 0 || !strings.Contains(o.stderr, want) {
			t.Fatalf("guard install: %+v, want %q", o, want)
		}
	}
	h.bare(t, p)
	if leaked := h.asked(); len(leaked) > 0 {
		t.Errorf("the provider got parts of %q", leaked)
	}
	if results := h.standin.toolResults(); len(results) != 1 || !strings.Contains(results[0], "TOKEN=sk-****") {
		t.Errorf("the provider got %q, want the line with stars", results)
	}
	if o := end(t, h.command(t, p.ward, "guard", "uninstall", "claude", "--yes")); o.code != 0 {
		t.Fatalf("guard uninstall: %+v", o)
	}
	h.bare(t, p)
	if leaked := h.asked(); !slices.Equal(leaked, []string{"unused"}) {
		t.Errorf("without the hook the provider got parts of %q, want the value", leaked)
	}
}

// bare runs the agent without ward.
func (h *hooked) bare(t *testing.T, p *person, more ...string) {
	t.Helper()
	cmd := h.command(t, h.agent(more...)...)
	cmd.Env[0] = "PATH=" + h.bin + ":" + os.Getenv("PATH")
	if p.uid == 0 {
		cmd.Env = append(cmd.Env, "IS_SANDBOX=1")
	}
	var exit *exec.ExitError
	if out, err := cmd.CombinedOutput(); err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v\n%s", err, out)
	}
}

// A hook that cannot answer, here because its program is gone, stops the agent before the model is asked: of itself the
// agent would go on with the output as it was.
func TestAgentHookGone(t *testing.T) {
	p := one(t)
	h := newHooked(t, p, `cat .env`, `cat .env; exit 3`)
	p.installGone(t, "claude")
	h.bare(t, p)
	if leaked := h.asked(); len(leaked) > 0 {
		t.Errorf("the provider got parts of %q", leaked)
	}
	if len(h.standin.wire()) == 0 {
		t.Error("the agent asked nothing: this test cannot fail")
	}
}

// installGone installs the hook of a ward that is not there any more.
func (p *person) installGone(t *testing.T, agent string) {
	t.Helper()
	gone := filepath.Join(p.home, "ward")
	program, err := os.ReadFile(p.ward)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(gone, program, 0o755); err != nil {
		t.Fatal(err)
	}
	if o := end(t, p.command(t, gone, "guard", "install", agent, "--yes")); o.code != 0 {
		t.Fatalf("guard install: %+v", o)
	}
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
}

// What could not be checked does not reach the model later either, when the person goes on with the conversation.
func TestAgentHookUnchecked(t *testing.T) {
	p := one(t)
	h := newHooked(t, p, `cat .env`)
	if o := end(t, h.command(t, p.ward, "guard", "install", "claude", "--yes")); o.code != 0 {
		t.Fatalf("guard install: %+v", o)
	}
	p.env = append(p.env, "DBUS_SESSION_BUS_ADDRESS=unix:path=/nowhere")
	h.bare(t, p)
	if results := h.standin.toolResults(); len(results) > 0 {
		t.Errorf("the agent was not stopped: the provider got %q", results)
	}
	h.bare(t, p, "--continue")
	if leaked := h.asked(); len(leaked) > 0 {
		t.Errorf("the provider got parts of %q", leaked)
	}
	if results := h.standin.toolResults(); len(results) != 1 || strings.Contains(results[0], "DEBUG") {
		t.Errorf("the provider got %q, want the one result with nothing in it", results)
	}
}
