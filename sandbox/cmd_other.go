//go:build !linux

package sandbox

import (
	"errors"
	"syscall"
	"time"
)

// errUnsupported is the answer of every system that ward cannot confine a command on: it fails, it does not run bare.
var errUnsupported = errors.New("sandbox: this system is not supported: a command can be confined on Linux only")

type state struct{}

// Early is never made.
type Early struct{}

// Begin fails.
func Begin(bool, ...Layer) (*Early, error) { return nil, errUnsupported }

// Cancel does nothing.
func (*Early) Cancel() {}

// Enter does nothing: there is no stage two on this system.
func Enter() {}

// Launch fails.
func (c *Cmd) Launch() error { return errUnsupported }

// Prepared fails.
func (c *Cmd) Prepared() error { return errUnsupported }

// Go fails.
func (c *Cmd) Go() error { return errUnsupported }

// Events has none.
func (c *Cmd) Events() <-chan Event { return nil }

// Signal fails.
func (c *Cmd) Signal(syscall.Signal, bool) error { return errUnsupported }

// Kill does nothing: nothing runs.
func (c *Cmd) Kill() {}

// Close does nothing.
func (c *Cmd) Close() {}

// Refused is empty.
func (c *Cmd) Refused() []Refusal { return nil }

// EndDescendants does nothing.
func EndDescendants(time.Duration) {}
