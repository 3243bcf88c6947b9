package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// outcomes spells a row of victimFiles: operation=outcome, separated by spaces.
func outcomes(want map[string]string, label, row string) {
	for field := range strings.FieldsSeq(row) {
		operation, outcome, _ := strings.Cut(field, "=")
		want[label+" "+operation] = outcome
	}
}

// What a rule gives, and that nothing else can be read or changed: neither contents nor modes, times or attributes,
// which Landlock has no right for.
func TestFiles(t *testing.T) {
	both(t, func(t *testing.T) {
		dir := outdoors(t)
		for _, name := range []string{"closed/file", "readable/file", "writable/file", "single"} {
			write(t, filepath.Join(dir, name), "content")
		}
		at := func(name string) string { return filepath.Join(dir, name) }
		l := victim(t, "files", "closed="+at("closed/file"), "closeddir="+at("closed"), "readable="+at("readable/file"),
			"readabledir="+at("readable"), "writable="+at("writable/file"), "single="+at("single"))
		l.allow(Read, at("readable")).allow(Read|Write, at("writable"), at("single"))
		got := verdicts(t, l.output(t))
		want := map[string]string{}
		outcomes(want, "closed", "read=EACCES write=EACCES|EROFS truncate=EACCES|EROFS unlink=EACCES|EROFS chmod=EROFS utime=EROFS xattr=EROFS rename=EACCES|EROFS link=EACCES|EXDEV")
		outcomes(want, "closeddir", "read=EACCES create=EACCES|EROFS mkdir=EACCES|EROFS chmod=EROFS utime=EROFS xattr=EROFS rename=EACCES|EROFS link=EPERM|EXDEV")
		outcomes(want, "readable", "read=ok write=EACCES|EROFS truncate=EACCES|EROFS unlink=EACCES|EROFS chmod=EROFS utime=EROFS xattr=EROFS rename=EACCES|EROFS link=EACCES|EXDEV")
		outcomes(want, "readabledir", "read=ok create=EACCES|EROFS mkdir=EACCES|EROFS chmod=EROFS utime=EROFS xattr=EROFS rename=EACCES|EROFS link=EPERM|EXDEV")
		// The file is gone after the unlink.
		outcomes(want, "writable", "read=ok write=ok truncate=ok unlink=ok chmod=ENOENT utime=ENOENT xattr=ENOENT rename=ENOENT link=ENOENT")
		outcomes(want, "single", "read=ok write=ok truncate=ok unlink=EACCES|EBUSY|EROFS chmod=ok utime=ok xattr=ok|EOPNOTSUPP rename=EACCES|EBUSY|EROFS link=EACCES|EXDEV")
		compare(t, got, want)
	})
}

// Two writable rules, one inside the other's read-only directory, and one that makes all writable.
func TestNestedRules(t *testing.T) {
	both(t, func(t *testing.T) {
		dir := outdoors(t)
		write(t, filepath.Join(dir, "a/in/file"), "")
		script := fmt.Sprintf(`cd %s; (: > a/x) 2>/dev/null || echo no; : > a/in/x && echo yes; mv a/in/x a/in/file && echo moved`, dir)
		l := shell(script).allow(Read, filepath.Join(dir, "a")).allow(Read|Write, filepath.Join(dir, "a/in"))
		if got := l.output(t); got != "no\nyes\nmoved\n" {
			t.Errorf("got %q\n%s", got, l.err.String())
		}
		l = shell(fmt.Sprintf("echo x > %s/all && cat %s/all", dir, dir)).allow(Read|Write, "/")
		if got := l.output(t); got != "x\n" {
			t.Errorf("everything writable: got %q\n%s", got, l.err.String())
		}
	})
}

// A directory that was closed after the launch was planned, and that the command could open again, takes no mask away.
func TestMaskBehindAClosedDirectory(t *testing.T) {
	both(t, func(t *testing.T) {
		dir := outdoors(t)
		secret := write(t, filepath.Join(dir, "closed/secret"), "content")
		if err := os.Chmod(filepath.Dir(secret), 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Chmod(filepath.Dir(secret), 0o700) })
		l := shell(fmt.Sprintf("chmod 700 %s; cat %s", filepath.Dir(secret), secret)).allow(Read|Write, dir)
		l.Policy.Masks = []Mask{{Path: secret}}
		err := l.tryBegin(t)
		if os.Getuid() == 0 { // to root nothing is closed
			if err != nil {
				t.Fatal(err)
			}
			if l.end(t); l.out.String() != "" {
				t.Errorf("read: %q", l.out.String())
			}
			return
		}
		if err == nil || !strings.Contains(err.Error(), "mask "+secret) || !strings.HasSuffix(err.Error(), "permission denied)") {
			t.Errorf("got %v", err)
			if err == nil {
				l.end(t)
			}
		}
		l = shell("echo ran").allow(Read, "/usr")
		l.Policy.Masks = []Mask{{Path: secret}}
		if got := l.output(t); got != "ran\n" {
			t.Errorf("where no rule reaches it: %q", got)
		}
	})
}

// A path that became a link after the launch was planned opens nothing: neither itself nor what it leads to.
func TestRuleOfALink(t *testing.T) {
	both(t, func(t *testing.T) {
		dir := outdoors(t)
		write(t, filepath.Join(dir, "closed/file"), "old\n")
		if err := os.Symlink("closed", filepath.Join(dir, "link")); err != nil {
			t.Fatal(err)
		}
		script := fmt.Sprintf(`cd /; cat %[1]s/closed/file; echo new > %[1]s/closed/file; cat %[1]s/link/file; echo done`, dir)
		l := shell(script).allow(Read|Write, filepath.Join(dir, "link"), filepath.Join(dir, "link/file"))
		if got := l.output(t); got != "done\n" {
			t.Errorf("got %q\n%s", got, l.err.String())
		}
	})
}

// Masks and fixed paths inside a writable rule, and the ways to lift them.
func TestMasks(t *testing.T) {
	both(t, func(t *testing.T) {
		for _, base := range []string{outdoors(t), t.TempDir()} { // the second lies under /tmp and is bound back
			dir := filepath.Join(base, "project")
			for _, name := range []string{"secret", "vault/key", "config", ".git/config", ".git/hooks/sample", "real/code/file"} {
				write(t, filepath.Join(dir, name), "content")
			}
			if err := os.Symlink("real", filepath.Join(dir, "link")); err != nil {
				t.Fatal(err)
			}
			l := victim(t, "protected", dir).allow(Read|Write, dir)
			l.Policy.Masks = []Mask{
				{Path: filepath.Join(dir, "secret")}, {Path: filepath.Join(dir, "vault")},
				{Path: filepath.Join(dir, "config"), Fixed: true}, {Path: filepath.Join(dir, ".git/hooks"), Fixed: true},
				{Path: filepath.Join(dir, "link/code"), Fixed: true}, {Path: filepath.Join(dir, "missing")},
			}
			compare(t, verdicts(t, l.output(t)), map[string]string{
				"read secret":             "ok", // and empty
				"read vault/key":          "ENOENT",
				"read config":             "content",
				"write secret":            "EROFS|EACCES",
				"unlink secret":           "EBUSY",
				"rename secret":           "EBUSY",
				"link secret":             "EXDEV",
				"rename over secret":      "EBUSY",
				"chmod secret":            "EROFS",
				"rename vault":            "EBUSY",
				"write config":            "EROFS",
				"unlink config":           "EBUSY",
				"create hook":             "EROFS",
				"rename hooks":            "EBUSY",
				"rename .git":             "EBUSY",
				"write in .git":           "ok",
				"unlink link":             "EBUSY",
				"rename link":             "EBUSY",
				"write by link":           "EISDIR|EROFS",
				"rename target":           "EBUSY",
				"umount secret":           "EPERM",
				"remount hooks":           "EPERM",
				"setattr hooks":           "EPERM",
				"symlink to secret":       "ok", // and empty
				"read by /proc/self/root": "ok", // and empty
				"write plain":             "ok",
			})
			for name, want := range map[string]string{"secret": "content", "config": "content", "vault/key": "content", "plain": "x"} {
				if data, _ := os.ReadFile(filepath.Join(dir, name)); string(data) != want {
					t.Errorf("%s afterwards: %q, want %q", name, data, want)
				}
			}
		}
	})
}

// /tmp, /var/tmp and /dev/shm are the launch's own; what is granted inside them is the machine's, and no more than is
// granted.
func TestOwnDirectories(t *testing.T) {
	both(t, func(t *testing.T) {
		dir := t.TempDir() // in /tmp
		if ownRoot(dir) == "" {
			needs(t, "TMPDIR in /tmp")
		}
		write(t, filepath.Join(dir, "read/file"), "content")
		write(t, filepath.Join(dir, "read/write/file"), "content")
		write(t, filepath.Join(dir, "hidden"), "content")
		mark := filepath.Join("/tmp", filepath.Base(dir)+"-mark")
		write(t, mark, "outside")
		defer os.Remove(mark)
		shm := filepath.Join("/dev/shm", filepath.Base(filepath.Dir(dir)))
		write(t, shm, "outside")
		defer os.Remove(shm)
		script := `cd "$1"
cat read/file; echo
cat "$2" "$3" hidden 2>/dev/null && echo seen
(: > read/new) 2>/dev/null && echo "created in a read-only grant"
(: > read/file) 2>/dev/null && echo "truncated in a read-only grant"
chmod 777 read/file 2>/dev/null && echo "mode changed in a read-only grant"
: > read/write/new || echo "not created"
echo inside > "$2"; echo inside > "$3"; echo x > /var/tmp/y && cat "$2" "$3" /tmp/y
pwd`
		l := command("/bin/sh", "-c", script, "sh", dir, mark, shm).allow(Read, filepath.Join(dir, "read")).allow(Read|Write, filepath.Join(dir, "read/write"))
		l.Policy.Rules = append(l.Policy.Rules, Rule{Path: dir, Why: "working directory"}) // reachable, no more
		l.Policy.Rules = append(l.Policy.Rules, Rule{"/tmp", Read | Write, "it is the launch's own"})
		if got, want := l.output(t), "content\ninside\ninside\nx\n"+dir+"\n"; got != want {
			t.Errorf("got %q, want %q\n%s", got, want, l.err.String())
		}
		for path, want := range map[string]string{mark: "outside", shm: "outside", filepath.Join(dir, "read/file"): "content"} {
			if data, _ := os.ReadFile(path); string(data) != want {
				t.Errorf("%s afterwards: %q, want %q", path, data, want)
			}
		}
		if _, err := os.Stat(filepath.Join(dir, "read/write/new")); err != nil {
			t.Error(err)
		}
		if data, err := os.ReadFile(filepath.Join(l.Policy.Scratch, "tmp/y")); string(data) != "x\n" {
			t.Errorf("the launch's /tmp on disk: %q %v", data, err)
		}
	})
}

// The slaves of terminals outside cannot be opened, and new terminals can be made.
func TestTerminals(t *testing.T) {
	both(t, func(t *testing.T) {
		var slaves []string
		for range 2 {
			master, slave, err := pty.Open()
			if err != nil {
				t.Fatal(err)
			}
			defer master.Close()
			defer slave.Close()
			slaves = append(slaves, slave.Name())
		}
		l := victim(t, "terminals", slaves...)
		want := map[string]string{
			"outer terminal 0": "ENOENT|EACCES", "outer terminal 1": "ENOENT|EACCES", "open ptmx": "ok", "unlock": "ok", "number": "ok",
			"open slave": "ok", "termios": "ok", "TIOCSTI": "EPERM", "TIOCSTI with high bits": "EPERM", "TIOCLINUX": "EPERM",
		}
		compare(t, verdicts(t, l.output(t)), want)
	})
}

func TestRealTerminalPrograms(t *testing.T) {
	both(t, func(t *testing.T) {
		for name, args := range map[string][]string{
			"python3": {"-c", "import pty,os\nm,s=pty.openpty()\nprint(os.isatty(s), os.ttyname(s).startswith('/dev/pts/'), flush=True)\npty.spawn(['/bin/echo','spawned'])"},
			"script":  {"-qec", "test -t 0 && echo True True; echo spawned", "/dev/null"},
		} {
			l := command(needsProgram(t, name), args...)
			if got := strings.Fields(l.output(t)); strings.Join(got, " ") != "True True spawned" {
				t.Errorf("%s: %q\n%s", name, got, l.err.String())
			}
		}
	})
}

// The launch's terminal comes from inside: size, mode and the controlling terminal are there, and its other end here.
func TestTerminalOfTheCommand(t *testing.T) {
	both(t, func(t *testing.T) {
		for _, without := range [][]Layer{nil, {LayerMounts}} {
			l := shell("stty size; tty; test -t 0 && test -t 1 && test -t 2 && echo terminal; : < /dev/tty && echo own; exit 4")
			l.Terminal = &Terminal{Stdio: [3]bool{true, true, true}, Controlling: true, Rows: 33, Cols: 77}
			l.Without = without
			l.prepare(t)
			if err := l.Start(); err != nil {
				t.Fatal(err)
			}
			if err := l.Go(); err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			buf := make([]byte, 4096)
			for {
				n, err := l.Master.Read(buf)
				out.Write(buf[:n])
				if err != nil { // EIO: the last slave was closed
					break
				}
			}
			if status := l.end(t); status.ExitStatus() != 4 {
				t.Errorf("%s", ending(status))
			}
			l.Master.Close()
			got := strings.Fields(out.String())
			if len(got) != 5 || got[0] != "33" || got[1] != "77" || !strings.HasPrefix(got[2], "/dev/pts/") || got[3] != "terminal" || got[4] != "own" {
				t.Errorf("without %v: %q", without, got)
			}
		}
	})
}

// A protected path behind a link that the machine's own tree has, above every rule.
func TestMaskBehindALinkOutsideTheRules(t *testing.T) {
	both(t, func(t *testing.T) {
		dir := outdoors(t)
		write(t, filepath.Join(dir, "real/data/secret"), "content")
		if err := os.Symlink("real", filepath.Join(dir, "alias")); err != nil {
			t.Fatal(err)
		}
		l := shell("cat "+filepath.Join(dir, "real/data/secret")).allow(Read|Write, filepath.Join(dir, "real/data"))
		l.Policy.Masks = []Mask{{Path: filepath.Join(dir, "alias/data/secret")}}
		if got := l.output(t); got != "" {
			t.Errorf("got %q", got)
		}
	})
}

// Mounts are the launch's own business: nothing of them is left outside.
func TestMountsStayInside(t *testing.T) {
	both(t, func(t *testing.T) {
		before, err := exec.Command("cat", "/proc/self/mounts").Output()
		if err != nil {
			t.Fatal(err)
		}
		dir := outdoors(t)
		write(t, filepath.Join(dir, "secret"), "content")
		l := shell("cat /proc/mounts | wc -l").allow(Read|Write, dir)
		l.Policy.Masks = []Mask{{Path: filepath.Join(dir, "secret")}}
		l.output(t)
		after, err := exec.Command("cat", "/proc/self/mounts").Output()
		if err != nil || string(after) != string(before) {
			t.Errorf("mounts changed: %v\n%s\n%s", err, before, after)
		}
		var st unix.Stat_t
		if err := unix.Stat(filepath.Join(dir, "secret"), &st); err != nil || st.Size != 7 {
			t.Errorf("secret afterwards: %d %v", st.Size, err)
		}
	})
}
