package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// victimName is argv[0] of the test binary where it is the confined command.
const victimName = "victim"

// TestMain lets the test binary be five things: the tests, stage two of the launches that they make, the command that
// is confined, a supervisor that is killed, and a process around a launch that refuses it parts of the kernel.
func TestMain(m *testing.M) {
	Enter()
	if os.Args[0] == victimName {
		victims()[os.Args[1]](os.Args[2:])
		os.Exit(0)
	}
	if os.Args[0] == supervisorName {
		if err := supervise(os.Args[1], os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	if os.Args[0] == wrapperName {
		os.Exit(wrap(os.Args[1:]))
	}
	code := m.Run()
	if installed != "" {
		os.RemoveAll(filepath.Dir(installed))
	}
	os.Exit(code)
}

// needs ends a test that this machine cannot run: by name, so that a reader sees what was not tested. With WARD_NO_SKIP=1
// it is a failure.
func needs(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("WARD_NO_SKIP") == "1" {
		t.Fatal("needs " + what)
	}
	t.Skip("needs " + what)
}

func needsProgram(t testing.TB, name string) string {
	t.Helper()
	for _, dir := range []string{"/usr/bin", "/bin", "/usr/sbin", "/sbin"} { // inside the rules of system
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
			return path
		}
	}
	needs(t, name)
	return ""
}

// installed is a copy of the test binary where every user can start it; `go test` builds in a directory of its own user.
var installed string

func testBinary(t testing.TB) string {
	t.Helper()
	if installed == "" && filepath.Base(os.Args[0]) == victimName {
		return os.Args[0] // this process is that copy
	}
	if installed != "" {
		return installed
	}
	dir, err := os.MkdirTemp("", "ward-sandbox-test-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, victimName)
	if err := os.WriteFile(path, data, 0o755); err != nil {
		t.Fatal(err)
	}
	installed = path
	return path
}

// ordinary is the user that tests of a root process are run as once more.
const ordinary = 1000

// both runs a test as root and as an ordinary user, if the process is root, else as the user that it is.
func both(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Run("user", f)
		return
	}
	t.Run("root", f)
	t.Run("user", func(t *testing.T) {
		home, tmp := userDir(t, outdoors(t)), userDir(t, "")
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, testBinary(t), "-test.v", "-test.count=1", fmt.Sprintf("-test.short=%v", testing.Short()), "-test.run=^"+strings.Split(t.Name(), "/")[0]+"$")
		cmd.Dir, cmd.WaitDelay = home, time.Second
		cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + home, "TMPDIR=" + tmp, "WARD_NO_SKIP=" + os.Getenv("WARD_NO_SKIP")}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: ordinary, Gid: ordinary}}
		out, err := cmd.CombinedOutput()
		switch {
		case err != nil:
			t.Errorf("as user %d: %v\n%s", ordinary, err, out)
		case bytes.Contains(out, []byte("--- SKIP")):
			t.Skipf("as user %d:\n%s", ordinary, out)
		case !bytes.Contains(out, []byte("/user")):
			t.Errorf("as user %d: no test ran\n%s", ordinary, out)
		}
	})
}

// userDir is a directory of the ordinary user in a place that it can reach.
func userDir(t testing.TB, base string) string {
	t.Helper()
	dir, err := os.MkdirTemp(base, "ward-sandbox-user-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chown(dir, ordinary, ordinary); err != nil {
		t.Fatal(err)
	}
	return dir
}

// launched is one confined command of a test.
type launched struct {
	Cmd
	out, err bytes.Buffer
	finish   func()
}

// system are the rules under which a shell runs.
func system() []Rule {
	return []Rule{
		{"/usr", Read, "system"}, {"/bin", Read, "system"}, {"/sbin", Read, "system"}, {"/lib", Read, "system"},
		{"/lib64", Read, "system"}, {"/etc", Read, "system"}, {"/proc", Read, "system"}, {"/sys", Read, "system"},
		{"/dev/null", Read | Write, "device"}, {"/dev/zero", Read, "device"}, {"/dev/urandom", Read, "device"},
		{"/dev/tty", Read | Write | Device, "device"},
	}
}

// scratch makes the directory of a launch as the launcher does.
func scratch(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for name, mode := range map[string]fs.FileMode{"tmp": 0o777 | fs.ModeSticky, "void.d": 0o555} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "void.f"), nil, 0o444); err != nil {
		t.Fatal(err)
	}
	return dir
}

// command is a launch of a program with arguments under the rules of system.
func command(path string, args ...string) *launched {
	return &launched{Cmd: Cmd{
		Path: path, Argv: append([]string{filepath.Base(path)}, args...), Env: []string{"PATH=/usr/bin:/bin", "HOME=/nonexistent", "LC_ALL=C.UTF-8"},
		Dir: "/", Policy: Policy{Rules: system()},
	}}
}

func shell(script string) *launched { return command("/bin/sh", "-c", script) }

// victim is a launch of one of this binary's own victims.
func victim(t testing.TB, name string, args ...string) *launched {
	t.Helper()
	l := command(testBinary(t))
	l.Argv = append([]string{victimName, name}, args...)
	l.Policy.Rules = append(l.Policy.Rules, Rule{l.Path, Read, "the victim"})
	return l
}

func (l *launched) allow(access Access, paths ...string) *launched {
	for _, p := range paths {
		l.Policy.Rules = append(l.Policy.Rules, Rule{p, access, "test"})
	}
	return l
}

// prepare gives the command its pipes.
func (l *launched) prepare(t testing.TB) {
	t.Helper()
	if l.Policy.Scratch == "" {
		l.Policy.Scratch = scratch(t)
	}
	var readers []chan struct{}
	var writers []*os.File
	for i, b := range []*bytes.Buffer{&l.out, &l.err} {
		if l.Stdio[i+1] != nil {
			continue
		}
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		l.Stdio[i+1] = w
		writers = append(writers, w)
		done := make(chan struct{})
		readers = append(readers, done)
		go func() { io.Copy(b, r); r.Close(); close(done) }()
	}
	l.finish = func() {
		for _, w := range writers {
			w.Close()
		}
		for _, d := range readers {
			<-d
		}
	}
}

// begin starts the command; the test has to call end.
func (l *launched) begin(t testing.TB) {
	t.Helper()
	if err := l.tryBegin(t); err != nil {
		t.Fatalf("launch: %v", err)
	}
}

func (l *launched) tryBegin(t testing.TB) error {
	t.Helper()
	l.prepare(t)
	err := l.Start()
	if err == nil {
		err = l.Go()
	}
	if err != nil {
		l.finish()
	}
	return err
}

// end waits for the command.
func (l *launched) end(t testing.TB) syscall.WaitStatus {
	t.Helper()
	status, lost := l.last()
	if lost != nil {
		t.Fatalf("lost: %v\n%s%s", lost, l.out.String(), l.err.String())
	}
	return status
}

// last gives how the command ended. One that does not, within the longest time that a test takes, is ended.
func (l *launched) last() (status syscall.WaitStatus, lost error) {
	defer time.AfterFunc(45*time.Second, l.Kill).Stop()
	for e := range l.Events() {
		if e.Exited != nil {
			status = *e.Exited
		}
		lost = e.Lost
	}
	l.finish()
	l.Close()
	return status, lost
}

// run starts the command and waits for it.
func (l *launched) run(t testing.TB) syscall.WaitStatus {
	t.Helper()
	l.begin(t)
	return l.end(t)
}

// output runs the command, which must succeed.
func (l *launched) output(t testing.TB) string {
	t.Helper()
	if status := l.run(t); status != 0 {
		t.Fatalf("%s: %s\n%s%s", l.Argv, ending(status), l.out.String(), l.err.String())
	}
	return l.out.String()
}

func ending(s syscall.WaitStatus) string {
	if s.Signaled() {
		return s.Signal().String()
	}
	return fmt.Sprintf("exit %d", s.ExitStatus())
}

// verdict names the outcome of an operation: "ok" or the errno.
func verdict(err error) string {
	var errno syscall.Errno
	switch {
	case err == nil, err == syscall.Errno(0):
		return "ok"
	case errors.As(err, &errno):
		return unix.ErrnoName(errno)
	}
	return err.Error()
}

// say is how a victim reports.
func say(operation string, err error) { fmt.Printf("%s: %s\n", operation, verdict(err)) }

// verdicts reads what a victim said.
func verdicts(t testing.TB, out string) map[string]string {
	t.Helper()
	got := map[string]string{}
	for line := range strings.Lines(out) {
		operation, outcome, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if !ok {
			t.Errorf("unexpected line %q", line)
		}
		got[operation] = outcome
	}
	return got
}

// compare reports each difference between two tables of outcomes; an outcome may name several, separated by |.
func compare(t testing.TB, got, want map[string]string) {
	t.Helper()
	for _, operation := range slices.Sorted(maps.Keys(want)) {
		switch outcome, ok := got[operation]; {
		case !ok:
			t.Errorf("%s: not tried, want %s", operation, want[operation])
		case !slices.Contains(strings.Split(want[operation], "|"), outcome):
			t.Errorf("%s: %s, want %s", operation, outcome, want[operation])
		}
	}
	for _, operation := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[operation]; !ok {
			t.Errorf("%s: %s, nothing wanted", operation, got[operation])
		}
	}
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for until := time.Now().Add(10 * time.Second); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("%s: not within 10 s", what)
}

// write makes a file with everything above it.
func write(t testing.TB, path, content string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// outdoors is a directory outside /tmp that both users can write to, for what must not be hidden by the launch's own
// /tmp.
func outdoors(t testing.TB) string {
	t.Helper()
	for _, base := range []string{"/opt", "/srv", os.Getenv("HOME")} {
		if base == "" || ownRoot(base) != "" {
			continue
		}
		if dir, err := os.MkdirTemp(base, "ward-sandbox-"); err == nil {
			t.Cleanup(func() { os.RemoveAll(dir) })
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			return dir
		}
	}
	needs(t, "a directory outside /tmp")
	return ""
}
