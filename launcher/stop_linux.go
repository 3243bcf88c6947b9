package launcher

import (
	"os"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sigaction is the kernel's struct, not libc's.
type sigaction struct {
	handler, flags, restorer uintptr
	mask                     uint64
}

func setAction(signal unix.Signal, to, old *sigaction) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(signal), uintptr(unsafe.Pointer(to)), uintptr(unsafe.Pointer(old)), 8, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// stopSelf stops ward as the terminal would have, and returns when it goes on. In front of a terminal the whole group
// stops, as for a key; otherwise the others have had the signal. The kernel discards SIGTSTP for a group that no shell
// watches: then nothing happens, and the command is continued.
//
// The default action is put back by hand: once a program has asked os/signal for SIGTSTP, the Go runtime keeps its
// handler, which ignores the signal, also after signal.Reset.
func stopSelf(group bool, resumed <-chan os.Signal) {
	var old sigaction
	if err := setAction(unix.SIGTSTP, &sigaction{}, &old); err != nil {
		return
	}
	defer runtime.KeepAlive(&old)
	defer setAction(unix.SIGTSTP, &old, nil)
	target := os.Getpid()
	if group {
		target = 0
	}
	unix.Kill(target, unix.SIGTSTP)
	select {
	case <-resumed:
	case <-time.After(200 * time.Millisecond):
	}
}
