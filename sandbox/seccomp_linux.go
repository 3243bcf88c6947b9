package sandbox

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// errNoListener: the filter can be had, but not a listener for its notifications.
var errNoListener = errors.New("seccomp notifications")

// install puts the filter on the calling thread and gives the listener, or -1 if there is to be none. The flag
// WAIT_KILLABLE_RECV (Linux 5.19) keeps a signal from restarting a call that the supervisor is already making, which
// Go programs, with their stream of SIGURG, would otherwise do all the time.
func install(c calls) (listener int, err error) {
	code, err := filter(c)
	if err != nil {
		return -1, err
	}
	program := make([]unix.SockFilter, len(code))
	for i, in := range code {
		program[i] = unix.SockFilter{Code: in.code, Jt: in.jt, Jf: in.jf, K: in.k}
	}
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	if !c.notify {
		_, err := seccomp(0, &prog)
		return -1, err
	}
	fd, err := seccomp(unix.SECCOMP_FILTER_FLAG_NEW_LISTENER|unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &prog)
	if errors.Is(err, unix.EINVAL) {
		fd, err = seccomp(unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog)
	}
	if err != nil {
		return -1, fmt.Errorf("%w: %w", errNoListener, err)
	}
	return fd, nil
}

func seccomp(flags uintptr, prog *unix.SockFprog) (int, error) {
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(prog)))
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}
