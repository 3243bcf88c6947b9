package audit

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// A pipe may be a record, if somebody reads it; for a reader nobody waits, since that would take no signal.
func TestPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { _, err := Open(path, ""); done <- err }()
	select {
	case err := <-done:
		if err == nil {
			t.Error("opened, and nobody reads")
		}
	case <-time.After(5 * time.Second):
		t.Fatal("waits for a reader")
	}
	reader, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	log, err := Open(path, "")
	if err != nil {
		t.Fatal(err)
	}
	go func() { log.Write(Event{Event: "launch", What: string(bytes.Repeat([]byte("x"), 1<<18))}); log.Close() }() // more than fits
	if got, err := io.ReadAll(reader); err != nil || len(got) < 1<<18 || got[len(got)-1] != '\n' {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
