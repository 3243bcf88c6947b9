//go:build !linux

package session

import (
	"os"

	"golang.org/x/sys/unix"
)

// hide keeps this process's memory out of core files. That other processes of the same user stay out of it is the
// system's own rule for a hardened binary.
func hide() error { return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) }

// keepFiles does nothing: Go marks all but what is passed on purpose.
func keepFiles() {}

func selfPath() (string, error) { return os.Executable() }

// isWard is not asked here: the system tells a program's path, and not its file.
func isWard(int) error { return nil }
