package session

import (
	"io"
	"net"

	"golang.org/x/sys/unix"
)

// otherSide gives the user at the other end of a unix socket (unix(7), SO_PEERCRED).
func otherSide(fd int) (uid int, err error) {
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return -1, err
	}
	return int(cred.Uid), nil
}

// nameWriters has the kernel name the writer of what is read. Connections get it from the socket that listens, and what
// was written before it was accepted has the name too.
func nameWriters(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PASSCRED, 1) }

// writtenBy reads what the process wrote, and nothing that another did that has the same connection. The kernel does not
// join what two processes wrote into one read.
func writtenBy(pid int, conn *net.UnixConn) io.Reader { return &written{pid, conn} }

type written struct {
	pid  int
	conn *net.UnixConn
}

// Read reads. There is room for the name alone, so that descriptors that somebody sends along are not taken.
func (w *written) Read(b []byte) (int, error) {
	name := make([]byte, unix.CmsgSpace(unix.SizeofUcred))
	n, named, _, _, err := w.conn.ReadMsgUnix(b, name)
	if err != nil || n == 0 {
		return n, err
	}
	messages, err := unix.ParseSocketControlMessage(name[:named])
	if err != nil || len(messages) != 1 {
		return 0, errWriters
	}
	if cred, err := unix.ParseUnixCredentials(&messages[0]); err != nil || int(cred.Pid) != w.pid {
		return 0, errWriters
	}
	return n, nil
}
