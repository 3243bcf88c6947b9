package main_test

import (
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// agentSink is a socket outside that records what reaches it.
type agentSink struct {
	name     string
	listener net.Listener

	mu          sync.Mutex
	connections int
	received    strings.Builder
}

// newAgentSink listens until the test ends.
func newAgentSink(t *testing.T, network, address string) *agentSink {
	t.Helper()
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	s := &agentSink{name: network, listener: listener}
	if network == "unix" { // by the directory that it lies in
		s.name += ":" + filepath.Base(filepath.Dir(address))
	}
	go s.serve()
	return s
}

// nodeAddress is the sink's address as node's net.connect takes it.
func (s *agentSink) nodeAddress() map[string]any {
	if tcp, ok := s.listener.Addr().(*net.TCPAddr); ok {
		return map[string]any{"host": tcp.IP.String(), "port": tcp.Port}
	}
	return map[string]any{"path": s.listener.Addr().String()}
}

func (s *agentSink) serve() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return // the test is over
		}
		s.mu.Lock()
		s.connections++
		s.mu.Unlock()
		go func() {
			defer c.Close()
			io.Copy(s, io.LimitReader(c, 1<<20))
		}()
	}
}

func (s *agentSink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.received.Write(p)
}

// seen is how often somebody came, and all that was sent.
func (s *agentSink) seen() (connections int, received string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.connections, s.received.String()
}
