package sandbox

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// A second thread puts a foreign server's socket in the place of the file that was just bound.
func TestSocketFileSwapped(t *testing.T) {
	both(t, func(t *testing.T) {
		dir := t.TempDir()
		foreign := serve(t, "unix", filepath.Join(dir, "foreign"))
		if err := os.Chmod(filepath.Join(dir, "foreign"), 0o777|os.ModeSticky); err != nil { // the victim knows it by that
			t.Fatal(err)
		}
		tries := "1000"
		if testing.Short() {
			tries = "200"
		}
		l := victim(t, "swapfile", dir, filepath.Join(dir, "foreign"), tries).allow(Read|Write, dir)
		if got := l.output(t); got != "reached: 0\n" {
			t.Error(got)
		}
		// The supervisor itself looks whether somebody listens at a file that was exchanged; it says nothing there.
		t.Logf("%d looks of the supervisor", foreign.visits())
	})
}

// A server that starts outside has its file for a moment before it listens. A launch's own socket with the same name,
// bound in another directory, does not stand for that one.
func TestSocketOfAStartingServer(t *testing.T) {
	both(t, func(t *testing.T) {
		python := needsProgram(t, "python3")
		dir, own := t.TempDir(), t.TempDir()
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			err = unix.Bind(fd, &unix.SockaddrUnix{Name: filepath.Join(dir, "socket")})
		}
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		l := command(python, "-c", `
import os,socket,sys
s=socket.socket(socket.AF_UNIX)
os.chdir(sys.argv[1]); s.bind("socket")
os.chdir(sys.argv[2]); s.listen()
print("listens", flush=True)
while not os.path.exists("started"): pass
for place in sys.argv[2], sys.argv[1]:
    os.chdir(place); c=socket.socket(socket.AF_UNIX)
    try: c.connect("socket"); print("connected")
    except OSError as e: print(e.strerror)
s.listen()
c.connect("socket"); print("own")
`, own, dir).allow(Read, dir).allow(Read|Write, own)
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		l.Stdio[1] = w
		l.begin(t)
		w.Close()
		lines := bufio.NewScanner(r)
		lines.Scan()
		if err := errors.Join(unix.Listen(fd, 1), os.WriteFile(filepath.Join(dir, "started"), nil, 0o644)); err != nil {
			t.Fatal(err)
		}
		var got []string
		for lines.Scan() {
			got = append(got, lines.Text())
		}
		if l.end(t); !slices.Equal(got, []string{"Permission denied", "Permission denied", "own"}) {
			t.Errorf("got %q\n%s", got, l.err.String())
		}
	})
}

// Socket files: by name, through links, relative, and with the same name inside and outside.
func TestUnixSockets(t *testing.T) {
	both(t, func(t *testing.T) {
		dir := t.TempDir()
		serve(t, "unix", filepath.Join(dir, "closed"))
		serve(t, "unix", filepath.Join(dir, "named.sock"))
		if err := os.Mkdir(filepath.Join(dir, "granted"), 0o755); err != nil {
			t.Fatal(err)
		}
		serve(t, "unix", filepath.Join(dir, "granted/foreign"))
		for name, target := range map[string]string{"link": "closed", "dirlink": ".", "granted/out": "../closed"} {
			if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		trap := filepath.Join("/tmp", filepath.Base(filepath.Dir(dir))+".sock")
		serve(t, "unix", trap)
		at := func(name string) string { return filepath.Join(dir, name) }
		l := victim(t, "unix", "closed="+at("closed"), "link="+at("link"), "named="+at("named.sock"), "dirlink="+at("dirlink/named.sock"),
			"relative=named.sock", "relative up=../"+filepath.Base(dir)+"/named.sock", "missing="+at("nothing"), "file="+at("granted"),
			"foreign in a grant="+at("granted/foreign"), "link in a grant="+at("granted/out"), "trap="+trap, "proc=/proc/self/cwd/named.sock")
		l.Dir = dir
		l.allow(Read, dir).allow(Read|Write, at("granted"))
		l.Policy.Net.UnixSockets = []string{filepath.Join(dir, "*.sock")}
		compare(t, verdicts(t, l.output(t)), map[string]string{
			"connect closed": "EACCES", "connect link": "EACCES", "connect named": "ok", "greeting named": "outside",
			"connect dirlink": "ok", "greeting dirlink": "outside", "connect relative": "ok", "greeting relative": "outside",
			"connect relative up": "ok", "greeting relative up": "outside", "connect missing": "ENOENT", "connect file": "EACCES",
			"connect foreign in a grant": "EACCES", "connect link in a grant": "EACCES", "connect trap": "ENOENT", "connect proc": "ENOENT",
		})
		if !slices.ContainsFunc(l.Refused(), func(r Refusal) bool {
			return r.What == "connect "+at("closed") && r.Hint == "--allow-unix-socket "+at("closed") && r.Count == 3
		}) {
			t.Errorf("refused: %v", l.Refused())
		}
	})
}

// The same name inside and outside: the one inside answers.
func TestSocketOfTheSameName(t *testing.T) {
	both(t, func(t *testing.T) {
		python := needsProgram(t, "python3")
		path := filepath.Join("/tmp", filepath.Base(filepath.Dir(t.TempDir()))+".sock")
		outer := serve(t, "unix", path)
		l := command(python, "-c", `
import socket,sys,os,threading
os.umask(0o027)
s=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()
print(oct(os.stat(sys.argv[1]).st_mode & 0o7777), os.stat(sys.argv[1]).st_uid == os.getuid())
threading.Thread(target=lambda: s.accept()[0].sendall(b"inside\n")).start()
os.chdir("/tmp")
c=socket.socket(socket.AF_UNIX); c.connect(os.path.basename(sys.argv[1])); print(c.recv(99).decode(), end="")
`, path)
		if got := l.output(t); got != "0o750 True\ninside\n" {
			t.Errorf("got %q", got)
		}
		if n := outer.visits(); n != 0 {
			t.Errorf("%d connections arrived outside", n)
		}
	})
}

func TestAbstractSockets(t *testing.T) {
	both(t, func(t *testing.T) {
		name := "@ward-test-" + filepath.Base(filepath.Dir(t.TempDir()))
		outer := serve(t, "unix", name)
		compare(t, verdicts(t, victim(t, "abstract", name).output(t)), map[string]string{
			"connect to outer": "EACCES", "connect to nobody": "ECONNREFUSED", "bind": "ok", "listen": "ok", "connect to own": "ok",
			"bind with line break": "EACCES", "autobind": "ok", "listen there": "ok", "connect there": "ok",
		})
		if n := outer.visits(); n != 0 {
			t.Errorf("%d connections arrived outside", n)
		}
	})
}

// A signal that the first thread takes leaves connects of the others alone: they do not end in an errno that no program knows.
func TestConnectOfOtherThreads(t *testing.T) {
	both(t, func(t *testing.T) {
		python := needsProgram(t, "python3")
		full := mute(t)
		l := command(python, "-c", `
import os,signal,socket,sys,threading,time
def stop(*_): raise KeyboardInterrupt
signal.signal(signal.SIGALRM, stop)
def go():
    try: socket.socket().connect(("127.0.0.1", int(sys.argv[1])))
    except OSError as e: print("errno", e.errno, flush=True)
for _ in range(3): threading.Thread(target=go, daemon=True).start()
signal.setitimer(signal.ITIMER_REAL, 0.5)
try: socket.socket().connect(("127.0.0.1", int(sys.argv[1])))
except KeyboardInterrupt: print("interrupted", flush=True)
time.sleep(0.3)
os._exit(0)
`, full)
		l.Policy.Net.Ports = []uint16{uint16(portOf(full))}
		if got := l.output(t); got != "interrupted\n" {
			t.Errorf("got %q\n%s", got, l.err.String())
		}
	})
}
