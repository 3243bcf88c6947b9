package session

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// keepFiles marks what ward inherited beyond standard error as its own, so that a process in the background does not hold
// the pipe open that a shell reads to its end. Before Linux 5.11 there is no such call, and the shell may wait.
func keepFiles() { unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC) }

// selfPath is this very binary, also when the file was replaced or removed meanwhile.
func selfPath() (string, error) { return "/proc/self/exe", nil }

// isWard says whether a process runs this very binary. A process that hides (PR_SET_DUMPABLE) does not tell.
func isWard(pid int) error {
	own, err := os.Stat("/proc/self/exe")
	if err != nil {
		return err
	}
	its, err := os.Stat(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		return errors.New("the program that asks does not let itself be seen")
	}
	if !os.SameFile(own, its) {
		return errors.New("the program that asks is not the ward that made this")
	}
	return nil
}
