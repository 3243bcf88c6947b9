package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// terminal is a terminal with a person at it. It keeps every byte that arrives.
type terminal struct {
	*os.File // the master
	cmd      *exec.Cmd
	before   string        // its mode when the command was started
	hungUp   chan struct{} // closed when nobody has the terminal open any more
	ended    chan struct{} // closed when the command was waited for

	mu      sync.Mutex
	output  bytes.Buffer
	changed chan struct{} // closed and replaced at every change
}

// atTerminal starts a command on a new terminal of 24 lines and 80 columns. The command's files that are nil become
// the terminal.
func (p *person) atTerminal(t *testing.T, cmd *exec.Cmd) *terminal {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	if err := errors.Join(pty.Setsize(master, &pty.Winsize{Rows: 24, Cols: 80}), slave.Chown(p.uid, p.uid)); err != nil {
		t.Fatal(err)
	}
	attr := cmd.SysProcAttr
	attr.Setpgid, attr.Setsid, attr.Setctty = false, true, true
	if cmd.Stdin == nil {
		cmd.Stdin, attr.Ctty = slave, 0
	}
	if cmd.Stdout == nil {
		cmd.Stdout, attr.Ctty = slave, 1
	}
	if cmd.Stderr == nil {
		cmd.Stderr, attr.Ctty = slave, 2
	}
	for i, f := range []any{cmd.Stdin, cmd.Stdout, cmd.Stderr} {
		if f == slave {
			attr.Ctty = i
		}
	}
	term := &terminal{File: master, cmd: cmd, hungUp: make(chan struct{}), ended: make(chan struct{}), changed: make(chan struct{})}
	term.before = term.mode(t)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go term.keep()
	go func() {
		defer close(term.ended)
		cmd.Wait()
	}()
	t.Cleanup(func() {
		for _, pid := range inSession(cmd.Process.Pid) {
			unix.Kill(pid, unix.SIGKILL)
		}
		<-term.ended
		master.Close()
		<-term.hungUp
	})
	return term
}

// inSession are the processes of a session: a shell puts each job into a group of its own.
func inSession(leader int) (list []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if sid, err := unix.Getsid(pid); err == nil && sid == leader {
			list = append(list, pid)
		}
	}
	return list
}

func (term *terminal) keep() {
	defer close(term.hungUp)
	buf := make([]byte, 32<<10)
	for {
		n, err := term.Read(buf)
		term.mu.Lock()
		term.output.Write(buf[:n])
		close(term.changed)
		term.changed = make(chan struct{})
		term.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// shown is every byte so far.
func (term *terminal) shown() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	return term.output.String()
}

// await waits until text has been shown after the first from bytes, and tells where it ends.
func (term *terminal) await(t *testing.T, from int, text string) int {
	t.Helper()
	limit := time.After(patience)
	for {
		term.mu.Lock()
		changed, all := term.changed, term.output.String()
		term.mu.Unlock()
		if i := strings.Index(all[from:], text); i >= 0 {
			return from + i + len(text)
		}
		select {
		case <-changed:
			continue
		case <-term.hungUp:
			t.Fatalf("the terminal hung up before %q; it showed %q", text, all)
		case <-limit:
			t.Fatalf("%q was not shown within %v; the terminal showed %q", text, patience, all)
		}
	}
}

// press types keys.
func (term *terminal) press(t *testing.T, keys string) {
	t.Helper()
	if _, err := term.WriteString(keys); err != nil {
		t.Fatal(err)
	}
}

// code waits for the end of the command, and for the terminal's last byte where nothing else has it open.
func (term *terminal) code(t *testing.T) int {
	t.Helper()
	select {
	case <-term.ended:
	case <-time.After(patience):
		t.Fatalf("the command still runs after %v; the terminal shows %q", patience, term.shown())
	}
	select {
	case <-term.hungUp:
	case <-time.After(patience):
		t.Fatalf("the terminal is still open after the command ended")
	}
	if status := term.cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signaled() {
		return 1000 + int(status.Signal())
	}
	return term.cmd.ProcessState.ExitCode()
}

// mode is how the terminal is set, in words.
func (term *terminal) mode(t *testing.T) string {
	t.Helper()
	raw, err := term.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var m *unix.Termios
	var merr error
	if err := raw.Control(func(fd uintptr) { m, merr = unix.IoctlGetTermios(int(fd), unix.TCGETS) }); err != nil || merr != nil {
		t.Fatal(err, merr)
	}
	return fmt.Sprintf("%+v", *m)
}

// session does what a person does: waits for a text, then types. The result is every byte that was shown, and the
// exit code.
type step struct{ await, press string }

func (p *person) session(t *testing.T, cmd *exec.Cmd, steps ...step) (shown string, code int) {
	t.Helper()
	term := p.atTerminal(t, cmd)
	at := 0
	for _, s := range steps {
		at = term.await(t, at, s.await)
		term.press(t, s.press)
	}
	code = term.code(t)
	if after := term.mode(t); after != term.before {
		t.Errorf("%q: the terminal is left as\n%s\nwant\n%s", cmd.Args, after, term.before)
	}
	return term.shown(), code
}
