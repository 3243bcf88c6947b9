package session

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"ward/detect"
	"ward/launcher/broker"
	"ward/secrets"
)

const (
	// maxConns bounds the connections that are answered at once; others wait in the kernel's queue.
	maxConns = 64
	// promptly is how long a client has for its request: it asks as soon as it is connected, and those that say nothing
	// keep others waiting no longer.
	promptly = 500 * time.Millisecond
	// quick is how long it has for reading the answer.
	quick = 5 * time.Second
)

// run answers until the keeper is to end.
func (k *keeper) run() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	watched := make(chan error, 1)
	go func() { watched <- watch(k.Bound, k.Last) }()
	go k.serve()
	select {
	case <-watched: // also where it cannot be watched: what nobody ends must not go on
	case <-signals:
	case <-k.over:
	}
	k.end()
}

func (k *keeper) serve() {
	slots := make(chan struct{}, maxConns)
	var once sync.Once
	stop := func() { once.Do(func() { close(k.over) }) }
	for {
		conn, err := k.listener.AcceptUnix()
		if err != nil {
			stop()
			return
		}
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(promptly))
			if over := k.answer(conn); over {
				stop()
			}
		}()
	}
}

// answer says whether the keeper is to end.
func (k *keeper) answer(conn *net.UnixConn) (over bool) {
	p, err := detect.PeerOf(conn)
	if err != nil {
		return false // it has ended: nobody would read why
	}
	defer p.Close()
	before := isWard(p.PID) // what it is before it is greeted
	op, body, err := request(conn, p.PID)
	conn.SetDeadline(time.Now().Add(quick))
	if p.UID != os.Getuid() {
		err = k.refuse("of another user", "")
	}
	if errors.Is(err, errWriters) {
		err = k.refuse(err.Error(), "")
	}
	if err != nil {
		broker.WriteRefusal(conn, err)
		return false
	}
	switch {
	case op == broker.Lock:
		k.values.Destroy() // before the answer: whoever reads it may rely on it
		broker.WriteReply(conn, nil)
		return true
	case op == broker.Status && k.Prefix != "":
		k.status(conn)
	case op == broker.Get && k.Prefix != "":
		value, err := k.get(p, before, body)
		if err != nil {
			broker.WriteRefusal(conn, err)
			return false
		}
		defer value.Destroy()
		broker.WriteSecret(conn, value)
	case op == broker.Take && k.Prefix == "":
		return k.give(conn, p, before)
	default:
		broker.WriteRefusal(conn, k.refuse(fmt.Sprintf("operation %q: not one of this socket's", byte(op)), ""))
	}
	return false
}

// greeting is how many random bytes a keeper sends first. A request begins with the same, so that it was written after the
// keeper looked at the process.
const greeting = 16

var errWriters = errors.New("the request was not written by the process that connected")

// request greets the process that connected, and reads what that one writes.
func request(conn *net.UnixConn, pid int) (broker.Op, []byte, error) {
	hello, back := make([]byte, greeting), make([]byte, greeting)
	rand.Read(hello)
	if _, err := conn.Write(hello); err != nil {
		return 0, nil, err
	}
	in := writtenBy(pid, conn)
	if _, err := io.ReadFull(in, back); err != nil {
		return 0, nil, err
	}
	if !bytes.Equal(hello, back) {
		return 0, nil, broker.ErrFrame
	}
	return broker.ReadRequest(in)
}

// greet answers the greeting of a keeper.
func greet(conn net.Conn) error {
	conn.SetDeadline(time.Now().Add(quick))
	hello := make([]byte, greeting)
	if _, err := io.ReadFull(conn, hello); err != nil {
		return err
	}
	_, err := conn.Write(hello)
	return err
}

func (k *keeper) refuse(text, fix string) error {
	return &broker.Refusal{Text: "session: " + text, Fix: fix, Policy: true}
}

func (k *keeper) status(conn *net.UnixConn) {
	info := Info{Prefix: k.Prefix, Bound: k.Bound, Until: k.until, PID: os.Getpid()}
	for _, v := range k.Values {
		info.Names = append(info.Names, v.Name)
	}
	data, err := json.Marshal(info)
	if err != nil {
		broker.WriteRefusal(conn, err)
		return
	}
	broker.WriteReply(conn, data)
}

// caller looks at who asks, from here: by the kernel's word for the connection, and not by the asker's. It has to be ward
// now, and to have been it before it was greeted: so what it wrote since, it wrote as ward.
func (k *keeper) caller(p *detect.Peer, before error) (detect.Caller, error) {
	c, err := p.Inspect()
	switch {
	// Whoever was stopped, or slept with the machine, has requests waiting before it notices.
	case clock() >= k.ends:
		return c, k.refuse("its time is over", "ward unlock, or ward get, again")
	case err != nil:
		return c, k.refuse("the process that asks cannot be seen: "+err.Error(), "")
	case !k.Bound.above(c.Chain):
		return c, k.refuse("opened in another terminal", "ward unlock there, or ask there")
	case c.Inside:
		return c, k.refuse("out of reach inside a launch", "a launch gets its secrets from its profile")
	}
	if err := cmp.Or(before, isWard(p.PID)); err != nil {
		return c, k.refuse(err.Error(), "if ward was replaced meanwhile: ward lock, then ward unlock")
	}
	return c, p.Alive() // so what was read above was its own
}

// question is the body of a session's Get: a name, what for, and whom the client takes its caller for.
type question struct {
	Name   string
	Action detect.Action
	Agent  string
	Inside bool
	Why    string
	PID    int
	Start  uint64
}

func asking(name string, action detect.Action, c detect.Caller) question {
	q := question{Name: name, Action: action, Agent: c.Agent, Inside: c.Inside, Why: c.Why}
	if len(c.Chain) > 0 {
		q.PID, q.Start = c.Chain[0].PID, c.Chain[0].Start
	}
	return q
}

func (q question) claimed() detect.Caller {
	return detect.Caller{Agent: q.Agent, Inside: q.Inside, Why: q.Why, Chain: []detect.Process{{PID: q.PID, Start: q.Start}}}
}

// get gives a value if both parties agree about who asks, and the access table has no objection.
func (k *keeper) get(p *detect.Peer, before error, body []byte) (*secrets.Buffer, error) {
	var q question
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, k.refuse("a request that is not understood", "")
	}
	seen, err := k.caller(p, before)
	if err != nil {
		return nil, err
	}
	c, err := detect.Agree(q.claimed(), seen)
	if err == nil {
		err = c.May(q.Action)
	}
	if err != nil {
		return nil, byPolicy(err)
	}
	offset := 0
	for _, v := range k.Values {
		if v.Name == q.Name {
			return k.cut(offset, v.Size)
		}
		offset += v.Size
	}
	return nil, &broker.Refusal{Text: "secret " + q.Name + ": not in this session"}
}

// byPolicy sends an error of the access table on as what it is.
func byPolicy(err error) error {
	r := &broker.Refusal{Text: err.Error(), Policy: true}
	if h, ok := err.(interface{ Hint() string }); ok {
		r.Fix = h.Hint()
	}
	return r
}

// cut copies one value out of the others.
func (k *keeper) cut(offset, size int) (*secrets.Buffer, error) {
	return secrets.FillBuffer(size, func(to []byte) error {
		return k.values.Use(func(all []byte) error { copy(to, all[offset:offset+size]); return nil })
	})
}

// give hands the key of a hand-off over, and says that this was the last time. Who may not have it does not use it up.
func (k *keeper) give(conn *net.UnixConn, p *detect.Peer, before error) (over bool) {
	if _, err := k.caller(p, before); err != nil {
		broker.WriteRefusal(conn, err)
		return false
	}
	key, err := k.once()
	if err != nil {
		broker.WriteRefusal(conn, k.refuse("the value was handed over already", "ask again with ward get"))
		return false
	}
	defer key.Destroy()
	broker.WriteSecret(conn, key)
	return true
}

// once takes the key out: of two that come at the same time, one gets it.
func (k *keeper) once() (*secrets.Buffer, error) {
	k.taken.Lock()
	defer k.taken.Unlock()
	key, err := k.cut(0, k.Values[0].Size)
	if err == nil {
		k.values.Destroy()
	}
	return key, err
}
