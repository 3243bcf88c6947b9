package launcher

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestScratchRefused: in /tmp anybody can have made the directory of that name, and then there is no launch.
func TestScratchRefused(t *testing.T) {
	for name, make := range map[string]func(base string) error{
		"a link":        func(base string) error { return os.Symlink(t.TempDir(), base) },
		"a file":        func(base string) error { return os.WriteFile(base, nil, 0o600) },
		"open to all":   func(base string) error { os.Mkdir(base, 0o700); return os.Chmod(base, 0o777) },
		"open to group": func(base string) error { os.Mkdir(base, 0o700); return os.Chmod(base, 0o750) },
		"somebody else's": func(base string) error {
			os.Mkdir(base, 0o700)
			if os.Getuid() != 0 {
				return os.Chmod(base, 0o755) // who is not root cannot give away
			}
			return os.Chown(base, 1000, 1000)
		},
	} {
		t.Setenv("TMPDIR", t.TempDir())
		if err := make(scratchBase()); err != nil {
			t.Fatal(err)
		}
		s, err := newScratch("id")
		if err == nil {
			s.close()
			t.Errorf("%s: was taken", name)
			continue
		}
		if !strings.Contains(err.Error(), "not a directory of mode 0700 that belongs to you") || hintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	t.Setenv("TMPDIR", "/no/such/place")
	if _, err := newScratch("id"); err == nil || hintOf(err) == "" {
		t.Errorf("no such TMPDIR: %v", err)
	}
}

// TestScratchLife: launches beside each other have directories of their own; an empty one is used again, one with
// something in it is kept, and a day later it is gone.
func TestScratchLife(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	open := func(id string) *scratch {
		t.Helper()
		s, err := newScratch(id)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first, second := open("one"), open("two")
	if first.dir == second.dir {
		t.Fatalf("two launches in %s", first.dir)
	}
	if info, err := os.Stat(filepath.Join(first.dir, "tmp")); err != nil || info.Mode() != os.ModeDir|os.ModeSticky|0o777 {
		t.Errorf("tmp: %v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(first.dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%s: %v, %v", first.dir, info.Mode(), err)
	}
	file := filepath.Join(first.dir, "tmp", "sub", "found")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(second.dir, "tmp", "a", "b"), 0o755); err != nil {
		t.Fatal(err)
	}
	first.close()
	second.close()
	kept := filepath.Join(first.kept(), "tmp", "sub", "found")
	if _, err := os.Stat(kept); err != nil {
		t.Errorf("what the command left: %v", err)
	}
	if _, err := os.Stat(second.kept()); err == nil {
		t.Errorf("%s was kept for nothing but empty directories", second.kept())
	}

	third := open("three") // again one of the two
	defer third.close()
	if entries, err := os.ReadDir(filepath.Join(third.dir, "tmp")); err != nil || len(entries) > 0 {
		t.Errorf("a new launch finds %v in its /tmp, %v", entries, err)
	}
	sweep(scratchBase(), time.Now().Add(keepScratch-time.Hour))
	if _, err := os.Stat(kept); err != nil {
		t.Errorf("before a day is over: %v", err)
	}
	sweep(scratchBase(), time.Now().Add(keepScratch-time.Hour+sweepEvery/2))
	sweep(scratchBase(), time.Now().Add(keepScratch+time.Hour))
	if _, err := os.Stat(kept); err == nil {
		t.Error("after a day it is still there")
	}
	if _, err := os.Stat(third.dir); err != nil {
		t.Errorf("a living launch was swept: %v", err)
	}
}

// TestScratchKilled: what a launch left that was killed is put aside, and not shown to the next one.
func TestScratchKilled(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	killed, err := newScratch("killed")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(killed.dir, "tmp", "left"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	killed.slot.Close() // as the kernel does
	next, err := newScratch("next")
	if err != nil {
		t.Fatal(err)
	}
	defer next.close()
	if entries, err := os.ReadDir(filepath.Join(next.dir, "tmp")); err != nil || len(entries) > 0 {
		t.Errorf("the next launch finds %v, %v", entries, err)
	}
}

// TestScratchManyKilled: one launch puts aside what several left that were killed, since another may take the slot that
// it made free; nothing of that is lost, and what it leaves itself is where ward says it is.
func TestScratchManyKilled(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	leave := func(s *scratch, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(s.dir, "tmp", "left"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var killed []*scratch
	for _, id := range []string{"a", "b", "c"} {
		s, err := newScratch(id)
		if err != nil {
			t.Fatal(err)
		}
		leave(s, id)
		killed = append(killed, s)
	}
	var last *scratch
	for _, k := range killed { // each slot but the last is taken by somebody else once it is free
		k.slot.Close()
		last = &scratch{dir: k.dir, id: "next"}
		if free, err := last.take(); !free || err != nil {
			t.Fatalf("%s: %t, %v", k.dir, free, err)
		}
		defer last.slot.Close()
	}
	// The last is killed too, and its successor put aside: the name is taken then, so the slot is left alone.
	leave(last, "d")
	last.slot.Close()
	if free, err := last.take(); free || err != nil {
		t.Errorf("a slot whose name is taken: %t, %v", free, err)
	}
	if last.slot, _ = os.Open(last.dir); last.slot == nil {
		t.Fatalf("%s is gone", last.dir)
	}
	last.close()

	var found []string
	kept, _ := filepath.Glob(filepath.Join(scratchBase(), keptPrefix+"*", "tmp", "left"))
	for _, path := range kept {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
		}
		found = append(found, string(data))
		if own := strings.HasPrefix(path, last.kept()+"/"); own != (string(data) == "d") {
			t.Errorf("%s holds %q", path, data)
		}
	}
	slices.Sort(found)
	if got := strings.Join(found, " "); got != "a b c d" {
		t.Errorf("put aside: %s", got)
	}
}

// TestScratchMany: as many launches at one time as slots are asked for, each with its own.
func TestScratchMany(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	dirs := make(chan string)
	const launches = 20
	release := make(chan struct{})
	for i := range launches {
		go func() {
			s, err := newScratch(strconv.Itoa(i))
			if err != nil {
				dirs <- err.Error()
				return
			}
			dirs <- s.dir
			<-release
			s.close()
		}()
	}
	seen := map[string]bool{}
	for range launches {
		dir := <-dirs
		if seen[dir] || !filepath.IsAbs(dir) {
			t.Errorf("%s a second time", dir)
		}
		seen[dir] = true
	}
	close(release)
}

// A launch does not look through what thousands of launches before it left: once in an hour is enough.
func TestScratchIsSweptOnceInAnHour(t *testing.T) {
	base := t.TempDir()
	old := filepath.Join(base, keptPrefix+"old")
	now := time.Now()
	put := func() {
		t.Helper()
		if err := errors.Join(os.MkdirAll(old, 0o700), os.Chtimes(old, now.Add(-2*keepScratch), now.Add(-2*keepScratch))); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		after time.Duration
		gone  bool
	}{{0, true}, {sweepEvery - time.Second, false}, {sweepEvery, true}, {-sweepEvery, true}} { // the last: the clock was set back
		put()
		sweep(base, now.Add(c.after))
		if _, err := os.Stat(old); os.IsNotExist(err) != c.gone {
			t.Errorf("after %v it is gone: %t, want %t", c.after, !c.gone, c.gone)
		}
	}
}

// TestScratchManyDirectories: a launch does not stay to remove them one by one.
func TestScratchManyDirectories(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for id, count := range map[string]int{"few": 10, "many": maxEmpty + 1} {
		s, err := newScratch(id)
		if err != nil {
			t.Fatal(err)
		}
		for i := range count {
			if err := os.Mkdir(filepath.Join(s.dir, "tmp", strconv.Itoa(i)), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		s.close()
		if _, err := os.Stat(s.kept()); (err == nil) != (count > maxEmpty) {
			t.Errorf("%s: %v", id, err)
		}
	}
}

// TestScratchNoDirectory: a link or a pipe in the place of a slot is an error, and nothing that is waited for.
func TestScratchNoDirectory(t *testing.T) {
	for name, plant := range map[string]func(slot string) error{
		"link": func(slot string) error { return os.Symlink(t.TempDir(), slot) },
		"pipe": func(slot string) error { return syscall.Mkfifo(slot, 0o600) },
	} {
		t.Setenv("TMPDIR", t.TempDir())
		if err := errors.Join(os.Mkdir(scratchBase(), 0o700), plant(filepath.Join(scratchBase(), "0"))); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { _, err := newScratch("id"); done <- err }()
		select {
		case err := <-done:
			if err == nil || hintOf(err) == "" {
				t.Errorf("%s: %v", name, err)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("%s: is waited for", name)
		}
	}
}
