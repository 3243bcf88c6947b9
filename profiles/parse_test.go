package profiles

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"ward/secrets"
)

var update = flag.Bool("update", false, "write testdata/mistakes.txt")

// leaves takes apart what errors.Join put together.
func leaves(err error) (out []error) {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range many.Unwrap() {
			out = append(out, leaves(e)...)
		}
		return out
	}
	return append(out, err)
}

// report is what a person would see: each mistake, and its hint below.
func report(t *testing.T, err error) string {
	var b strings.Builder
	for _, leaf := range leaves(err) {
		e, ok := errors.AsType[*Error](leaf)
		if !ok {
			t.Fatalf("%T is no *Error: %v", leaf, leaf)
		}
		fmt.Fprintln(&b, e)
		if e.Hint() != "" {
			fmt.Fprintln(&b, "\t"+e.Hint())
		}
	}
	return b.String()
}

func parse(t *testing.T, src string) *Profile {
	t.Helper()
	p, err := Parse("test.json", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The four profiles that a user of the other system has, to the letter.
func TestProfilesOfTheSeed(t *testing.T) {
	at := func(file string, line int) Why { return Why{File: file, Line: line} }
	openai := func(file string, line int, item string) Route {
		return Route{
			Upstream:         "https://api.openai.com/v1",
			CredentialKey:    Refs{{Scheme: "op", Path: "Development/" + item + "/credential"}},
			EnvVar:           "OPENAI_API_KEY",
			InjectMode:       "header",
			InjectHeader:     "Authorization",
			CredentialFormat: "Bearer {}",
			Why:              at(file, line),
		}
	}
	for file, want := range map[string]*Profile{
		"custom-credentials.json": {
			Network: Network{CustomCredentials: map[string]Route{
				"telegram": {
					Upstream:      "https://api.telegram.org",
					CredentialKey: Refs{{Path: "telegram_bot_token"}},
					InjectMode:    "url_path", PathPattern: "/bot{}/", PathReplacement: "/bot{}/",
					Why: at("custom-credentials.json", 4),
				},
				"google_maps": {
					Upstream:      "https://maps.googleapis.com",
					CredentialKey: Refs{{Path: "google_maps_api_key"}},
					InjectMode:    "query_param", QueryParamName: "key",
					Why: at("custom-credentials.json", 11),
				},
				"private_api": {
					Upstream:      "https://api.example.com",
					CredentialKey: Refs{{Path: "example_basic_auth"}},
					InjectMode:    "basic_auth",
					Why:           at("custom-credentials.json", 17),
				},
			}},
		},
		"1password-proxy.json": {
			Meta: Meta{Name: "my-agent-secure"},
			Network: Network{
				CustomCredentials: map[string]Route{"openai": openai("1password-proxy.json", 5, "OpenAI API Key")},
				Credentials:       []NameRule{{"openai", at("1password-proxy.json", 13)}},
			},
		},
		"env-credentials.json": {
			Meta: Meta{Name: "my-agent"},
			EnvCredentials: EnvCredentials{
				{Ref: secrets.Ref{Path: "openai_api_key"}, Var: "OPENAI_API_KEY", Why: at("env-credentials.json", 4)},
				{Ref: secrets.Ref{Path: "anthropic_api_key"}, Var: "ANTHROPIC_API_KEY", Why: at("env-credentials.json", 5)},
				{Ref: secrets.Ref{Path: "custom_token"}, Var: "MY_CUSTOM_TOKEN", Why: at("env-credentials.json", 6)},
			},
		},
		"mixed-mode.json": {
			Meta: Meta{Name: "mixed-example"},
			EnvCredentials: EnvCredentials{
				{Ref: secrets.Ref{Scheme: "op", Path: "Infrastructure/Database/password"}, Var: "DATABASE_PASSWORD", Why: at("mixed-mode.json", 4)},
			},
			Network: Network{
				CustomCredentials: map[string]Route{"openai": openai("mixed-mode.json", 8, "OpenAI")},
				Credentials:       []NameRule{{"openai", at("mixed-mode.json", 16)}},
			},
		},
	} {
		t.Run(file, func(t *testing.T) {
			src, err := os.ReadFile(filepath.Join("testdata", file))
			if err != nil {
				t.Fatal(err)
			}
			got, err := Parse(file, src)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
			whole, err := Load(filepath.Join("testdata", file), "")
			if err != nil {
				t.Fatal(err)
			}
			if len(whole.Filesystem.Read) == 0 || len(whole.Sources) != 2 || whole.Sources[0].Name != "default" {
				t.Errorf("loaded, it does not go over the default profile: sources %+v", whole.Sources)
			}
		})
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	src, err := os.ReadFile("testdata/mistakes.json")
	if err != nil {
		t.Fatal(err)
	}
	p, err := Parse("mistakes.json", src)
	if p != nil || err == nil {
		t.Fatalf("Parse gave %v, %v", p, err)
	}
	got := report(t, err)
	if *update {
		if err := os.WriteFile("testdata/mistakes.txt", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/mistakes.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestNotEvenJSON(t *testing.T) {
	for _, c := range []struct{ name, src, want string }{
		{"nothing", "", "f:1:1: parsing value: unexpected EOF"},
		{"open object", "{\n  \"meta\": {", "f:2:12: parsing value: unexpected EOF"},
		{"missing comma", "{\n  \"a\": 1\n  \"b\": 2}", `f:3:3: invalid character '"' after object value (expecting ',' or '}')`},
		{"bare word", "{\"a\": yes}", "f:1:7: not a JSON value"},
		{"bad escape", `{"a": "\x"}`, "f:1:7: not a JSON value"},
		{"a list", "[]", "f:1: want an object, got a list"},
		{"a byte that is no text", "{\"meta\": {\"name\": \"\xff\"}}", "f: the file is not UTF-8 text"},
		{"deep", strings.Repeat("[", 1<<20), "f: objects and lists are nested more than 16 deep"},
		{"deep after comments", `{"a": /* ]]] */ "]]]]" // ]]` + "\n" + `, "b": ` + strings.Repeat("[", 16), "f: objects and lists are nested more than 16 deep"},
		{"brackets in strings are no depth", `{"meta": {"name": "` + strings.Repeat("[", 20) + `"}, // ` + strings.Repeat("{", 20) + "\n}", ""},
		{"large", strings.Repeat(" ", 1<<20) + "{}", "f: the file is larger than 1 MiB"},
		{"comments and commas", "// a\n{/* b */ \"commands\": [\"x\",], }\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("f", []byte(c.src))
			if got := fmt.Sprint(err); c.want != "" && got != c.want || c.want == "" && err != nil {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestMistakesAreCounted(t *testing.T) {
	src := "{" + strings.Repeat("\n\"filesystm\": 1,", 5000) + "}"
	_, err := Parse("f", []byte(src))
	all := leaves(err)
	if len(all) != maxMistakes+1 {
		t.Fatalf("%d mistakes are listed", len(all))
	}
	if got, want := all[maxMistakes].Error(), "f: more than 100 mistakes; the others are not listed"; got != want {
		t.Errorf("the last one is %q, want %q", got, want)
	}
}

// nono's words for the same things give the same profile.
func TestAliases(t *testing.T) {
	for _, c := range []struct{ name, theirs, ours string }{
		{"files", `{"filesystem": {"allow_file": ["/a"], "read_file": ["/b"], "write_file": ["/c"]}}`,
			`{"filesystem": {"allow": ["/a"], "read": ["/b"], "write": ["/c"]}}`},
		{"files and directories add up", `{"filesystem": {"allow": ["/a"], "allow_file": ["/b"]}}`, `{"filesystem": {"allow": ["/a", "/b"]}}`},
		{"when", `{"filesystem": {"read": [{"path": "/a", "when": "macos"}]}}`, `{"filesystem": {"read": [{"path": "/a", "when": ["darwin"]}]}}`},
		{"block", `{"network": {"block": true}}`, `{"network": {"mode": "blocked"}}`},
		{"do not block", `{"network": {"block": false}}`, `{}`},
		{"domains", `{"network": {"allow_domain": ["A.example", {"domain": "*.b.example"}], "deny_domain": ["c.example"]}}`,
			`{"network": {"allow_hosts": ["a.example", "*.b.example"], "deny_hosts": ["c.example"]}}`},
		{"ports", `{"network": {"open_port": [3000]}}`, `{"network": {"allow_ports": [{"port": 3000}]}}`},
		{"secrets", `{"secrets": {"a_key": "A"}}`, `{"env_credentials": {"a_key": {"var": "A"}}}`},
		{"working directory, both", `{"workdir": {"access": "readwrite"}}`, `{"filesystem": {"allow": ["$WORKDIR"]}}`},
		{"working directory, read", `{"workdir": {"access": "read"}}`, `{"filesystem": {"read": ["$WORKDIR"]}}`},
		{"working directory, write", `{"workdir": {"access": "write"}}`, `{"filesystem": {"write": ["$WORKDIR"]}}`},
		{"working directory, none", `{"workdir": {"access": "none"}}`, `{}`},
		{"capture", `{"credential_capture": {"a": {"command": ["x"], "timeout_secs": 5, "ttl": 900}}}`,
			`{"credential_capture": {"a": {"command": ["x"], "timeout": "5s", "ttl": "15m"}}}`},
		{"schema and author", `{"$schema": "https://example.com/s.json", "meta": {"author": "me"}}`, `{"meta": {"author": "me"}}`},
		{"one reason for several", `{"filesystem": {"read": [{"path": ["/a", "/b"], "when": "linux", "why": "y"}]}}`,
			`{"filesystem": {"read": [{"path": "/a", "when": "linux", "why": "y"}, {"path": "/b", "when": "linux", "why": "y"}]}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, want := bare(parse(t, c.theirs)), bare(parse(t, c.ours)); !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestWhy(t *testing.T) {
	p := parse(t, "{\n\"filesystem\": {\n\"allow\": [\n\"/a\",\n{\"path\": [\"/b\",\n\"/c\"], \"why\": \"for b\"}]},\n\"guard\": {\n\"mode\": \"off\"}}")
	for _, c := range []struct{ got, want string }{
		{p.Filesystem.Allow[0].Why.String(), "test.json:4"},
		{p.Filesystem.Allow[2].Why.String(), "test.json:5: for b"},
		{p.Guard.ModeWhy.String(), "test.json:8"},
		{Why{File: "--allow"}.String(), "--allow"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
