package session

import (
	"io"
	"net"

	"golang.org/x/sys/unix"
)

// otherSide gives the user at the other end of a unix socket (LOCAL_PEERCRED).
func otherSide(fd int) (uid int, err error) {
	cred, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return -1, err
	}
	return int(cred.Uid), nil
}

// nameWriters does nothing: this system does not name the writer of a message.
func nameWriters(int) error { return nil }

// writtenBy reads what anybody wrote who has the connection.
func writtenBy(_ int, conn *net.UnixConn) io.Reader { return conn }
