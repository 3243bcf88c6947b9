package launcher

import "golang.org/x/sys/unix"

const (
	getTermios = unix.TCGETS
	setTermios = unix.TCSETS
)

const errNotDirectory = unix.ENOTDIR

// hideProcess keeps other processes of the same user out of this one's memory, and its memory out of core files.
func hideProcess() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
}

// showProcess undoes hideProcess, as long as it has nothing to hide.
func showProcess() error { return unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0) }

// forgetTyped drops what was typed and not read.
func forgetTyped(tty int) error { return unix.IoctlSetInt(tty, unix.TCFLSH, unix.TCIFLUSH) }

// adopt makes orphans of the launch children of ward, where no process namespace ends them.
func adopt() error { return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

func closeOnExec(from, to int) {
	for fd := from; fd <= to; fd++ {
		unix.CloseOnExec(fd)
	}
}

func mayExecute(path string) bool {
	return unix.Faccessat(unix.AT_FDCWD, path, unix.X_OK, unix.AT_EACCESS) == nil
}
