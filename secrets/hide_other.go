//go:build unix && !linux

package secrets

import "golang.org/x/sys/unix"

// HideProcess keeps this process's memory out of core files. That other processes of the same user stay out of it is
// the system's own rule for a hardened binary.
func HideProcess() error { return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) }

// ShowProcess does nothing: see HideProcess.
func ShowProcess() error { return nil }
