package main_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"ward/guard"
)

// person is somebody who starts ward: a user with a clean home and a project in it. Root and an ordinary user take
// different ways through the kernel (user namespace, capabilities), so most tests are done by both.
type person struct {
	uid           int
	home, project string
	ward          string   // the binary
	env           []string // beyond the basic environment
}

// asEach runs test as whoever runs the tests and, if that is root, as an ordinary user too. The test itself stays
// root and may look into what it started.
func asEach(t *testing.T, test func(t *testing.T, p *person)) {
	t.Helper()
	ward := agentWard(t)
	uids := []int{os.Getuid()}
	if os.Getuid() == 0 {
		uids = append(uids, agentUser)
	}
	for _, uid := range uids {
		t.Run(fmt.Sprint("uid ", uid), func(t *testing.T) { test(t, newPerson(t, uid, ward)) })
	}
}

// one is a person for tests that the way through the kernel does not change.
func one(t *testing.T) *person {
	t.Helper()
	return newPerson(t, os.Getuid(), agentWard(t))
}

func newPerson(t *testing.T, uid int, ward string) *person {
	t.Helper()
	home := filepath.Join(agentDir(t), "home")
	p := &person{uid: uid, home: home, project: filepath.Join(home, "project"), ward: ward}
	for _, dir := range []string{p.home, p.project} {
		if err := errors.Join(os.Mkdir(dir, 0o755), os.Chown(dir, uid, uid)); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// write puts a file into the project.
func (p *person) write(t *testing.T, name string, content []byte, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(p.project, name)
	if err := errors.Join(os.WriteFile(path, content, mode), os.Chmod(path, mode), os.Chown(path, p.uid, p.uid)); err != nil {
		t.Fatal(err)
	}
	return path
}

// read gives a file of the project, or "" if it is not there.
func (p *person) read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(p.project, name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(data)
}

// patience bounds every wait for something that takes milliseconds when the machine is idle.
const patience = 20 * time.Second

// command is a program in the project, in a process group of its own that is ended with the test. Nothing of the
// test's environment is in it.
func (p *person) command(t *testing.T, argv ...string) *exec.Cmd {
	t.Helper()
	if path, err := exec.LookPath("/usr/bin/" + argv[0]); err == nil { // not what the test's own PATH has in front
		argv[0] = path
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	cmd.Dir = p.project
	cmd.Env = append([]string{
		"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + p.home, "TERM=xterm", "LANG=C.UTF-8", "SHELL=/bin/bash",
	}, p.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if p.uid != os.Getuid() {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(p.uid), Gid: uint32(p.uid)}
	}
	return cmd
}

// run is `ward run` with the project open.
func (p *person) run(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	return p.command(t, append([]string{p.ward, "run", "--allow-cwd"}, args...)...)
}

// outcome is what a command with pipes left behind.
type outcome struct {
	stdout, stderr string
	code           int // -1: ended by a signal
}

// end runs a command to its end.
func end(t *testing.T, cmd *exec.Cmd) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if cmd.Stdout == nil {
		cmd.Stdout = &stdout
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &stderr
	}
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return outcome{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// until waits for a condition that another process makes true.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for limit := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// secretValue is a random value of 40 bytes, in capitals and small letters, in which no half is a word of anything else.
func secretValue() string {
	return markable(func() string { return "sk-7" + alphanumeric(36) })
}

// markable is the first of random values that the guard can know by marks: of this length one in some thousand has none.
func markable(value func() string) string {
	for {
		if v := value(); guard.MakeMarks(guard.Key{}, []byte(v)) != nil {
			return v
		}
	}
}

// needs ends a test that this machine cannot run, by name.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, name := range programs {
		if _, err := exec.LookPath(name); err != nil {
			agentNeeds(t, name)
		}
	}
}

// wantText compares two texts.
func wantText(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s =\n%q\nwant\n%q", what, got, want)
	}
}
