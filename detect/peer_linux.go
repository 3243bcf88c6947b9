package detect

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func peerOf(fd int) (*Peer, error) {
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return nil, os.NewSyscallError("SO_PEERCRED", err)
	}
	if cred.Pid == 0 {
		return nil, errors.New("it is outside of this process namespace")
	}
	p := &Peer{PID: int(cred.Pid), UID: int(cred.Uid)}
	p.pidfd, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PEERPIDFD)
	switch err {
	case nil:
	case unix.ENOPROTOOPT: // before 6.5
		p.pidfd, err = unix.PidfdOpen(p.PID, 0)
		if err == unix.ESRCH {
			return nil, p.gone()
		}
		if err != nil { // before 5.3, or not allowed
			p.pidfd = -1
		}
	default: // ESRCH, or EINVAL in some versions: it was reaped
		return nil, p.gone()
	}
	return p.started()
}

// started fills in the start time. It was read of the process that the pidfd
// is of, if that still lives afterwards.
func (p *Peer) started() (*Peer, error) {
	row, err := readStat("/proc/" + strconv.Itoa(p.PID))
	p.Start = row.Start
	if err == nil && p.pidfd >= 0 {
		err = p.Alive()
	}
	if err != nil {
		p.Close()
		return nil, gone(p.PID, err)
	}
	return p, nil
}

func hold(pid int) (*Peer, error) {
	leader, uid, err := threadGroup(pid)
	if err != nil {
		return nil, gone(pid, err)
	}
	p := &Peer{PID: leader, UID: uid}
	if p.pidfd, err = unix.PidfdOpen(leader, 0); err == unix.ESRCH {
		return nil, p.gone()
	} else if err != nil {
		p.pidfd = -1
	}
	return p.started()
}

// threadGroup reads which process a thread belongs to, and its effective user.
func threadGroup(tid int) (pid, uid int, err error) {
	if tid <= 0 {
		return 0, 0, fs.ErrNotExist
	}
	data, err := os.ReadFile("/proc/" + strconv.Itoa(tid) + "/status")
	if err != nil {
		return 0, 0, err
	}
	found := 0
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		switch {
		case len(f) == 2 && f[0] == "Tgid:":
			pid, err = strconv.Atoi(f[1])
			found++
		case len(f) == 5 && f[0] == "Uid:": // real, effective, saved, file system
			uid, err = strconv.Atoi(f[2])
			found++
		}
		if err != nil {
			return 0, 0, err
		}
	}
	if found != 2 {
		return 0, 0, fmt.Errorf("/proc/%d/status: no Tgid and Uid", tid)
	}
	return pid, uid, nil
}

// Alive gives nil while the process has not ended, else an error that wraps
// fs.ErrNotExist. A process that has ended and was not waited for has ended.
func (p *Peer) Alive() error {
	if p.pidfd < 0 {
		return p.same(System())
	}
	for {
		fds := []unix.PollFd{{Fd: int32(p.pidfd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, 0)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return os.NewSyscallError("poll", err)
		case n > 0:
			return p.gone()
		default:
			return nil
		}
	}
}

// Close lets go of the process.
func (p *Peer) Close() error {
	if p.pidfd < 0 {
		return nil
	}
	fd := p.pidfd
	p.pidfd = -1
	return unix.Close(fd)
}
