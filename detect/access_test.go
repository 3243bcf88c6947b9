package detect

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// access is what the command line promises, written down once more: for
// everybody who is not a person.
func access() map[Action]bool {
	return map[Action]bool{
		"ls": true, "peek": true, "get": true, "set": true, "import": true, "lock": true, "check": true,
		"run --env-credential": true,
		"get --raw":            false, "load": false, "export": false, "bundle": false, "rm": false, "mv": false,
		"rotate": false, "unlock": false, "import --delete": false, "set over": false,
		"guard install": false, "guard uninstall": false,
		"something new": false,
	}
}

// Every action, for every agent as the tree shows it, as its mark shows it,
// and inside a launch; and for people.
func TestMay(t *testing.T) {
	callers := map[string]Caller{}
	for _, s := range signatures() {
		if len(s.programs) > 0 {
			callers[s.agent+" by the tree"] = inspect(t, under(Process{Exe: "/usr/bin/" + s.programs[0]}), nil)
		}
		value := s.marks[0].value
		if value == "" {
			value = "1"
		}
		callers[s.agent+" by its mark"] = inspect(t, under(Process{Exe: "/usr/bin/bash"}), env(s.marks[0].name+"="+value))
	}
	callers["other"] = inspect(t, under(Process{Exe: "/usr/bin/bash"}), env("AI_AGENT=new"))
	callers["inside"] = inspect(t, under(Process{Exe: "/usr/bin/bash"}), env("WARD=1"))
	if len(callers) != 2*len(Agents())+2-1 { // Windsurf is only known by its directory and its mark
		t.Fatalf("%d callers for %d agents", len(callers), len(Agents()))
	}
	for name, c := range callers {
		for action, want := range access() {
			checkMay(t, name, c, action, want)
			present := c
			present.Present = true
			checkMay(t, name+", present", present, action, want || !c.Inside)
			present.OwnTerminal = true
			checkMay(t, name+", present at its own terminal", present, action, want)
		}
	}
	person := inspect(t, under(Process{Exe: "/usr/share/code/code"}), env("TERM_PROGRAM=vscode"))
	for action := range access() {
		checkMay(t, "a person in an editor", person, action, true)
	}
}

func checkMay(t *testing.T, name string, c Caller, action Action, want bool) {
	t.Helper()
	err := c.May(action)
	if want != (err == nil) {
		t.Errorf("%s: %s: %v, want allowed %v", name, action, err, want)
	}
	if err == nil {
		return
	}
	r, ok := errors.AsType[*Refusal](fmt.Errorf("wrapped: %w", err))
	if !ok || r.Action != action || r.Who != c.Who() || r.Why == "" {
		t.Errorf("%s: %s: %#v is no whole refusal", name, action, err)
	}
	want1 := fmt.Sprintf("%s: refused to %s, because ", action, c.Who())
	if !strings.HasPrefix(err.Error(), want1) || !strings.Contains(err.Error(), c.Why) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%s: %s: %q, want a line that begins with %q", name, action, err, want1)
	}
}

// Every row has a name of its own, and every refusal its reason and its hint.
func TestRules(t *testing.T) {
	var seen []Action
	want := access()
	for _, r := range Rules() {
		if _, ok := want[r.Action]; !ok || slices.Contains(seen, r.Action) {
			t.Errorf("%s: not in the test's table, or twice in the other", r.Action)
		}
		seen = append(seen, r.Action)
		if (r.Why == "") != (r.Hint == "") {
			t.Errorf("%s: why %q, hint %q", r.Action, r.Why, r.Hint)
		}
	}
	if len(seen) != len(want)-1 {
		t.Errorf("%d rows, want %d", len(seen), len(want)-1)
	}
}

func TestAgents(t *testing.T) {
	want := []string{"aider", "amp", "claude", "codex", "copilot", "cursor", "gemini", "goose", "opencode", "qwen", "windsurf"}
	if got := Agents(); !slices.Equal(got, want) {
		t.Errorf("agents %q, want %q", got, want)
	}
	for _, a := range want {
		if Title(a) == Title("nobody") {
			t.Errorf("%s has no title", a)
		}
	}
}
