package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// control is the socket between the supervisor and stage two: packets of one kind byte and a body, and sometimes a
// file descriptor. It is the launch's heart: when the supervisor's end closes, for whatever reason, stage two ends and
// everything inside with it.
type control struct{ fd int }

// Kinds of packets. Upper case goes from stage two to the supervisor, lower case the other way.
const (
	sayMaster   = 'M' // fd: the master of the terminal
	sayListener = 'L' // fd: the seccomp listener
	sayGap      = 'G' // body: a Gap
	sayReady    = 'R' // everything is on; values and "go" are awaited
	sayFailed   = 'F' // body: a failure; nothing ran
	sayStarted  = 'S' // the command runs
	sayStopped  = 'T' // body: the signal that stopped the command
	sayExited   = 'X' // body: wait status, little-endian, then 1 if nothing else is left inside
	doFiles     = 'f' // body: which of stdin, stdout, stderr and values come along; fds: those
	doGo        = 'g'
	doSignal    = 's' // body: signal number, then 1 for the foreground group or 0 for the command alone
)

// failure is an error that crosses the control socket with its words, its hint and what main makes of it.
type failure struct {
	Text  string
	Hint  string
	Errno int      // of execve, so that "not found" and "not executable" stay apart
	Layer Layer    `json:",omitempty"`
	Why   string   `json:",omitempty"`
	Paths []string `json:",omitempty"`
}

func (c control) send(kind byte, body []byte, fds ...int) error {
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	for {
		err := unix.Sendmsg(c.fd, append([]byte{kind}, body...), rights, nil, unix.MSG_NOSIGNAL)
		if err != unix.EINTR {
			return err
		}
	}
}

// receive blocks for one packet. io.EOF: the other side is gone, and all that it sent was received. Where it closed its end
// with a packet unread, as a signal that came while the command ended, the kernel reports ECONNRESET once, before what the
// other side had sent (unix_release_sock and __skb_wait_for_more_packets).
func (c control) receive() (kind byte, body []byte, fd int, err error) {
	buf := make([]byte, 16<<10)
	oob := make([]byte, unix.CmsgSpace(4))
	var n, oobn int
	for {
		n, oobn, _, _, err = unix.Recvmsg(c.fd, buf, oob, unix.MSG_CMSG_CLOEXEC)
		if err != unix.EINTR && err != unix.ECONNRESET {
			break
		}
	}
	if err != nil {
		return 0, nil, -1, err
	}
	if n == 0 {
		return 0, nil, -1, io.EOF
	}
	fd = -1
	if oobn > 0 {
		messages, err := unix.ParseSocketControlMessage(oob[:oobn])
		if err != nil || len(messages) != 1 {
			return 0, nil, -1, fmt.Errorf("control socket: odd ancillary data")
		}
		if fds, err := unix.ParseUnixRights(&messages[0]); err == nil && len(fds) == 1 {
			fd = fds[0]
		}
	}
	return buf[0], buf[1:n], fd, nil
}

// fail tells the supervisor why nothing will run.
func (c control) fail(err error) {
	f := failure{Text: err.Error()}
	var layer *LayerError
	if errors.As(err, &layer) {
		f.Layer, f.Why, f.Paths = layer.Layer, layer.Reason, layer.Paths
	}
	var exec *ExecError
	if errors.As(err, &exec) {
		f.Errno = int(exec.Errno)
		f.Text = exec.Path
	}
	if h, ok := err.(interface{ Hint() string }); ok {
		f.Hint = h.Hint()
	}
	body, _ := json.Marshal(f)
	c.send(sayFailed, body)
}

// err gives the failure its type back.
func (f failure) err() error {
	switch {
	case f.Layer != "":
		return &LayerError{Layer: f.Layer, Reason: f.Why, Paths: f.Paths}
	case f.Errno != 0:
		return &ExecError{Path: f.Text, Errno: syscall.Errno(f.Errno)}
	}
	return errors.New(f.Text)
}

// socketpair makes the two ends; the supervisor's one is close-on-exec.
func socketpair() (ours control, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return control{}, nil, fmt.Errorf("control socket: %w", err)
	}
	return control{fds[0]}, os.NewFile(uintptr(fds[1]), "control"), nil
}

// streamPair makes the two ends of a stream.
func streamPair() (ends [2]int, err error) {
	return unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
}
