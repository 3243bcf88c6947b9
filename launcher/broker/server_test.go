package broker

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ward/detect"
	"ward/launcher/audit"
)

// pair connects a client with a server, as the sandbox does.
func pair(t *testing.T, s *Server) *Client {
	t.Helper()
	own, err := detect.System().Process(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	return pairAs(t, s, Asker{PID: own.PID, Start: own.Start, Exe: "/bin/asker"})
}

func pairAs(t *testing.T, s *Server, who Asker) *Client {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		unix.SetNonblock(fd, true)
	}
	go s.Serve(os.NewFile(uintptr(fds[0]), "server"), who)
	f := os.NewFile(uintptr(fds[1]), "client")
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		t.Fatal(err)
	}
	c := NewClient(conn)
	t.Cleanup(func() { c.Close() })
	return c
}

// record collects what a server writes down.
type record struct {
	mu     sync.Mutex
	events []audit.Event
	err    error
}

func (r *record) write(e audit.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
	return r.err
}

func server(t *testing.T, value string) (*Server, *record) {
	t.Helper()
	key, r := newKey(t), &record{}
	t.Setenv(UnsealVar, string(AppendKey(nil, []byte(text(t, key)))))
	sealed, err := Seal(key, "TOKEN", buffer(t, value))
	if err != nil {
		t.Fatal(err)
	}
	return &Server{
		Names:  []string{"acme/token", "TOKEN"},
		Sealed: func(string) ([]byte, error) { return append([]byte("TOKEN\x00"), sealed...), nil },
		Mask: func(b []byte) ([]byte, []Met, error) {
			return bytes.ReplaceAll(b, []byte(value), []byte("****")), nil, nil
		},
		Hide:   func(name string) string { return strings.ReplaceAll(name, value, "****") },
		Record: r.write,
	}, r
}

func TestServer(t *testing.T) {
	ctx, value := context.Background(), "sk-"+rand.Text()
	s, r := server(t, value)
	c := pair(t, s)
	for _, name := range s.Names {
		got, err := c.Get(ctx, name)
		if err != nil || text(t, got) != value {
			t.Errorf("get %s: %v, or another value", name, err)
		}
	}
	if err := c.Has(ctx, "TOKEN"); err != nil {
		t.Errorf("has TOKEN: %v", err)
	}
	for name, shown := range map[string]string{
		"acme/other": "acme/other", "": "''", value: value, "a\nb\x1b[2J": "a?b?[2J", strings.Repeat("n", 300): strings.Repeat("n", 200),
	} {
		hidden := strings.ReplaceAll(shown, value, "****") // in the record, but not from who sent it: stars tell what is known
		_, err := c.Get(ctx, name)
		var refused *Refusal
		if !errors.As(err, &refused) || !refused.Policy || refused.Fix != "this launch has acme/token, TOKEN" ||
			refused.Text != "secret "+shown+": not among those of this launch" {
			t.Errorf("get %.20q: %#v", name, err)
		}
		if last := r.events[len(r.events)-1]; last.What != hidden || last.Result != "refused: not listed" || last.PID != os.Getpid() || last.Program != "/bin/asker" {
			t.Errorf("get %.20q is recorded as %+v", name, last)
		}
	}
	if first := r.events[0]; first.Event != "get" || first.What != "acme/token" || first.Result != "given" {
		t.Errorf("get acme/token is recorded as %+v", first)
	}
	if masked, err := c.Mask(ctx, []byte("a "+value+" b")); string(masked) != "a **** b" || err != nil {
		t.Errorf("mask: %q, %v", masked, err)
	}
	if masked, err := c.Mask(ctx, nil); len(masked) != 0 || err != nil {
		t.Errorf("mask of nothing: %q, %v", masked, err)
	}
	if _, err := c.Do(ctx, Lock, nil, 0); err == nil || !strings.Contains(err.Error(), "not one of a launch's") {
		t.Errorf("lock: %v", err)
	}
}

// Nothing is handed out that could not be recorded.
func TestServerUnrecorded(t *testing.T) {
	s, r := server(t, "sk-"+rand.Text())
	r.err = errors.New("no space left on device")
	if _, err := pair(t, s).Get(context.Background(), "TOKEN"); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("get: %v", err)
	}
}

// A process that connected and ended, or whose number is another's now, gets nothing.
func TestServerAnother(t *testing.T) {
	s, r := server(t, "sk-"+rand.Text())
	own, err := detect.System().Process(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for _, who := range []Asker{{PID: own.PID, Start: own.Start - 1}, {PID: 1 << 22, Start: own.Start}} {
		_, err := pairAs(t, s, who).Get(context.Background(), "TOKEN")
		if refused := (*Refusal)(nil); !errors.As(err, &refused) || !refused.Policy || !strings.Contains(refused.Text, "has ended") {
			t.Errorf("%+v gets %v", who, err)
		}
		if last := r.events[len(r.events)-1]; last.Result != "refused: another process" {
			t.Errorf("%+v is recorded as %+v", who, last)
		}
	}
}

func TestServerLarge(t *testing.T) {
	s, _ := server(t, "sk-"+rand.Text())
	c := pair(t, s)
	payload := bytes.Repeat([]byte("0123456789abcdef"), MaxPayload/16)
	if masked, err := c.Mask(context.Background(), payload); !bytes.Equal(masked, payload) || err != nil {
		t.Errorf("mask of %d bytes: %d bytes, %v", len(payload), len(masked), err)
	}
	if _, err := c.Mask(context.Background(), append(payload, 'x')); err == nil || !strings.Contains(err.Error(), "16777216") {
		t.Errorf("mask of one byte more: %v", err)
	}
	if masked, err := c.Mask(context.Background(), []byte("x")); string(masked) != "x" || err != nil {
		t.Errorf("the connection after that: %q, %v", masked, err)
	}
}

// What is no frame of this version is answered with words and the end of the connection.
func TestServerStranger(t *testing.T) {
	s, _ := server(t, "sk-"+rand.Text())
	for _, sent := range []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "ward\x02g\x00\x00\x00\x00", "ward\x01g\xff\xff\xff\xff"} {
		c := pair(t, s)
		if _, err := c.conn.Write([]byte(sent)); err != nil {
			t.Fatal(err)
		}
		_, err := readReply(c.conn, 0)
		if refused := (*Refusal)(nil); !errors.As(err, &refused) || !strings.Contains(refused.Text, "not a frame") {
			t.Errorf("%q is answered by %v", sent, err)
		}
		if n, err := c.conn.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Errorf("%q: the connection goes on", sent)
		}
	}
}

// A launch can hold so many connections open and no more, and Close does not wait for them.
func TestServerClose(t *testing.T) {
	s, _ := server(t, "sk-"+rand.Text())
	var held []*Client
	for range maxConns {
		c := pair(t, s)
		if err := c.Has(context.Background(), "TOKEN"); err != nil {
			t.Fatal(err)
		}
		held = append(held, c)
	}
	if err := pair(t, s).Has(context.Background(), "TOKEN"); err == nil {
		t.Errorf("connection %d is answered", maxConns+1)
	}
	held[0].Close()
	deadline := time.Now().Add(5 * time.Second)
	for pair(t, s).Has(context.Background(), "TOKEN") != nil {
		if time.Now().After(deadline) {
			t.Fatal("the place of a connection that ended is not given to another")
		}
	}
	start := time.Now()
	s.Close()
	if took := time.Since(start); took > time.Second {
		t.Errorf("close took %v", took)
	}
	if err := held[1].Has(context.Background(), "TOKEN"); err == nil {
		t.Error("a closed server answers")
	}
}

// Whoever waits no longer is not kept.
func TestClientContext(t *testing.T) {
	s, _ := server(t, "sk-"+rand.Text())
	release := make(chan struct{})
	defer close(release)
	s.Mask = func(b []byte) ([]byte, []Met, error) { <-release; return b, nil, nil }
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := pair(t, s).Mask(ctx, []byte("x")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("mask: %v, want %v", err, context.DeadlineExceeded)
	}
}
