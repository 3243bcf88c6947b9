package detect

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestMain is the tests, or the program that a test has an agent start.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == probeName {
		if err := probe(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "probe:", err)
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
