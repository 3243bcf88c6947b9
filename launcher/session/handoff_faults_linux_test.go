package session

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ward/launcher/broker"
)

// TestHandOffPlaces: where it is put when the first place is no good.
func TestHandOffPlaces(t *testing.T) {
	for what, c := range map[string]struct {
		runtime, state string
		dirs           []string
		under          string // of the test's directory; "": nowhere
	}{
		"all is well":         {"run", "state", nil, "run/ward"},
		"no runtime":          {"/proc/none", "state", nil, "state/ward/run"},
		"shared runtime":      {"shared", "state", nil, "state/ward/run"},
		"neither":             {"/proc/none", "/proc/none", []string{"/proc/none", "tmp"}, "tmp"},
		"nowhere":             {"/proc/none", "/proc/none", []string{"/proc/none"}, ""},
		"a path that is long": {strings.Repeat("long/", 30), "state", nil, strings.Repeat("long/", 30) + "ward"},
	} {
		t.Run(what, func(t *testing.T) {
			world(t)
			dir := t.TempDir()
			place := func(name string) string {
				if !filepath.IsAbs(name) {
					name = filepath.Join(dir, name)
					os.MkdirAll(name, 0o700)
				}
				return name
			}
			if err := os.MkdirAll(filepath.Join(dir, "shared", "ward"), 0o755); err != nil {
				t.Fatal(err)
			}
			t.Setenv("XDG_RUNTIME_DIR", place(c.runtime))
			t.Setenv("XDG_STATE_HOME", place(c.state))
			h := HandOff{Var: "X", Ward: "/bin/false", Bound: bound(t, os.Getpid()), Last: time.Second}
			for _, d := range c.dirs {
				h.Dirs = append(h.Dirs, place(d))
			}
			script, err := h.Prepare(buffer(t, "value"))
			for _, pid := range keepers(t) {
				end(t, pid)
			}
			if c.under == "" {
				if err == nil || !strings.Contains(err.Error(), "no directory for ward's sockets") {
					t.Errorf("it is put at %s, %v", script, err)
				}
				return
			}
			if want := filepath.Join(dir, c.under); err != nil || !strings.HasPrefix(script, want+"/"+handOffPrefix) {
				t.Errorf("it is put at %s, %v; want it in %s", script, err, want)
			}
		})
	}
}

// TestHandOffAnothers: what a shell sources is not put where another user could put something else in its place, which is
// below a directory of his or one that he may write.
func TestHandOffAnothers(t *testing.T) {
	const uid = 54321
	for what, c := range map[string]struct {
		uid  int
		mode os.FileMode
		link bool
		good bool
	}{
		"another's": {uid, 0o700, false, false}, "a link below another's": {uid, 0o700, true, false}, "open to all": {os.Getuid(), 0o777, false, false},
		"open to a group": {os.Getuid(), 0o770, false, false}, "as /tmp is": {os.Getuid(), 0o777 | os.ModeSticky, false, true}, "my own": {os.Getuid(), 0o755, true, true},
	} {
		t.Run(what, func(t *testing.T) {
			if c.uid != os.Getuid() && os.Getuid() != 0 {
				needs(t, "root, for a directory of another user")
			}
			world(t)
			above := filepath.Join(t.TempDir(), "above")
			runtime := filepath.Join(above, "run")
			if err := os.MkdirAll(runtime, 0o700); err != nil {
				t.Fatal(err)
			}
			if c.link {
				to := t.TempDir()
				if err := errors.Join(os.Chmod(to, 0o700), os.Remove(runtime), os.Symlink(to, runtime)); err != nil {
					t.Fatal(err)
				}
			}
			const group = uid
			if os.Getuid() == 0 {
				if err := os.Chown(above, c.uid, group); err != nil {
					t.Fatal(err)
				}
			} else if what == "open to a group" {
				needs(t, "root, for a group of others")
			}
			if err := os.Chmod(above, c.mode); err != nil {
				t.Fatal(err)
			}
			t.Setenv("XDG_RUNTIME_DIR", runtime)
			t.Setenv("XDG_STATE_HOME", "/proc/none")
			h := HandOff{Var: "X", Ward: "/bin/false", Bound: bound(t, os.Getpid()), Last: time.Second, Dirs: []string{runtime}}
			script, err := h.Prepare(buffer(t, "value"))
			for _, pid := range keepers(t) {
				end(t, pid)
			}
			if (err == nil) != c.good || err != nil && !strings.Contains(err.Error(), "another user can exchange") {
				t.Errorf("it is put at %s, %v", script, err)
			}
			if left, _ := os.ReadDir(runtime); !c.good && len(left) > 0 {
				t.Errorf("%v is left there", left)
			}
		})
	}
}

// In a user namespace with one user in it, as other sandboxes make it, root's directories are nobody's, and good all the same.
func TestSettledAlone(t *testing.T) {
	cmd, uid := helper(t, "settled", os.TempDir()), os.Getuid()
	const inside = 1234
	if uid == 0 { // whose directories would be one's own
		uid = 1000
		cmd = asUser(t, cmd, inside)
	} else {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
	cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: inside, HostID: uid, Size: 1}}
	cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: inside, HostID: uid, Size: 1}}
	out, err := cmd.Output()
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) {
		needs(t, "user namespaces")
	}
	if err != nil || string(out) != "<nil>\n" {
		t.Errorf("%s: %q, %v", os.TempDir(), out, err)
	}
}

// TestHandOffKilled: without its process it says so, and what it left is swept up by a later one.
func TestHandOffKilled(t *testing.T) {
	world(t)
	value := "sk-" + rand.Text()
	script, keeper := handOff(t, value, HandOff{})
	unix.Kill(keeper, unix.SIGKILL)
	until(t, "it ends", func() bool {
		_, err := ask(filepath.Join(filepath.Dir(script), keySocket), func(*broker.Client, context.Context) (int, error) { return 0, nil })
		return err != nil
	})
	left, _ := handOff(t, value, HandOff{})
	got := shell(t, shells(t)[0], Line(script), `eval "$LINE"; echo "$? $HANDED"`)
	if got.stdout != "1 before\n" || !strings.Contains(got.stderr, "used already, or waited too long") || !gone(script) {
		t.Errorf("without its process: %+v; the script is gone: %v", got, gone(script))
	}
	long := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Dir(script), long, long); err != nil {
		t.Fatal(err)
	}
	handOff(t, value, HandOff{})
	if !gone(filepath.Dir(script)) || gone(left) {
		t.Errorf("what was left is gone: %v; what waits is gone: %v", gone(filepath.Dir(script)), gone(left))
	}
}

// A script that was changed gives nothing, and a value that no variable can hold is refused at once.
func TestHandOffDamaged(t *testing.T) {
	world(t)
	script, _ := handOff(t, "sk-"+rand.Text(), HandOff{})
	text, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(text, []byte(sealedMark)) + len(sealedMark) + 30
	text[at] ^= 1
	if err := os.WriteFile(script, text, 0o700); err != nil {
		t.Fatal(err)
	}
	if got := shell(t, shells(t)[0], Line(script), `eval "$LINE"; echo "$? $HANDED"`); got.stdout != "1 before\n" || !strings.Contains(got.stderr, "was changed") {
		t.Errorf("with a bit changed: %+v", got)
	}
	if _, err := (HandOff{Var: "X", Ward: "/bin/false", Bound: bound(t, os.Getpid())}).Prepare(buffer(t, "a\x00b")); err == nil || !strings.Contains(err.Error(), "NUL") {
		t.Errorf("a value with a NUL: %v", err)
	}
}
