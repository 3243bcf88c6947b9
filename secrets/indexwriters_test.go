package secrets

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Eight processes make 200 changes each at the same time: every change counts,
// and whoever reads meanwhile reads a whole index.
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
	reads := 0
	for running := true; running; reads++ {
		if _, err := indexNames(x); err != nil {
			t.Errorf("read meanwhile: %v", err)
		}
		select {
		case <-done:
			running = false
		default:
		}
	}
	want := map[string]string{"shared": "320 changes"}
	for i := range 8 {
		for n := 0; n < 200; n += 5 {
			want[fmt.Sprintf("w%d/m%d", i, n)] = fmt.Sprintf("number %d", n+1)
		}
	}
	got := map[string]string{}
	all, err := x.All()
	for name, meta := range all {
		got[name] = meta.Desc
	}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("%d names, want %d; shared says %q; %v", len(got), len(want), got["shared"], err)
	}
	if reads < 10 {
		t.Errorf("read %d times: that is hardly meanwhile", reads)
	}
	if left, _ := filepath.Glob(x.Path + "*"); len(left) != 3 {
		t.Errorf("beside the index, the one before and the lock there is %q", left)
	}
}

// indexWriter makes 240 changes: in turn it describes a new name, counts in an
// entry that all writers share, adds a second name, copies the first to a third,
// and removes the two.
func indexWriter() int {
	ctx := context.Background()
	x := &Index{Path: os.Getenv("WARD_TEST_PATH")}
	own := "w" + os.Getenv("WARD_TEST_ID") + "/"
	for n := 0; n < 200; n += 5 {
		first, second := fmt.Sprintf("%sn%d", own, n), fmt.Sprintf("%st%d", own, n)
		e1 := x.Update(ctx, first, func(m *Meta) error { m.Desc = fmt.Sprintf("number %d", n+1); return nil })
		e2 := x.Update(ctx, "shared", func(m *Meta) error {
			count, _ := strconv.Atoi(strings.TrimSuffix(m.Desc, " changes"))
			m.Desc = fmt.Sprintf("%d changes", count+1)
			return nil
		})
		added, e3 := x.Add(ctx, second)
		e4 := x.copy(ctx, first, fmt.Sprintf("%sm%d", own, n))
		gone, e5 := x.Remove(ctx, first)
		removed, e6 := x.Remove(ctx, second)
		if err := errors.Join(e1, e2, e3, e4, e5, e6); err != nil || !added || !gone || !removed {
			fmt.Fprintln(os.Stderr, first, added, removed, err)
			return 1
		}
	}
	return 0
}

// Whoever reads while the first index is written twice never takes it for one
// that was lost.
func TestIndexBegins(t *testing.T) {
	for range 50 {
		x := &Index{Path: filepath.Join(t.TempDir(), "index.json")}
		done := make(chan error)
		go func() {
			_, first := x.Add(context.Background(), "a")
			_, second := x.Add(context.Background(), "b")
			done <- errors.Join(first, second)
		}()
		for running := true; running; {
			if names, err := indexNames(x); err != nil {
				t.Errorf("%q, %v", names, err)
			}
			select {
			case err := <-done:
				if running = false; err != nil {
					t.Fatal(err)
				}
			default:
			}
		}
	}
}

// A writer that is killed at any moment loses nothing that it had done: the
// index is whole, so is the one before, and the next writer is not kept out.
func TestIndexKilled(t *testing.T) {
	x := &Index{Path: filepath.Join(t.TempDir(), "index.json")}
	want, midway := map[string]bool{}, 0
	for round := range 60 {
		cmd := helper(t, "index-endless", fmt.Sprintf("WARD_TEST_ID=%d", round), "WARD_TEST_PATH="+x.Path)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		done := bufio.NewScanner(out)
		for first := true; done.Scan(); first = false {
			if first {
				time.AfterFunc(rand.N(12*time.Millisecond), func() { cmd.Process.Kill() })
			}
			name, added := strings.CutPrefix(done.Text(), "+")
			if !added {
				delete(want, strings.TrimPrefix(name, "-"))
			} else {
				want[name] = true
			}
		}
		if err := cmd.Wait(); err == nil || err.Error() != "signal: killed" {
			t.Fatalf("the writer ended by itself: %v", err)
		}
		if _, err := os.Stat(x.Path + ".new"); err == nil {
			midway++
		}
		checkKilled(t, x, want, fmt.Sprintf("round%d/", round))
	}
	if names, err := indexNames(x); err != nil || len(names) < 60 {
		t.Errorf("%d names after all, %v: it did not write", len(names), err)
	}
	t.Logf("killed while the new index was being written: %d times of 60", midway)
}

// checkKilled compares the index with what was reported as done. The last
// change of the round may have happened without a report.
func checkKilled(t *testing.T, x *Index, want map[string]bool, round string) {
	t.Helper()
	names, err := indexNames(x)
	if err != nil {
		t.Fatal(err)
	}
	unreported := 0
	for _, name := range names {
		if !want[name] {
			unreported++
			want[name] = true
		}
	}
	for name := range want {
		if !slices.Contains(names, name) {
			unreported++
			delete(want, name)
			if !strings.HasPrefix(name, round) {
				t.Errorf("%s is lost", name)
			}
		}
	}
	if unreported > 1 {
		t.Errorf("%d changes that nobody reported, or lost ones", unreported)
	}
	if data, err := os.ReadFile(x.previous()); err == nil {
		if _, err := parseIndex(data); err != nil {
			t.Errorf("the index before: %v", err)
		}
	}
}

// indexEndless adds names and removes every fourth again, and reports each
// change once it is done. It ends by being killed.
func indexEndless() int {
	x := &Index{Path: os.Getenv("WARD_TEST_PATH")}
	for n := range 100_000 {
		name := fmt.Sprintf("round%s/n%d", os.Getenv("WARD_TEST_ID"), n)
		if err := x.Update(context.Background(), name, func(m *Meta) error { m.Desc = "here"; return nil }); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		fmt.Println("+" + name)
		if n%4 != 3 {
			continue
		}
		if removed, err := x.Remove(context.Background(), name); err != nil || !removed {
			fmt.Fprintln(os.Stderr, removed, err)
			return 1
		}
		fmt.Println("-" + name)
	}
	return 0
}

// processorTime is what this process has used so far, in all its threads.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// maxLoad is what reading the whole index may take, with marks for every
// secret: it is read by each command and before each launch. It is measured as
// processor time, which is what it takes where nothing else runs.
const maxLoad = 10 * time.Millisecond

func TestIndexLoadTime(t *testing.T) {
	x := &Index{Path: filepath.Join(t.TempDir(), "index.json")}
	meta := everything()
	meta.Marks = random(320) // 16 tags of 16 bytes, and 4 bytes about each
	entries := map[string]Meta{}
	for i := range 1000 {
		entries[fmt.Sprintf("org/project-%d/SOME_API_TOKEN_%d", i/20, i)] = meta
	}
	data, err := json.Marshal(indexFile{1, entries})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(x.Path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	best := time.Hour
	for range 20 {
		before := processorTime(t)
		all, err := x.All()
		best = min(best, processorTime(t)-before)
		if err != nil || len(all) != 1000 || len(all["org/project-0/SOME_API_TOKEN_7"].Marks) != 320 {
			t.Fatalf("%d entries, %v", len(all), err)
		}
	}
	info, err := os.Stat(x.Path)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("1,000 secrets, %d bytes: %v", info.Size(), best)
	if best >= maxLoad {
		t.Errorf("1,000 secrets take %v, want less than %v", best, maxLoad)
	}
	started := time.Now()
	if err := x.Update(context.Background(), "one/more", func(m *Meta) error { *m = meta; return nil }); err != nil {
		t.Fatal(err)
	}
	took := time.Since(started)
	t.Logf("one change: %v", took)
}
