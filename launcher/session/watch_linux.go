package session

import (
	"time"

	"golang.org/x/sys/unix"
)

// watch waits until the bound process has ended or the time is over. Time that the machine sleeps counts: whoever opens
// the lid in the morning finds the session of last night ended.
func watch(b Bound, last time.Duration) error {
	fd, err := unix.PidfdOpen(b.PID, 0)
	if err != nil {
		if err == unix.ESRCH {
			return nil
		}
		return err
	}
	defer unix.Close(fd)
	if !b.lives() { // asked with the descriptor in hand: the number cannot change hands any more
		return nil
	}
	timer, err := unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(timer)
	when := unix.ItimerSpec{Value: unix.NsecToTimespec(max(last.Nanoseconds(), 1))}
	if err := unix.TimerfdSettime(timer, 0, &when, nil); err != nil {
		return err
	}
	for {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(timer), Events: unix.POLLIN}}, -1)
		if err != unix.EINTR {
			return err
		}
	}
}

// clock is what watch goes by.
func clock() time.Duration {
	var now unix.Timespec
	unix.ClockGettime(unix.CLOCK_BOOTTIME, &now) // the clock is there since Linux 2.6.39
	return time.Duration(now.Nano())
}
