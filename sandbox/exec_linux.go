package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// image is a command ready to be executed: C strings and pointers to them, since the child of a fork must not
// allocate. The secrets among the environment stay in the locked memory that they were read into; os/exec and
// syscall.ForkExec would copy them onto the heap, where nothing wipes them.
type image struct {
	path  *byte
	argv  []uintptr // ends with 0
	envp  []uintptr // ends with 0
	dir   *byte
	stdio [3]int // all above 2
	tty   int    // its foreground group becomes the command's; -1: none
	inner int    // the Landlock ruleset of the command alone; -1: none
	limit *unix.Rlimit
	keep  []any // what the pointers point to
}

// step is what the child of the fork was doing when it failed.
type step uint32

const (
	stepGroup step = iota
	stepTerminal
	stepDescriptors
	stepDirectory
	stepInner
	stepExec
)

// newImage converts. values holds further NAME=VALUE strings, each ended by a NUL.
func newImage(path string, argv, env [][]byte, values []byte, dir string) (*image, error) {
	im := &image{tty: -1, inner: -1}
	var err error
	if im.path, err = syscall.BytePtrFromString(path); err != nil {
		return nil, err
	}
	if im.dir, err = syscall.BytePtrFromString(dir); err != nil {
		return nil, err
	}
	for _, list := range []struct {
		to   *[]uintptr
		from [][]byte
	}{{&im.argv, argv}, {&im.envp, env}} {
		for _, s := range list.from {
			if bytes.IndexByte(s, 0) >= 0 {
				return nil, errors.New("command: an argument or a variable holds a NUL, which no program can be given")
			}
			*list.to = append(*list.to, im.cstring(s))
		}
	}
	start := 0
	for i, b := range values {
		if b == 0 {
			im.envp = append(im.envp, uintptr(unsafe.Pointer(&values[start])))
			start = i + 1
		}
	}
	im.keep = append(im.keep, values)
	im.argv, im.envp = append(im.argv, 0), append(im.envp, 0)
	return im, nil
}

func (im *image) cstring(s []byte) uintptr {
	c := append(append(make([]byte, 0, len(s)+1), s...), 0)
	im.keep = append(im.keep, c)
	return uintptr(unsafe.Pointer(&c[0]))
}

// start forks the command off the calling thread, which must be locked: it carries the filter and the capabilities
// that the command inherits. When it returns, the execve is done or has failed. path and dir are for the error.
func (im *image) start(path, dir string) (pid int, err error) {
	var report [2]int
	if err := unix.Pipe2(report[:], unix.O_CLOEXEC); err != nil {
		return 0, fmt.Errorf("pipe: %w", err)
	}
	defer unix.Close(report[0])
	pid, errno := im.fork(report[1])
	runtime.KeepAlive(im)
	unix.Close(report[1])
	if errno != 0 {
		return 0, fmt.Errorf("fork: %w", errno)
	}
	var why [2]uint32 // step and errno, as fork writes them
	for {
		n, err := unix.Read(report[0], unsafe.Slice((*byte)(unsafe.Pointer(&why)), unsafe.Sizeof(why)))
		switch {
		case err == unix.EINTR:
			continue
		case n == int(unsafe.Sizeof(why)):
			return 0, step(why[0]).failed(syscall.Errno(why[1]), path, dir)
		}
		return pid, nil // the pipe was closed by execve
	}
}

// failed puts the failure of a step into words.
func (s step) failed(errno syscall.Errno, path, dir string) error {
	switch s {
	case stepExec:
		return &ExecError{Path: path, Errno: errno}
	case stepDirectory:
		return fmt.Errorf("directory %s: cannot be entered inside the sandbox: %w", dir, errno)
	case stepTerminal:
		return fmt.Errorf("terminal: foreground group: %w", errno)
	case stepInner:
		return &LayerError{Layer: LayerScope, Reason: errno.Error()}
	case stepDescriptors:
		return fmt.Errorf("descriptors of the command: %w", errno)
	}
	return fmt.Errorf("process group of the command: %w", errno)
}

// fork is clone(SIGCHLD) and, in the child, only system calls on memory that exists already. All signals are blocked
// around it, because the child's copy of the Go runtime could not handle one; execve gives the handlers back their
// defaults, and ignored signals stay ignored, as the caller of ward wanted them.
//
//go:noinline
//go:norace
//go:nosplit
func (im *image) fork(report int) (pid int, errno syscall.Errno) {
	var all, old uint64
	all = ^uint64(0)
	syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&all)), uintptr(unsafe.Pointer(&old)), 8, 0, 0)
	r, _, e := syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
	if e != 0 || r != 0 {
		syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&old)), 0, 8, 0, 0)
		return int(r), e
	}
	at, e := im.become(&old)
	why := [2]uint32{uint32(at), uint32(e)}
	syscall.RawSyscall(syscall.SYS_WRITE, uintptr(report), uintptr(unsafe.Pointer(&why)), unsafe.Sizeof(why))
	for {
		syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 127, 0, 0)
	}
}

// become runs in the child and returns only if something failed.
//
//go:noinline
//go:norace
//go:nosplit
func (im *image) become(mask *uint64) (step, syscall.Errno) {
	if _, _, e := syscall.RawSyscall(syscall.SYS_SETPGID, 0, 0, 0); e != 0 {
		return stepGroup, e
	}
	if im.tty >= 0 {
		group, _, _ := syscall.RawSyscall(syscall.SYS_GETPID, 0, 0, 0)
		own := int32(group)
		if _, _, e := syscall.RawSyscall(syscall.SYS_IOCTL, uintptr(im.tty), unix.TIOCSPGRP, uintptr(unsafe.Pointer(&own))); e != 0 {
			return stepTerminal, e
		}
	}
	for fd, from := range im.stdio {
		if _, _, e := syscall.RawSyscall(syscall.SYS_DUP3, uintptr(from), uintptr(fd), 0); e != 0 {
			return stepDescriptors, e
		}
	}
	if _, _, e := syscall.RawSyscall(syscall.SYS_CHDIR, uintptr(unsafe.Pointer(im.dir)), 0, 0); e != 0 {
		return stepDirectory, e
	}
	if im.limit != nil {
		syscall.RawSyscall6(syscall.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE, uintptr(unsafe.Pointer(im.limit)), 0, 0, 0)
	}
	if im.inner >= 0 {
		if _, _, e := syscall.RawSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(im.inner), 0, 0); e != 0 {
			return stepInner, e
		}
	}
	syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(mask)), 0, 8, 0, 0)
	_, _, e := syscall.RawSyscall(syscall.SYS_EXECVE, uintptr(unsafe.Pointer(im.path)),
		uintptr(unsafe.Pointer(&im.argv[0])), uintptr(unsafe.Pointer(&im.envp[0])))
	return stepExec, e
}
