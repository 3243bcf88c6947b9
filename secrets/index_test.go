package secrets

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestIndex(t *testing.T) {
	ctx := context.Background()
	x := &Index{Path: filepath.Join(t.TempDir(), "new", "ward", "index.json")}
	if names, err := x.Names(); err != nil || len(names) != 0 {
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
		if names, err := x.Names(); err != nil || strings.Join(names, " ") != c.then {
			t.Errorf("after %s %s: %q, %v", c.what, c.name, names, err)
		}
	}
	for path, want := range map[string]os.FileMode{x.Path: 0o600, filepath.Dir(x.Path): 0o700 | os.ModeDir} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

// Another version's metadata survives this one's changes.
func TestIndexKeepsWhatItDoesNotKnow(t *testing.T) {
	x := &Index{Path: filepath.Join(t.TempDir(), "index.json")}
	if err := os.WriteFile(x.Path, []byte(`{"version":1,"entries":{"a":{"type":"token","marks":"AAEC"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		if _, err := x.Add(context.Background(), name); err != nil {
			t.Fatal(err)
		}
	}
	var got struct{ Entries map[string]map[string]string }
	data, _ := os.ReadFile(x.Path)
	if err := json.Unmarshal(data, &got); err != nil || got.Entries["a"]["marks"] != "AAEC" || got.Entries["b"] == nil {
		t.Errorf("%v\n%s", err, data)
	}
}

func TestIndexDamage(t *testing.T) {
	ctx := context.Background()
	for _, damaged := range []string{"", "{", "null", "[]", `{"version":1}`, `{"version":0,"entries":{}}`, `{"version":1,"entries":{"a":{}}} x`, "\x00\x00\x00\x00"} {
		dir := t.TempDir()
		x := &Index{Path: filepath.Join(dir, "index.json")}
		if err := os.WriteFile(x.Path, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		if names, err := x.Names(); err == nil || !strings.Contains(err.Error(), "damaged") || hintOf(err) == "" {
			t.Errorf("%q lists %q, %v", damaged, names, err)
		}
		if data, _ := os.ReadFile(x.Path); string(data) != damaged {
			t.Errorf("reading changed %q to %q", damaged, data)
		}
		_, err := x.Add(ctx, "new")
		if err == nil || !strings.Contains(err.Error(), "moved to") || !strings.Contains(hintOf(err), "repair") {
			t.Errorf("%q: %v, hint %q", damaged, err, hintOf(err))
			continue
		}
		aside, _ := filepath.Glob(filepath.Join(dir, "index.json.damaged-*"))
		if len(aside) != 1 || !strings.Contains(err.Error(), aside[0]) {
			t.Fatalf("%q was moved to %q, and the error is %v", damaged, aside, err)
		}
		if data, _ := os.ReadFile(aside[0]); string(data) != damaged {
			t.Errorf("%q became %q", damaged, data)
		}
		if _, err := x.Add(ctx, "new"); err != nil {
			t.Errorf("after that: %v", err)
		}
	}

	x := &Index{Path: filepath.Join(t.TempDir(), "index.json")}
	newer := `{"version":2,"entries":{}}`
	if err := os.WriteFile(x.Path, []byte(newer), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Add(ctx, "a"); err == nil || !strings.Contains(err.Error(), "newer ward (version 2)") {
		t.Errorf("an index of the future: %v", err)
	}
	if data, _ := os.ReadFile(x.Path); string(data) != newer {
		t.Errorf("it became %s", data)
	}
}

// Eight processes write at the same time, 50 changes each: every change
// counts, and whoever reads meanwhile reads a whole index.
func TestIndexManyWriters(t *testing.T) {
	x := &Index{Path: filepath.Join(t.TempDir(), "index.json")}
	var writers []*exec.Cmd
	for i := range 8 {
		cmd := helper(t, "index", fmt.Sprintf("WARD_TEST_ID=%d", i), "WARD_TEST_PATH="+x.Path)
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		writers = append(writers, cmd)
	}
	done := make(chan bool)
	go func() {
		for _, w := range writers {
			if err := w.Wait(); err != nil {
				t.Error(err)
			}
		}
		close(done)
	}()
	for running := true; running; {
		if _, err := x.Names(); err != nil {
			t.Errorf("read meanwhile: %v", err)
		}
		select {
		case <-done:
			running = false
		default:
		}
	}
	var want []string
	for i := range 8 {
		for n := range 50 {
			if n%10 != 4 && n%10 != 9 {
				want = append(want, fmt.Sprintf("w%d/n%d", i, n))
			}
		}
	}
	slices.Sort(want)
	if names, err := x.Names(); err != nil || !slices.Equal(names, want) {
		t.Errorf("%d names, want %d; %v", len(names), len(want), err)
	}
}

// indexWriter adds 45 names and removes 5 of its own again.
func indexWriter() int {
	x := &Index{Path: os.Getenv("WARD_TEST_PATH")}
	for n := range 50 {
		change, name := x.Add, fmt.Sprintf("w%s/n%d", os.Getenv("WARD_TEST_ID"), n)
		if n%10 == 9 {
			change, name = x.Remove, fmt.Sprintf("w%s/n%d", os.Getenv("WARD_TEST_ID"), n-5)
		}
		if changed, err := change(context.Background(), name); err != nil || !changed {
			fmt.Fprintln(os.Stderr, name, changed, err)
			return 1
		}
	}
	return 0
}
