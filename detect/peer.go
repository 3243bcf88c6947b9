package detect

import (
	"fmt"
	"io/fs"
	"syscall"
)

// Peer is a process that is held on to: while Alive gives nil, PID has not
// been given to another process. Close it.
type Peer struct {
	PID, UID int
	Start    uint64 // as in Process
	pidfd    int    // -1 where the kernel has none
}

// PeerOf gives the process that connected to a Unix socket, as the kernel
// says: a *net.UnixConn goes in. It is the one that called connect, whoever
// has the descriptor now. Where the connection is made by somebody in the
// name of another, as a launch's supervisor does, it is that somebody: take
// the number from the notification and Hold it.
//
// On Linux since 6.5 the kernel names the process itself (SO_PEERPIDFD).
// Before, and on macOS, it names a number: a process that has connected,
// ended, and left its number to another before PeerOf was called is taken for
// the other. Where there are no pidfds at all (macOS, Linux before 5.3), two
// processes of one number that start within one tick look alike too.
func PeerOf(conn syscall.Conn) (*Peer, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("peer: %w", err)
	}
	var p *Peer
	var inner error
	if err := raw.Control(func(fd uintptr) { p, inner = peerOf(int(fd)) }); err != nil {
		return nil, fmt.Errorf("peer: %w", err)
	}
	if inner != nil {
		return nil, fmt.Errorf("peer: %w", inner)
	}
	return p, nil
}

// Hold gets hold of a process by its number, which may be that of one of its
// threads. Whoever gives the number has to know that it still is the one that
// is meant.
func Hold(pid int) (*Peer, error) { return hold(pid) }

// gone is the error of a process that is no more.
func (p *Peer) gone() error { return fmt.Errorf("process %d has ended: %w", p.PID, fs.ErrNotExist) }

// same says whether PID is still the process that started at Start.
func (p *Peer) same(t Table) error {
	now, err := t.Process(p.PID)
	if err != nil {
		return err
	}
	if now.Start != p.Start {
		return p.gone()
	}
	return nil
}

// Inspect finds out who called, as the second party: from the process table,
// and on Linux from the environment that the process was started with, as far
// as it may be read. It fails if the process ended meanwhile:
// what was seen may be of another one then.
func (p *Peer) Inspect() (Caller, error) {
	c, err := Inspect(System(), p.PID, startEnviron(p.PID))
	if err != nil {
		return Caller{}, err
	}
	if err := p.Alive(); err != nil {
		return Caller{}, err
	}
	return c, nil
}

// Mismatch is the error of two parties that do not agree about a caller.
type Mismatch struct {
	Claimed, Seen string // in words
	Found         string // by what it was seen
}

// Error is one line.
func (m *Mismatch) Error() string {
	return fmt.Sprintf("caller: claims to be %s, but is %s (%s)", m.Claimed, m.Seen, m.Found)
}

// Hint says whose claim it may have been.
func (m *Mismatch) Hint() string {
	return "ward itself claims what it finds: another program spoke in its place, or another version of ward"
}

// Agree brings together what a process says of itself and what the second
// party sees of it. Both must agree: a process that claims to be less than it
// is, another agent, or another process, gets a *Mismatch. Who claims to be
// more, since it knows its own environment, is believed: the stricter counts.
// Presence and the terminal are taken as they are seen.
func Agree(claimed, seen Caller) (Caller, error) {
	mismatch := &Mismatch{Claimed: claimed.Who(), Seen: seen.Who(), Found: seen.Why}
	if !sameProcess(claimed, seen) {
		mismatch.Seen = "another process"
		return Caller{}, mismatch
	}
	hides := claimed.Agent == "" && !claimed.Inside && (seen.Agent != "" || seen.Inside)
	other := claimed.Agent != "" && seen.Agent != "" && claimed.Agent != seen.Agent
	if hides || other || seen.Inside && !claimed.Inside {
		return Caller{}, mismatch
	}
	both := seen
	both.Inside = seen.Inside || claimed.Inside
	if both.Agent == "" {
		both.Agent, both.Path = claimed.Agent, claimed.Path
	}
	if both.Agent != seen.Agent || both.Inside != seen.Inside {
		both.Why = "it says so itself: " + claimed.Why
	}
	return both, nil
}

// sameProcess compares the first of each chain. Numbers differ where a launch
// has a process namespace of its own, start times do not.
func sameProcess(claimed, seen Caller) bool {
	if len(claimed.Chain) == 0 || len(seen.Chain) == 0 {
		return false
	}
	a, b := claimed.Chain[0], seen.Chain[0]
	return a.Start == b.Start && (a.PID == b.PID || claimed.Inside)
}
