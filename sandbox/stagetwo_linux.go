package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// stageTwoName is argv[0] of stage two. It cannot come from a command line typed at a shell by accident, and whoever
// forges it confines himself.
const stageTwoName = "ward: stage two"

// Descriptors that stage two is started with, after stdin, stdout and stderr of the command.
const (
	fdControl = 3
	fdOrder   = 4
	fdValues  = 5 // only if order.Values, and only after takeFiles
)

// order is what the supervisor asks of stage two. It travels as JSON through a socket; strings that come from users and
// may be any bytes are byte slices, since JSON would replace what is not UTF-8.
type order struct {
	Policy   Policy
	Path     string
	Argv     [][]byte
	Env      [][]byte
	Dir      string
	Terminal *Terminal
	Values   bool // secrets follow on fdValues
	Files    *unix.Rlimit
	Gone     map[Layer]string // layers that are off from the start, and why
	Probe    bool             // report the layers and run nothing
}

// Enter turns the process into stage two if it was started as such, and then does not return. It is the first call
// of main.
func Enter() {
	if len(os.Args) == 0 || os.Args[0] != stageTwoName {
		return
	}
	runtime.LockOSThread()
	s := &stageTwo{control: control{fdControl}, gone: map[Layer]bool{}}
	if err := s.run(); err != nil && !errors.Is(err, errCancelled) {
		s.control.fail(err)
		os.Exit(125)
	}
	os.Exit(0)
}

type stageTwo struct {
	order
	control control
	slave   *os.File
	arena   []byte // locked: the NAME=VALUE strings of the secrets
	used    int
	inner   int // the Landlock ruleset of the command alone; -1: none
	gone    map[Layer]bool
}

// run does everything in the order that the layers need: mounts while there are capabilities; the terminal while files
// can be opened; no_new_privs before the filter and Landlock, which ask for it. Values are read last, so that the
// resolver can work meanwhile.
func (s *stageTwo) run() error {
	if err := sealDescriptors(); err != nil {
		return fmt.Errorf("closing descriptors: %w", err)
	}
	if err := s.read(); err != nil {
		return err
	}
	if err := s.namespaces(); err != nil {
		return err
	}
	// What stdin, stdout and stderr become when the command has its own: nothing can be read from it or written to it.
	nothing, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("/: %w", err)
	}
	if err := s.terminal(); err != nil {
		return err
	}
	if err := s.confine(); err != nil {
		return err
	}
	if s.Probe {
		return s.control.send(sayReady, nil)
	}
	im, err := s.image()
	if err != nil {
		return err
	}
	if err := s.control.send(sayReady, nil); err != nil {
		return err
	}
	if err := s.await(); err != nil {
		return nil // the supervisor ended the launch and has said why
	}
	// What double-forks inside and loses its parent comes here also where there is no process namespace.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("subreaper: %w", err)
	}
	pid, err := im.start(s.Path, s.Dir)
	s.wipe()
	for _, fd := range im.stdio {
		unix.Close(fd)
	}
	if err != nil {
		return err
	}
	// A pipe that the command closes has to end, though this process lives on; and nothing that the Go runtime might say
	// of a signal from inside belongs into the command's output.
	for fd := range 3 {
		unix.Dup3(nothing, fd, 0)
	}
	if err := s.control.send(sayStarted, nil); err != nil {
		return err
	}
	return s.reap(pid)
}

// sealDescriptors keeps the descriptors that ward itself was started with from the command: they are nobody's gift to it
// and may lead anywhere.
func sealDescriptors() error {
	err := unix.CloseRange(fdControl, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC)
	if err == nil {
		return nil
	}
	// Before Linux 5.11, or in a container whose filter does not know the call.
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd >= fdControl {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}

// anOrder has a value of each type that an order is made of.
const anOrder = `{"Policy":{"Rules":[{"Path":""}],"Masks":[{"Path":""}],"Net":{}},"Argv":[""],"Terminal":{"Mode":{}},"Files":{}}`

// read waits for the order. A supervisor that has decided otherwise closes its end instead.
func (s *stageTwo) read() error {
	// The first time that a type is decoded takes longer than all later ones, and here is nothing else to do yet.
	var warm order
	if err := json.Unmarshal([]byte(anOrder), &warm); err != nil {
		return fmt.Errorf("reading an order: %w", err)
	}
	if err := s.control.takeFiles(); err != nil {
		return err
	}
	f := os.NewFile(fdOrder, "order")
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		return fmt.Errorf("reading the order: %w", err)
	}
	if err := json.Unmarshal(data, &s.order); err != nil {
		return fmt.Errorf("reading the order: %w", err)
	}
	for l := range s.Gone {
		s.gone[l] = true // all of them first: they may have been meant to stand in for each other
	}
	for _, row := range Table() {
		if why, ok := s.Gone[row.Layer]; ok {
			if err := s.gap(row.Layer, why); err != nil {
				return err
			}
		}
	}
	return nil
}

// gap reports a refused layer, or ends the launch where nothing stands in for it.
func (s *stageTwo) gap(l Layer, reason string) error {
	s.gone[l] = true
	if s.Policy.Nested && l == LayerMounts {
		s.Policy.Masks = slices.DeleteFunc(s.Policy.Masks, Mask.holds)
	}
	g, err := s.Policy.substitute(l, reason, s.gone)
	if err != nil {
		return err
	}
	return s.report(g)
}

func (s *stageTwo) report(g Gap) error {
	body, err := json.Marshal(g)
	if err != nil {
		return err
	}
	return s.control.send(sayGap, body)
}

func (s *stageTwo) namespaces() error {
	if s.gone[LayerMounts] {
		s.withoutMounts()
		return nil
	}
	scratch, err := unix.Open(s.Policy.Scratch, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("scratch directory %s: %w", s.Policy.Scratch, err)
	}
	v, err := newView(&s.Policy, scratch)
	if err != nil {
		if err := s.gap(LayerMounts, err.Error()); err != nil {
			return err
		}
		s.withoutMounts()
		return nil
	}
	listed, err := v.build(!s.gone[LayerNamespaces])
	if err != nil {
		return &LayerError{Layer: LayerMounts, Reason: err.Error()}
	}
	s.Policy.own = privateRules()
	if listed != nil {
		return s.report(Gap{LayerNamespaces, "a fresh /proc: " + listed.Error(), "other processes are listed, by their numbers outside; what is in them is guarded by Landlock"})
	}
	return nil
}

// withoutMounts points TMPDIR at the launch's scratch directory, since /tmp is everybody's.
func (s *stageTwo) withoutMounts() {
	if s.Policy.Nested {
		return
	}
	s.Policy.own = scratchRules(s.Policy.Scratch)
	name := []byte("TMPDIR=")
	s.Env = slices.DeleteFunc(s.Env, func(e []byte) bool { return bytes.HasPrefix(e, name) })
	s.Env = append(s.Env, append(name, filepath.Join(s.Policy.Scratch, "tmp")...))
}

func (s *stageTwo) terminal() error {
	if _, err := unix.Setsid(); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	if s.Terminal == nil {
		return nil
	}
	master, slave, err := s.Terminal.open()
	if err != nil {
		return err
	}
	defer master.Close()
	if s.Terminal.Controlling {
		if err := unix.IoctlSetInt(int(slave.Fd()), unix.TIOCSCTTY, 0); err != nil {
			return fmt.Errorf("terminal: controlling: %w", err)
		}
	}
	if s.gone[LayerMounts] {
		s.Policy.own = append(s.Policy.own, Rule{slave.Name(), Read | Write | Device, "the command's own terminal"})
	}
	s.slave = slave
	return s.control.send(sayMaster, nil, int(master.Fd()))
}

// confine puts on the layers that cannot be taken off.
func (s *stageTwo) confine() error {
	if !s.gone[LayerCapabilities] {
		if err := dropCapabilities(keeps()); err != nil {
			if err := s.gap(LayerCapabilities, err.Error()); err != nil {
				return err
			}
		}
	}
	// From here on a process inside the launch that is not privileged cannot look into this one.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("not dumpable: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no new privileges: %w", err)
	}
	// The filter comes first: only if it has its listener may Landlock refuse all of TCP.
	if err := s.filter(); err != nil {
		return err
	}
	return s.landlock()
}

func (s *stageTwo) landlock() error {
	s.inner = -1
	if s.gone[LayerLandlock] {
		return s.withoutScope("landlock is off")
	}
	abi, err := landlockABI()
	if err == nil && s.gone[LayerScope] {
		abi = min(abi, scopeABI-1)
	} else if err == nil && abi < scopeABI {
		err := s.gap(LayerScope, fmt.Sprintf("landlock ABI %d, %d has it", abi, scopeABI))
		if err != nil {
			return err
		}
	}
	if err == nil {
		err = restrict(append(s.Policy.rulesHandedOver(), s.Policy.own...), abi, !s.gone[LayerNotify])
	}
	if err == nil {
		s.inner, err = inner(abi)
	}
	if err == nil {
		return nil
	}
	if err := s.gap(LayerLandlock, err.Error()); err != nil {
		return err
	}
	return s.withoutScope("landlock is off")
}

func (s *stageTwo) withoutScope(reason string) error {
	if s.gone[LayerScope] {
		return nil
	}
	return s.gap(LayerScope, reason)
}

func (s *stageTwo) filter() error {
	if s.gone[LayerFilter] {
		return nil
	}
	c := calls{notify: !s.gone[LayerNotify], udp: !s.Policy.Net.Blocked, shared: !s.gone[LayerNamespaces] || s.Policy.Nested}
	listener, err := install(c)
	if errors.Is(err, errNoListener) {
		if err := s.gap(LayerNotify, err.Error()); err != nil {
			return err
		}
		c.notify = false
		listener, err = install(c)
	}
	if err != nil {
		return s.gap(LayerFilter, err.Error())
	}
	if listener < 0 {
		return nil
	}
	defer unix.Close(listener)
	return s.control.send(sayListener, nil, listener)
}

// image reads the secrets, which the resolver may still be fetching, and lays out the command.
func (s *stageTwo) image() (*image, error) {
	if s.Values {
		if err := s.readValues(); err != nil {
			return nil, err
		}
	}
	im, err := newImage(s.Path, s.Argv, s.Env, s.arena[:s.used], s.Dir)
	if err != nil {
		return nil, err
	}
	im.limit, im.inner = s.Files, s.inner
	for i := range 3 {
		from := i
		if s.Terminal != nil && s.Terminal.Stdio[i] {
			from = int(s.slave.Fd())
		}
		if im.stdio[i], err = unix.FcntlInt(uintptr(from), unix.F_DUPFD_CLOEXEC, 10); err != nil {
			return nil, fmt.Errorf("descriptor %d: %w", i, err)
		}
	}
	if s.Terminal != nil && s.Terminal.Controlling {
		im.tty = int(s.slave.Fd())
	}
	return im, nil
}

// await waits for "go". The supervisor says it when the guard is armed and the audit record is written.
func (s *stageTwo) await() error {
	kind, _, _, err := s.control.receive()
	if err != nil {
		return err
	}
	if kind != doGo {
		return fmt.Errorf("control socket: %q before go", kind)
	}
	return nil
}
