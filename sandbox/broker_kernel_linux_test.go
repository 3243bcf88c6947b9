package sandbox

import (
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// brokerName is the name that the tests' broker answers at.
const brokerName = "ward/test"

// victimBroker connects to the broker in every way that there is, and tells what came back.
func victimBroker([]string) {
	abstract := func(name string) *unix.SockaddrUnix { return &unix.SockaddrUnix{Name: "@" + name} }
	fd, err := socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	say("socket", err)
	say("connect", unix.Connect(fd, abstract(brokerName)))
	_, err = unix.Write(fd, []byte("question\n"))
	say("write", err)
	answer := make([]byte, 64)
	n, err := unix.Read(fd, answer)
	say("read "+strings.TrimSpace(string(answer[:max(n, 0)])), err)
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	say("close-on-exec "+strconv.Itoa(flags), err)

	done := make(chan error) // a thread that is not the process's first
	go func() {
		fd, err := socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
		if err == nil {
			err = unix.Connect(fd, abstract(brokerName))
		}
		_, rerr := unix.Read(fd, answer)
		say("read before an answer", rerr)
		done <- err
	}()
	say("connect without blocking", <-done)

	seq, _ := socket(unix.AF_UNIX, unix.SOCK_SEQPACKET, 0)
	say("connect packets", unix.Connect(seq, abstract(brokerName)))
	inet, _ := socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	say("connect inet", unix.Connect(inet, abstract(brokerName)))
	say("connect a file", unix.Connect(1, abstract(brokerName)))
	other, _ := socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	say("connect beside", unix.Connect(other, abstract(brokerName+"x")))
	say("bind", unix.Bind(other, abstract(brokerName)))
}

// TestBroker: only the name leads to the supervisor, whoever else may have bound it, and the supervisor knows who asks.
func TestBroker(t *testing.T) {
	both(t, func(t *testing.T) {
		l := victim(t, "broker")
		l.Policy.Net.Broker = brokerName
		var mu sync.Mutex
		var askers []Asker
		l.Broker = func(conn *os.File, who Asker) {
			defer conn.Close()
			mu.Lock()
			askers = append(askers, who)
			mu.Unlock()
			question := make([]byte, 64)
			n, err := conn.Read(question)
			if err == io.EOF {
				return
			}
			if now := asker(who.PID); now != who || who.Start == 0 {
				t.Errorf("asked by %+v, which is now %+v", who, now)
			}
			conn.Write(append([]byte("answer to "), question[:n]...))
		}
		out := l.output(t)
		got := verdicts(t, out)
		for _, a := range askers {
			if a.Exe != l.Path || a != askers[0] {
				t.Errorf("asked by %+v, want %s each time", a, l.Path)
			}
		}
		if len(askers) != 2 {
			t.Errorf("asked %d times, want 2", len(askers))
		}
		compare(t, got, map[string]string{
			"socket": "ok", "connect": "ok", "write": "ok", "read answer to question": "ok", "close-on-exec 1": "ok",
			"connect without blocking": "ok", "read before an answer": "EAGAIN",
			"connect packets": "EPROTOTYPE", "connect inet": "EPROTOTYPE", "connect a file": "ENOTSOCK",
			"connect beside": "ECONNREFUSED", "bind": "ok",
		})
	})
}

// TestBrokerless: a launch without a broker treats the name like any other.
func TestBrokerless(t *testing.T) {
	l := victim(t, "broker")
	l.Broker = func(conn *os.File, _ Asker) { t.Error("asked"); conn.Close() }
	if out := l.output(t); !strings.Contains(out, "\nconnect: ECONNREFUSED\n") {
		t.Errorf("the victim says\n%s", out)
	}
}
