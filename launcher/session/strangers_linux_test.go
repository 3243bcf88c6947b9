package session

import (
	"bufio"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ward/detect"
	"ward/launcher/broker"
)

// TestSessionAnothers: a socket that another user made is not asked, neither where the directory is that user's nor, by a
// mistake of somebody's, in one's own.
func TestSessionAnothers(t *testing.T) {
	if os.Getuid() != 0 {
		needs(t, "root, to be another user")
	}
	const uid = 1000
	shared := filepath.Dir(world(t))
	dir := filepath.Join(shared, "run", "ward")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	above := func(mode os.FileMode) {
		for at := dir; at != os.TempDir() && at != "/"; at = filepath.Dir(at) {
			if err := os.Chmod(at, mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	above(0o777)
	me := bound(t, os.Getpid())
	socket := filepath.Join(dir, fmt.Sprintf("%s%d-EVIL", sessionPrefix, me.PID))
	info, err := json.Marshal(Info{Prefix: "acme", Names: []string{"acme/a"}, Bound: me, Until: time.Now().Add(time.Hour), PID: 1})
	if err != nil {
		t.Fatal(err)
	}
	cmd := asUser(t, helper(t, "listen", socket, string(info)), uid)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	if line, _ := bufio.NewReader(out).ReadString('\n'); line != "listens <nil>\n" {
		t.Fatalf("the other user's session: %q", line)
	}
	c, err := Caller()
	if err != nil {
		t.Fatal(err)
	}
	for what, own := range map[string]struct {
		uid, mode int
		above     os.FileMode
		seen      bool
	}{
		"another's directory": {uid, 0o755, 0o755, false}, "another's, which is closed": {uid, 0o700, 0o755, false}, "one's own, which is open": {0, 0o777, 0o755, false},
		"one's own, where others rename": {0, 0o700, 0o777, false}, "one's own": {0, 0o700, 0o755, true},
	} {
		above(own.above)
		if err := errors.Join(os.Chown(dir, own.uid, own.uid), os.Chmod(dir, os.FileMode(own.mode))); err != nil {
			t.Fatal(err)
		}
		if Any() != own.seen || Near(c) != own.seen {
			t.Errorf("%s: any %v, near %v, want %v", what, Any(), Near(c), own.seen)
		}
		if all := list(t); len(all) != 0 {
			t.Errorf("%s: lists %+v", what, all)
		}
		if value, err := Get("acme/a", detect.Get, c); !errors.Is(err, ErrNone) {
			t.Errorf("%s: gives %d bytes, %v", what, value.Len(), err)
		}
	}
	// The key of a hand-off comes the same way.
	if value, err := askSecret(socket, broker.Take, nil); err == nil || !strings.Contains(err.Error(), "another user answers there") {
		t.Errorf("asked for a key it gives %d bytes, %v", value.Len(), err)
	}
}

// TestSessionHandedOn: a program connects, and becomes ward in name only: another, which has the connection too, asks, or
// it asked itself before.
func TestSessionHandedOn(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		needs(t, "python3")
	}
	world(t)
	value := "sk-" + rand.Text()
	s := open(t, time.Minute, bound(t, os.Getpid()), map[string]string{"acme/a": value})
	ward, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	const program = `
import json, os, signal, socket, struct, sys, time
ward, path, who, keeper = sys.argv[1:]
me = os.getpid()
start = int(open("/proc/self/stat").read().rsplit(")")[1].split()[19])
b = json.dumps({"Name": "acme/a", "Action": "get", "PID": me, "Start": start}).encode()
b = b"ward\x01g" + struct.pack(">I", len(b)) + b
s = socket.socket(socket.AF_UNIX); s.connect(path); s.set_inheritable(True)
if who == "before":
    hello = s.recv(16)
    os.kill(int(keeper), signal.SIGSTOP)
    s.sendall(hello + b)
if os.fork() > 0:
    os.dup2(2, 1)
    os.execv(ward, ["session-test", "sleep"])
while os.readlink("/proc/%d/exe" % me) != ward: time.sleep(0.001)
if who == "before": os.kill(int(keeper), signal.SIGCONT)
else: s.sendall(s.recv(16) + b)
print("answer:", s.recv(4096)[5:].decode(), flush=True)
os.kill(me, 9)`
	for who, want := range map[string]string{"another": errWriters.Error(), "before": "not the ward that made this"} {
		cmd := exec.CommandContext(t.Context(), python, "-c", program, ward, s.socket, who, strconv.Itoa(s.PID))
		out, _ := cmd.Output()
		if !strings.Contains(string(out), "answer: ") || strings.Contains(string(out), value) || !strings.Contains(string(out), want) {
			t.Errorf("%s: it is answered %q, want %q", who, out, want)
		}
	}
}

// TestSessionIdle: who connects and says nothing keeps nobody waiting for long.
func TestSessionIdle(t *testing.T) {
	world(t)
	s := open(t, time.Minute, bound(t, os.Getpid()), map[string]string{"acme/a": "sk-" + rand.Text()})
	for range 200 {
		conn, err := net.Dial("unix", s.socket)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	begun := time.Now()
	if err := askOwn(t, s, "acme/a", detect.Get); err != nil || time.Since(begun) > 3*time.Second {
		t.Errorf("beside 200 idle connections: %v, after %v", err, time.Since(begun))
	}
}

// A keeper that was stopped, or slept with the machine, gives nothing once its time is over, though requests waited for it
// to go on and nothing has told it yet.
func TestSessionLate(t *testing.T) {
	at := bound(t, os.Getpid())
	for late, want := range map[time.Duration]string{-time.Minute: "", 0: "its time is over", time.Hour: "its time is over"} {
		p, err := detect.Hold(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		k := &keeper{opening: opening{Prefix: "acme", Bound: at}, ends: clock() - late}
		if _, err := k.caller(p, nil); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v after its time: %v, want %q", late, err, want)
		}
		p.Close()
	}
}

// A session that is stopped cannot be told to end; it is put out of reach.
func TestSessionStopped(t *testing.T) {
	world(t)
	s := open(t, time.Minute, bound(t, os.Getpid()), map[string]string{"acme/a": "sk-" + rand.Text()})
	c, err := Caller()
	if err != nil {
		t.Fatal(err)
	}
	unix.Kill(s.PID, unix.SIGSTOP)
	ended, err := End(c, false)
	if len(ended) > 0 || err == nil || !strings.Contains(err.Error(), "does not answer") || !gone(s.socket) {
		t.Errorf("while it is stopped lock ends %v, %v; the socket is gone: %v", ended, err, gone(s.socket))
	}
	unix.Kill(s.PID, unix.SIGCONT)
	if _, err := Get("acme/a", detect.Get, c); !errors.Is(err, ErrNone) {
		t.Errorf("out of reach it gives %v", err)
	}
}

// So is one that is stopped after it was found, and before it is told to end.
func TestSessionStoppedMeanwhile(t *testing.T) {
	world(t)
	s := open(t, time.Minute, bound(t, os.Getpid()), map[string]string{"acme/a": "sk-" + rand.Text()})
	c, err := Caller()
	if err != nil {
		t.Fatal(err)
	}
	behind := filepath.Join(filepath.Dir(filepath.Dir(s.socket)), "behind")
	if err := os.Rename(s.socket, behind); err != nil {
		t.Fatal(err)
	}
	front, err := net.Listen("unix", s.socket)
	if err != nil {
		t.Fatal(err)
	}
	front.(*net.UnixListener).SetUnlinkOnClose(false)
	defer front.Close()
	go func() { // passes on the first request, and none of those that follow
		conn, err := front.Accept()
		if err != nil {
			return
		}
		to, err := net.Dial("unix", behind)
		if err != nil {
			return
		}
		go io.Copy(to, conn)
		io.Copy(conn, to)
	}()
	ended, err := End(c, false)
	if len(ended) > 0 || err == nil || !strings.Contains(err.Error(), "does not answer") || !gone(s.socket) {
		t.Errorf("lock ends %v, %v; the socket is gone: %v", ended, err, gone(s.socket))
	}
}

// TestHandOffReadOnly: a shell that does not let the variable be set is told so, and has the value nowhere.
func TestHandOffReadOnly(t *testing.T) {
	world(t)
	value := "sk-" + rand.Text()
	for _, sh := range shells(t) {
		for _, line := range []string{"readonly HANDED", "typeset -i HANDED"} {
			if strings.HasSuffix(sh, "dash") && line != "readonly HANDED" {
				continue // it has no such variables
			}
			script, _ := handOff(t, value, HandOff{})
			got := shell(t, sh, Line(script), line+`; eval "$LINE"; echo "ended $?"; set`)
			if !strings.HasPrefix(got.stdout, "ended 1\n") || strings.Contains(got.stdout+got.stderr, value) ||
				!strings.Contains(got.stderr, "does not let HANDED be set") || strings.Contains(got.stdout, "ward_value") {
				t.Errorf("%s, %s: exit %d, %.300s, %s", sh, line, got.code, got.stdout, got.stderr)
			}
		}
	}
}

// TestHandOffSweep: only what is this user's, and a directory itself, is swept.
func TestHandOffSweep(t *testing.T) {
	if os.Getuid() != 0 {
		needs(t, "root, to be another user")
	}
	in, elsewhere := t.TempDir(), t.TempDir()
	long := time.Now().Add(-time.Hour)
	put := func(dir string, uid, mode int) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{scriptName, keySocket} {
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(os.Chown(dir, uid, uid), os.Chmod(dir, os.FileMode(mode)), os.Chtimes(dir, long, long)); err != nil {
			t.Fatal(err)
		}
	}
	at := func(name string) string { return filepath.Join(in, handOffPrefix+name) }
	put(at("own"), 0, 0o700)
	put(at("anothers"), 1000, 0o700)
	put(at("open"), 0, 0o777)
	put(elsewhere, 0, 0o700)
	if err := os.Symlink(elsewhere, at("link")); err != nil {
		t.Fatal(err)
	}
	sweep(in)
	if !gone(at("own")) {
		t.Error("what was left by this user is still there")
	}
	for _, dir := range []string{at("anothers"), at("open"), elsewhere, at("link")} {
		if gone(filepath.Join(dir, scriptName)) || gone(filepath.Join(dir, keySocket)) {
			t.Errorf("%s: something was removed there", dir)
		}
	}
}
