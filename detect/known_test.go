package detect

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func newKnown(t *testing.T) *Known {
	t.Helper()
	return &Known{Path: filepath.Join(t.TempDir(), "state", "ward", "known_callers.json")}
}

// see fails the test on an error.
func (k *Known) see(t *testing.T, c Caller) bool {
	t.Helper()
	isNew, err := k.See(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return isNew
}

func TestKnownOnce(t *testing.T) {
	k := newKnown(t)
	for _, c := range []struct {
		agent, path string
		want        bool
	}{
		{"claude", "/usr/bin/claude", true},
		{"claude", "/usr/bin/claude", false},
		{"claude", "/opt/claude", true},
		{"codex", "/usr/bin/claude", true},
		{"", "/usr/bin/bash", true},
		{"", "/usr/bin/bash", false},
		{"", "", true}, // by its mark alone, from nobody knows where
		{"", "", false},
		{"", "/tmp/\xff\n\x1b[2J", true},
		{"", "/tmp/\xff\n\x1b[2J", false},
		{"", "/" + strings.Repeat("ä", maxKnownPath), true},
		{"", "/" + strings.Repeat("ä", maxKnownPath), false},
		{"claude", "/usr/bin/claude", false},
	} {
		if got := k.see(t, Caller{Agent: c.agent, Path: c.path}); got != c.want {
			t.Errorf("%s, %.40q: new %v, want %v", c.agent, c.path, got, c.want)
		}
	}
	info, err := os.Stat(k.Path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, error %v: want mode 0600", info, err)
	}
}

// What people type is not remembered.
func TestKnownHoldsNoWords(t *testing.T) {
	k := newKnown(t)
	word := "s3" + "cret"
	c := inspect(t, under(Process{Exe: "/usr/bin/node", Argv: []string{"node", "/usr/bin/claude", word}}), env("CLAUDECODE="+word))
	k.see(t, c)
	data, err := os.ReadFile(k.Path)
	if err != nil || !strings.Contains(string(data), `"/usr/bin/claude"`) || strings.Contains(string(data), word) {
		t.Errorf("error %v, file\n%s", err, data)
	}
}

// Of writers at the same time none loses what another wrote, and each caller
// is new to exactly one of them.
func TestKnownWriters(t *testing.T) {
	k := newKnown(t)
	const writers, callers = 8, 25
	var reported atomic.Int64
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			own := &Known{Path: k.Path}
			for i := range callers {
				isNew, err := own.See(context.Background(), Caller{Path: fmt.Sprint("/bin/", i)})
				if err != nil {
					t.Error(err)
				}
				if isNew {
					reported.Add(1)
				}
			}
		})
	}
	all.Wait()
	if f, err := k.read(); err != nil || len(f.Callers) != callers || reported.Load() != callers {
		t.Errorf("%d callers in the file, %d reported, error %v; want %d", len(f.Callers), reported.Load(), err, callers)
	}
}

// The oldest make room.
func TestKnownBound(t *testing.T) {
	k := newKnown(t)
	k.see(t, Caller{Path: "/bin/0"})
	f, err := k.read()
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i < maxKnown; i++ {
		f.Callers = append(f.Callers, knownCaller{Path: fmt.Sprint("/bin/", i)})
	}
	if err := k.write(f); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		k.see(t, Caller{Path: fmt.Sprint("/bin/", maxKnown+i)})
	}
	if f, err = k.read(); err != nil || len(f.Callers) != maxKnown || f.Callers[0].Path != "/bin/3" || f.Callers[maxKnown-1].Path != fmt.Sprint("/bin/", maxKnown+2) {
		t.Errorf("%d callers, error %v", len(f.Callers), err)
	}
	// The longest that it may get has to be read again: each path as long as
	// it may be, of bytes that JSON escapes with six.
	for i := range f.Callers {
		f.Callers[i].Path = bounded(fmt.Sprint(i) + strings.Repeat("\x01", maxKnownPath))
	}
	if err := k.write(f); err != nil {
		t.Fatal(err)
	}
	if f, err := k.read(); err != nil || len(f.Callers) != maxKnown {
		t.Errorf("the longest file gives %d callers, error %v", len(f.Callers), err)
	}
}

// A damaged file is kept, a new one is begun, and the caller hears of both.
func TestKnownDamaged(t *testing.T) {
	for _, text := range []string{
		"", "{", "null", "[]", "{}", `{"version":1,"callers":[{"path":"/a"`, `{"version":1,"callers":[]} {`, `{"version":1,"callers":"x"}`,
		`{"version":1,"callers":[]}` + strings.Repeat(" ", maxKnownFile),
	} {
		k := newKnown(t)
		if err := os.MkdirAll(filepath.Dir(k.Path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(k.Path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		isNew, err := k.See(t.Context(), Caller{Path: "/bin/a"})
		kept, _ := filepath.Glob(k.Path + ".damaged-*")
		if !isNew || err == nil || len(kept) != 1 || !strings.Contains(err.Error(), kept[0]) {
			t.Errorf("%.40q: new %v, error %v, kept %q", text, isNew, err, kept)
			continue
		}
		if old, err := os.ReadFile(kept[0]); err != nil || string(old) != text {
			t.Errorf("%.40q was kept as %.40q, error %v", text, old, err)
		}
		if k.see(t, Caller{Path: "/bin/a"}) {
			t.Errorf("%.40q: the new file does not hold the caller", text)
		}
	}
}

// What cannot be read or written refuses nothing and changes nothing.
func TestKnownFaults(t *testing.T) {
	t.Run("a later version", func(t *testing.T) {
		k := newKnown(t)
		text := `{"version":2,"people":[]}`
		if err := os.MkdirAll(filepath.Dir(k.Path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(k.Path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		isNew, err := k.See(t.Context(), Caller{Path: "/bin/a"})
		now, _ := os.ReadFile(k.Path)
		if !isNew || err == nil || string(now) != text {
			t.Errorf("new %v, error %v, file %q", isNew, err, now)
		}
	})
	t.Run("a pipe", func(t *testing.T) {
		k := newKnown(t)
		if err := errors.Join(os.MkdirAll(filepath.Dir(k.Path), 0o700), unix.Mkfifo(k.Path, 0o600)); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { _, err := k.See(t.Context(), Caller{Path: "/bin/a"}); done <- err }()
		select {
		case err := <-done:
			if err == nil {
				t.Error("no error")
			}
		case <-time.After(5 * time.Second):
			t.Error("waits for a writer")
		}
	})
	t.Run("no directory", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		k := &Known{Path: filepath.Join(file, "known_callers.json")}
		if isNew, err := k.See(t.Context(), Caller{Path: "/bin/a"}); !isNew || err == nil {
			t.Errorf("new %v, error %v", isNew, err)
		}
	})
	t.Run("somebody holds the lock", func(t *testing.T) {
		k := newKnown(t)
		k.see(t, Caller{Path: "/bin/a"})
		unlock, err := lock(t.Context(), k.Path+".lock")
		if err != nil {
			t.Fatal(err)
		}
		defer unlock()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if isNew, err := k.See(ctx, Caller{Path: "/bin/b"}); !isNew || err == nil {
			t.Errorf("new %v, error %v", isNew, err)
		}
		if k.see(t, Caller{Path: "/bin/a"}) {
			t.Error("a known caller needs no lock")
		}
	})
}
