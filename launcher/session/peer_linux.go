package session

import (
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// hide keeps other processes of the same user out of this one's memory, and its memory out of core files.
func hide() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
}

// keepFiles marks what ward inherited beyond standard error as its own, so that a process in the background does not hold
// the pipe open that a shell reads to its end. Before Linux 5.11 there is no such call, and the shell may wait.
func keepFiles() { unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC) }

// peer is the process at the other end of a connection.
type peer struct {
	pid   int
	pidfd int
}

// peerOf asks the kernel who connected. The pidfd comes with the connection itself (SO_PEERPIDFD, Linux 6.5), so that no
// later process of the same number can pass for it; on older kernels it is opened by number, and there is a gap.
func peerOf(conn *net.UnixConn) (p peer, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return p, err
	}
	var cred *unix.Ucred
	cerr := raw.Control(func(fd uintptr) {
		if cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err != nil {
			return
		}
		p.pid = int(cred.Pid)
		p.pidfd, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PEERPIDFD)
	})
	switch {
	case cerr != nil:
		return p, cerr
	case cred == nil:
		return p, err
	case int(cred.Uid) != os.Getuid():
		return p, fmt.Errorf("user %d is not the session's", cred.Uid)
	case cred.Pid <= 0:
		return p, errors.New("a process of another process namespace")
	}
	if errors.Is(err, unix.ENOPROTOOPT) || errors.Is(err, unix.EINVAL) {
		p.pidfd, err = unix.PidfdOpen(p.pid, 0)
	}
	return p, err
}

// lives says whether the peer has not ended: then what was read by its number was its own.
func (p peer) lives() bool {
	fds := []unix.PollFd{{Fd: int32(p.pidfd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n == 0
}

func (p peer) close() { unix.Close(p.pidfd) }

// isWard says whether the peer runs this very binary.
func (p peer) isWard() error {
	own, err := os.Stat("/proc/self/exe")
	if err != nil {
		return err
	}
	its, err := os.Stat(fmt.Sprintf("/proc/%d/exe", p.pid))
	if err != nil {
		return err
	}
	if !os.SameFile(own, its) {
		return errors.New("its program is not the ward that made the session")
	}
	return nil
}

// selfPath is this very binary, also when the file was replaced or removed meanwhile.
func selfPath() (string, error) { return "/proc/self/exe", nil }
