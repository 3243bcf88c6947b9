package launcher

import (
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

func isTerminal(fd int) bool {
	_, err := unix.IoctlGetTermios(fd, getTermios)
	return err == nil
}

// IsTerminal says whether a file is a terminal.
func IsTerminal(f *os.File) bool { return isTerminal(int(f.Fd())) }

// foreground says whether ward is in the foreground of its controlling terminal, as far as a descriptor shows one.
func foreground() bool {
	for fd := range 3 {
		if group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP); err == nil {
			return group == unix.Getpgrp()
		}
	}
	return false
}

// console is the user's terminal while a terminal inside stands behind it. The zero value is no console.
type console struct {
	fd    int // stdin, a terminal
	inner *os.File

	mu    sync.Mutex
	saved *unix.Termios // how the user had it; nil while it is so
	done  bool          // the command has ended: the terminal is the user's for good
	rest  bool          // the command is stopped, and ward about to be
	plain bool          // the inner terminal passes output as it is, since the outer one, not raw, edits it
	first *unix.Termios // what the inner one began with behind another job; nil once ward was in front
}

// enter makes the terminal raw: from now on the inner one does what it did, for every key and every line.
func (c *console) enter() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.saved != nil || c.done || c.rest {
		return nil
	}
	mode, err := unix.IoctlGetTermios(c.fd, getTermios)
	if err != nil {
		return err
	}
	raw := *mode
	raw.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	raw.Oflag &^= unix.OPOST
	raw.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	raw.Cflag = raw.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(c.fd, setTermios, &raw); err != nil {
		return err
	}
	c.saved = mode
	if c.plain {
		c.plain = false
		c.follow(mode)
	}
	return nil
}

// follow lets the inner terminal edit output as the outer one did. Where ward was started behind another job, that job
// had the outer one in a mode of its own, such as a shell's that edits a line: the inner one then takes all of the mode
// that the shell gives to what comes in front, if the command has not chosen one meanwhile.
func (c *console) follow(mode *unix.Termios) {
	now, err := termios(c.inner)
	if err != nil {
		return
	}
	if f := c.first; f != nil && now.Iflag == f.Iflag && now.Oflag == f.Oflag && now.Lflag == f.Lflag {
		connected(c.inner, func(fd int) error { return unix.IoctlSetTermios(fd, setTermios, mode) })
	} else {
		setOutput(c.inner, mode.Oflag&unix.OPOST != 0)
	}
	c.first = nil
}

func termios(f *os.File) (mode *unix.Termios, err error) {
	err = connected(f, func(fd int) (err error) { mode, err = unix.IoctlGetTermios(fd, getTermios); return err })
	return mode, err
}

// leave gives the terminal back as it was. It may be called at any time, twice, and from a panic.
func (c *console) leave() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.saved == nil {
		return
	}
	// TCSETS and not TCSETSF: what the user typed ahead stays.
	unix.IoctlSetTermios(c.fd, setTermios, c.saved)
	c.saved = nil
}

// close keeps the terminal from being taken again, once it is given back.
func (c *console) close() {
	if c == nil {
		return
	}
	c.mu.Lock()
	c.done = true
	c.mu.Unlock()
}

// pause gives the terminal back until pause(false): a key that is typed between that and the stop must not make it
// raw again.
func (c *console) pause(on bool) {
	if c == nil {
		return
	}
	c.mu.Lock()
	c.rest = on
	c.mu.Unlock()
	if on {
		c.leave()
	}
}

// behind is where the command goes on in the background: the outer terminal edits its output now, and the inner one,
// which did, must not do it a second time.
func (c *console) behind() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.saved == nil && !c.plain {
		c.plain = true
		setOutput(c.inner, false)
	}
}

// ours says whether keys may be read: ward is in front, and the command runs.
func (c *console) ours() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.done && !c.rest && foreground()
}

func (c *console) closed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.done
}

func (c *console) isRaw() bool {
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.saved != nil
}

// setOutput switches output processing (newline to CR LF) of a terminal.
func setOutput(f *os.File, on bool) {
	connected(f, func(fd int) error {
		mode, err := unix.IoctlGetTermios(fd, getTermios)
		if err != nil {
			return err
		}
		mode.Oflag &^= unix.OPOST
		if on {
			mode.Oflag |= unix.OPOST
		}
		return unix.IoctlSetTermios(fd, setTermios, mode)
	})
}

// connected calls f with the descriptor. os.File.Fd would make it blocking, and then a read could not time out.
func connected(file *os.File, f func(fd int) error) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}

// resize copies the size of the user's terminal to the inner one, which tells its foreground group by SIGWINCH.
func resize(outer int, inner *os.File) (*unix.Winsize, error) {
	size, err := unix.IoctlGetWinsize(outer, unix.TIOCGWINSZ)
	if err != nil {
		return nil, err
	}
	return size, connected(inner, func(fd int) error { return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, size) })
}

// hideTyping switches echo off and gives the way back. Where exit is set, a signal takes it too, and ends ward: a
// terminal left without echo looks dead.
func hideTyping(fd int, exit bool) (restore func(), err error) {
	mode, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return nil, err
	}
	silent := *mode
	silent.Lflag &^= unix.ECHO
	silent.Lflag |= unix.ICANON | unix.ISIG
	if err := unix.IoctlSetTermios(fd, setTermios, &silent); err != nil {
		return nil, err
	}
	back := func() { unix.IoctlSetTermios(fd, setTermios, mode) }
	if !exit {
		return back, nil
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, allEndings()...)
	done := make(chan struct{})
	go func() {
		select {
		case s := <-signals:
			back()
			os.Exit(128 + int(s.(syscall.Signal)))
		case <-done:
		}
	}()
	return func() {
		signal.Stop(signals)
		close(done)
		back()
	}, nil
}

// writeAll writes to a descriptor of the user's, which another program may have made non-blocking.
func writeAll(fd int, data []byte) error {
	for len(data) > 0 {
		n, err := unix.Write(fd, data)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
			if _, err := unix.Poll(fds, -1); err != nil && !errors.Is(err, unix.EINTR) {
				return err
			}
		case err != nil:
			return err
		default:
			data = data[n:]
		}
	}
	return nil
}
