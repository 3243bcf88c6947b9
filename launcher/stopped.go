package launcher

import (
	"os"
	"syscall"
	"time"
)

// stopped follows the command into a stop: the terminal is given back, ward stops too, and the shell above has its
// prompt. When ward goes on, so does the command.
func (s *session) stopped() {
	raw := s.console.isRaw()
	s.settle() // while the terminal is as the output wants it
	s.console.pause(true)
	stopSelf(raw, func() bool { return s.stops.over(s.resumed) }, s.resumed)
	s.console.pause(false)
	if s.console != nil {
		if foreground() {
			s.console.enter()
			s.resize()
		} else if raw {
			s.console.behind()
		}
	}
	for len(s.signals) > 0 { // one that came meanwhile is first: the command may end by itself once it goes on
		s.forward((<-s.signals).(syscall.Signal))
	}
	s.cmd.Signal(syscall.SIGCONT, true)
}

// stops knows whether a stop that ward was asked for is over before ward itself has stopped. Without ward in between the
// kernel knows: SIGCONT takes back a SIGTSTP that has not stopped anybody yet.
type stops struct {
	asked   time.Time // the last SIGTSTP
	resumed time.Time // the last SIGCONT that found ward running
}

const (
	// atOnce is within what time two signals may have come in either order: those that come together the Go runtime hands
	// on in the order of their numbers, SIGCONT before SIGTSTP, and some milliseconds later on a busy machine.
	atOnce = 20 * time.Millisecond
	// stopWithin is how long a command may take to stop when it is asked. Later it stops for a reason of its own.
	stopWithin = time.Second
)

// ask takes a SIGTSTP, and says whether it may be over already.
func (s *stops) ask() bool {
	s.asked = time.Now()
	return s.asked.Sub(s.resumed) < atOnce
}

// over is asked when the command has stopped, and says that ward should not. A SIGCONT that came before a stop for which
// nobody asked ward is of an earlier one.
func (s *stops) over(resumed <-chan os.Signal) bool {
	asked := s.asked
	s.asked = time.Time{}
	if time.Since(asked) > stopWithin {
		select {
		case <-resumed:
		default:
		}
		return false
	}
	select {
	case <-resumed:
		s.resumed = time.Now()
	case <-time.After(atOnce):
	}
	return s.resumed.After(asked.Add(-atOnce))
}
