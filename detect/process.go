package detect

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
)

// Process is one row of a process table.
type Process struct {
	PID, PPID int
	// Start tells two processes of the same number apart. On Linux it is in
	// clock ticks since boot (proc_pid_stat(5), field 22), on macOS in
	// microseconds since 1970. It is only ever compared.
	Start uint64
	// Name is the kernel's short one, at most 15 bytes. Any program can
	// change its own.
	Name string
	// Exe is the file that runs, "" where the system does not tell: for
	// other users' processes, mostly.
	Exe string
	// Argv is what the process was started with or, since a program may
	// overwrite it, the title that it gave itself. People type secrets into
	// command lines: String and JSON leave it out.
	Argv []string `json:"-"`
	// Script is the file that an interpreter runs, made absolute and with its
	// links resolved; "" for other programs and where it cannot be found.
	Script string
	UID    int
	// Session is the number of the process that leads the terminal session,
	// 0 where that cannot be seen. Terminal says whether there is one.
	Session  int
	Terminal bool
}

// String names the process without its command line.
func (p Process) String() string { return fmt.Sprintf("%d %s", p.PID, cmp.Or(p.Exe, p.Name)) }

// GoString is String.
func (p Process) GoString() string { return p.String() }

// A Table tells about processes. A process that is not there, or not for our
// eyes, is an error that wraps fs.ErrNotExist or fs.ErrPermission.
type Table interface {
	Process(pid int) (Process, error)
}

// System is the process table of this machine, as far as this process sees
// it: its own process namespace, and what hidepid leaves visible.
func System() Table { return system{} }

type system struct{}

// Process reads one row.
func (system) Process(pid int) (Process, error) {
	if pid <= 0 {
		return Process{}, fmt.Errorf("process %d: %w", pid, fs.ErrNotExist)
	}
	return readProcess(pid)
}

// maxDepth bounds the walk. Trees of real sessions are 5 to 20 deep.
const maxDepth = 128

// ancestors gives the process, its parent, and so on to the first. The second
// result says why the walk ended before that, or "".
//
// A parent is believed only if it did not start after its child: if it did,
// the parent has ended and another process has its number. What no start time
// shows: a parent that ended and whose orphan went to the init process or a
// subreaper. That chain is whole and leads elsewhere.
func ancestors(t Table, pid int) (chain []Process, cut string, err error) {
	p, err := t.Process(pid)
	if err != nil {
		return nil, "", err
	}
	chain = append(chain, p)
	for p.PPID > 0 {
		if len(chain) == maxDepth {
			return chain, fmt.Sprintf("the parents of process %d were not looked at: %d is deep enough", p.PID, maxDepth), nil
		}
		parent, err := t.Process(p.PPID)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return chain, fmt.Sprintf("process %d, the parent of %d, has ended or is hidden", p.PPID, p.PID), nil
		case errors.Is(err, fs.ErrPermission):
			return chain, fmt.Sprintf("process %d, the parent of %d, may not be read", p.PPID, p.PID), nil
		case err != nil:
			return chain, fmt.Sprintf("process %d, the parent of %d, cannot be read: %v", p.PPID, p.PID, err), nil
		case parent.Start > p.Start:
			return chain, fmt.Sprintf("process %d started after its child %d: another process has its number now", p.PPID, p.PID), nil
		case parent.PID == p.PID:
			return chain, fmt.Sprintf("process %d is its own parent", p.PID), nil
		}
		chain = append(chain, parent)
		p = parent
	}
	return chain, "", nil
}
