package secrets

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tailscale/hujson"
)

func TestConfig(t *testing.T) {
	value := "sk-" + string(random(40))
	for _, c := range []struct {
		text string
		want Config
		err  string // the mistakes, one a line, without the file's name
		hint string
	}{
		{"{}", Config{}, "", ""},
		{`{"store": "vault", "presence": "always"}`, Config{"vault", "always"}, "", ""},
		{"// why\n{\n\t/* no desktop here */ \"store\": \"keyring\",\n}\n", Config{Store: "keyring"}, "", ""},
		{`{"presence": "session"}`, Config{Presence: "session"}, "", ""},
		{"{\n\"Store\": \"vault\",\n\"presense\": \"always\",\n\"color\": 1}", Config{},
			"2: unknown key \"Store\"\n3: unknown key \"presense\"\n4: unknown key \"color\"", "did you mean \"store\"?\ndid you mean \"presence\"?\nknown: store presence"},
		{"{\"store\": \"valut\",\n\"presence\": true}", Config{}, "1: store: \"valut\" is none of them\n2: presence: want a string: strict, session, always", "did you mean \"vault\"?"},
		{`{"store": "", "presence": ["strict"]}`, Config{}, "1: store: \"\" is none of them\n1: presence: want a string", "known: keyring vault"},
		{"{\"store\": \"vault\",\n\n\"store\": \"keyring\"}", Config{}, "3: store: given twice, first on line 1", ""},
		{`{"` + value + `": 1, "store": "` + value + `"}`, Config{}, "1: unknown key [hidden]\n1: store: [hidden] is none of them", ""},
		{`{"store": ` + value + `}`, Config{}, "1: not JSON", "double quotes"},
		{"{\n\"store\": \"vault\"", Config{}, "2: ", ""},
		{"", Config{}, "1: ", ""},
		{`["vault"]`, Config{}, "1: want an object", ""},
		{"{}\n{}", Config{}, "2: ", ""},
		{`{"store": "vault"` + strings.Repeat(" ", maxConfig), Config{}, "larger than 65536 bytes", ""},
	} {
		path := filepath.Join(t.TempDir(), "config.json")
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := LoadConfig(path)
		if got != c.want || (err == nil) != (c.err == "") {
			t.Errorf("%.80s: %+v, %v; want %+v", c.text, got, err, c.want)
		}
		if err == nil {
			continue
		}
		lines, want := strings.Split(err.Error(), "\n"), strings.Split(c.err, "\n")
		ok := len(lines) == len(want) && strings.Contains(hintOf(err), c.hint) && !strings.Contains(err.Error()+hintOf(err), value)
		for i := range want {
			line := strings.TrimLeft(strings.TrimPrefix(lines[i], path), ": ")
			ok = ok && strings.HasPrefix(lines[i], path) && strings.HasPrefix(line, want[i])
		}
		if !ok {
			t.Errorf("%.80s:\n%v\nhint %s\nwant\n%s\nhint %s", c.text, err, hintOf(err), c.err, c.hint)
		}
	}
}

// A file that is not there is no mistake; one that cannot be read is, since it
// may ask for more than the default.
func TestConfigFile(t *testing.T) {
	dir := t.TempDir()
	if c, err := LoadConfig(filepath.Join(dir, "none.json")); c != (Config{}) || err != nil {
		t.Errorf("none: %+v, %v", c, err)
	}
	for _, path := range []string{dir, os.DevNull} {
		if _, err := LoadConfig(path); err == nil || err.Error() != path+": not a regular file" {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// FuzzConfig: what is taken is what the standard library reads from the same
// text without its comments, and there is nothing else in it.
func FuzzConfig(f *testing.F) {
	for _, seed := range []string{`{"store":"vault"}`, "{// x\n\"presence\":\"always\",}", `{"\u0073tore":"keyring"}`, `{"store":"vault","Store":"vault"}`, "[", "{}{}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := parseConfig("config.json", data)
		if err != nil {
			if got != (Config{}) {
				t.Errorf("%q: %+v beside %v", data, got, err)
			}
			return
		}
		plain, err := hujson.Standardize(data)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{}
		if err := json.Unmarshal(plain, &want); err != nil {
			t.Fatalf("%q is taken as %+v: %v", data, got, err)
		}
		store, presence := want["store"], want["presence"]
		delete(want, "store")
		delete(want, "presence")
		if got != (Config{store, presence}) || len(want) > 0 {
			t.Errorf("%q is taken as %+v, and says %q and %q, and %q", data, got, store, presence, want)
		}
	})
}

// What docs/config.md lists is what there is, and docs/dotenv.md's example is read.
func TestFilesDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/config.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range new(Config).settings() {
		for _, word := range append([]string{s.key}, s.words...) {
			if !strings.Contains(string(text), "| `"+word+"` |") {
				t.Errorf("docs/config.md does not list %s", word)
			}
		}
	}
	_, example, _ := strings.Cut(string(text), "```json\n")
	example, _, _ = strings.Cut(example, "```")
	if got, err := parseConfig("docs/config.md", []byte(example)); got != (Config{"vault", "session"}) || err != nil {
		t.Errorf("its example is %+v, %v", got, err)
	}
	if text, err = os.ReadFile("../docs/dotenv.md"); err != nil {
		t.Fatal(err)
	}
	_, example, _ = strings.Cut(string(text), "```sh\n")
	example, _, _ = strings.Cut(example, "```")
	got, err := readDotenv(t, example)
	want := []string{"PLAIN=value of one line@2", "ALSO=value@3", `SINGLE=taken as it is: $HOME, \n and # too@4`, "DOUBLE=with \n, \t, \r, \", \\ and $@5",
		"KEY=-----BEGIN …\nseveral lines, in either kind of quotes\n-----END …@6", "EMPTY=@9"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("docs/dotenv.md: %q, %v\nwant %q", got, err, want)
	}
}
