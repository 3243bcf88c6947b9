package hooks

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"ward/guard"
)

const self = "/opt/my ward/ward"

func line(agent guard.Agent) string {
	line := `'/opt/my ward/ward' guard hook --agent ` + string(agent)
	if agent == guard.Codex || agent == guard.GeminiCLI {
		line += " || exit 2"
	}
	return line
}

// What a user has written stays as it is written; ward's hooks come behind his.
func TestAdd(t *testing.T) {
	bash := func(command string) string {
		return `{"hooks":[{"command":"` + command + `","timeout":60,"type":"command"}],"matcher":"*"}`
	}
	batch := `{"hooks":[{"command":"` + line(guard.Claude) + `","timeout":60,"type":"command","onFailure":"block"}]}`
	all := `"PostToolUse":[` + bash(line(guard.Claude)) + `],"PostToolUseFailure":[` + bash(line(guard.Claude)) + `],"PostToolBatch":[` + batch + `]`
	for name, c := range map[string]struct {
		agent    guard.Agent
		in, want string // want is compared as JSON
		keeps    []string
	}{
		"nothing":        {guard.Claude, "", `{"hooks":{` + all + `}}`, nil},
		"other settings": {guard.Claude, "{\n    \"model\": \"x\"\n}\n", `{"model":"x","hooks":{` + all + `}}`, []string{"\n    \"model\": \"x\""}},
		"other hooks": {guard.Claude, `{"hooks":{"Stop":[{"hooks":[]}],"PostToolUse":[{"matcher":"Edit","hooks":[{"type":"command","command":"fmt"}]}]}}`,
			`{"hooks":{"Stop":[{"hooks":[]}],"PostToolUse":[{"matcher":"Edit","hooks":[{"type":"command","command":"fmt"}]},` + bash(line(guard.Claude)) + `],"PostToolUseFailure":[` + bash(line(guard.Claude)) + `],"PostToolBatch":[` + batch + `]}}`, nil},
		"an older ward":        {guard.Claude, `{"hooks":{"PostToolUse":[` + bash("/old/ward guard hook --agent claude") + `]}}`, `{"hooks":{` + all + `}}`, nil},
		"a flag of the user's": {guard.Claude, `{"hooks":{"PostToolUse":[` + bash("/old/ward guard hook --agent claude --on-error pass") + `]}}`, `{"hooks":{` + all + `}}`, nil},
		"comments":             {guard.Claude, "{\n  // mine\n  \"model\": \"x\", /* too */\n}\n", `{"model":"x","hooks":{` + all + `}}`, []string{"// mine", "/* too */"}},
		"codex":                {guard.Codex, "{}", `{"hooks":{"PostToolUse":[` + bash(line(guard.Codex)) + `]}}`, nil},
		"gemini": {guard.GeminiCLI, `{"hooks":{"disabled":["a"]}}`,
			`{"hooks":{"disabled":["a"],"AfterTool":[{"matcher":".*","hooks":[{"type":"command","name":"ward","command":"` + line(guard.GeminiCLI) + `","timeout":60000}]}]}}`, nil},
		"cursor": {guard.Cursor, "", `{"version":1,"hooks":{"postToolUse":[X],"afterShellExecution":[X],"beforeReadFile":[Y]}}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			want := strings.NewReplacer("X", `{"command":"`+line(guard.Cursor)+`","timeout":60}`, "Y", `{"command":"`+line(guard.Cursor)+`","timeout":60,"failClosed":true}`).Replace(c.want)
			got, err := Add(c.agent, []byte(c.in), self)
			if err != nil || !sameJSON(t, got, []byte(want)) {
				t.Fatalf("%v\ngot  %s\nwant %s", err, got, want)
			}
			for _, part := range c.keeps {
				if !bytes.Contains(got, []byte(part)) {
					t.Errorf("%q is gone from\n%s", part, got)
				}
			}
			if again, err := Add(c.agent, got, self); err != nil || !bytes.Equal(again, got) {
				t.Errorf("added twice: %v\n%s", err, again)
			}
			gone, err := Remove(c.agent, got)
			if err != nil || bytes.Contains(gone, []byte("guard hook")) {
				t.Errorf("removed: %v\n%s", err, gone)
			}
			if again, err := Remove(c.agent, gone); err != nil || !bytes.Equal(again, gone) {
				t.Errorf("removed twice: %v\n%s", err, again)
			}
			if name == "other hooks" && !sameJSON(t, gone, []byte(c.in)) {
				t.Errorf("removed: %s, want what was there before: %s", gone, c.in)
			}
		})
	}
}

// What the user wrote, to the byte, is still there, and is what remains when the hooks are taken out.
func TestAddKeepsLayout(t *testing.T) {
	lines := func(text []byte) string { return strings.ReplaceAll(string(text), "\r\n", "\n") } // hujson puts one of its own
	for _, text := range []string{
		"{\n  \"permissions\": { \"allow\": [\"Bash(ls)\", \"Read\"] },\n\n  \"model\": \"x\"\n}\n",
		"{\r\n    \"model\": \"x\"\r\n}\r\n", "{\"model\":\"x\"}", "{\n\t\"model\": \"x\"\n}\n", "{\n  // mine\n  \"model\": \"x\"\n}\n",
	} {
		added, err := Add(guard.Claude, []byte(text), self)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if mine := strings.TrimRight(text, "\r\n}"); !bytes.HasPrefix(added, []byte(mine)) {
			t.Errorf("%q became\n%s", text, added)
		}
		if gone, err := Remove(guard.Claude, added); err != nil || lines(gone) != lines([]byte(text)) {
			t.Errorf("%q, added and removed: %q, %v", text, gone, err)
		}
	}
}

// sameJSON compares what two texts say, comments apart.
func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var texts [2]string
	for i, text := range [][]byte{a, b} {
		tree, root, err := parse(text)
		if err != nil {
			t.Fatalf("%v\n%s", err, tree.Pack())
		}
		out, err := json.Marshal(root)
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = string(out)
	}
	return texts[0] == texts[1]
}

// A file that is not understood is left alone.
func TestAddRefuses(t *testing.T) {
	for _, text := range []string{"{", "[]", "null", `"a"`, `{"hooks":[]}`, `{"hooks":{"PostToolUse":{}}}`, "model = 1"} {
		if got, err := Add(guard.Claude, []byte(text), self); err == nil {
			t.Errorf("%s became %s, want an error", text, got)
		}
		if got, err := Remove(guard.Claude, []byte(text)); err == nil {
			t.Errorf("%s became %s, want an error", text, got)
		}
	}
}

func TestForRun(t *testing.T) {
	ours, err := Add(guard.Claude, []byte("{}"), self)
	if err != nil {
		t.Fatal(err)
	}
	var one any
	if err := json.Unmarshal(ours, &one); err != nil {
		t.Fatal(err)
	}
	settings, err := json.Marshal(one)
	if err != nil {
		t.Fatal(err)
	}
	// A variable that a project's settings set does not have the hook pass the launch by.
	settings = []byte(strings.ReplaceAll(string(settings), mark+"claude", mark+"claude --launch"))
	// What a project's settings say of hooks as a whole does not count.
	settings = append([]byte(`{"disableAllHooks":false,`), settings[1:]...)
	merged := strings.Replace(string(settings), `,"hooks"`, `,"env":{"A":"1"},"hooks"`, 1)
	read := func(path string) ([]byte, error) {
		if path != "mine.json" {
			return nil, os.ErrNotExist
		}
		return []byte(`{"env":{"A":"1"}}`), nil
	}
	for _, c := range []struct{ in, want []string }{
		{[]string{"sh", "-c", "claude"}, []string{"sh", "-c", "claude"}},
		{[]string{"/x/claude", "-p", "a b"}, []string{"/x/claude", "--settings", string(settings), "-p", "a b"}},
		{[]string{"claude", "--settings", "mine.json", "x"}, []string{"claude", "--settings", merged, "x"}},
		{[]string{"claude", `--settings={"env":{"A":"1"}}`}, []string{"claude", "--settings", merged}},
		{[]string{"claude", "--settings", "{\"env\":{\"A\":\"1\"}, // mine\n}"}, []string{"claude", "--settings", merged}},
		{[]string{"claude", "--", "--settings", "x"}, []string{"claude", "--settings", string(settings), "--", "--settings", "x"}},
	} {
		if got, err := ForRun(c.in, self, read); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%q: %v\ngot  %q\nwant %q", c.in, err, got, c.want)
		}
	}
	for _, in := range [][]string{
		{"claude", "--settings", "none.json"}, {"claude", "--settings", "{"}, {"claude", "--settings", `{"disableAllHooks": true}`},
		{"claude", "--bare"}, {"claude", "-p", "x", "--safe-mode"},
		{"codex", "-c", "hooks.PostToolUse=[]"}, {"codex", "exec", "-c", "features.hooks=false"}, {"codex", "--disable", "hooks"}, {"codex", "--disable=hooks"},
		{"codex", "-c", "features={hooks=false}"}, {"codex", "-chooks = {}"}, {"codex", "--config=hooks={PostToolUse=[]}"},
	} {
		if got, err := ForRun(in, self, read); err == nil || !slices.Equal(got, in) {
			t.Errorf("%q became %q, %v, want it as it is and the reason", in, got, err)
		}
	}
	// What is taken over for one run is known to be ward's again.
	if again, err := Remove(guard.Claude, settings); err != nil || strings.Contains(string(again), mark) {
		t.Errorf("taken out: %s, %v", again, err)
	}
}

func TestForRunCodex(t *testing.T) {
	// The digest is made as Codex 0.169 was seen to make it.
	if got, err := codexDigest("/tmp/ward guard hook --agent codex"); err != nil || got != "sha256:a52513e88d4513fd9a2c4e6bee16ca3dc5424de5b349486df1c570a99d72d53c" {
		t.Errorf("digest %s, %v", got, err)
	}
	line := "/tmp/ward guard hook --agent codex --launch || exit 2"
	digest, err := codexDigest(line)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ForRun([]string{"codex", "exec"}, "/tmp/ward", nil)
	want := []string{"codex", "-c", "features.hooks=true", "-c", `hooks.PostToolUse=[{matcher="*",hooks=[{type="command",command="` + line + `",timeout=60}]}]`,
		"-c", `hooks.state={"/<session-flags>/config.toml:post_tool_use:0:0"={trusted_hash="` + digest + `"}}`, "exec"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v\ngot  %q\nwant %q", err, got, want)
	}
}

func TestDiff(t *testing.T) {
	for _, c := range []struct{ before, after, want string }{
		{"a\n", "a\n", ""},
		{"", "a\n", "--- f\n+++ f\n@@ -0,0 +1,1 @@\n+a\n"},
		{"1\n2\n3\n4\n5\n6\n7\n8\n", "1\n2\n3\n4\nx\n6\n7\n8\n", "--- f\n+++ f\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+x\n 6\n 7\n 8\n"},
		{"a\nb\n", "a\n", "--- f\n+++ f\n@@ -1,2 +1,1 @@\n a\n-b\n"},
	} {
		if got := Diff("f", []byte(c.before), []byte(c.after)); got != c.want {
			t.Errorf("%q to %q:\n%s\nwant\n%s", c.before, c.after, got, c.want)
		}
	}
}
