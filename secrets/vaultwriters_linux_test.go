package secrets

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// vaultWriter is a process that puts a value of one letter under x, again and
// again, and says so each time. It knows no passphrase.
func vaultWriter(t *testing.T, v *Vault, letter byte, times int) *exec.Cmd {
	t.Helper()
	cmd := helper(t, "vault", "WARD_TEST_PATH="+v.Dir, "WARD_TEST_ID="+string(letter), fmt.Sprintf("WARD_TEST_TIMES=%d", times))
	cmd.Stderr = os.Stderr
	return cmd
}

func vaultWrites() int {
	v := &Vault{Dir: os.Getenv("WARD_TEST_PATH")}
	times := 0
	fmt.Sscan(os.Getenv("WARD_TEST_TIMES"), &times)
	for range times {
		value := bytes.Repeat([]byte(os.Getenv("WARD_TEST_ID")), 200_000)
		b, err := ReadBuffer(bytes.NewReader(value), len(value))
		if err == nil {
			err = v.Put(context.Background(), "x", b)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		b.Destroy()
		fmt.Println("stored")
	}
	return 0
}

// wholeVersions fails unless x, and what it held before, are values that some
// writer put. It gives the letter of x.
func wholeVersions(t *testing.T, v *Vault) byte {
	t.Helper()
	b, err := v.Fetch(context.Background(), "x")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Destroy()
	got := plain(t, b)
	before := bytes.TrimPrefix(decrypt(t, filepath.Join(v.Dir, "x.age.prev"), v.identity), []byte(header+"x\n"))
	for what, value := range map[string][]byte{"x": got, "x before": before} {
		if len(value) != 200_000 || !bytes.Equal(value, bytes.Repeat(value[:1], len(value))) {
			t.Errorf("%s is a mixture of %d bytes", what, len(value))
		}
	}
	return got[0]
}

func TestVaultWriterProcesses(t *testing.T) {
	v, _ := testVault(t, filepath.Join(t.TempDir(), "vault"), "a passphrase")
	if err := makeVault(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	var writers []*exec.Cmd
	for i := range 4 {
		writers = append(writers, vaultWriter(t, v, 'a'+byte(i), 25))
		if err := writers[i].Start(); err != nil {
			t.Fatal(err)
		}
	}
	for _, w := range writers {
		if err := w.Wait(); err != nil {
			t.Error(err)
		}
	}
	wholeVersions(t, v)
	if left, _ := filepath.Glob(v.Dir + "/.ward-*"); left != nil {
		t.Errorf("left behind: %q", left)
	}
}

// A Put that is killed leaves the value before or the new one, never an older
// one, and the version before is whole too.
func TestVaultKilled(t *testing.T) {
	v, _ := testVault(t, filepath.Join(t.TempDir(), "vault"), "a passphrase")
	for range 2 {
		if err := v.Put(t.Context(), "x", bufferOf(t, bytes.Repeat([]byte("Z"), 200_000))); err != nil {
			t.Fatal(err)
		}
	}
	last, midway := byte('Z'), 0
	for i := range 60 {
		letter := 'a' + byte(i%26)
		cmd := vaultWriter(t, v, letter, 1_000_000)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		stored, count := bufio.NewScanner(out), 0
		time.AfterFunc(rand.N(40*time.Millisecond), func() { cmd.Process.Kill() })
		for stored.Scan() {
			count++
		}
		if err := cmd.Wait(); err == nil || err.Error() != "signal: killed" {
			t.Fatalf("the writer ended by itself: %v", err)
		}
		got := wholeVersions(t, v)
		if got != letter && (got != last || count > 0) {
			t.Errorf("after %d Puts of %q and the kill, x is of %q; it was of %q", count, letter, got, last)
		}
		last = got
		left, _ := filepath.Glob(v.Dir + "/.ward-*")
		midway += len(left)
		for _, file := range left {
			os.Remove(file)
		}
	}
	t.Logf("60 kills left %d unfinished files", midway)
}

// What a kill left is taken away once nobody can be writing it any more.
func TestVaultLeftovers(t *testing.T) {
	v, _ := testVault(t, filepath.Join(t.TempDir(), "vault"), "a passphrase")
	if err := makeVault(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	for _, change := range []func() error{
		func() error { return v.Put(t.Context(), "x", bufferOf(t, []byte("v"))) },
		func() error { return v.Delete(t.Context(), "x") },
	} {
		for name, age := range map[string]time.Duration{".ward-1": 2 * time.Hour, ".ward-2": 0, "notes": 2 * time.Hour} {
			path, then := filepath.Join(v.Dir, name), time.Now().Add(-age)
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(path, then, then); err != nil {
				t.Fatal(err)
			}
		}
		if err := change(); err != nil {
			t.Fatal(err)
		}
		var left []string
		for _, name := range []string{".ward-1", ".ward-2", "notes"} {
			if _, err := os.Stat(filepath.Join(v.Dir, name)); err == nil {
				left = append(left, name)
			}
		}
		if !slices.Equal(left, []string{".ward-2", "notes"}) {
			t.Errorf("left are %q", left)
		}
	}
}

// What unwrapping the identity may cost: it is paid by every launch that reads
// the vault, on small machines too.
const (
	maxUnlock       = 300 * time.Millisecond
	maxUnlockMemory = 64 << 10 // in KiB, of the whole process
)

func TestVaultUnlockCost(t *testing.T) {
	v, _ := testVault(t, filepath.Join(t.TempDir(), "vault"), "a passphrase")
	if err := v.Put(t.Context(), "x", bufferOf(t, []byte("v"))); err != nil {
		t.Fatal(err)
	}
	best, most := time.Hour, 0
	for range 5 {
		out, err := helper(t, "unlock", "WARD_TEST_PATH="+v.Dir).Output()
		var work, wall time.Duration
		var kib int
		if _, scanned := fmt.Sscanf(string(out), "%d %d %d", &work, &wall, &kib); err != nil || scanned != nil {
			t.Fatalf("%q: %v, %v", out, err, scanned)
		}
		t.Logf("unlocked with %v of processor time, in %v; the process had %d KiB at most", work, wall, kib)
		best, most = min(best, work), max(most, kib)
	}
	if best >= maxUnlock || most >= maxUnlockMemory || most < 32<<10 {
		t.Errorf("%v and %d KiB, want less than %v and %d KiB, and more than the 32 MiB that scrypt takes", best, most, maxUnlock, maxUnlockMemory)
	}
}

// unlockProbe fetches one value and prints, in nanoseconds, the processor time
// and the time that took: the first is what it takes where nothing else runs.
// Then the peak of its memory; rusage would count the process that it was
// forked from.
func unlockProbe() int {
	v := probeVault("")
	v.Dir = os.Getenv("WARD_TEST_PATH")
	var before, after unix.Rusage
	started := time.Now()
	err := errors.Join(unix.Getrusage(unix.RUSAGE_SELF, &before), expect(v, "x", "v"), unix.Getrusage(unix.RUSAGE_SELF, &after))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	took := time.Since(started)
	status, err := os.ReadFile("/proc/self/status")
	_, peak, found := strings.Cut(string(status), "VmHWM:")
	if err != nil || !found {
		fmt.Fprintln(os.Stderr, "no VmHWM", err)
		return 1
	}
	used := func(r unix.Rusage) int64 { return r.Utime.Nano() + r.Stime.Nano() }
	fmt.Println(used(after)-used(before), took.Nanoseconds(), strings.Fields(peak)[0])
	return 0
}
