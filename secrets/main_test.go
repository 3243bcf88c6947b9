package secrets

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// This binary plays the other processes of its tests: see helper and played.
func TestMain(m *testing.M) {
	if play, ok := played()[filepath.Base(os.Args[0])]; ok {
		os.Exit(play())
	}
	name := os.Getenv("WARD_TEST_HELPER")
	if name == "" {
		os.Exit(m.Run())
	}
	os.Exit(helpers()[name]())
}

// helper is a command that runs this binary as the helper of that name.
func helper(t *testing.T, name string, env ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), append(env, "WARD_TEST_HELPER="+name)...)
	return cmd
}

// needs ends a test that this machine cannot run, by name.
func needs(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("WARD_NO_SKIP") == "1" {
		t.Fatal("needs " + what)
	}
	t.Skip("needs " + what)
}

func needsPrograms(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			needs(t, name)
		}
	}
}

// random gives n bytes of letters, digits, - and _.
func random(n int) []byte {
	raw := make([]byte, n)
	rand.Read(raw)
	return []byte(base64.RawURLEncoding.EncodeToString(raw)[:n])
}

func bufferOf(t *testing.T, value []byte) *Buffer {
	t.Helper()
	b, err := ReadBuffer(bytes.NewReader(value), len(value))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Destroy)
	return b
}

// plain copies the value out, which only a test may do.
func plain(t *testing.T, b *Buffer) []byte {
	t.Helper()
	var out []byte
	if err := b.Use(func(value []byte) error { out = bytes.Clone(value); return nil }); err != nil {
		t.Fatal(err)
	}
	return out
}

func hintOf(err error) string {
	var hints []string
	var walk func(error)
	walk = func(err error) {
		if h, ok := err.(interface{ Hint() string }); ok {
			hints = append(hints, h.Hint())
		}
		switch e := err.(type) {
		case interface{ Unwrap() error }:
			if inner := e.Unwrap(); inner != nil {
				walk(inner)
			}
		case interface{ Unwrap() []error }:
			for _, inner := range e.Unwrap() {
				walk(inner)
			}
		}
	}
	walk(err)
	return strings.Join(hints, "\n")
}
