package secrets

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// What op 2.20 to 2.39 says, as reported in public, and what is made of it.
func TestOnePasswordErrors(t *testing.T) {
	const read = "[ERROR] 2026/11/20 15:04:05 could not read secret 'op://V/i/f': "
	for _, c := range []struct {
		said, want, hint string
		is               error
	}{
		{"No accounts configured for use with 1Password CLI.", "op knows no account", "op account add", ErrLocked},
		{read + "error initializing client: \n", "op gave up: exit status 1", "op read op://V/i/f >/dev/null", nil},
		{read + "error initializing client: You are not currently signed in. Please run `op signin --help` for instructions", "not signed in", `eval "$(op signin)"`, ErrLocked},
		{"[ERROR] 2025/09/11 15:13:20 account is not signed in", "not signed in", "OP_SERVICE_ACCOUNT_TOKEN", ErrLocked},
		{"[ERROR] 2022/06/29 08:17:29 could not find session token for account my", "not signed in", "op signin", ErrLocked},
		{"[ERROR] 2026/07/11 14:00:00 session expired, sign in to create a new session", "the session has expired", "op signin", ErrLocked},
		{read + "error initializing client: authorization prompt dismissed, please try again", "the request was dismissed", "approve it in the 1Password app", ErrLocked},
		{read + "error initializing client: authorization timeout", "nobody approved the request in time", "fingerprint", ErrLocked},
		{"[ERROR] 2026/09/14 18:52:01 error initializing client: connecting to desktop app: connecting to desktop app timed out", "the 1Password app does not answer, or could not be unlocked", "start the app", ErrLocked},
		{read + "error initializing client: RequestDelegatedSession: cannot setup session. Please check the logs of the 1Password app.", "the 1Password app does not answer, or could not be unlocked", "start the app", ErrLocked},
		{"[ERROR] 2026/09/14 10:00:00 Touch ID authentication failed", "the 1Password app does not answer, or could not be unlocked", "unlock it", ErrLocked},
		{read + "error initializing client: Validation: (failed to session.DecodeSACredentials), Server: (failed to DecodeSACredentials), illegal base64 data at input byte 12", "the service account's token is not valid", "OP_SERVICE_ACCOUNT_TOKEN", ErrLocked},
		{"[ERROR] 2026/09/28 12:00:00 (401) Unauthorized: invalid bearer token", "the service account's token is not valid", "OP_SERVICE_ACCOUNT_TOKEN", ErrLocked},
		{`[ERROR] 2025/01/25 14:03:20 More than one item matches "i". Try again and specify the item by its ID:`, "more than one item has that name", "op item list --vault V", nil},
		{"[ERROR] (403) Forbidden: You aren't authorized to access this resource.", "this account may not read it", "vault V", nil},
		{"[ERROR] 2026/10/07 12:00:00 (429) Too Many Requests: You've reached the maximum number of this type of requests", "too many requests", "wait", nil},
		{"[ERROR] 2026/01/15 10:22:31 dial tcp: lookup my.1password.com: no such host", "its server cannot be reached", "network", nil},
		{read + "error initializing client: read: context deadline exceeded", "its server cannot be reached", "network", nil},
		{"[ERROR] 2026/01/15 10:22:31 something new", "op gave up: exit status 1", "op read op://V/i/f >/dev/null", nil},
	} {
		s := newStage(t, "op")
		s.tell(t, "fail", c.said)
		b, err := OnePassword{s.runner()}.Fetch(t.Context(), "V/i/f")
		if want := "secret V/i/f: 1Password: " + c.want; b != nil || fmt.Sprint(err) != want || !strings.Contains(hintOf(err), c.hint) {
			t.Errorf("%s\ngives %v\nwant  %s\nhint: %s\nwant: %s", c.said, err, want, hintOf(err), c.hint)
		}
		if c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%v is not %v", err, c.is)
		}
	}
}

func TestOnePasswordNotFound(t *testing.T) {
	s := newStage(t, "op")
	s.put(t, "V/i/f", nil)
	s.put(t, "V/i/s/f", []byte("v"))
	for _, c := range []struct{ path, want, hint string }{
		{"W/i/f", "secret W/i/f: not found in 1Password", "this account has no vault W; op vault list"},
		{"V/my item/f", "secret V/my item/f: not found in 1Password's vault V", "op item list --vault V"},
		{"V/i/g", "secret V/i/g: not found in 1Password's item V/i", "the item has no field g there; op item get i --vault V"},
		{"V/i/t/f", "secret V/i/t/f: not found in 1Password's item V/i", "no field f there"},
		{"V/i/f", "secret V/i/f: 1Password: the field is empty", "fill it in"},
		{"V/i", "reference op://: wrong number of parts", "op://VAULT/ITEM[/SECTION]/FIELD"},
	} {
		b, err := OnePassword{s.runner()}.Fetch(t.Context(), c.path)
		if b != nil || fmt.Sprint(err) != c.want || !strings.Contains(hintOf(err), c.hint) {
			t.Errorf("%s: %v\nwant %s\nhint: %s", c.path, err, c.want, hintOf(err))
		}
	}
}

func TestApplePasswordErrors(t *testing.T) {
	for status, want := range map[string]string{
		"36":  "the keychain is locked, and there is nobody to ask here",
		"51":  "the keychain's password was wrong",
		"128": "the request was dismissed",
		"2":   "security gave up: exit status 2",
	} {
		s := newStage(t, "security")
		s.tell(t, "status", status)
		_, err := apple(s, s.runner()).Fetch(t.Context(), "example.com/me")
		if fmt.Sprint(err) != "secret example.com/me: Apple's keychain: "+want || hintOf(err) == "" {
			t.Errorf("exit status %s: %v\nhint: %s", status, err, hintOf(err))
		}
		if locked := status != "2"; errors.Is(err, ErrLocked) != locked {
			t.Errorf("%v is ErrLocked: %v", err, !locked)
		}
	}
	if _, err := (ApplePasswords{Runner: &Runner{}}).Fetch(t.Context(), "example.com/me"); runtime.GOOS != "darwin" &&
		fmt.Sprint(err) != "secret example.com/me: Apple's keychain: there is one on macOS only" {
		t.Errorf("on %s: %v", runtime.GOOS, err)
	}
}

// The lines are measured ones: see ApplePasswords.
func TestReadSecurity(t *testing.T) {
	for said, want := range map[string]string{
		"password: \"rcouncil_1|abcdef\"\n":                        "rcouncil_1|abcdef",
		"password: \"  padded  \"\n":                               "  padded  ",
		"password: 0x636166C3A9  \"caf\\303\\251\"\n":              "café",
		"password: 0x61625C6364  \"ab\\134cd\"\n":                  `ab\cd`,
		"password: \"ab\"cd\"\n":                                   `ab"cd`,
		"password: \"0xDEADBEEF\"\n":                               "0xDEADBEEF",
		"password: \"64323539\"\n":                                 "64323539",
		"noise\npassword: 0x6C696E65310A6C  \"line1\\012l\"\nmore": "line1\nl",
		"password: \"\"\"\n":                                       `"`,
		"password: \n":                                             "!the password is empty",
		"password: 0x6C69F\n":                                      "!security printed the password in a form that is not known",
		"password: 0x\n":                                           "!security printed the password in a form that is not known",
		"password: \"\n":                                           "!security printed the password in a form that is not known",
		"no password here\n":                                       "!security printed no password",
		"":                                                         "!security printed no password",
	} {
		b, err := readSecurity(bufferOf(t, []byte(said)))
		if failure, bad := strings.CutPrefix(want, "!"); bad {
			if b != nil || fmt.Sprint(err) != failure {
				t.Errorf("%q: %v", said, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", said, err)
		} else if got := string(plain(t, b)); got != want {
			t.Errorf("%q gives %q, want %q", said, got, want)
		}
		b.Destroy()
	}
}

// FuzzReadSecurity reads what security prints of any value, and ends with whatever else there may be.
func FuzzReadSecurity(f *testing.F) {
	f.Add([]byte("0x616"), []byte("password: 0x"))
	f.Add([]byte("a\"b\\\n\x00é"), []byte("password: \"\n"))
	f.Fuzz(func(t *testing.T, value, junk []byte) {
		if b, err := readSecurity(bufferOf(t, junk)); err == nil {
			b.Destroy()
		}
		var said bytes.Buffer
		said.WriteString("keychain: \"x\"\n")
		printSecurity(&said, value)
		b, err := readSecurity(bufferOf(t, said.Bytes()))
		if len(value) == 0 {
			if b != nil || err == nil {
				t.Fatal("an empty password was read")
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		defer b.Destroy()
		if got := plain(t, b); !bytes.Equal(got, value) {
			t.Fatalf("%q, want %q", got, value)
		}
	})
}

func TestCommandErrors(t *testing.T) {
	s := newStage(t, "prints")
	script := filepath.Join(s.dir, "script")
	if err := os.WriteFile(script, []byte("echo x\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		argv       []string
		want, hint string
	}{
		{[]string{"prints", "nothing"}, "the command prints: it printed nothing", "prints nothing >/dev/null"},
		{[]string{"prints", "a b", "it's"}, "the command prints: exit status 4", `prints 'a b' 'it'\''s' >/dev/null`},
		{[]string{"no-such-program"}, "the command no-such-program: no-such-program is not installed", "absolute path"},
		{[]string{"./prints"}, "the command ./prints: ./prints: the program's path must be absolute, or a name in PATH", ""},
		{[]string{s.dir}, "the command " + s.dir + ": " + s.dir + " is not installed", "absolute path"},
		{[]string{script}, "the command " + script + ": " + script + " cannot be started: exec format error", "#!"},
	} {
		_, err := Commands{s.runner(), map[string]Command{"c": {Argv: c.argv}}}.Fetch(t.Context(), "c")
		if fmt.Sprint(err) != "secret c: "+c.want || !strings.Contains(hintOf(err), c.hint) {
			t.Errorf("%q: %v\nhint: %s", c.argv, err, hintOf(err))
		}
	}
}

// What a program leaves in the background does not keep its value waiting.
func TestCommandLeavesSomething(t *testing.T) {
	needsPrograms(t, "sh", "sleep")
	r := &Runner{Environ: []string{"PATH=/usr/bin:/bin"}}
	began := time.Now()
	b, err := Commands{r, map[string]Command{"c": {Argv: []string{"sh", "-c", "sleep 20 & echo value"}}}}.Fetch(t.Context(), "c")
	if err != nil || string(plain(t, b)) != "value" || time.Since(began) > 10*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}

func TestText(t *testing.T) {
	doc := `{"a":"x","b":{"c":["0",{"d":"\u00e4\ud83d\ude00\n\"\\\/"}],"n":-1.5e3,"t":true,"z":null},"a":"second"} `
	for path, want := range map[string]string{"a": "x", "b c 0": "0", "b c 1 d": "ä😀\n\"\\/", "b": "-", "b n": "-", "b c 2": "-", "c": "-"} {
		got := textAt([]byte(doc), strings.Fields(path)...)
		if (got == nil) != (want == "-") || got != nil && got.plain() != want {
			t.Errorf("%s is %q, want %q", path, got.plain(), want)
		}
	}
}

// FuzzText builds a document, and reads it as encoding/json does.
func FuzzText(f *testing.F) {
	f.Add("password", "s\x00\u2028<é😀", "fields", 2.5, []byte(`{"a":["b"`))
	f.Fuzz(func(t *testing.T, key, value, other string, number float64, junk []byte) {
		walkText(junk, func([]string, text) bool { return true }) // ends, whatever it is
		if math.IsInf(number, 0) || math.IsNaN(number) {
			number = 0
		}
		doc, err := json.Marshal(map[string]any{
			"login": map[string]any{key: value}, "list": []any{number, other, nil, true, []any{}, map[string]any{}, value},
		})
		if err != nil {
			t.Fatal(err)
		}
		var want struct {
			Login map[string]string
			List  []any
		}
		if err := json.Unmarshal(doc, &want); err != nil {
			t.Fatal(err)
		}
		for name, text := range want.Login {
			b, err := textAt(doc, "login", name).decode()
			if err != nil {
				t.Fatal(err)
			}
			if got := plain(t, b); !bytes.Equal(got, []byte(text)) {
				t.Fatalf("%q, want %q", got, text)
			}
			b.Destroy()
		}
		if got := textAt(doc, "list", "6").plain(); got != want.List[6] {
			t.Fatalf("%q, want %q", got, want.List[6])
		}
	})
}
