package detect

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// readProcess asks sysctl: kern.proc.pid for what ps shows of everybody, and
// kern.procargs2 for the file and the words, which the kernel gives of own
// processes only.
func readProcess(pid int) (Process, error) {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if errors.Is(err, unix.EIO) || err == nil && int(info.Proc.P_pid) != pid {
		// The answer for a number that nobody has is empty, not an error.
		return Process{}, fmt.Errorf("process %d: %w", pid, fs.ErrNotExist)
	}
	if err != nil {
		return Process{}, fmt.Errorf("process %d: sysctl kern.proc.pid: %w", pid, err)
	}
	start := info.Proc.P_starttime
	p := Process{
		PID:   pid,
		PPID:  int(info.Eproc.Ppid),
		Start: uint64(start.Sec)*1_000_000 + uint64(start.Usec),
		Name:  unix.ByteSliceToString(info.Proc.P_comm[:]),
		UID:   int(info.Eproc.Ucred.Uid),
		// NODEV is -1.
		Terminal: info.Eproc.Tdev != -1,
	}
	if session, err := unix.Getsid(pid); err == nil {
		p.Session = session
	}
	if raw, err := unix.SysctlRaw("kern.procargs2", pid); err == nil {
		p.Exe, p.Argv = parseProcargs(raw)
		// The kernel keeps the path as it was given, a link perhaps.
		if resolved, err := filepath.EvalSymlinks(p.Exe); err == nil {
			p.Exe = resolved
		}
	}
	// Where a process stands is not told without cgo.
	p.Script = p.script(func() (string, error) { return "", errors.ErrUnsupported })
	return p, nil
}
