package session

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ward/detect"
	"ward/launcher/broker"
	"ward/secrets"
)

// helperName is argv[0] of the test binary where it is another process of a test.
const helperName = "session-test"

// TestMain lets the test binary be the tests, the keepers that they start, and the processes that ask those.
func TestMain(m *testing.M) {
	Enter()
	if os.Args[0] == helperName {
		helpers()[os.Args[1]](os.Args[2:])
		os.Exit(0)
	}
	if len(os.Args) == 4 && os.Args[1] == "__handoff" {
		os.Exit(handedOff(os.Args[2], os.Args[3]))
	}
	os.Exit(m.Run())
}

// handedOff is what a hand-off's script calls.
func handedOff(dir, name string) int {
	value, err := Receive(dir, name, os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, "ward:", err)
		return 1
	}
	value.Use(func(v []byte) error { _, err := fmt.Printf("%s.", v); return err })
	return 0
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

func helpers() map[string]func([]string) {
	return map[string]func([]string){
		"get":   helperGet,
		"raw":   helperRaw,
		"run":   helperRun,
		"sleep": func([]string) { time.Sleep(time.Minute) },
		"take":  helperTake,
		"hold":  helperHold,

		"listen": helperListen,

		"settled": func(args []string) { fmt.Println(settled(args[0])) },
	}
}

// helperGet asks as ward does: NAME ACTION.
func helperGet(args []string) {
	c, err := Caller()
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	value, err := Get(args[0], detect.Action(args[1]), c)
	tell1(value, err)
}

// helperRaw asks a socket, and says of itself what the test wants: SOCKET NAME ACTION AGENT.
func helperRaw(args []string) {
	c, err := Caller()
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	c.Agent = args[3]
	body, _ := json.Marshal(asking(args[1], detect.Action(args[2]), c))
	conn, err := net.Dial("unix", args[0]) // whoever answers there
	if err == nil {
		err = greet(conn)
	}
	if err != nil {
		fmt.Println("error:", bare(err))
		return
	}
	tell1(broker.NewClient(conn).Secret(context.Background(), broker.Get, body))
}

// helperListen answers as a session whose every value is "another's": SOCKET INFO, which is its status.
func helperListen(args []string) {
	l, err := net.Listen("unix", args[0])
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	fmt.Println("listens", os.Chmod(args[0], 0o777))
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		if op, _, err := request(conn.(*net.UnixConn), 0); err == nil && op == broker.Status {
			broker.WriteReply(conn, []byte(args[1]))
		} else if err == nil {
			broker.WriteReply(conn, []byte("another's"))
		}
		conn.Close()
	}
}

// helperTake asks for the key of a hand-off: SOCKET.
func helperTake(args []string) { tell1(askSecret(args[0], broker.Take, nil)) }

// helperHold opens a session of its own, tells the process that keeps it, and waits.
func helperHold([]string) {
	at, err := detect.System().Process(os.Getpid())
	value, berr := secrets.ReadBuffer(strings.NewReader("value"), 10)
	if err := errors.Join(err, berr); err != nil {
		fmt.Println("error:", err)
		return
	}
	info, err := Open("acme", time.Minute, Bound{at.PID, at.Start}, map[string]*secrets.Buffer{"acme/a": value})
	fmt.Println(info.PID, err)
	time.Sleep(time.Minute)
}

// helperRun starts another helper below this process and waits: HELPER [ARG…].
func helperRun(args []string) {
	cmd := exec.Command(os.Getenv("HELPER"))
	cmd.Args = append([]string{helperName}, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		fmt.Println("error:", err)
	}
}

func askSecret(socket string, op broker.Op, body []byte) (*secrets.Buffer, error) {
	return ask(socket, func(c *broker.Client, ctx context.Context) (*secrets.Buffer, error) { return c.Secret(ctx, op, body) })
}

func tell1(value *secrets.Buffer, err error) {
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	value.Use(func(v []byte) error { fmt.Printf("value: %s\n", v); return nil })
}

// helper is a process of the test binary, below the test.
func helper(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Args = append([]string{helperName}, args...)
	cmd.Env = append(os.Environ(), "HELPER="+self)
	return cmd
}

// said is what a helper printed.
func said(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%q: %v\n%s", cmd.Args, err, out.String())
	}
	return strings.TrimSpace(out.String())
}

// background starts a helper that is ended with the test.
func background(t *testing.T, args ...string) (*exec.Cmd, Bound) {
	t.Helper()
	cmd := helper(t, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd, bound(t, cmd.Process.Pid)
}

func bound(t *testing.T, pid int) Bound {
	t.Helper()
	p, err := detect.System().Process(pid)
	if err != nil {
		t.Fatal(err)
	}
	return Bound{p.PID, p.Start}
}

// world gives the test directories of its own. No agent is among what the environment says.
func world(t *testing.T) (runtime string) {
	t.Helper()
	dir := t.TempDir()
	runtime = filepath.Join(dir, "run")
	if err := os.Mkdir(runtime, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_RUNTIME_DIR", runtime)
	t.Setenv("XDG_STATE_HOME", filepath.Join(dir, "state"))
	for _, name := range os.Environ() {
		name, _, _ = strings.Cut(name, "=")
		if strings.HasPrefix(name, "CLAUDE") || strings.HasPrefix(name, "AI_AGENT") || strings.HasPrefix(name, "CODEX") || name == "AGENT" {
			value := os.Getenv(name)
			os.Unsetenv(name)
			t.Cleanup(func() { os.Setenv(name, value) })
		}
	}
	return runtime
}

func buffer(t *testing.T, value string) *secrets.Buffer {
	t.Helper()
	b, err := secrets.ReadBuffer(strings.NewReader(value), secrets.MaxValue)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Destroy)
	return b
}

// open starts a session that ends with the test.
func open(t *testing.T, last time.Duration, at Bound, values map[string]string) Info {
	t.Helper()
	in := map[string]*secrets.Buffer{}
	for name, value := range values {
		in[name] = buffer(t, value)
	}
	info, err := Open("acme", last, at, in)
	if err != nil {
		t.Fatal(err)
	}
	end(t, info.PID)
	for _, s := range list(t) {
		if s.PID == info.PID {
			return s
		}
	}
	return info
}

func list(t *testing.T) []Info {
	t.Helper()
	all, err := List()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// end ends a process in the background with the test, whatever the test came to.
func end(t *testing.T, pid int) {
	t.Helper()
	if pid <= 1 {
		t.Fatalf("process %d is no keeper", pid)
	}
	fd, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fd.Kill(); fd.Wait() })
}

// running says whether a process is there and no zombie.
func running(pid int) bool {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	state := data[bytes.LastIndexByte(data, ')')+2]
	return state != 'Z' && state != 'X'
}

func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for limit := time.Now().Add(10 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}

// gone says whether an error is about a file that is not there.
func gone(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, os.ErrNotExist)
}

// asUser makes a helper another user's, by a copy of the test binary that everybody can start.
func asUser(t *testing.T, cmd *exec.Cmd, uid uint32) *exec.Cmd {
	t.Helper()
	dir, err := os.MkdirTemp("", "ward-session-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	data, err := os.ReadFile(cmd.Path)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Path = filepath.Join(dir, "another")
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(cmd.Path, data, 0o755)); err != nil {
		t.Fatal(err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	return cmd
}
