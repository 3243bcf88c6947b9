package sandbox

import (
	"encoding/binary"
	"errors"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// reap is the rest of stage two's life: the init of the launch. As the parent of the command it is what a shell is to
// a foreground job, in the same session: so SIGTSTP stops the command as it would anywhere (a group without a parent
// in its session is orphaned, and the kernel discards the signal), and the stop is seen here and told to the
// supervisor. It returns when the command has ended; then this process ends, and with it everything inside.
//
// Signals are sent from this thread only, the one that the command was forked from. It alone is in the command's
// Landlock domain: a number that was given to a process outside meanwhile is out of its reach.
func (s *stageTwo) reap(command int) error {
	terminal := -1
	if s.Terminal != nil && s.Terminal.Controlling {
		terminal = int(s.slave.Fd())
	} else if s.slave != nil {
		s.slave.Close() // or the terminal would never report its end
	}
	packets, changes := make(chan []byte), make(chan change)
	go s.orders(packets)
	go watch(changes)
	if !s.gone[LayerCapabilities] {
		go func() {
			if err := dropElsewhere(keeps()); err != nil {
				changes <- change{err: err}
			}
		}()
	}
	for {
		select {
		case body, open := <-packets:
			if !open { // the supervisor is gone, by whatever end: nothing inside survives it
				s.end()
				os.Exit(1)
			}
			deliver(body, command, terminal)
		case c := <-changes:
			switch {
			case c.err != nil:
				return c.err
			case c.pid == command && c.status.Stopped():
				s.control.send(sayStopped, []byte{byte(c.status.StopSignal())})
			case c.pid == command:
				s.end()
				last := byte(0)
				if childless() {
					last = 1
				}
				return s.control.send(sayExited, append(binary.LittleEndian.AppendUint32(nil, uint32(c.status)), last))
			}
		}
	}
}

// childless says whether nothing is left inside: an orphan's new parent is this process, so without a child there is no
// descendant. The supervisor then need not wait until the kernel has taken the namespaces apart.
func childless() bool {
	for {
		pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
		switch {
		case err == unix.ECHILD:
			return true
		case err == nil && pid > 0, err == unix.EINTR:
		default:
			return false
		}
	}
}

// change is what wait4(2) told of a child.
type change struct {
	pid    int
	status unix.WaitStatus
	err    error
}

// watch reaps every child, the command and the orphans.
func watch(changes chan<- change) {
	for {
		var c change
		c.pid, c.err = unix.Wait4(-1, &c.status, unix.WUNTRACED, nil)
		if c.err != unix.EINTR {
			changes <- c
		}
	}
}

// orders receives the signals to deliver, and closes packets when the supervisor's end is closed.
func (s *stageTwo) orders(packets chan<- []byte) {
	defer close(packets)
	for {
		kind, body, _, err := s.control.receive()
		if err != nil {
			return
		}
		if kind == doSignal && len(body) == 2 {
			packets <- body
		}
	}
}

// deliver sends a signal to the command, or to the group in the terminal's foreground.
func deliver(body []byte, command, terminal int) {
	signal, target := unix.Signal(body[0]), command
	if body[1] == 1 {
		target = -command
		if terminal >= 0 {
			if group, err := unix.IoctlGetInt(terminal, unix.TIOCGPGRP); err == nil && group > 0 {
				target = -group
			}
		}
	}
	unix.Kill(target, signal)
}

// endWithin bounds how long stage two kills what is left, lest it turns forever on a process that cannot die (in the
// kernel, on a dead disk).
const endWithin = 2 * time.Second

// end kills what is left where no process namespace does it. Landlock may keep /proc from this thread, so another one
// looks; the kills are this one's (see reap).
func (s *stageTwo) end() {
	if !s.gone[LayerNamespaces] {
		return
	}
	endAll(endWithin, func() []int {
		left := make(chan []int)
		go func() { left <- descendants(os.Getpid()) }()
		return <-left
	})
}

// EndDescendants kills every process below the calling one and reaps those that are its children. It needs
// PR_SET_CHILD_SUBREAPER, so that orphans come to the caller instead of to the machine's init.
func EndDescendants(atMost time.Duration) {
	endAll(atMost, func() []int { return descendants(os.Getpid()) })
}

// endAll kills what list names until nothing is left, since processes can be born while others are killed.
func endAll(atMost time.Duration, list func() []int) {
	for until := time.Now().Add(atMost); time.Now().Before(until); {
		left := list()
		if len(left) == 0 {
			return
		}
		for _, pid := range left {
			unix.Kill(pid, unix.SIGKILL)
		}
		for {
			if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); pid <= 0 || errors.Is(err, unix.ECHILD) {
				break
			}
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// descendants walks the tree through the parent field of /proc/PID/stat. The children files would
// be quicker, but a kernel may lack them (CONFIG_PROC_CHILDREN).
func descendants(root int) []int {
	children := map[int][]int{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		fields := stat(pid)
		if len(fields) < 2 {
			continue
		}
		if parent, err := strconv.Atoi(fields[1]); err == nil {
			children[parent] = append(children[parent], pid)
		}
	}
	var all []int
	for queue := children[root]; len(queue) > 0; queue = queue[1:] {
		all = append(all, queue[0])
		queue = append(queue, children[queue[0]]...)
	}
	return all
}
