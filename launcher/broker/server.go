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
	// Mask overwrites the secrets in a payload. nil: nothing is masked here, and who asks is told so.
	Mask func(payload []byte) ([]byte, error)
	// Record writes to the launch's record. Nothing is handed out that could not be recorded.
	Record func(audit.Event) error

	mu     sync.Mutex
	conns  map[*os.File]bool
	closed bool
	gets   int
	serves sync.WaitGroup
	masks  sync.Mutex // one at a time: a payload and its copy are 32 MB
}

const (
	// maxConns bounds the connections that a launch can hold open.
	maxConns = 64
	// maxGets bounds what one launch writes into its record.
	maxGets = 10_000
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
		op, body, err := ReadRequest(conn)
		if errors.Is(err, ErrFrame) {
			WriteRefusal(conn, err)
			return
		}
		if err != nil {
			return
		}
		conn.SetDeadline(time.Now().Add(idle))
		if err := s.answer(conn, who, op, body); err != nil {
			return
		}
	}
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
		_, result, err := s.look(string(body))
		if err == nil {
			return WriteReply(conn, nil)
		}
		s.record(who, string(body), result) // a refusal stays one, recorded or not
		return WriteRefusal(conn, err)
	case Mask:
		return s.mask(conn, body)
	}
	return WriteRefusal(conn, &Refusal{Text: fmt.Sprintf("operation %q: not one of a launch's", byte(op)), Policy: true})
}

func (s *Server) get(conn *os.File, who Asker, name string) error {
	sealed, result, err := s.look(name)
	if gone := who.present(); gone != nil && err == nil {
		result, err = "refused: another process", gone
	}
	if rerr := s.record(who, name, result); rerr != nil && err == nil {
		err = &Refusal{Text: "secret " + name + ": " + rerr.Error(), Fix: "nothing is handed out that cannot be recorded"}
	}
	if err != nil {
		return WriteRefusal(conn, err)
	}
	return WriteReply(conn, sealed)
}

func (s *Server) record(who Asker, name, result string) error {
	return s.Record(audit.Event{Event: "get", PID: who.PID, Program: who.Exe, What: s.shown(name), Result: result})
}

// look gives a sealed value and the word for the record.
func (s *Server) look(name string) (sealed []byte, result string, err error) {
	s.mu.Lock()
	s.gets++
	often := s.gets > maxGets
	s.mu.Unlock()
	if often {
		return nil, "refused: too often", &Refusal{Text: fmt.Sprintf("this launch asked %d times, which is the most", maxGets), Policy: true}
	}
	if !slices.Contains(s.Names, name) {
		fix := "this launch has no secrets; ward run --env-credential NAME gives it one"
		if len(s.Names) > 0 {
			fix = "this launch has " + strings.Join(s.Names, ", ")
		}
		return nil, "refused: not listed", &Refusal{Text: "secret " + s.shown(name) + ": not among those of this launch", Fix: fix, Policy: true}
	}
	if sealed, err = s.Sealed(name); err != nil {
		return nil, "refused: not to be had", err
	}
	return sealed, "given", nil
}

// shown makes a name that anybody can have sent fit for a record: it may be long, steer a terminal, or be a value that
// was typed in the wrong place.
func (s *Server) shown(name string) string {
	const longest = 200
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, name[:min(len(name), longest)])
	if s.Mask != nil && !slices.Contains(s.Names, name) {
		masked, err := s.masked([]byte(clean))
		if err != nil {
			return "a name"
		}
		clean = string(masked)
	}
	return cmp.Or(clean, "''")
}

func (s *Server) masked(payload []byte) ([]byte, error) {
	s.masks.Lock()
	defer s.masks.Unlock()
	return s.Mask(payload)
}

func (s *Server) mask(conn *os.File, payload []byte) error {
	if s.Mask == nil {
		return WriteRefusal(conn, &Refusal{Text: "this launch masks nothing", Policy: true})
	}
	masked, err := s.masked(payload)
	if err != nil {
		return WriteRefusal(conn, err)
	}
	if _, err := conn.Write(AppendReply(nil, len(masked))); err != nil || len(masked) == 0 {
		return err
	}
	_, err = conn.Write(masked)
	return err
}
