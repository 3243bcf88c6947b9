package guard

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"unsafe"
)

// The guard's memory is locked and left out of core dumps, or the report says
// that it is not.
func TestArenaIsLocked(t *testing.T) {
	g, report := New(testKey, []Print{Fingerprint(testKey, "TOKEN", []byte(fuzzValue))}, Options{})
	defer g.Wipe()
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	at := uintptr(unsafe.Pointer(unsafe.SliceData(g.arena.mem)))
	flags := ""
	inside := false
	for line := range strings.Lines(string(maps)) {
		var from, to uintptr
		if n, _ := fmt.Sscanf(line, "%x-%x ", &from, &to); n == 2 {
			inside = from <= at && at < to
		}
		if rest, ok := strings.CutPrefix(line, "VmFlags:"); ok && inside {
			flags = rest
		}
	}
	for _, flag := range []string{" lo ", " dd "} {
		if !strings.Contains(flags, flag) && report.Unlocked == nil {
			t.Errorf("flags of the arena are %q, want%sin them or a word in the report", flags, flag)
		}
	}
}
