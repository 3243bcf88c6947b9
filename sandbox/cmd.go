package sandbox

import (
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// Cmd is one command to be confined, in the manner of exec.Cmd: fill it in, Launch it, wait until it is Prepared, Go.
type Cmd struct {
	Policy Policy
	Path   string   // absolute, and what argv[0] names
	Argv   []string // passed on byte for byte
	Env    []string // NAME=VALUE; nothing secret
	Dir    string
	// Stdio are the command's descriptors where Terminal does not take their place; nil is /dev/null.
	Stdio    [3]*os.File
	Terminal *Terminal
	// Values is the end of a socket pair on which NAME=VALUE strings, each ended by a NUL and all by an empty one, come
	// from the resolver. The supervisor never reads it.
	Values *os.File
	// Without forces layers off, as if the kernel refused them: for tests.
	Without []Layer

	// Broker gets the supervisor's end of each connection that a process inside makes to Policy.Net.Broker, and who that
	// process is, in a goroutine of its own. It closes the end.
	Broker func(conn *os.File, who Asker)

	// Early is a stage two that was started ahead, for this command's Policy.Nested and Without. Launch makes its own
	// if it is nil, and takes it over in any case: it is not to be cancelled afterwards.
	Early *Early

	// Master is the terminal's other end, set by Prepared if there is a Terminal.
	Master *os.File
	// Gaps are the layers that this kernel refused, known once it is Prepared.
	Gaps []Gap

	state
}

// Event is what happens to the command while it runs.
type Event struct {
	Stopped syscall.Signal      // the command was stopped by this signal
	Exited  *syscall.WaitStatus // the command has ended
	Lost    error               // stage two is gone without a word; everything inside has been ended
}

// Terminal describes the pty that is made inside the launch.
type Terminal struct {
	// Stdio says which of the command's stdin, stdout and stderr are this terminal.
	Stdio [3]bool
	// Controlling makes it the controlling terminal of the launch's session: /dev/tty, Ctrl-C, window size signals.
	Controlling bool
	Rows, Cols  uint16
	// Mode is the state of the terminal outside, in which the inner one starts. Nil: the kernel's default.
	Mode *unix.Termios
}

// Asker is a process inside that connected to the broker, as it was when its thread made the call.
type Asker struct {
	PID   int    // of the process, not the thread; as the supervisor sees it
	Start uint64 // clock ticks since boot (proc_pid_stat(5), field 22): the PID alone may be given to another later
	Exe   string // its program in its own root; empty if it cannot be read
}

// Refusal is something that the launch tried and did not get.
type Refusal struct {
	What  string // "connect 127.0.0.1:5432"
	Hint  string // the flag that would allow it; empty: none does
	Count int
}

// privateRules open what the mount namespace holds for this launch alone.
func privateRules() []Rule {
	return []Rule{
		{"/tmp", Read | Write, "the /tmp of this launch"},
		{"/var/tmp", Read | Write, "the /tmp of this launch"},
		{"/dev/shm", Read | Write, "shared memory of this launch"},
		{"/dev/pts", Read | Write | Device, "terminals of this launch"},
		{"/dev/ptmx", Read | Write | Device, "terminals of this launch"},
	}
}

// scratchRules stand in for privateRules where there are no mounts.
func scratchRules(scratch string) []Rule {
	return []Rule{{filepath.Join(scratch, "tmp"), Read | Write, "temporary files of this launch"}}
}
