package launcher

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestListIsNotBelieved(t *testing.T) {
	dir, err := os.MkdirTemp("/dev/shm", "ward-test-") // tmpfs wherever there is one
	if err != nil {
		dir = t.TempDir()
	}
	defer os.RemoveAll(dir)
	if list(dir) == nil {
		t.Fatal("an ordinary directory is not listed")
	}
	if err := os.WriteFile(filepath.Join(dir, ".Kube"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	n := list(dir)
	for name, want := range map[string]bool{".kube": true, ".KUBE": true, ".kub": false, "kube": false, ".kübe": true, "..": true} {
		if got := n.mayHold(name); got != want {
			t.Errorf("mayHold(%s) = %t, want %t", name, got, want)
		}
	}
	// U+212A is written as k where a file system folds letters.
	if err := os.WriteFile(filepath.Join(dir, ".\u212aube"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if n := list(dir); n != nil {
		t.Error("a directory with names outside ASCII is believed")
	}
	if n := list("/proc/self"); n != nil {
		t.Error("/proc is believed: its entries are made when they are asked for")
	}
	if !slices.Equal(list(filepath.Join(dir, "none")), nil) {
		t.Error("a missing directory has names")
	}
}
