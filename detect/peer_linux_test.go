package detect

import (
	"bufio"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// served starts a command line that runs the caller, and gives its
// connection and its number.
func served(t *testing.T, argv func(caller, socket string) []string) (*net.UnixConn, int) {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file, socket := filepath.Join(dir, callerName), filepath.Join(dir, "s")
	if err := os.Symlink(self, file); err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	words := argv(file, socket)
	cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
	cmd.Env = bareEnviron()
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	reaped := make(chan struct{})
	go func() { cmd.Wait(); close(reaped) }()
	if err := l.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	conn, err := l.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); <-reaped })
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if words[len(words)-1] == "end" {
		<-reaped
	}
	return conn, pid
}

// The kernel names the process, which is seen with its agent and with the
// marks that it was started with.
func TestPeer(t *testing.T) {
	f := newFixture(t)
	for _, c := range []struct {
		name, line, agent, why string
	}{
		{"nobody's", "CALLER; true", "", "no mark"},
		{"an agent's", f.shell(t, "claude") + " -c 'CALLER; true'; true", "claude", "is Claude Code"},
		{"an agent's, by its mark", "QWEN_CODE=1 CALLER; true", "qwen", "QWEN_CODE is set"},
		{"a launch's", "WARD=1 CALLER; true", "", "WARD is set"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, pid := served(t, func(caller, socket string) []string {
				return []string{"bash", "-c", strings.ReplaceAll(c.line, "CALLER", caller+" "+socket)}
			})
			p, err := PeerOf(conn)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			row, err := System().Process(pid)
			if err != nil || p.PID != pid || p.UID != os.Getuid() || p.Start != row.Start || p.pidfd < 0 {
				t.Errorf("peer %+v, want %+v, error %v", p, row, err)
			}
			got, err := p.Inspect()
			if err != nil || got.Agent != c.agent && !strings.Contains(c.why, "no mark") || !strings.Contains(got.Why, c.why) {
				t.Errorf("agent %q (%s), error %v; want %q (…%s…)", got.Agent, got.Why, err, c.agent, c.why)
			}
			conn.Close()
			ends(t, p)
		})
	}
}

// ends waits until Alive says that a process has ended.
func ends(t *testing.T, p *Peer) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if err := p.Alive(); err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("error %v, want one of fs.ErrNotExist", err)
			}
			return
		}
	}
	t.Error("it ended, and Alive says that it has not")
}

// A process that connected and ended is not looked for among those who may
// have its number now.
func TestPeerEnded(t *testing.T) {
	if asRoot(t) {
		return
	}
	conn, pid := served(t, func(caller, socket string) []string { return []string{caller, socket, "end"} })
	if p, err := PeerOf(conn); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("peer %+v, error %v: process %d has ended", p, err, pid)
	}
	reuse(t, pid)
	if p, err := PeerOf(conn); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("peer %+v, error %v: process %d is another one", p, err, pid)
	}
}

// A held process whose number was given away has ended, with a pidfd and
// without.
func TestHoldReuse(t *testing.T) {
	if asRoot(t) {
		return
	}
	for _, pidfd := range []bool{true, false} {
		first := sleeper(t)
		p, err := Hold(first.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if p.pidfd < 0 {
			t.Fatal("no pidfd")
		}
		if !pidfd { // as on a kernel that has none
			p.Close()
		}
		if err := p.Alive(); err != nil {
			t.Errorf("pidfd %v: %v, and it sleeps", pidfd, err)
		}
		first.Process.Kill()
		first.Wait()
		time.Sleep(30 * time.Millisecond) // start times are in ticks of 10 ms
		second := reuse(t, p.PID)
		if got, err := p.Inspect(); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("pidfd %v: %s, error %v: process %d is another one, which started at %d", pidfd, got.Why, err, p.PID, second.Start)
		}
		if err := p.Alive(); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("pidfd %v: error %v: process %d is another one", pidfd, err, p.PID)
		}
	}
}

// A notification names a thread: its process is what is held.
func TestHoldThread(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	tid := make(chan int)
	go func() {
		runtime.LockOSThread()
		tid <- unix.Gettid()
		tid <- 0
	}()
	p, err := Hold(<-tid)
	if err != nil {
		t.Fatal(err)
	}
	<-tid
	defer p.Close()
	if p.PID != os.Getpid() || p.UID != os.Getuid() || p.Alive() != nil {
		t.Errorf("%+v, want process %d", p, os.Getpid())
	}
	if _, err := Hold(1 << 30); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want fs.ErrNotExist", err)
	}
}

func sleeper(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sleep", "20")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// reuse has the kernel give a number again, to a process that it starts. The
// kernel counts up from ns_last_pid, which root may set, and others start
// processes too.
func reuse(t *testing.T, pid int) Process {
	t.Helper()
	const last = "/proc/sys/kernel/ns_last_pid"
	for range 200 {
		if err := os.WriteFile(last, []byte(strconv.Itoa(pid-1)), 0); err != nil {
			needs(t, "to write "+last+": "+err.Error())
		}
		got, err := syscall.ForkExec("/bin/sleep", []string{"sleep", "20"}, &syscall.ProcAttr{Files: []uintptr{0, 1, 2}})
		if err != nil {
			t.Fatal(err)
		}
		end := func() {
			syscall.Kill(got, syscall.SIGKILL)
			syscall.Wait4(got, nil, 0, nil)
		}
		if got != pid {
			end()
			continue
		}
		t.Cleanup(end)
		row, err := System().Process(pid)
		if err != nil {
			t.Fatal(err)
		}
		return row
	}
	t.Fatalf("number %d was not given again", pid)
	return Process{}
}
