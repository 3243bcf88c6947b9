package detect

import (
	"os"

	"golang.org/x/sys/unix"
)

func peerOf(fd int) (*Peer, error) {
	pid, err := unix.GetsockoptInt(fd, unix.SOL_LOCAL, unix.LOCAL_PEERPID)
	if err != nil {
		return nil, os.NewSyscallError("LOCAL_PEERPID", err)
	}
	cred, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return nil, os.NewSyscallError("LOCAL_PEERCRED", err)
	}
	p, err := hold(pid)
	if err != nil {
		return nil, err
	}
	p.UID = int(cred.Uid)
	return p, nil
}

func hold(pid int) (*Peer, error) {
	row, err := readProcess(pid)
	if err != nil {
		return nil, err
	}
	return &Peer{PID: pid, UID: row.UID, Start: row.Start, pidfd: -1}, nil
}

// Alive gives nil while a process of that number and start is there, else an
// error that wraps fs.ErrNotExist.
func (p *Peer) Alive() error { return p.same(System()) }

// Close lets go of the process.
func (p *Peer) Close() error { return nil }

// startEnviron is not read: the kernel gives it together with everything else
// that is in there.
func startEnviron(int) func(string) (string, bool) { return nil }
