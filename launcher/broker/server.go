package broker

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"ward/detect"
	"ward/launcher/audit"
)

// Asker is the process inside a launch that a connection came from, as the sandbox saw it at the connect.
type Asker struct {
	PID   int
	Start uint64 // clock ticks since boot
	Exe   string // as the process itself sees it; empty if it cannot be read
}

// present says whether the process is still the one that connected: an end of the connection can be passed on, and a
// number given to another process.
func (a Asker) present() error {
	p, err := detect.Hold(a.PID)
	if err == nil {
		defer p.Close()
		if p.Start == a.Start {
			return p.Alive()
		}
	}
	return &Refusal{Text: fmt.Sprintf("process %d, which connected, has ended", a.PID), Policy: true}
}

// Server answers what runs inside one launch. Its fields are set before the first Serve.
type Server struct {
	// Names are the secrets that the launch has, as its profile and its flags call them.
	Names []string
	// Sealed gives one of Names: the variable's name, a NUL, and what Seal made of its value.
	Sealed func(name string) ([]byte, error)
	// Mask overwrites the secrets in a payload, and tells those that the launch was not given. nil: nothing is masked
	// here, and who asks is told so.
	Mask func(payload []byte) (masked []byte, others []Met, err error)
	// Others says that Mask looks for secrets that the launch was not given. Then what can be asked of it is bounded.
	Others bool
	// Hide overwrites secrets in a name that the launch does not have, for the record. nil: there are none.
	Hide func(name string) string
	// Record writes to the launch's record. Nothing is handed out that could not be recorded.
	Record func(audit.Event) error

	mu     sync.Mutex
	conns  map[*os.File]bool
	closed bool
	asked  int // what is in the record
	budget budget
	serves sync.WaitGroup
	masks  sync.Mutex // one at a time
	large  slot
}

const (
	// maxConns bounds the connections that a launch can hold open.
	maxConns = 64
	// maxAsked bounds what one launch writes into its record by asking for secrets.
	maxAsked = 2000
	// idle is how long a connection may say nothing, and how long an answer may take to be read.
	idle = 30 * time.Second
)

// Serve answers one connection until it ends, and closes it.
func (s *Server) Serve(conn *os.File, who Asker) {
	if !s.open(conn) {
		conn.Close()
		return
	}
	defer s.done(conn)
	for {
		conn.SetDeadline(time.Now().Add(idle))
		op, size, err := readRequestHead(conn)
		switch {
		case err != nil:
		case size > step:
			err = s.one(conn, func() error { return s.request(conn, who, op, size, haste) })
		default:
			err = s.request(conn, who, op, size, idle)
		}
		if errors.Is(err, ErrFrame) {
			WriteRefusal(conn, err)
		}
		if err != nil {
			return
		}
	}
}

// request reads the body of a request and answers it, each within some time.
func (s *Server) request(conn *os.File, who Asker, op Op, size int, within time.Duration) error {
	conn.SetDeadline(time.Now().Add(within))
	body, err := readBody(conn, size)
	if err != nil {
		return err
	}
	conn.SetDeadline(time.Now().Add(within))
	return s.answer(conn, who, op, body)
}

func (s *Server) open(conn *os.File) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.conns) >= maxConns {
		return false
	}
	if s.conns == nil {
		s.conns = map[*os.File]bool{}
	}
	s.conns[conn] = true
	s.serves.Add(1)
	return true
}

func (s *Server) done(conn *os.File) {
	s.mu.Lock()
	delete(s.conns, conn)
	s.mu.Unlock()
	conn.Close()
	s.serves.Done()
}

// Close ends every connection and waits for what is being answered.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	for conn := range s.conns {
		conn.Close() // and not a deadline: Serve sets its own
	}
	s.mu.Unlock()
	s.serves.Wait()
}

// answer gives an error only where the connection is of no use any more.
func (s *Server) answer(conn *os.File, who Asker, op Op, body []byte) error {
	switch op {
	case Get:
		return s.get(conn, who, string(body))
	case Has:
		return s.has(conn, who, string(body))
	case Mask:
		return s.mask(conn, who, body)
	}
	return WriteRefusal(conn, &Refusal{Text: fmt.Sprintf("operation %q: not one of a launch's", byte(op)), Policy: true})
}

func (s *Server) get(conn *os.File, who Asker, name string) error {
	sealed, result, err := s.look(name)
	if gone := who.present(); gone != nil && err == nil {
		result, err = "refused: another process", gone
	}
	if rerr := s.record(who, name, result); rerr != nil && err == nil {
		err = rerr
	}
	if err != nil {
		return WriteRefusal(conn, err)
	}
	return WriteReply(conn, sealed)
}

func (s *Server) has(conn *os.File, who Asker, name string) error {
	_, result, err := s.look(name)
	if err != nil {
		s.record(who, name, result) // a refusal stays one, recorded or not
	} else if err = s.often(); err == nil {
		return WriteReply(conn, nil)
	}
	return WriteRefusal(conn, err)
}

// often gives an error once a launch has asked as often as it may.
func (s *Server) often() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked < maxAsked {
		return nil
	}
	return &Refusal{Text: fmt.Sprintf("this launch asked %d times, which is the most", maxAsked), Policy: true}
}

// record writes down who asked for what. Once it is too much, that is written once, and then nothing more.
func (s *Server) record(who Asker, name, result string) error {
	s.mu.Lock()
	s.asked = min(s.asked+1, maxAsked+2)
	asked := s.asked
	s.mu.Unlock()
	switch asked {
	case maxAsked + 2:
		return s.often()
	case maxAsked + 1:
		s.Record(audit.Event{Event: "get", PID: who.PID, Program: who.Exe, What: s.hidden(name), Result: "refused: too often"})
		return s.often()
	}
	if err := s.Record(audit.Event{Event: "get", PID: who.PID, Program: who.Exe, What: s.hidden(name), Result: result}); err != nil {
		return &Refusal{Text: "secret " + shown(name) + ": " + err.Error(), Fix: "nothing is handed out that cannot be recorded"}
	}
	return nil
}

// look gives a sealed value and the word for the record.
func (s *Server) look(name string) (sealed []byte, result string, err error) {
	if !slices.Contains(s.Names, name) {
		fix := "this launch has no secrets; ward run --env-credential NAME gives it one"
		if len(s.Names) > 0 {
			fix = "this launch has " + strings.Join(s.Names, ", ")
		}
		return nil, "refused: not listed", &Refusal{Text: "secret " + shown(name) + ": not among those of this launch", Fix: fix, Policy: true}
	}
	if sealed, err = s.Sealed(name); err != nil {
		return nil, "refused: not to be had", err
	}
	return sealed, "given", nil
}

// shown makes a name that anybody can have sent fit for a line of text: it may be long, or steer a terminal. It is not
// masked: that would tell who sent it what is masked.
func shown(name string) string {
	const longest = 200
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, name[:min(len(name), longest)])
	return cmp.Or(clean, "''")
}

// hidden is what the record has of a name, which may be a value that was typed in the wrong place.
func (s *Server) hidden(name string) string {
	if s.Hide == nil || slices.Contains(s.Names, name) {
		return shown(name)
	}
	return s.Hide(shown(name))
}
