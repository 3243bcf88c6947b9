package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// Early is a stage two that was started before it is known what for: it has its namespaces and waits for its order.
// While the supervisor reads profiles and decides, the kernel loads it and its runtime starts. It holds nothing and
// does nothing before the order comes, and ends when the supervisor does.
type Early struct {
	process *process
	control control
	order   *os.File
	gone    map[Layer]string // layers that could not be had, and why
}

// Begin starts a stage two. nested and without are those of the Policy and the Cmd that it will serve.
func Begin(nested bool, without ...Layer) (*Early, error) {
	e := &Early{gone: map[Layer]string{}}
	for _, l := range without {
		e.gone[l] = "switched off"
	}
	if nested {
		for _, l := range []Layer{LayerNamespaces, LayerMounts, LayerNotify} {
			e.gone[l] = "inside another launch"
		}
	}
	ours, theirs, err := socketpair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	// No pipe: until both ends hide, other processes of the user could open it in /proc/PID/fd, and write an order.
	ends, err := streamPair()
	if err != nil {
		unix.Close(ours.fd)
		return nil, fmt.Errorf("order: %w", err)
	}
	orders, order := os.NewFile(uintptr(ends[0]), "order"), os.NewFile(uintptr(ends[1]), "order")
	defer orders.Close()
	e.control, e.order = ours, order
	null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		e.close()
		return nil, fmt.Errorf("%s: %w", os.DevNull, err)
	}
	defer unix.Close(null)
	if err := e.fork([]uintptr{uintptr(null), uintptr(null), uintptr(null), theirs.Fd(), orders.Fd()}); err != nil {
		e.close()
		return nil, fmt.Errorf("stage two: %w", err)
	}
	return e, nil
}

// fork starts the process, without the namespaces if the kernel refuses them.
func (e *Early) fork(files []uintptr) error {
	// One processor and no collector are enough for it, and spare it most of the Go runtime's start. The limit of
	// memory, which it never comes near, would switch the collector on again.
	env := []string{"GOMAXPROCS=1", "GOGC=off", "GOMEMLIMIT=64MiB"}
	for {
		attr := &syscall.SysProcAttr{}
		namespaces(attr, e.gone)
		var err error
		e.process, err = startProcess("/proc/self/exe", []string{stageTwoName}, env, files, attr)
		if err == nil || e.gone[LayerNamespaces] != "" && e.gone[LayerMounts] != "" {
			return err
		}
		// EPERM: containers and hardened kernels; ENOSPC: max_user_namespaces; ENOSYS, EINVAL: not in this kernel.
		for _, l := range []Layer{LayerNamespaces, LayerMounts} {
			if e.gone[l] == "" {
				e.gone[l] = err.Error()
			}
		}
	}
}

// namespaces asks for those that are needed. Root gets no user namespace: a mapping of 0 to 0 would lose the right to
// other users' files.
func namespaces(attr *syscall.SysProcAttr, gone map[Layer]string) {
	if gone[LayerNamespaces] == "" {
		attr.Cloneflags |= unix.CLONE_NEWPID | unix.CLONE_NEWIPC
	}
	if gone[LayerMounts] == "" {
		attr.Cloneflags |= unix.CLONE_NEWNS
	}
	if attr.Cloneflags == 0 || os.Getuid() == 0 {
		return
	}
	attr.Cloneflags |= unix.CLONE_NEWUSER
	uid, gid := os.Getuid(), os.Getgid()
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}}
	// execve takes the capabilities of a new user namespace away from anyone but uid 0; ambient ones stay.
	attr.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_SETPCAP}
}

// close lets go of the supervisor's ends, on which stage two ends by itself.
func (e *Early) close() {
	unix.Close(e.control.fd)
	e.order.Close()
}

// Cancel ends a stage two that is not needed. It may be called on nil.
func (e *Early) Cancel() {
	if e == nil {
		return
	}
	e.process.kill()
	e.process.wait()
	e.close()
}

// send gives stage two its order and the descriptors that go with it.
func (e *Early) send(o order, files []*os.File) error {
	data, err := json.Marshal(o)
	if err != nil {
		return err
	}
	// Which of them are there: stdin, stdout, stderr, values.
	have := make([]byte, len(files))
	var fds []int
	for i, f := range files {
		if f != nil {
			have[i] = 1
			fds = append(fds, int(f.Fd()))
		}
	}
	if err := e.control.send(doFiles, have, fds...); err != nil {
		return err
	}
	// A socket takes some 200 KiB at once, and an order may be larger. If stage two ends first, its own words say why.
	go func() {
		e.order.Write(data)
		e.order.Close()
	}()
	return nil
}

// takeFiles receives what Early.send sent, and puts each descriptor where it belongs.
func (c control) takeFiles() error {
	body := make([]byte, 16)
	oob := make([]byte, unix.CmsgSpace(4*4))
	var n, oobn int
	var err error
	for {
		if n, oobn, _, _, err = unix.Recvmsg(c.fd, body, oob, unix.MSG_CMSG_CLOEXEC); err != unix.EINTR {
			break
		}
	}
	if err != nil || n == 0 {
		return errCancelled
	}
	if body[0] != doFiles {
		return fmt.Errorf("control socket: %q before the descriptors", body[0])
	}
	var fds []int
	if oobn > 0 {
		messages, err := unix.ParseSocketControlMessage(oob[:oobn])
		if err != nil || len(messages) != 1 {
			return errors.New("control socket: odd ancillary data")
		}
		if fds, err = unix.ParseUnixRights(&messages[0]); err != nil {
			return err
		}
	}
	for i, target := range []int{0, 1, 2, fdValues} {
		if i >= n-1 || body[1+i] == 0 {
			continue
		}
		if len(fds) == 0 {
			return errors.New("control socket: a descriptor is missing")
		}
		flags := 0
		if target == fdValues {
			flags = unix.O_CLOEXEC
		}
		if err := moveTo(fds[0], target, flags); err != nil {
			return err
		}
		fds = slices.Delete(fds, 0, 1)
	}
	return nil
}

// errCancelled: the supervisor has no use for this stage two. Nobody needs to be told.
var errCancelled = errors.New("cancelled")

// moveTo moves a descriptor; it may be there by chance already.
func moveTo(from, target, flags int) error {
	if from == target {
		_, err := unix.FcntlInt(uintptr(from), unix.F_SETFD, flags&unix.O_CLOEXEC/unix.O_CLOEXEC)
		return err
	}
	if err := unix.Dup3(from, target, flags); err != nil {
		return err
	}
	return unix.Close(from)
}
