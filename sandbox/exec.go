package sandbox

import (
	"fmt"
	"syscall"
)

// ExecError is an execve that the kernel refused inside the sandbox.
type ExecError struct {
	Path  string
	Errno syscall.Errno
}

func (e *ExecError) Error() string { return fmt.Sprintf("%s: cannot execute: %v", e.Path, e.Errno) }

func (e *ExecError) Unwrap() error { return e.Errno }

// Hint says what usually lies behind the number.
func (e *ExecError) Hint() string {
	switch e.Errno {
	case syscall.EACCES:
		return "is it executable, and is its interpreter (first line, or dynamic loader) inside what the profile lets it read?"
	case syscall.ENOENT:
		return "the file is there: its interpreter (first line, or dynamic loader) is missing inside the sandbox"
	case syscall.ENOEXEC:
		return "it is neither a binary for this machine nor a script with a #! line"
	}
	return ""
}
