package sandbox

import (
	"fmt"
	"os"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// open makes the pair. In the launch's own devpts /dev/ptmx is that instance's; without a mount namespace it is the
// machine's, and the rules open only this one slave.
func (t *Terminal) open() (master, slave *os.File, err error) {
	master, slave, err = pty.Open()
	if err != nil {
		return nil, nil, fmt.Errorf("terminal: %w", err)
	}
	fd := int(slave.Fd())
	if t.Mode != nil {
		if err := unix.IoctlSetTermios(fd, unix.TCSETS, t.Mode); err != nil {
			return nil, nil, fmt.Errorf("terminal: mode: %w", err)
		}
	}
	size := unix.Winsize{Row: t.Rows, Col: t.Cols}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &size); err != nil {
		return nil, nil, fmt.Errorf("terminal: size: %w", err)
	}
	return master, slave, nil
}
