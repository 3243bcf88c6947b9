package sandbox

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// state is what the supervisor holds of a launch.
type state struct {
	stageTwo *process
	control  control
	mediator *mediator
	events   chan Event
	gone     map[Layer]string // the layers that stage two was told to do without

	close sync.Once
}

// Launch makes stage two, which prepares. Credentials can be fetched meanwhile.
func (c *Cmd) Launch() error { return c.start(false) }

// Prepared waits until every layer is on: after it, only [Cmd.Go] is missing. If it fails, or Launch did, nothing of the
// command ran and nothing is left to close. A *LayerError says which layer this kernel refuses.
func (c *Cmd) Prepared() error {
	err := c.prepare()
	if err != nil {
		c.Kill()
		c.Close()
	}
	return err
}

func (c *Cmd) start(probe bool) error {
	if err := c.Policy.valid(); err != nil {
		c.Kill()
		return err
	}
	if c.Early == nil {
		var err error
		if c.Early, err = Begin(c.Policy.Nested, c.Without...); err != nil {
			return err
		}
	}
	c.control, c.stageTwo, c.gone = c.Early.control, c.Early.process, c.Early.gone
	c.mediator = newMediator(&c.Policy)
	if c.Policy.Net.Broker != "" {
		c.mediator.broker = c.Broker
	}
	if c.gone[LayerNotify] == "" {
		if err := withinReach(os.Getuid() != 0 && (c.gone[LayerNamespaces] == "" || c.gone[LayerMounts] == "")); err != nil {
			c.gone[LayerNotify] = err.Error()
		}
	}
	if err := c.Early.send(c.order(probe), append(slices.Clone(c.Stdio[:]), c.Values)); err != nil {
		err = fmt.Errorf("stage two ended before it had its order: %w", c.post(io.EOF))
		c.Kill()
		c.Close()
		return err
	}
	return nil
}

func (c *Cmd) order(probe bool) order {
	o := order{
		Policy: c.Policy, Path: c.Path, Dir: c.Dir, Terminal: c.Terminal, Values: c.Values != nil,
		Files: inheritedFiles(), Gone: c.gone, Probe: probe,
	}
	// The reasons are for people, who read the plan; stage two would only decode them.
	o.Policy.Rules, o.Policy.Masks = slices.Clone(o.Policy.Rules), slices.Clone(o.Policy.Masks)
	for i := range o.Policy.Rules {
		o.Policy.Rules[i].Why = ""
	}
	for i := range o.Policy.Masks {
		o.Policy.Masks[i].Why = ""
	}
	for _, a := range c.Argv {
		o.Argv = append(o.Argv, []byte(a))
	}
	for _, e := range c.Env {
		o.Env = append(o.Env, []byte(e))
	}
	return o
}

// prepare takes stage two's packets until it is ready. Notifications are answered from then on: the rules that stage two
// added are among those that decide.
func (c *Cmd) prepare() error {
	listener := -1
	for {
		kind, body, fd, err := c.control.receive()
		if err != nil {
			return fmt.Errorf("stage two ended before it was ready: %w", c.post(err))
		}
		switch kind {
		case sayMaster:
			unix.SetNonblock(fd, true)
			c.Master = os.NewFile(uintptr(fd), "terminal")
		case sayListener:
			listener = fd
			defer func() {
				if c.mediator.listener < 0 {
					unix.Close(fd)
				}
			}()
		case sayGap:
			var g Gap
			if err := json.Unmarshal(body, &g); err != nil {
				return err
			}
			c.Gaps = append(c.Gaps, g)
		case sayFailed:
			return failed(body)
		case sayReady:
			c.Policy.own = c.launchRules()
			if listener < 0 {
				return nil
			}
			return c.mediator.listen(listener)
		}
	}
}

func failed(body []byte) error {
	var f failure
	if err := json.Unmarshal(body, &f); err != nil {
		return err
	}
	return f.err()
}

// Go lets the command run and returns once it does, or with an *ExecError if the kernel did not take it. If it fails,
// nothing is left to close.
func (c *Cmd) Go() error {
	err := c.command()
	if err != nil {
		c.Kill()
		c.Close()
		return err
	}
	c.events = make(chan Event, 4)
	go c.follow()
	return nil
}

func (c *Cmd) command() error {
	if err := c.control.send(doGo, nil); err != nil {
		return fmt.Errorf("stage two ended before the command ran: %w", c.post(io.EOF))
	}
	kind, body, _, err := c.control.receive()
	switch {
	case err != nil:
		return fmt.Errorf("stage two ended before the command ran: %w", c.post(err))
	case kind == sayFailed:
		return failed(body)
	case kind != sayStarted:
		return fmt.Errorf("control socket: %q after go", kind)
	}
	return nil
}

// Events gives what happens to the command. The last event has Exited or Lost set, then the channel is closed.
func (c *Cmd) Events() <-chan Event { return c.events }

func (c *Cmd) follow() {
	defer close(c.events)
	for {
		kind, body, _, err := c.control.receive()
		switch {
		case err != nil:
			c.Kill()
			c.events <- Event{Lost: fmt.Errorf("stage two is gone: %w", c.post(err))}
			return
		case kind == sayStopped && len(body) == 1:
			c.events <- Event{Stopped: syscall.Signal(body[0])}
		case kind == sayExited && len(body) == 5:
			status := syscall.WaitStatus(binary.LittleEndian.Uint32(body))
			if body[4] == 0 {
				c.stageTwo.wait() // and with it the kernel has ended what was left
			} else {
				go c.stageTwo.wait()
			}
			c.events <- Event{Exited: &status}
			return
		}
	}
}

// post adds how stage two ended to an error, which is otherwise only "EOF".
func (c *Cmd) post(err error) error {
	if c.stageTwo != nil && errors.Is(err, io.EOF) {
		if werr := c.stageTwo.wait(); werr != nil {
			return werr
		}
	}
	return err
}

// Signal sends a signal to the command, or to the foreground group of its session as a terminal would.
func (c *Cmd) Signal(s syscall.Signal, group bool) error {
	to := byte(0)
	if group {
		to = 1
	}
	return c.control.send(doSignal, []byte{byte(s), to})
}

// Kill ends the launch: stage two and with it everything inside. Where there is no process namespace, stage two has to
// end the others itself, so it is asked first.
func (c *Cmd) Kill() {
	if c.stageTwo == nil {
		c.Early.Cancel()
		c.Early = nil
		return
	}
	patience := time.Duration(0)
	if c.events != nil && c.gone[LayerNamespaces] != "" {
		unix.Shutdown(c.control.fd, unix.SHUT_RDWR)
		patience = 2 * endWithin
	}
	last := time.AfterFunc(patience, func() { c.stageTwo.kill() })
	c.stageTwo.wait()
	last.Stop()
}

// Close releases what the supervisor holds. The command must have ended.
func (c *Cmd) Close() {
	if c.stageTwo == nil {
		return // nothing was launched: the zero control would be descriptor 0
	}
	c.close.Do(func() {
		if c.mediator != nil {
			c.mediator.close()
		}
		unix.Close(c.control.fd)
	})
}

// launchRules are the rules that stage two added for what it made; the mediator decides by them too.
func (c *Cmd) launchRules() []Rule {
	if slices.ContainsFunc(c.Gaps, func(g Gap) bool { return g.Layer == LayerMounts }) {
		return scratchRules(c.Policy.Scratch)
	}
	return privateRules()
}

// Refused lists the connections that were refused, most frequent first.
func (c *Cmd) Refused() []Refusal {
	if c.mediator == nil {
		return nil
	}
	return c.mediator.refusals()
}

// valid refuses paths that cannot be handed over as they are.
func (p *Policy) valid() error {
	for _, r := range p.Rules {
		if !utf8.ValidString(r.Path) {
			return fmt.Errorf("rule %q: the path is not valid UTF-8", r.Path)
		}
		if !filepath.IsAbs(r.Path) { // no mask would be seen to lie in it
			return fmt.Errorf("rule %q: the path is not absolute", r.Path)
		}
	}
	for _, m := range p.Masks {
		if !utf8.ValidString(m.Path) {
			return fmt.Errorf("mask %q: the path is not valid UTF-8", m.Path)
		}
	}
	return nil
}
