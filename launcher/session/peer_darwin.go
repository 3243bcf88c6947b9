package session

import (
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// hide keeps this process's memory out of core files.
func hide() error { return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) }

// keepFiles does nothing: Go marks all but what is passed on purpose.
func keepFiles() {}

// peer is the process at the other end of a connection.
type peer struct{ pid int }

// peerOf asks the kernel who connected. There is no descriptor of a process here, so a number that changed hands between
// the connect and the look is told by nothing but its ancestors.
func peerOf(conn *net.UnixConn) (p peer, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return p, err
	}
	var cred *unix.Xucred
	cerr := raw.Control(func(fd uintptr) {
		if cred, err = unix.GetsockoptXucred(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERCRED); err == nil {
			p.pid, err = unix.GetsockoptInt(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERPID)
		}
	})
	switch {
	case cerr != nil:
		return p, cerr
	case err != nil:
		return p, err
	case int(cred.Uid) != os.Getuid():
		return p, fmt.Errorf("user %d is not the session's", cred.Uid)
	}
	return p, nil
}

func (p peer) lives() bool { return unix.Kill(p.pid, 0) == nil }

func (p peer) close() {}

// isWard is not asked here: the kernel tells a program's path, and not its file.
func (p peer) isWard() error { return nil }

func selfPath() (string, error) { return os.Executable() }
