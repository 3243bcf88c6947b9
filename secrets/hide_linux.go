package secrets

import "golang.org/x/sys/unix"

// HideProcess keeps other processes of the same user out of this one's memory, and its memory out of core files.
func HideProcess() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
}

// ShowProcess undoes HideProcess, as long as it has nothing to hide.
func ShowProcess() error { return unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0) }
