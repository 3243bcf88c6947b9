package launcher

import "golang.org/x/sys/unix"

const (
	getTermios = unix.TIOCGETA
	setTermios = unix.TIOCSETA
)

const errNotDirectory = unix.ENOTDIR

// hideProcess keeps this process's memory out of core files. That other processes of the same user stay out of it is
// the system's own rule for a hardened binary.
func hideProcess() error { return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) }

// showProcess does nothing: see hideProcess.
func showProcess() error { return nil }

// forgetTyped drops what was typed and not read: FREAD of sys/fcntl.h.
func forgetTyped(tty int) error { return unix.IoctlSetPointerInt(tty, unix.TIOCFLUSH, 1) }

func adopt() error { return nil }

func closeOnExec(from, to int) {
	for fd := from; fd <= to; fd++ {
		unix.CloseOnExec(fd)
	}
}

func mayExecute(path string) bool { return unix.Access(path, unix.X_OK) == nil }
