//go:build unix && !linux

package secrets

import "syscall"

// attributes put a program into a process group of its own. It goes on where
// this process is killed without a word.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
