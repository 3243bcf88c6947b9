package secrets

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestIndex(t *testing.T) {
	ctx := context.Background()
	x := &Index{Path: filepath.Join(t.TempDir(), "new", "ward", "index.json")}
	if names, err := indexNames(x); err != nil || len(names) != 0 {
		t.Errorf("before the first: %q, %v", names, err)
	}
	if _, err := os.Stat(filepath.Dir(x.Path)); err == nil {
		t.Error("reading made the directory")
	}
	for _, c := range []struct {
		what string
		name string
		want bool // whether it changes something
		then string
	}{
		{"add", "b", true, "b"}, {"add", "a/x", true, "a/x b"}, {"add", "b", false, "a/x b"}, {"add", "B", true, "B a/x b"},
		{"remove", "none", false, "B a/x b"}, {"remove", "b", true, "B a/x"}, {"remove", "b", false, "B a/x"},
	} {
		change := x.Add
		if c.what == "remove" {
			change = x.Remove
		}
		if got, err := change(ctx, c.name); err != nil || got != c.want {
			t.Errorf("%s %s: %v, %v", c.what, c.name, got, err)
		}
		if names, err := indexNames(x); err != nil || strings.Join(names, " ") != c.then {
			t.Errorf("after %s %s: %q, %v", c.what, c.name, names, err)
		}
	}
	for path, want := range map[string]os.FileMode{x.Path: 0o600, filepath.Dir(x.Path): 0o700 | os.ModeDir} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

// damagedIndexes are what a crash of the machine, a full disk or an editor may leave.
func damagedIndexes() []string {
	return []string{"", "{", "null", "[]", `{"version":1}`, `{"version":0,"entries":{}}`, `{"version":1,"entries":{"a":{}}} x`, "\x00\x00\x00\x00",
		`{"version":1,"entries":{"a":5}}`, `{"version":1,"entries":{"a":{"strict":"yes"}}}`, `{"version":1,"entries":{"a":{"marks":"*"}}}`}
}

// A damaged index is never emptied, replaced or forgotten: not by reading, and
// not by the first or any later change. Only Recover does something about it.
func TestIndexDamage(t *testing.T) {
	ctx := context.Background()
	for _, damaged := range damagedIndexes() {
		dir := t.TempDir()
		x := &Index{Path: filepath.Join(dir, "index.json")}
		for _, name := range []string{"first", "second"} {
			if _, err := x.Add(ctx, name); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(x.Path, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			for what, err := range indexErrors(ctx, x) {
				if err == nil || !strings.HasPrefix(err.Error(), "index "+x.Path+": damaged: ") || !strings.Contains(hintOf(err), "ward check --repair") {
					t.Errorf("%q: %s: %v, hint %q", damaged, what, err, hintOf(err))
				}
			}
		}
		if data, _ := os.ReadFile(x.Path); string(data) != damaged {
			t.Errorf("%q became %q", damaged, data)
		}
		done, err := x.Recover(ctx)
		if err != nil || !done.Damaged || done.Names != 1 {
			t.Errorf("%q: %+v, %v", damaged, done, err)
		}
		if data, err := os.ReadFile(done.Aside); err != nil || string(data) != damaged {
			t.Errorf("%q was put aside as %q, %v", damaged, data, err)
		}
		if names, err := indexNames(x); err != nil || !slices.Equal(names, []string{"first"}) {
			t.Errorf("%q: after Recover: %q, %v", damaged, names, err)
		}
		if before, err := os.ReadFile(x.previous()); err != nil {
			t.Error(err)
		} else if _, err := parseIndex(before); err != nil {
			t.Errorf("%q: the index before is not sound any more: %v", damaged, err)
		}
		if done, err := x.Recover(ctx); err != nil || done != (Recovery{}) {
			t.Errorf("a sound index was recovered: %+v, %v", done, err)
		}
	}
}

// A FIFO in the place of a file is an error, and nobody waits for a writer.
func TestPipesInPlace(t *testing.T) {
	dir := t.TempDir()
	x := &Index{Path: filepath.Join(dir, "index.json")}
	v := &Vault{Dir: dir, Passphrase: func(context.Context, string, bool) (*Buffer, error) { return nil, errors.New("asked") }}
	for path, read := range map[string]func() error{
		x.Path:                         func() error { _, err := x.All(); return err },
		filepath.Join(dir, "name.age"): func() error { _, err := v.Fetch(t.Context(), "name"); return err },
		v.identityPath():               func() error { _, err := v.unlock(t.Context()); return err },
	} {
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- read() }()
		select {
		case err := <-done:
			if err == nil || !strings.Contains(err.Error(), filepath.Base(path)+": not a regular file") {
				t.Errorf("%s: %v", path, err)
			}
		case <-time.After(5 * time.Second):
			t.Errorf("%s: waits for a writer", path)
		}
	}
}

// indexErrors is how each method ends.
func indexErrors(ctx context.Context, x *Index) map[string]error {
	_, all := x.All()
	_, _, get := x.Get("first")
	_, add := x.Add(ctx, "new")
	_, remove := x.Remove(ctx, "first")
	return map[string]error{"All": all, "Get": get, "Add": add, "Remove": remove,
		"Update": x.Update(ctx, "first", func(m *Meta) error { m.Strict = true; return nil }), "copy": x.copy(ctx, "first", "new")}
}

// What Recover can do depends on what is left.
func TestIndexRecover(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		what          string
		index, before string // "" for no file
		want          string // the names afterwards, or the error
		aside         bool
	}{
		{"nothing there", "", "", "", false},
		{"damaged, none before", "{", "", "", true},
		{"damaged, and so the one before", "{", "x", "", true},
		{"missing", "", `{"version":1,"entries":{"a":{},"b":{}}}`, "a b", false},
		{"a newer one", `{"version":2,"entries":{}}`, emptyIndex, "written by a newer ward (version 2)", false},
	} {
		x := &Index{Path: filepath.Join(t.TempDir(), "index.json")}
		for path, text := range map[string]string{x.Path: c.index, x.previous(): c.before} {
			if text != "" {
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		if c.what == "missing" {
			for what, err := range indexErrors(ctx, x) {
				if err == nil || !strings.HasSuffix(err.Error(), "it is missing") || !strings.Contains(hintOf(err), "ward check --repair") {
					t.Errorf("%s: %v, hint %q", what, err, hintOf(err))
				}
			}
		}
		done, err := x.Recover(ctx)
		names, _ := indexNames(x)
		got := strings.Join(names, " ")
		if err != nil {
			got = strings.TrimPrefix(err.Error(), "index "+x.Path+": ")
		}
		if got != c.want || (done.Aside != "") != c.aside || done.Names != len(names) {
			t.Errorf("%s: %q, %+v; want %q", c.what, got, done, c.want)
		}
	}
}

// An index of the future is not touched.
func TestIndexNewer(t *testing.T) {
	x := &Index{Path: filepath.Join(t.TempDir(), "index.json")}
	newer := `{"version":2,"entries":[{"a":1}]}`
	if err := os.WriteFile(x.Path, []byte(newer), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, err := range indexErrors(context.Background(), x) {
		if err == nil || !strings.HasSuffix(err.Error(), ": written by a newer ward (version 2)") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if data, _ := os.ReadFile(x.Path); string(data) != newer {
		t.Errorf("it became %s", data)
	}
}

// indexNames lists what is there, sorted.
func indexNames(x *Index) ([]string, error) {
	all, err := x.All()
	return slices.Sorted(maps.Keys(all)), err
}
