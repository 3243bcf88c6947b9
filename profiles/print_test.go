package profiles

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/tailscale/hujson"
)

// bare drops where rules came from, which printing does not keep.
func bare(p *Profile) *Profile {
	q := *p
	q.Sources = nil
	forget(reflect.ValueOf(&q).Elem())
	return &q
}

func forget(v reflect.Value) {
	if v.Type() == reflect.TypeFor[Why]() && v.CanSet() {
		v.Field(0).SetString("")
		v.Field(1).SetInt(0)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			forget(v.Field(i))
		}
	case reflect.Slice:
		if !v.IsNil() { // a copy: p keeps its own
			c := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
			reflect.Copy(c, v)
			v.Set(c)
		}
		for i := range v.Len() {
			forget(v.Index(i))
		}
	case reflect.Map:
		if v.IsNil() {
			return
		}
		c := reflect.MakeMap(v.Type())
		for _, k := range v.MapKeys() {
			item := reflect.New(v.Type().Elem()).Elem()
			item.Set(v.MapIndex(k))
			forget(item)
			c.SetMapIndex(k, item)
		}
		v.Set(c)
	}
}

// full has every key once, with every form of item.
const full = `{
  "meta": {"name": "full", "description": "all keys", "version": "1.2", "author": "someone"},
  "extends": ["a", "./b.json"],
  "commands": ["full"],
  "filesystem": {
    "allow": ["~/x", {"path": "/y", "when": ["linux", "exists"], "why": "because"}, {"path": "/z", "create": "json"}],
    "read": ["/r"], "write": ["w"], "deny": ["$HOME/d"], "protect": [{"path": "p", "create": "dir"}], "unprotect": ["u"]
  },
  "environment": {"allow_vars": ["A", {"name": "B_*", "why": "b"}], "deny_vars": ["*"], "set_vars": {"C": "", "D": {"value": "a\nb $HOME $$", "why": "d"}}},
  "env_credentials": {"acme/api/token": ["T1", {"var": "T2", "optional": true}], "op://V/I/f": {"var": "O", "why": "o"}},
  "guard": {"mode": "warn", "exempt": ["acme/api/token"]},
  "network": {
    "mode": "proxy", "network_profile": "minimal",
    "allow_hosts": ["a.example", {"host": "*.b.example", "why": "b"}, "::1"], "deny_hosts": ["c.example"], "allow_ports": [80, {"port": 81, "why": "p"}],
    "allow_unix_sockets": ["/run/x/*.sock"], "credentials": ["openai", "mine"],
    "custom_credentials": {"mine": {
      "upstream": "http://127.0.0.1:8080/v1", "credential_key": ["op://V/I/f", "cmd://mint"], "optional": true, "model_api": "openai",
      "inject_header": "X-Key", "env_var": "MINE_KEY", "endpoint_rules": [{"method": "POST", "path": "/v1/**", "why": "e"}], "why": "m"
    }}
  },
  "credential_capture": {"mint": {"command": ["mint", "--quiet"], "timeout": 2.5, "ttl": "90m", "why": "m"}},
  "command_args": ["--flag", "-c", "x"]
}`

func roundTrip(t *testing.T, p *Profile) {
	t.Helper()
	printed, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse("printed", printed)
	if err != nil {
		t.Fatalf("%v\nin %s", err, printed)
	}
	if got, want := bare(again), bare(p); !reflect.DeepEqual(got, want) {
		t.Fatalf("got  %+v\nwant %+v\nfrom %s", got, want, printed)
	}
}

func TestPrintedProfileIsTheSameProfile(t *testing.T) {
	roundTrip(t, parse(t, full))
	roundTrip(t, &Profile{})
	for _, name := range Builtins() {
		p, err := Load(name, "")
		if err != nil {
			t.Fatal(err)
		}
		roundTrip(t, p)
	}
}

// Whatever the bytes, Parse gives a profile or mistakes that say where; and what it prints is what it read.
func FuzzParse(f *testing.F) {
	f.Add([]byte(full))
	for _, pattern := range []string{"testdata/*.json", "builtin/*.json"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			src, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(src)
		}
	}
	f.Fuzz(judge)
}

// The same for a profile that is right but for one word, which bytes at random seldom make.
func FuzzParseWord(f *testing.F) {
	for at, word := range []string{"", "~", "a/../b", "$HOME", "${", "*.x", "A*", "op://a/b/c", "{}", "1h", "linux", "\x00", "\u202e"} {
		f.Add(uint(at), word)
	}
	f.Fuzz(func(t *testing.T, at uint, word string) {
		tree, err := hujson.Parse([]byte(full))
		if err != nil {
			t.Fatal(err)
		}
		var words []*hujson.Value
		for v := range tree.All() {
			if _, ok := v.Value.(hujson.Literal); ok {
				words = append(words, v)
			}
		}
		words[at%uint(len(words))].Value = hujson.String(word)
		judge(t, tree.Pack())
	})
}

func judge(t *testing.T, src []byte) {
	p, err := Parse("f", src)
	if err != nil {
		lines := strings.Count(string(src), "\n") + 1
		for _, leaf := range leaves(err) {
			if e, ok := errors.AsType[*Error](leaf); !ok || e.What == "" || e.Line < 0 || e.Line > lines {
				t.Fatalf("a mistake that says nothing: %#v", leaf)
			}
		}
		return
	}
	roundTrip(t, p)
	q, err := p.Expand(Vars{OS: "linux", Home: "/home/u", WorkDir: "/w", TempDir: "/tmp", UID: 1000})
	if err != nil {
		t.Fatalf("parsed, but cannot be expanded: %v", err)
	}
	for _, l := range q.Filesystem.lists() {
		for _, r := range *l.rules {
			if !filepath.IsAbs(r.Path) || filepath.Clean(r.Path) != r.Path {
				t.Fatalf("%s has %q", l.name, r.Path)
			}
		}
	}
}
