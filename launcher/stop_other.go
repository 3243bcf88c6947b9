//go:build !linux

package launcher

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// stopSelf stops ward, and its group in front of a terminal, unless over says that this is over, and returns when it goes
// on. SIGSTOP is used because the Go runtime keeps a handler on SIGTSTP that ignores it; where no shell is above, which
// could continue ward, it does nothing.
func stopSelf(group bool, over func() bool, resumed <-chan os.Signal) {
	if over() {
		return
	}
	above, err := unix.Getsid(os.Getppid())
	if own, oerr := unix.Getsid(0); err != nil || oerr != nil || above != own {
		return
	}
	target := os.Getpid()
	if group {
		target = 0
	}
	unix.Kill(target, unix.SIGSTOP)
	select {
	case <-resumed:
	case <-time.After(200 * time.Millisecond):
	}
}
