package broker

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"ward/launcher/audit"
)

// Met is a secret that a launch was not given, and how often it was in a payload.
type Met struct {
	Name  string
	Count int
}

// budget is what a launch asked of Mask where that knows secrets which the launch was not given. Whoever may send
// payloads and sees the stars can send guesses. What is looked for has to leave enough of a value untold even then; the
// bounds here make sure that somebody learns of it.
type budget struct {
	bytes int64
	met   int // answers with such a secret in them
	over  bool
}

const (
	// maxOffered is how many bytes one launch may have masked: the output of tools for weeks.
	maxOffered = 256 << 20
	// maxMet is how many answers may have stars for a secret that the launch was not given.
	maxMet = 20
)

// spent is what the launch is told from then on. It fails closed: what is not masked must not reach a model.
func (b *budget) spent() error {
	text := fmt.Sprintf("this launch had more than %d MB masked", maxOffered>>20)
	if b.met > maxMet {
		text = fmt.Sprintf("secrets that this launch was not given were in more than %d payloads", maxMet)
	}
	return &Refusal{Text: text + ", so it masks no more", Fix: "end it, and see its record for who asked; a new launch begins anew", Policy: true}
}

// spend counts a payload, or an answer with secrets in it that the launch was not given. The error is the refusal of all
// that comes once it is too much, first whether it is so for the first time.
func (s *Server) spend(bytes, met int) (first bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := &s.budget
	if b.over {
		return false, b.spent()
	}
	b.bytes += int64(bytes)
	b.met += met
	if b.bytes <= maxOffered && b.met <= maxMet {
		return false, nil
	}
	b.over = true
	return true, b.spent()
}

func (s *Server) mask(conn *os.File, who Asker, payload []byte) error {
	if s.Mask == nil {
		return WriteRefusal(conn, &Refusal{Text: "this launch masks nothing", Policy: true})
	}
	masked, err := s.masked(who, payload)
	if err != nil {
		return WriteRefusal(conn, err)
	}
	return send(conn, headOf(given, len(masked)), masked)
}

// masked gives nothing that was not within the budget and recorded before.
func (s *Server) masked(who Asker, payload []byte) ([]byte, error) {
	if s.Others {
		if err := s.within(who, len(payload), 0); err != nil {
			return nil, err
		}
	}
	s.masks.Lock()
	defer s.masks.Unlock()
	masked, others, err := s.Mask(payload)
	if err != nil || len(others) == 0 {
		return masked, err
	}
	if err := s.within(who, 0, 1); err != nil {
		return nil, err
	}
	for _, o := range others {
		err := s.Record(audit.Event{Event: "mask", PID: who.PID, Program: who.Exe, What: o.Name, Count: o.Count, Result: "masked: not given to this launch"})
		if err != nil {
			return nil, &Refusal{Text: "mask: " + err.Error(), Fix: "nothing is answered that cannot be recorded"}
		}
	}
	return masked, nil
}

func (s *Server) within(who Asker, bytes, met int) error {
	first, err := s.spend(bytes, met)
	if first {
		s.Record(audit.Event{Event: "mask", PID: who.PID, Program: who.Exe, Result: "refused: " + err.Error()})
	}
	return err
}

// slot is that of the one request whose body is large. Until the answer is written its body and a copy are in memory.
type slot struct {
	once sync.Once
	free chan struct{}
}

const (
	// haste is how long a large body, or the answer to it, may take on its way: it is on one machine, and others wait.
	haste = 5 * time.Second
	// patience is how long they do.
	patience = 20 * time.Second
)

// one runs f, which reads a large body and answers it, while no other does.
func (s *Server) one(conn *os.File, f func() error) error {
	s.large.once.Do(func() { s.large.free = make(chan struct{}, 1) })
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case s.large.free <- struct{}{}:
	case <-timer.C:
		conn.SetDeadline(time.Now().Add(haste))
		WriteRefusal(conn, &Refusal{Text: "others have large payloads masked"})
		return errBusy // the body was not read, so what follows is no request
	}
	defer func() { <-s.large.free }()
	err := f()
	debug.FreeOSMemory() // what f had is garbage now, and the next may be long in coming
	return err
}

var errBusy = errors.New("the body was not read")
