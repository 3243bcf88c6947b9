package session

import (
	"bufio"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ward/detect"
	"ward/launcher/broker"
	"ward/secrets"
)

// askOwn asks from the test itself.
func askOwn(t *testing.T, s Info, name string, action detect.Action) error {
	t.Helper()
	c, err := Caller()
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(asking(name, action, c))
	if err != nil {
		t.Fatal(err)
	}
	value, err := askSecret(s.socket, broker.Get, body)
	value.Destroy()
	return err
}

func TestSession(t *testing.T) {
	world(t)
	values := map[string]string{"acme/a": "sk-" + rand.Text(), "acme/lines": "one\ntwo\n\n", "acme/empty": ""}
	s := open(t, time.Minute, bound(t, os.Getpid()), values)
	if s.Prefix != "acme" || fmt.Sprint(s.Names) != "[acme/a acme/empty acme/lines]" || s.socket == "" {
		t.Errorf("the session tells %+v", s)
	}
	for name, value := range values {
		c, err := Caller()
		if err != nil {
			t.Fatal(err)
		}
		got, err := Get(name, detect.Get, c)
		if err != nil {
			t.Errorf("get %s: %v", name, err)
			continue
		}
		got.Use(func(v []byte) error {
			if string(v) != value {
				t.Errorf("get %s gives another value", name)
			}
			return nil
		})
		got.Destroy()
	}
	// From below, however deep.
	for _, args := range [][]string{{"get"}, {"run", "get"}, {"run", "run", "run", "get"}} {
		if got := said(t, helper(t, append(args, "acme/a", "get")...)); got != "value: "+values["acme/a"] {
			t.Errorf("%q says %q", args, got)
		}
	}
	if got := said(t, helper(t, "get", "acme/other", "get")); got != "error: "+ErrNone.Error() {
		t.Errorf("a name that it does not have: %q", got)
	}
}

// TestSessionEnds: by each of its ends the process is gone, and its socket with it.
func TestSessionEnds(t *testing.T) {
	for what, c := range map[string]struct {
		last time.Duration
		end  func(t *testing.T, s Info, leader *exec.Cmd)
		left bool // its socket
	}{
		"time is over": {last: Shortest, end: func(*testing.T, Info, *exec.Cmd) {}},
		"lock": {last: time.Minute, end: func(t *testing.T, s Info, _ *exec.Cmd) {
			c, err := Caller()
			if err != nil {
				t.Fatal(err)
			}
			if ended, err := End(c, false); len(ended) > 0 || err != nil {
				t.Errorf("lock in another terminal ends %v, %v", ended, err)
			}
			if ended, err := End(c, true); len(ended) != 1 || ended[0].Prefix != "acme" || err != nil {
				t.Errorf("lock of all ends %v, %v", ended, err)
			}
		}},
		"its process ends": {last: time.Minute, end: func(_ *testing.T, _ Info, leader *exec.Cmd) { leader.Process.Kill() }},
		"SIGTERM":          {last: time.Minute, end: func(_ *testing.T, s Info, _ *exec.Cmd) { unix.Kill(s.PID, unix.SIGTERM) }},
		"SIGKILL":          {last: time.Minute, end: func(_ *testing.T, s Info, _ *exec.Cmd) { unix.Kill(s.PID, unix.SIGKILL) }, left: true},
	} {
		t.Run(what, func(t *testing.T) {
			world(t)
			leader, at := background(t, "sleep")
			s := open(t, c.last, at, map[string]string{"acme/a": "sk-" + rand.Text()})
			if !running(s.PID) {
				t.Fatal("it does not run")
			}
			c.end(t, s, leader)
			until(t, "it ends", func() bool { return !running(s.PID) })
			if !gone(s.socket) != c.left {
				t.Errorf("its socket is left: %v, want %v", !c.left, c.left)
			}
			// The first of its threads may have ended before the others, which hold the socket as long.
			until(t, "it is not listed, and its socket is gone", func() bool { return len(list(t)) == 0 && gone(s.socket) })
		})
	}
}

// A session whose process has ended already, or is another one of the same number, never answers.
func TestSessionWrongProcess(t *testing.T) {
	world(t)
	own := bound(t, os.Getpid())
	values := map[string]*secrets.Buffer{"acme/a": buffer(t, "sk-"+rand.Text())}
	for what, at := range map[string]Bound{"earlier": {own.PID, own.Start - 1}, "later": {own.PID, own.Start + 1}, "nobody": {1 << 22, 1}} {
		info, err := Open("acme", time.Minute, at, values)
		if err != nil {
			continue
		}
		end(t, info.PID)
		until(t, what+": it ends", func() bool { return !running(info.PID) })
	}
	if own.above([]detect.Process{{PID: own.PID, Start: own.Start + 1}}) || !own.above([]detect.Process{{PID: 1}, {PID: own.PID, Start: own.Start}}) {
		t.Error("the start time does not count")
	}
}

// TestSessionOther: whoever is not below its process gets nothing, nor does another user.
func TestSessionOther(t *testing.T) {
	runtime := world(t)
	_, at := background(t, "sleep")
	value := "sk-" + rand.Text()
	s := open(t, time.Minute, at, map[string]string{"acme/a": value})
	if err := askOwn(t, s, "acme/a", detect.Get); err == nil || !strings.Contains(err.Error(), "opened in another terminal") {
		t.Errorf("asked from above: %v", err)
	}
	if got := said(t, helper(t, "get", "acme/a", "get")); got != "error: "+ErrNone.Error() {
		t.Errorf("asked from beside: %q", got)
	}
	if os.Getuid() != 0 {
		needs(t, "root, to be another user")
	}
	mine := open(t, time.Minute, bound(t, os.Getpid()), map[string]string{"acme/b": value})
	if got := said(t, asUser(t, helper(t, "raw", mine.socket, "acme/b", "get", ""), 1000)); strings.Contains(got, value) || !strings.Contains(got, "permission denied") {
		t.Errorf("asked by another user: %q", got)
	}
	// Even where the directory is open, by a mistake of somebody's.
	for dir := filepath.Dir(mine.socket); len(dir) >= len(filepath.Dir(filepath.Dir(runtime))); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(mine.socket, 0o777); err != nil {
		t.Fatal(err)
	}
	if got := said(t, asUser(t, helper(t, "raw", mine.socket, "acme/b", "get", ""), 1000)); got != "error: session: of another user" {
		t.Errorf("asked by another user where the directory is open: %q", got)
	}
}

// TestSessionProgram: another program than ward gets nothing, wherever it is.
func TestSessionProgram(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		needs(t, "python3")
	}
	world(t)
	value := "sk-" + rand.Text()
	s := open(t, time.Minute, bound(t, os.Getpid()), map[string]string{"acme/a": value})
	body := `{"Name":"acme/a","Action":"get"}`
	cmd := exec.CommandContext(t.Context(), python, "-c", `
import socket, struct, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
b = sys.argv[2].encode()
s.sendall(s.recv(16) + b"ward\x01g" + struct.pack(">I", len(b)) + b)
print(s.recv(4096)[5:].decode())`, s.socket, body)
	if got := said(t, cmd); strings.Contains(got, value) || !strings.Contains(got, "not the ward that made this") {
		t.Errorf("python is answered %q", got)
	}
}

// TestSessionAgent: an agent gets what the table allows, and cannot pass for a person.
func TestSessionAgent(t *testing.T) {
	world(t)
	value := "sk-" + rand.Text()
	s := open(t, time.Minute, bound(t, os.Getpid()), map[string]string{"acme/a": value})
	data, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	codex := filepath.Join(t.TempDir(), "codex")
	if err := os.WriteFile(codex, data, 0o755); err != nil {
		t.Fatal(err)
	}
	under := func(args ...string) string {
		cmd := helper(t, append([]string{"run"}, args...)...)
		cmd.Path = codex
		return said(t, cmd)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"get", "acme/a", "get"}, "value: " + value},
		{[]string{"get", "acme/a", "run --env-credential"}, "value: " + value},
		{[]string{"get", "acme/a", "get --raw"}, "error: get --raw: refused to Codex"},
		{[]string{"get", "acme/a", "load"}, "error: load: refused to Codex"},
		{[]string{"get", "acme/a", "no such action"}, "error: no such action: refused to Codex"},
		{[]string{"raw", s.socket, "acme/a", "get", ""}, "error: caller: claims to be a person"},
		{[]string{"raw", s.socket, "acme/a", "get", "claude"}, "error: caller: claims to be Claude Code"},
		{[]string{"raw", s.socket, "acme/a", "get", "codex"}, "value: " + value},
	} {
		if got := under(c.args...); !strings.HasPrefix(got, c.want) || c.want[0] == 'e' && strings.Contains(got, value) {
			t.Errorf("under an agent, %q: %q, want %q", c.args, got, c.want)
		}
	}
	if got := said(t, helper(t, "get", "acme/a", "get --raw")); got != "value: "+value {
		t.Errorf("a person gets %q", got)
	}
}

// TestSessionHidden: what other processes see of it holds nothing.
func TestSessionHidden(t *testing.T) {
	world(t)
	t.Setenv("SESSION_TEST_SECRET", "sk-"+rand.Text())
	value := "sk-" + rand.Text()
	s := open(t, time.Minute, bound(t, os.Getpid()), map[string]string{"acme/a": value})
	proc := "/proc/" + strconv.Itoa(s.PID) + "/"
	read := func(name string) string {
		data, err := os.ReadFile(proc + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	if got := read("cmdline"); got != keeperName+"\x00" {
		t.Errorf("its command line is %q", got)
	}
	if !strings.Contains(read("limits"), "Max core file size        0                    0") {
		t.Errorf("its limits are\n%s", read("limits"))
	}
	if sid, err := unix.Getsid(s.PID); err != nil || sid != s.PID {
		t.Errorf("it is in session %d, want one of its own: %v", sid, err)
	}
	if os.Getuid() != 0 {
		needs(t, "root, who alone reads a process that is not dumpable")
	}
	if got := read("environ"); got != "" {
		t.Errorf("its environment has %d bytes", len(got))
	}
	if found := inMemory(t, s.PID, value); found {
		t.Error("the value is in its memory where another process reads it")
	}
	// The proof that the search finds what is there.
	if found := inMemory(t, os.Getpid(), value); !found {
		t.Error("the value is not found in the test's own memory")
	}
}

// TestSessionUndumpable: of an ordinary user's session the files in /proc are root's, so that no other process of that
// user looks into it (proc_pid(5)).
func TestSessionUndumpable(t *testing.T) {
	if os.Getuid() != 0 {
		needs(t, "root, to be another user")
	}
	dir := filepath.Dir(world(t))
	const uid = 1000
	for at := dir; at != os.TempDir() && at != "/"; at = filepath.Dir(at) {
		if err := os.Chmod(at, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(os.Getenv("XDG_RUNTIME_DIR"), uid, uid); err != nil {
		t.Fatal(err)
	}
	cmd := asUser(t, helper(t, "hold"), uid)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	line, _ := bufio.NewReader(out).ReadString('\n')
	pid, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(line), " <nil>"))
	if err != nil {
		t.Fatalf("the session of user %d: %q", uid, line)
	}
	var kept, holder unix.Stat_t
	if err := errors.Join(unix.Stat(fmt.Sprintf("/proc/%d/environ", pid), &kept), unix.Stat(fmt.Sprintf("/proc/%d/environ", cmd.Process.Pid), &holder)); err != nil {
		t.Fatal(err)
	}
	if kept.Uid != 0 || holder.Uid != uid {
		t.Errorf("the files of the session belong to %d, want 0; those of who asked for it to %d, want %d", kept.Uid, holder.Uid, uid)
	}
	cmd.Process.Kill()
	until(t, "the session ends with its process", func() bool { return !running(pid) })
}

// inMemory searches everything that can be read of a process.
func inMemory(t *testing.T, pid int, value string) (found bool) {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	pages := 0
	for line := range strings.Lines(string(maps)) {
		var from, to uint64
		if _, err := fmt.Sscanf(line, "%x-%x", &from, &to); err != nil || to-from > 256<<20 {
			continue
		}
		page := make([]byte, 1<<20)
		for at := from; at < to; at += uint64(len(page)) {
			n, _ := mem.ReadAt(page[:min(uint64(len(page)), to-at)], int64(at))
			pages += n / 4096
			found = found || strings.Contains(string(page[:n]), value)
		}
	}
	if pages < 100 {
		t.Fatalf("only %d pages of process %d could be read", pages, pid)
	}
	return found
}

// TestSessionReuse: the number of the terminal's process is given to another while the session cannot look. What is
// below the other one gets nothing.
func TestSessionReuse(t *testing.T) {
	const last = "/proc/sys/kernel/ns_last_pid"
	if f, err := os.OpenFile(last, os.O_WRONLY, 0); err != nil || os.Getuid() != 0 {
		needs(t, "root and "+last)
	} else {
		f.Close()
	}
	world(t)
	value := "sk-" + rand.Text()
	leader, at := background(t, "sleep")
	s := open(t, time.Minute, at, map[string]string{"acme/a": value})
	if err := unix.Kill(s.PID, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	leader.Process.Kill()
	leader.Wait()
	time.Sleep(20 * time.Millisecond) // start times are told in hundredths of a second
	for try := 0; ; try++ {
		if try == 1000 {
			t.Fatalf("process number %d was never free at the right moment", at.PID)
		}
		if err := os.WriteFile(last, []byte(strconv.Itoa(at.PID-1)), 0); err != nil {
			t.Fatal(err)
		}
		other := helper(t, "run", "raw", s.socket, "acme/a", "get", "")
		var out strings.Builder
		other.Stdout = &out
		if err := other.Start(); err != nil {
			t.Fatal(err)
		}
		if other.Process.Pid != at.PID {
			other.Process.Signal(syscall.SIGKILL)
			other.Wait()
			continue
		}
		now := bound(t, at.PID)
		time.Sleep(300 * time.Millisecond) // so that its question waits when the session wakes
		unix.Kill(s.PID, unix.SIGCONT)
		other.Wait()
		if now.Start == at.Start {
			t.Fatalf("process %d began twice at %d: the test did not wait for the clock", at.PID, at.Start)
		}
		if !strings.HasPrefix(out.String(), "error:") || strings.Contains(out.String(), value) {
			t.Errorf("process %d, the second of its number, is answered %q", now.PID, out.String())
		}
		until(t, "the session ends", func() bool { return !running(s.PID) })
		return
	}
}
