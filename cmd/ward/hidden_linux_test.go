package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// ordinary is a person who is not root, whom the kernel refuses nothing here.
func ordinary(t *testing.T) *person {
	t.Helper()
	uid := os.Getuid()
	if uid == 0 {
		uid = agentUser
	}
	return newPerson(t, uid, agentWard(t))
}

// opens says whether the same user may open a file of a process.
func (p *person) opens(t *testing.T, pid int, file string) bool {
	t.Helper()
	return end(t, p.command(t, "sh", "-c", fmt.Sprintf(": < /proc/%d/%s", pid, file))).code == 0
}

// TestHidden: while a command has a value, or waits for one, the same user cannot read its memory, and no core file
// comes of its end.
func TestHidden(t *testing.T) {
	if os.Getuid() != 0 {
		agentNeeds(t, "root, who alone sees what a process that is not dumpable waits for")
	}
	p := ordinary(t)
	p.vault()
	p.env = append(p.env, "GOTRACEBACK=crash")
	plain := p.command(t, "sleep", "60")
	if err := plain.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "what does not hide can be read", func() bool { return p.opens(t, plain.Process.Pid, "environ") })
	plain.Process.Kill()
	plain.Wait()
	for _, args := range [][]string{
		{"guard", "filter"}, {"guard", "hook"}, {"set", "acme/BIG", "--stdin"},
		{"get", "acme/BIG", "--raw"}, {"load", "acme"}, {"bundle", "deploy"}, {"export", "acme"}, {"rotate", "acme/BIG", "--stdin"},
	} {
		if args[0] == "get" { // more than a pipe takes
			p.store(t, "acme/BIG", strings.Repeat(secretValue(), 8000), "--bundle", "deploy")
		}
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			cmd := p.command(t, append([]string{"sh", "-c", `ulimit -c unlimited; exec "$@"`, "sh", p.ward}, args...)...)
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			blocked(t, cmd, out.(*os.File))
			for _, file := range []string{"environ", "mem"} {
				if p.opens(t, cmd.Process.Pid, file) {
					t.Errorf("the same user may read its %s", file)
				}
			}
			cmd.Process.Signal(syscall.SIGABRT)
			cmd.Wait()
			if status := cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.CoreDump() {
				t.Errorf("it ended with %v, want a signal and no core file", cmd.ProcessState)
			}
			if cores, _ := filepath.Glob(filepath.Join(p.project, "core*")); len(cores) > 0 {
				t.Errorf("it left %v", cores)
			}
		})
	}
}

// blocked waits until ward cannot go on: its output is full, or it waits for its input.
func blocked(t *testing.T, cmd *exec.Cmd, out *os.File) {
	t.Helper()
	until(t, "ward writes, or reads", func() bool {
		if n, err := unix.IoctlGetInt(int(out.Fd()), unix.TIOCINQ); err == nil && n > 32<<10 {
			return true
		}
		// read(2) of descriptor 0; the registers follow.
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", cmd.Process.Pid))
		for _, task := range tasks {
			if call, err := os.ReadFile(task); err == nil && strings.HasPrefix(string(call), fmt.Sprintf("%d 0x0 ", unix.SYS_READ)) {
				return true
			}
		}
		return false
	})
}

// TestFilterOversized: what is too large to be fingerprinted is said, and nobody waits for it.
func TestFilterOversized(t *testing.T) {
	p := one(t)
	p.vault()
	p.store(t, "acme/BIG", strings.Repeat(secretValue(), 8000))
	o := end(t, p.command(t, p.ward, "guard", "filter"))
	if o.code != 1 || !strings.Contains(o.stderr, "acme/BIG is too large to be looked for") {
		t.Errorf("%+v", o)
	}
	p.store(t, "LARGE", strings.Repeat(secretValue(), 1500))
	o = end(t, p.run(t, "--env-credential", "LARGE", "--", "echo", "started"))
	if o.code != 125 || !strings.Contains(o.stderr, "LARGE is too large to be looked for") || !strings.Contains(o.stderr, "guard.exempt") || o.stdout != "" {
		t.Errorf("%+v", o)
	}
}
