package launcher

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"ward/profiles"
	"ward/secrets"
)

func helpers() map[string]func() int {
	return map[string]func() int{"crash": crash, "wipe": wipe}
}

// odd is a signal that the supervisor does not expect.
type odd struct{}

func (odd) String() string { return "odd" }
func (odd) Signal()        {}

// crash is a supervisor in which something panics once a file is there.
func crash() int {
	h, err := ThisHost()
	if err != nil {
		fmt.Println(err)
		return 1
	}
	profile, err := profiles.Load("default", "")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	p, err := NewPlan(profile, Options{Argv: []string{"cat"}, Credentials: []Credential{
		{Ref: secrets.Ref{Scheme: "env", Path: "CRASH_SOURCE"}, Var: "CRASH_TOKEN"}}}, h)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	s := newSession(p, RunOptions{Silent: true, NoAudit: true}, rand.Text())
	go func() {
		for _, err := os.Stat(os.Getenv("CRASH_GO")); err != nil; _, err = os.Stat(os.Getenv("CRASH_GO")) {
			time.Sleep(time.Millisecond)
		}
		switch os.Getenv("CRASH_WHERE") {
		case "serving":
			s.signals <- odd{}
		case "copying": // a guard that was wiped panics rather than let anything pass
			s.guards[0].Wipe()
			fmt.Println("wiped")
		}
	}()
	code, err := s.run()
	fmt.Println(err)
	return code
}

// TestCrash: a panic, in whatever goroutine, gives the terminal back, ends what is inside, and says so.
func TestCrash(t *testing.T) {
	for _, where := range []string{"serving", "copying"} {
		t.Run(where, func(t *testing.T) {
			now := filepath.Join(t.TempDir(), "now")
			cmd := helper(t, "crash", "CRASH_WHERE="+where, "CRASH_GO="+now, "CRASH_SOURCE=sk-"+rand.Text()+rand.Text(), "TMPDIR="+t.TempDir())
			master, shown := atTerminal(t, cmd)
			before := mode(t, master)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			cmd.Stdin.(*os.File).Close()
			output := shown()
			wait(t, "the terminal is raw", func() bool { return mode(t, master) != before })
			wait(t, "the command answers", func() bool {
				io.WriteString(master, "x\n")
				return strings.Count(output(), "x") > 2
			})
			if err := os.WriteFile(now, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if where == "copying" {
				wait(t, "the guard is wiped", func() bool { return strings.Contains(output(), "wiped") })
				io.WriteString(master, "y\n")
			}
			cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != ExitFailed || !strings.Contains(output(), "ward: panic: ") {
				t.Errorf("exit %d, want %d; the terminal shows %q", code, ExitFailed, output())
			}
			if after := mode(t, master); after != before {
				t.Errorf("the terminal is left as\n%s\nwant\n%s", after, before)
			}
		})
	}
}

// atTerminal connects a command to a new terminal; the second result starts the reading and gives what was shown.
func atTerminal(t *testing.T, cmd *exec.Cmd) (master *os.File, shown func() func() string) {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	return master, func() func() string {
		chunks := make(chan []byte, 1024)
		go func() {
			defer close(chunks)
			for {
				buf := make([]byte, 4096)
				n, err := master.Read(buf)
				if err != nil {
					return
				}
				chunks <- buf[:n]
			}
		}()
		var all bytes.Buffer
		return func() string {
			for {
				select {
				case c, open := <-chunks:
					if all.Write(c); open {
						continue
					}
				case <-time.After(20 * time.Millisecond):
				}
				return all.String()
			}
		}
	}
}

func mode(t *testing.T, master *os.File) string {
	t.Helper()
	var text string
	if err := connected(master, func(fd int) error {
		m, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		if err == nil {
			text = fmt.Sprintf("%+v", *m)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return text
}

func wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for limit := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// wipe overwrites two of its variables and shows what is left.
func wipe() int {
	kept := os.Getenv("WIPE_THIS") // a copy of the header, which points to the same bytes
	if err := wipeEnviron([]string{"WIPE_THIS", "WIPE_EMPTY", "WIPE_UNSET"}); err != nil {
		fmt.Println(err)
		return 1
	}
	data, err := os.ReadFile("/proc/self/environ")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Printf("%q\n%q\n%s", kept, os.Getenv("WIPE_THIS"), bytes.ReplaceAll(data, []byte{0}, []byte("~")))
	return 0
}

// TestWipeEnviron: the values are gone from the kernel's block and from the runtime's copy; all else is as it was.
func TestWipeEnviron(t *testing.T) {
	cmd := helper(t, "wipe")
	cmd.Env = []string{"FIRST=1", "WIPE_THIS=abc=d", "WARD_TEST_HELPER=wipe", "WIPE_EMPTY=", "WIPE_THIS_NOT=abc=d", "LAST=2"}
	out, err := cmd.CombinedOutput()
	want := `"\x00\x00\x00\x00\x00"` + "\n" + `"\x00\x00\x00\x00\x00"` + "\n" +
		"FIRST=1~WIPE_THIS=~~~~~~WARD_TEST_HELPER=wipe~WIPE_EMPTY=~WIPE_THIS_NOT=abc=d~LAST=2~"
	if err != nil || string(out) != want {
		t.Errorf("%v\n%s\nwant\n%s", err, out, want)
	}
}
