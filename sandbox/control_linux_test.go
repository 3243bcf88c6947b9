package sandbox

import (
	"errors"
	"io"
	"testing"

	"golang.org/x/sys/unix"
)

// What the other side said last is received, also where it closed its end without reading what was sent to it: a signal
// that comes while the command ends must not hide how it ended.
func TestLastWords(t *testing.T) {
	for unread := range 3 {
		ours, file, err := socketpair()
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(ours.fd)
		theirs := control{int(file.Fd())}
		if err := errors.Join(theirs.send(sayStopped, []byte{1}), theirs.send(sayExited, []byte{2})); err != nil {
			t.Fatal(err)
		}
		for range unread {
			if err := ours.send(doSignal, []byte{15, 0}); err != nil {
				t.Fatal(err)
			}
		}
		file.Close()
		for _, want := range []byte{sayStopped, sayExited} {
			if kind, body, _, err := ours.receive(); err != nil || kind != want || len(body) != 1 {
				t.Errorf("%d packets unread: %q, %v, %v, want %q", unread, kind, body, err, want)
			}
		}
		if _, _, _, err := ours.receive(); err != io.EOF {
			t.Errorf("%d packets unread: %v, want the end", unread, err)
		}
	}
}
