//go:build !linux && !darwin

package detect

import (
	"errors"
	"fmt"
	"runtime"
)

func peerOf(int) (*Peer, error) {
	return nil, fmt.Errorf("no peers of sockets on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

func hold(pid int) (*Peer, error) {
	_, err := readProcess(pid)
	return nil, err
}

// Alive says that this is not known.
func (p *Peer) Alive() error { return p.same(System()) }

// Close lets go of the process.
func (p *Peer) Close() error { return nil }

func startEnviron(int) func(string) (string, bool) { return nil }
