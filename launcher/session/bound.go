package session

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"ward/detect"
)

// Bound is the process that a session belongs to. Its start time tells it apart from another that gets its number later.
type Bound struct {
	PID   int
	Start uint64 // as detect.Process has it
}

// Terminal is the process that leads the controlling terminal, which is the shell in it: what a person closes. An error
// says that there is no terminal, or nobody who leads it.
func Terminal() (Bound, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return Bound{}, errors.New("there is no terminal to bind a session to")
	}
	defer tty.Close()
	// A terminal has one session, and whoever has it as /dev/tty is in that: so getsid tells what TIOCGSID would.
	return leader()
}

func leader() (Bound, error) {
	sid, err := unix.Getsid(0)
	if err != nil {
		return Bound{}, err
	}
	p, err := detect.System().Process(sid)
	if err != nil {
		return Bound{}, fmt.Errorf("the process that leads this terminal has ended: %w", err)
	}
	return Bound{p.PID, p.Start}, nil
}

// Shell is the process that a hand-off belongs to: the one that leads the session, in the kernel's sense, that ward was
// called in, if it is an ancestor; else ward's own parent. An agent's shell tool often makes such a session for each
// command, so the key is bound as tightly as the agent allows.
func Shell(c detect.Caller) (Bound, error) {
	if at, err := leader(); err == nil && at.above(c.Chain) {
		return at, nil
	}
	if len(c.Chain) < 2 {
		return Bound{}, errors.New("the process that called ward cannot be seen")
	}
	return Bound{c.Chain[1].PID, c.Chain[1].Start}, nil
}

// above says whether the process is among the ancestors in a chain, or the first of it.
func (b Bound) above(chain []detect.Process) bool {
	return slices.ContainsFunc(chain, func(p detect.Process) bool { return p.PID == b.PID && p.Start == b.Start })
}

// lives says whether the process is still the same.
func (b Bound) lives() bool {
	p, err := detect.System().Process(b.PID)
	return err == nil && p.Start == b.Start
}
