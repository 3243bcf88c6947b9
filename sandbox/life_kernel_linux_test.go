package sandbox

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Start is Launch and Prepared: here nothing is fetched meanwhile.
func (c *Cmd) Start() error {
	if err := c.Launch(); err != nil {
		return err
	}
	return c.Prepared()
}

// Exit statuses and signals are the command's own.
func TestEndings(t *testing.T) {
	both(t, func(t *testing.T) {
		for script, want := range map[string]string{
			"exit 0": "exit 0", "exit 3": "exit 3", "exit 255": "exit 255",
			"kill -TERM $$": "terminated", "kill -KILL $$": "killed", "kill -SEGV $$": "segmentation fault",
		} {
			if got := ending(shell(script).run(t)); got != want {
				t.Errorf("%s: %s, want %s", script, got, want)
			}
		}
	})
}

// Signals of the supervisor reach the command; a stop is told and ends by SIGCONT.
func TestSignals(t *testing.T) {
	both(t, func(t *testing.T) {
		l := victim(t, "stuck")
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		l.Stdio[1] = w
		l.begin(t)
		w.Close()
		if line := make([]byte, 10); !readFull(r, line) || string(line) != "ready: ok\n" {
			t.Fatalf("got %q", line)
		}
		for _, s := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGTSTP} {
			if err := l.Signal(s, false); err != nil {
				t.Fatal(err)
			}
			select {
			case e := <-l.Events():
				if e.Stopped != s {
					t.Errorf("after %v: %+v", s, e)
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("%v: no event", s)
			}
			if err := l.Signal(syscall.SIGCONT, true); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Signal(syscall.SIGTERM, true); err != nil {
			t.Fatal(err)
		}
		if got := ending(l.end(t)); got != "exit 3" {
			t.Errorf("after SIGTERM: %s, want exit 3", got)
		}
	})
}

func readFull(r io.Reader, buf []byte) bool {
	_, err := io.ReadFull(r, buf)
	return err == nil
}

// A pipe that the command closes ends for its reader, though stage two lives.
func TestClosedOutput(t *testing.T) {
	both(t, func(t *testing.T) {
		l := victim(t, "closer")
		var err error
		var wait, out *os.File
		if l.Stdio[0], wait, err = os.Pipe(); err != nil {
			t.Fatal(err)
		}
		if out, l.Stdio[1], err = os.Pipe(); err != nil {
			t.Fatal(err)
		}
		l.Stdio[2] = l.Stdio[1]
		l.begin(t)
		l.Stdio[0].Close()
		l.Stdio[1].Close()
		out.SetReadDeadline(time.Now().Add(10 * time.Second))
		if data, err := io.ReadAll(out); err != nil || string(data) != "last: ok\n" {
			t.Errorf("got %q %v", data, err)
		}
		wait.Close()
		l.end(t)
	})
}

// Orphans are reaped, so that a long launch does not fill the process table.
func TestOrphansAreReaped(t *testing.T) {
	both(t, func(t *testing.T) {
		for _, without := range [][]Layer{nil, {LayerNamespaces}} {
			l := shell(`for i in 1 2 3 4 5 6 7 8 9 10; do (sh -c 'exit 0' &) ; done; sleep 0.3; ps -o stat= --ppid "$PPID" | grep -c Z; true`)
			l.Without = without
			if got := l.output(t); got != "0\n" {
				t.Errorf("without %v: %s zombies", without, strings.TrimSpace(got))
			}
		}
	})
}

// alive says whether the processes of victimDaemon still write.
func alive(t testing.TB, dir string) bool {
	t.Helper()
	size := func() int64 {
		info, err := os.Stat(filepath.Join(dir, "alive"))
		if err != nil {
			return 0
		}
		return info.Size()
	}
	before := size()
	time.Sleep(200 * time.Millisecond) // ten lines of each
	return size() != before
}

// When the command ends, or the launch is killed, nothing of it is left: not what put itself into other sessions, not
// what ignores signals, not what forks faster than one can look.
func TestNothingSurvives(t *testing.T) {
	both(t, func(t *testing.T) {
		for _, c := range []struct {
			name, mode string
			without    []Layer
			kill       bool
		}{
			{"daemon", "end", nil, false},
			{"daemon", "end", []Layer{LayerNamespaces}, false},
			{"daemon", "wait", nil, true},
			{"daemon", "wait", []Layer{LayerNamespaces}, true},
			{"daemon", "wait", []Layer{LayerNamespaces, LayerMounts}, true},
			{"keeper", "wait", []Layer{LayerNamespaces}, true},
			{"hopper", "wait", []Layer{LayerNamespaces}, true},
			{"hopper", "wait", nil, true},
		} {
			if c.name == "hopper" {
				needsProgram(t, "python3")
			}
			dir := outdoors(t)
			l := victim(t, c.name, dir, c.mode).allow(Read|Write, dir)
			l.Without = c.without
			l.begin(t)
			eventually(t, "the daemons write", func() bool {
				info, err := os.Stat(filepath.Join(dir, "alive"))
				return err == nil && info.Size() > 0
			})
			if c.kill {
				l.Kill()
				if _, lost := l.last(); lost == nil {
					t.Errorf("%+v: no event Lost", c)
				}
			} else {
				l.end(t)
			}
			if alive(t, dir) {
				t.Errorf("%+v: something survived", c)
			}
		}
	})
}

// The supervisor is killed, which leaves it no time to end anything.
func TestSupervisorKilled(t *testing.T) {
	both(t, func(t *testing.T) {
		for _, without := range []string{"", "namespaces", "namespaces,mounts"} {
			dir := outdoors(t)
			cmd := exec.Command(testBinary(t), dir, without)
			cmd.Args[0] = supervisorName
			var stderr strings.Builder
			cmd.Stderr = &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the daemons write: "+stderr.String(), func() bool {
				data, _ := os.ReadFile(filepath.Join(dir, "pids"))
				return strings.Count(string(data), "\n") == 4
			})
			cmd.Process.Kill()
			cmd.Wait()
			eventually(t, fmt.Sprintf("without %q: everything ends", without), func() bool { return !alive(t, dir) })
		}
	})
}

// supervisorName is argv[0] of the test binary where it is a supervisor that will be killed.
const supervisorName = "supervisor"

// supervise runs victimDaemon in a launch until it is killed.
func supervise(dir, without string) error {
	tmp, err := os.MkdirTemp(dir, "scratch")
	if err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(tmp, "tmp"), 0o700); err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	c := Cmd{
		Path: exe, Argv: []string{victimName, "daemon", dir, "wait"}, Env: []string{"PATH=/usr/bin:/bin"}, Dir: "/",
		Policy: Policy{Scratch: tmp, Rules: append(system(), Rule{exe, Read, ""}, Rule{dir, Read | Write, ""})},
	}
	for l := range strings.FieldsFuncSeq(without, func(r rune) bool { return r == ',' }) {
		c.Without = append(c.Without, Layer(l))
	}
	if err := c.Start(); err != nil {
		return err
	}
	if err := c.Go(); err != nil {
		return err
	}
	for range c.Events() {
	}
	return nil
}

// What cannot be executed is told by its errno, and what else fails is not called that.
func TestCannotExecute(t *testing.T) {
	both(t, func(t *testing.T) {
		dir := outdoors(t)
		mode := func(path string, mode os.FileMode) string {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
			return path
		}
		plain := mode(write(t, filepath.Join(dir, "plain"), "#!/bin/sh\n"), 0o644)
		orphan := mode(write(t, filepath.Join(dir, "orphan"), "#!/nonexistent/interpreter\n"), 0o755)
		text := mode(write(t, filepath.Join(dir, "text"), "echo\n"), 0o755)
		closed := mode(write(t, filepath.Join(t.TempDir(), "closed"), "#!/bin/sh\n"), 0o755)
		for _, c := range []struct {
			path string
			want syscall.Errno
			hint string
		}{
			{plain, syscall.EACCES, "is it executable"}, {orphan, syscall.ENOENT, "interpreter"}, {text, syscall.ENOEXEC, "#!"},
			{filepath.Join(dir, "missing"), syscall.ENOENT, ""}, {closed, syscall.ENOENT, ""}, {dir, syscall.EACCES, ""},
		} {
			l := command(c.path).allow(Read, dir)
			err := l.tryBegin(t)
			var exec *ExecError
			if !errors.As(err, &exec) || exec.Errno != c.want || exec.Path != c.path || !errors.Is(err, c.want) || !strings.Contains(exec.Hint(), c.hint) {
				t.Errorf("%s: %v (%+v), want %v", c.path, err, exec, c.want)
			}
		}
		for _, c := range []struct {
			change func(*launched)
			want   string
		}{
			{func(l *launched) { l.Dir = "/nonexistent" }, "directory /nonexistent: cannot be entered inside the sandbox: no such file or directory"},
			{func(l *launched) { l.Argv = []string{"a\x00b"} }, "command: an argument or a variable holds a NUL, which no program can be given"},
			{func(l *launched) { l.Policy.Rules = []Rule{{Path: "/\xff"}} }, `rule "/\xff": the path is not valid UTF-8`},
			{func(l *launched) { l.Policy.Rules = []Rule{{Path: ".."}} }, `rule "..": the path is not absolute`},
			{func(l *launched) { l.Policy.Scratch = "/nonexistent" }, "scratch directory /nonexistent: no such file or directory"},
		} {
			l := shell("true")
			c.change(l)
			var exec *ExecError
			if err := l.tryBegin(t); err == nil || !strings.Contains(err.Error(), c.want) || errors.As(err, &exec) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		}
	})
}

// A binary that its user may run but not read is not dumpable: its sockets may be out of the supervisor's reach. Then
// the connection is refused and told.
func TestUnreadableBinary(t *testing.T) {
	both(t, func(t *testing.T) {
		allowed := serve(t, "tcp4", "127.0.0.1:0")
		dir := outdoors(t)
		data, err := os.ReadFile(testBinary(t))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "unreadable")
		if err := os.WriteFile(path, data, 0o111); err != nil {
			t.Fatal(err)
		}
		l := victim(t, "connect", "127.0.0.1:"+allowed.port)
		l.Path = path
		l.allow(Read, dir)
		l.Policy.Net.Ports = []uint16{uint16(allowed.number())}
		got := verdicts(t, l.output(t))["connect 127.0.0.1:"+allowed.port]
		switch {
		case got == "ok" && len(l.Refused()) == 0:
		case got == "EACCES" && len(l.Refused()) == 1 && strings.Contains(l.Refused()[0].What, "cannot be reached"):
		default:
			t.Errorf("%s, refused %v", got, l.Refused())
		}
	})
}

// A launch inside a launch narrows: both policies hold, its command cannot stop its keeper, and it says that it is inside.
func TestNested(t *testing.T) {
	both(t, func(t *testing.T) {
		dir := outdoors(t)
		for _, d := range []string{"a", "b"} {
			if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		l := victim(t, "nested", filepath.Join(dir, "a"), filepath.Join(dir, "b")).allow(Read|Write, filepath.Join(dir, "a"), filepath.Join(dir, "b"))
		got := l.output(t)
		for _, want := range []string{"cannot create " + filepath.Join(dir, "a/a") + ": Permission denied", "done\n", "kill: Operation not permitted", "status 256\n",
			"namespaces is not enforced here (inside another launch): the launch around this one has it", "notifications is not enforced here"} {
			if !strings.Contains(got, want) {
				t.Errorf("no %q in %q", want, got)
			}
		}
		if _, err := os.Stat(filepath.Join(dir, "b/b")); err != nil {
			t.Error(err)
		}
	})
}

// Descriptors and processes of the supervisor are given back after each launch, also after one that failed.
func TestNothingIsLeftOpen(t *testing.T) {
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	round := func() {
		shell("true").run(t)
		if err := command("/nonexistent").tryBegin(t); err == nil {
			t.Fatal("no error")
		}
		l := shell("true")
		l.Policy.Scratch = "/nonexistent"
		if err := l.tryBegin(t); err == nil {
			t.Fatal("no error")
		}
	}
	round()
	before := count()
	for range 5 {
		round()
	}
	if after := count(); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
	// Stage two may be reaped a moment after the command's end was told.
	eventually(t, "every stage two is reaped", func() bool {
		return !slices.ContainsFunc(descendants(os.Getpid()), func(pid int) bool {
			data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			return err == nil && strings.Contains(string(data), "(exe)") // of /proc/self/exe
		})
	})
}
