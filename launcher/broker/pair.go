package broker

import (
	"errors"
	"os"
	"syscall"
)

// Pair makes what a pipe would be for, and is none. A process can be looked at from its exec to the moment when it hides, and in
// /proc/PID/fd whoever may look at it can open a pipe that it has, keep that, and read what comes later. A socket cannot be
// opened there. deadlines is for a writer that has some.
func Pair(deadlines bool) (in, out *os.File, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	ends, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	for _, fd := range ends {
		syscall.CloseOnExec(fd)
	}
	if err := syscall.SetNonblock(ends[1], deadlines); err != nil {
		return nil, nil, os.NewSyscallError("socketpair", errors.Join(err, syscall.Close(ends[0]), syscall.Close(ends[1])))
	}
	return os.NewFile(uintptr(ends[0]), "values"), os.NewFile(uintptr(ends[1]), "values"), nil
}
