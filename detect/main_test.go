package detect

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestMain is the tests, or a program that a test has others start.
func TestMain(m *testing.M) {
	name := filepath.Base(os.Args[0])
	if play, ok := map[string]func([]string) error{probeName: probe, callerName: caller}[name]; ok {
		if err := play(os.Args[1:]); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// needs skips the test because the machine lacks something, and says what;
// where skips are forbidden it fails instead.
func needs(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("WARD_NO_SKIP") == "1" {
		t.Fatalf("needs %s, and WARD_NO_SKIP forbids to skip", what)
	}
	t.Skipf("needs %s", what)
}
