package detect

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// asRoot says true if the test has run: as an ordinary user it runs again, as
// root of namespaces of its own.
func asRoot(t *testing.T) bool {
	t.Helper()
	if os.Getuid() == 0 {
		return false
	}
	argv := []string{needsProgram(t, "unshare"), "-Urpf", "--mount-proc"}
	if out, err := exec.CommandContext(t.Context(), argv[0], append(argv[1:], "true")...).CombinedOutput(); err != nil {
		needs(t, fmt.Sprintf("root, or namespaces for users: %v: %s", err, out))
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), argv[0], append(argv[1:], self, "-test.run=^"+t.Name()+"$", "-test.count=1", "-test.v")...)
	cmd.Env = append(os.Environ(), "WARD_NO_SKIP=1")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("as root of its own namespaces: %v\n%s", err, out)
	}
	return true
}

// TestTerminal opens real terminals above and below an agent.
func TestTerminal(t *testing.T) {
	for _, c := range []struct {
		name string
		line string // AGENT is a program called claude, PROBE a command line
		want bool
	}{
		{"a person's shell started the agent", `script -qec "AGENT -c 'PROBE; true'; true" /dev/null`, false},
		{"the terminal was opened for the agent", `script -qec "exec AGENT -c 'PROBE; true'" /dev/null`, false},
		{"the agent opened it", `AGENT -c 'script -qec "PROBE; true" /dev/null; true'`, true},
		{"the agent opened it, within a person's", `script -qec "AGENT -c 'script -qec \"PROBE; true\" /dev/null; true'; true" /dev/null`, true},
		{"a shell without a terminal", `script -qec "AGENT -c 'setsid -w PROBE; true'; true" /dev/null`, false},
		{"no agent", `script -qec "PROBE; true" /dev/null`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, tool := range []string{"script", "setsid"} {
				needsProgram(t, tool)
			}
			f := newFixture(t)
			line := strings.NewReplacer("AGENT", f.shell(t, "claude"), "PROBE", f.look()).Replace(c.line)
			s := f.run(t, "bash", "-c", line+"; true")
			if s.Tree.OwnTerminal != c.want {
				for _, p := range s.Tree.Chain {
					t.Logf("%d %s session %d terminal %v", p.PID, p.Exe, p.Session, p.Terminal)
				}
				t.Errorf("own terminal %v, want %v (%s)", s.Tree.OwnTerminal, c.want, s.Tree.Why)
			}
		})
	}
}

// TestNamespace looks from inside a process namespace, where the tree ends.
func TestNamespace(t *testing.T) {
	if asRoot(t) {
		return
	}
	for _, tool := range []string{"unshare", "nsenter"} {
		needsProgram(t, tool)
	}
	for _, c := range []struct {
		name, line, want string
		depth            int
	}{
		{"the agent within", `unshare -pf --mount-proc AGENT -c 'PROBE; true'; true`, "claude", 2},
		{"the agent outside, which is not seen", `AGENT -c "unshare -pf --mount-proc bash -c 'PROBE; true'; true"`, "", 2},
		{"the agent outside, which put a process into it", `AGENT -c 'unshare -pf --mount-proc sleep 9 & sleep 0.3
			in=$(cat /proc/$!/task/$!/children); nsenter -p -m -t $in PROBE; kill -9 $in; wait'`, "", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t)
			line := strings.NewReplacer("AGENT", f.shell(t, "claude"), "PROBE", f.look()).Replace(c.line)
			s := f.run(t, "bash", "-c", line)
			if s.Tree.Agent != c.want {
				t.Errorf("agent %q, want %q (%s)", s.Tree.Agent, c.want, s.Tree.Why)
			}
			if first := s.Tree.Chain[len(s.Tree.Chain)-1]; len(s.Tree.Chain) != c.depth || first.PPID != 0 {
				t.Errorf("%d processes, the first is the child of %d; want %d, and the child of nobody", len(s.Tree.Chain), first.PPID, c.depth)
			}
		})
	}
}

// TestOtherUser looks from an ordinary user's process at parents of root.
func TestOtherUser(t *testing.T) {
	if os.Getuid() != 0 {
		needs(t, "root, which can be two users")
	}
	for _, tool := range []string{"setpriv", "unshare", "mount"} {
		needsProgram(t, tool)
	}
	as := "setpriv --reuid 1000 --regid 1000 --clear-groups "
	for _, c := range []struct {
		name, line, agent, why string
	}{
		// The link to the file is closed, the command line is not.
		{"root's agent", `AGENT -c '` + as + `PROBE; true'`, "claude", "is Claude Code (/"},
		{"root's editor", `vim -N -u NONE -es -c '!` + as + `PROBE' -c 'q!' claude`, "", "no agent among "},
		{"hidepid", `unshare -pfm --mount-proc bash -c "mount -o remount,hidepid=2 /proc && AGENT -c '` + as + `PROBE; true'; true"`,
			"", "has ended or is hidden"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t)
			open := filepath.Join(f.dir, "open")
			// The probe runs as somebody else: let him in, and let him write.
			for dir := f.dir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
				if err := os.Chmod(dir, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Mkdir(open, 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(open, 0o777); err != nil {
				t.Fatal(err)
			}
			f.out = filepath.Join(open, "sight")
			f.copyProbe(t)
			line := strings.NewReplacer("AGENT", f.shell(t, "claude"), "PROBE", f.look()).Replace(c.line)
			s := f.run(t, "bash", "-c", line+"; true")
			if s.Tree.Agent != c.agent || !strings.Contains(s.Tree.Why, c.why) {
				t.Errorf("agent %q (%s), want %q (…%s…)", s.Tree.Agent, s.Tree.Why, c.agent, c.why)
			}
			if s.Tree.Chain[0].UID != 1000 {
				t.Fatalf("the probe ran as %d", s.Tree.Chain[0].UID)
			}
		})
	}
}

// copyProbe has the fixture use a probe that others may run: go keeps test
// binaries to their owner.
func (f *fixture) copyProbe(t *testing.T) {
	t.Helper()
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	f.probe = prober{f.write(t, filepath.Join("copy", probeName), string(self), 0o755)}
}

// TestProcessSystem reads processes of this machine.
func TestProcessSystem(t *testing.T) {
	self, err := System().Process(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if self.PID != os.Getpid() || self.PPID != os.Getppid() || self.Exe != exe || self.UID != os.Getuid() ||
		fmt.Sprint(self.Argv) != fmt.Sprint(os.Args) || self.Start == 0 {
		t.Errorf("this process is %+v", self)
	}
	for _, pid := range []int{0, -1, 1 << 30} {
		if p, err := System().Process(pid); err == nil {
			t.Errorf("process %d is %+v, want an error", pid, p)
		}
	}
	if kernel, err := System().Process(2); err == nil && kernel.Name == "kthreadd" && (kernel.Exe != "" || kernel.Argv != nil) {
		t.Errorf("the kernel's thread is %+v", kernel)
	}
}

// Processes come and go while they are looked at: what is read is of the one
// that was asked for, or it is an error that says that it is gone.
func TestProcessRaces(t *testing.T) {
	stop := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if err := exec.Command("sh", "-c", "true & true & wait").Run(); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	read, gone := 0, 0
	for deadline := time.Now().Add(500 * time.Millisecond); time.Now().Before(deadline); {
		entries, err := os.ReadDir("/proc")
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			pid, err := strconv.Atoi(e.Name())
			if err != nil {
				continue
			}
			switch p, err := System().Process(pid); {
			case err == nil && p.PID == pid:
				read++
			case errors.Is(err, fs.ErrNotExist):
				gone++
			default:
				t.Fatalf("process %d: %v, error %v", pid, p, err)
			}
		}
	}
	close(stop)
	all.Wait()
	if read == 0 {
		t.Error("nothing was read")
	}
	t.Logf("%d rows, and %d processes that went", read, gone)
}
