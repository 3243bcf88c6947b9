package launcher

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// turns is the terminal while credentials are fetched: several places are asked at the same time, and people answer one
// question at a time. Programs run in process groups of their own, so a question of theirs needs the group in front, as
// a shell brings a job to the front.
type turns struct {
	tty     *os.File // nil: there is no terminal, and nobody to ask
	open    chan struct{}
	waiting waiting
}

// errNotInFront: the terminal belongs to another job, or there is none.
var errNotInFront = errors.New("ward is not in front of a terminal")

// openTurns finds the terminal. silent keeps the line about what is being waited for away; it is only for a terminal.
func openTurns(silent bool) *turns {
	t := &turns{open: make(chan struct{}, 1)}
	if tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0); err == nil {
		t.tty = tty
	}
	if !silent && isTerminal(2) && os.Getenv("TERM") != "dumb" {
		t.waiting.out = os.Stderr
	}
	return t
}

// take waits until no question is open, and brings the process group to the front of the terminal until done is called;
// group 0 is this process, which stays where it is. screen is the terminal, for what the program says meanwhile.
func (t *turns) take(ctx context.Context, group int) (screen io.Writer, done func(), err error) {
	select {
	case t.open <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
	t.waiting.pause(true)
	end := func() {
		t.waiting.pause(false)
		<-t.open
	}
	if group == 0 {
		return nil, end, nil
	}
	restore, err := t.front(group)
	if err != nil {
		end()
		return nil, nil, err
	}
	return fromBehind{t.tty}, func() { restore(); end() }, nil
}

// settle waits for an open question to be closed and the terminal to be given back, once contexts have ended.
func (t *turns) settle() {
	select {
	case t.open <- struct{}{}:
		<-t.open
	case <-time.After(time.Second):
	}
}

// front does what a shell does for `fg`. restore takes the terminal back as it was: a program that was killed at its
// question leaves it without echo.
func (t *turns) front(group int) (restore func(), err error) {
	if t.tty == nil {
		return nil, errNotInFront
	}
	mode, err := termios(t.tty)
	if err != nil {
		return nil, err
	}
	own := unix.Getpgrp()
	err = connected(t.tty, func(fd int) error {
		if now, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP); err != nil || now != own {
			return errNotInFront
		}
		return unix.IoctlSetPointerInt(fd, unix.TIOCSPGRP, group)
	})
	if err != nil {
		return nil, err
	}
	return func() {
		unstopped(func() error {
			return connected(t.tty, func(fd int) error {
				return errors.Join(unix.IoctlSetPointerInt(fd, unix.TIOCSPGRP, own), unix.IoctlSetTermios(fd, setTermios, mode))
			})
		})
		// In a pipeline (`ward run … | less`) others are in this group, and may have been stopped for wanting to read.
		unix.Kill(0, unix.SIGCONT)
	}, nil
}

// unstopped lets this process touch its terminal from behind, where the kernel would stop it with SIGTTOU. Ignoring a
// signal is inherited by what is started, and a program that ignores this one would switch echo off and on under
// another's question; so nothing is started meanwhile.
func unstopped(f func() error) error {
	syscall.ForkLock.Lock() // no fork, and nobody else who undoes it
	defer syscall.ForkLock.Unlock()
	signal.Ignore(syscall.SIGTTOU)
	defer signal.Reset(syscall.SIGTTOU)
	return f()
}

// fromBehind writes to a terminal that belongs to another group, as `stty tostop` forbids.
type fromBehind struct{ tty *os.File }

func (b fromBehind) Write(p []byte) (n int, err error) {
	err = unstopped(func() error { n, err = b.tty.Write(p); return err })
	return n, err
}
