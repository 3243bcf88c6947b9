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

const ignored = 1 // SIG_IGN

func setAction(signal unix.Signal, to, old *sigaction) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(signal), uintptr(unsafe.Pointer(to)), uintptr(unsafe.Pointer(old)), 8, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// stopSelf stops ward as the terminal would have, unless over says that this is over, and returns when it goes on. In
// front of a terminal the whole group stops, as for a key; otherwise the others have had the signal. The kernel discards
// SIGTSTP for a group that no shell watches: then nothing happens, and the command is continued.
//
// The signal waits, blocked, while over looks: a SIGCONT that comes from then on takes it back, as the kernel has it, and
// is not lost between the look and the stop.
//
// The default action is put back by hand: once a program has asked os/signal for SIGTSTP, the Go runtime keeps its
// handler, which ignores the signal, also after signal.Reset.
func stopSelf(group bool, over func() bool, resumed <-chan os.Signal) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var old sigaction
	if err := setAction(unix.SIGTSTP, &sigaction{}, &old); err != nil {
		return
	}
	defer runtime.KeepAlive(&old)
	defer setAction(unix.SIGTSTP, &old, nil)

	var mask unix.Sigset_t
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &unix.Sigset_t{Val: [16]uint64{1 << (unix.SIGTSTP - 1)}}, &mask); err != nil {
		return
	}
	unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGTSTP)
	if over() {
		setAction(unix.SIGTSTP, &sigaction{handler: ignored}, nil) // which takes it back
		unix.PthreadSigmask(unix.SIG_SETMASK, &mask, nil)
		return
	}
	if group {
		unix.Kill(0, unix.SIGTSTP)
	}
	unix.PthreadSigmask(unix.SIG_SETMASK, &mask, nil)
	select {
	case <-resumed:
	case <-time.After(200 * time.Millisecond):
	}
}
