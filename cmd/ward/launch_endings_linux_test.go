package main_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestExitCodes: a command's own, a signal's, and those of a shell for what cannot run.
func TestExitCodes(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		p.write(t, "plain.txt", []byte("echo hi\n"), 0o644)
		p.write(t, "lost.sh", []byte("#!/no/such/interpreter\n"), 0o755)
		p.write(t, "text", []byte("neither binary nor script\n"), 0o755)
		p.env = append(p.env, "CODE_SOURCE="+secretValue())
		leak := []string{"--env-credential-map", "env://CODE_SOURCE", "CODE_TOKEN", "--guard", "block", "--", "sh", "-c", `echo "$CODE_TOKEN"; sleep 60`}
		for _, c := range []struct {
			args []string
			want int
		}{
			{[]string{"--", "true"}, 0},
			{[]string{"--", "sh", "-c", "exit 42"}, 42},
			{[]string{"--", "sh", "-c", "exit 255"}, 255},
			{[]string{"--", "sh", "-c", "kill -TERM $$"}, 128 + 15},
			{[]string{"--", "sh", "-c", "kill -KILL $$"}, 128 + 9},
			{[]string{"--", "sh", "-c", "kill -SEGV $$"}, 128 + 11},
			{[]string{"--", "no-such-command"}, 127},
			{[]string{"--", "./no-such-command"}, 127},
			{[]string{"--", "plain.txt/below"}, 127},
			{[]string{"--", "./lost.sh"}, 127},
			{[]string{"--", ""}, 127},
			{[]string{"--", "./plain.txt"}, 126},
			{[]string{"--", "./text"}, 126},
			{[]string{"--", "/usr"}, 126},
			{[]string{"--no-such-flag", "--", "true"}, 125},
			{[]string{"--allow", "/no/such/directory", "--", "true"}, 125},
			{leak, 86},
		} {
			if got := end(t, p.run(t, c.args...)); got.code != c.want {
				t.Errorf("ward run %q: exit %d, want %d; %s", c.args, got.code, c.want, got.stderr)
			}
			if shown, code := p.session(t, p.run(t, c.args...)); code != c.want {
				t.Errorf("ward run %q on a terminal: exit %d, want %d; %s", c.args, code, c.want, shown)
			}
		}
	})
}

// TestEndings: whatever ends ward, the terminal is as it was, nothing inside goes on, and the exit code tells.
func TestEndings(t *testing.T) {
	for _, c := range []struct {
		name   string
		script string // runs after "ready" was shown
		do     func(t *testing.T, term *terminal, ward, stageTwo int)
		want   int
	}{
		{"exit", "exit 3", nil, 3},
		{"by a signal", "kill -TERM $$", nil, 128 + 15},
		{"SIGTERM to ward", "exec cat", send(syscall.SIGTERM), 128 + 15},
		{"SIGHUP to ward", "exec cat", send(syscall.SIGHUP), 128 + 1},
		{"SIGINT to ward", "exec cat", send(syscall.SIGINT), 128 + 2},
		{"SIGQUIT to ward", "ulimit -c 0; exec cat", send(syscall.SIGQUIT), 128 + 3},
		{"SIGUSR1 to ward", "exec cat", send(syscall.SIGUSR1), 128 + 10},
		{"SIGTERM that is caught", "trap 'exit 9' TERM; echo set; while :; do sleep 0.02; done", send(syscall.SIGTERM, "set"), 9},
		{"SIGTERM twice, ignored", "trap '' TERM; echo set; while :; do sleep 0.02; done", send(syscall.SIGTERM, "set", "again"), 128 + 9},
		{"SIGTERM to a stopped one", "kill -STOP $$; exit 4", send(syscall.SIGTERM), 128 + 15},
		{"Ctrl-C", "exec cat", key("\x03"), 128 + 2},
		{`Ctrl-\`, "ulimit -c 0; exec cat", key("\x1c"), 128 + 3},
		{"stage two killed", "exec cat", func(t *testing.T, _ *terminal, _, stageTwo int) { kill(t, stageTwo, syscall.SIGKILL) }, 70},
	} {
		t.Run(c.name, func(t *testing.T) {
			asEach(t, func(t *testing.T, p *person) {
				// The second line is for what a command leaves behind: a daemon that nothing of it reaches any more.
				mark := "86" + strconv.Itoa(os.Getpid()) + rand.Text()[:4]
				p.write(t, "main", []byte("sleep() { command sleep \"$@\"; }\nread x\n(setsid -f sh -c 'exec -a "+mark+" sleep 600' ) </dev/null >/dev/null 2>&1\necho ready\n"+c.script+"\n"), 0o644)
				term := p.atTerminal(t, p.run(t, "--silent", "--", "bash", "main"))
				ward := term.cmd.Process.Pid
				stageTwo := child(t, ward, stageTwoName)
				until(t, "the terminal is raw", func() bool { return term.mode(t) != term.before })
				term.press(t, "go\r")
				term.await(t, 0, "ready")
				if words := strings.Fields(c.script); slices.Contains(words, "exec") {
					child(t, stageTwo, words[len(words)-1])
				}
				if c.do != nil {
					c.do(t, term, ward, stageTwo)
				}
				if code := term.code(t); code != c.want {
					t.Errorf("exit %d, want %d; the terminal shows %q", code, c.want, term.shown())
				}
				if after := term.mode(t); after != term.before {
					t.Errorf("the terminal is left as\n%s\nwant\n%s", after, term.before)
				}
				if left := withArgument(mark); len(left) > 0 {
					t.Errorf("processes %d of the launch still run", left)
				}
			})
		})
	}
}

// send sends a signal to ward; with "set" only once that was shown, with "again" twice.
func send(sig syscall.Signal, how ...string) func(*testing.T, *terminal, int, int) {
	return func(t *testing.T, term *terminal, ward, _ int) {
		if slices.Contains(how, "set") {
			term.await(t, 0, "set")
		}
		kill(t, ward, sig)
		if slices.Contains(how, "again") {
			time.Sleep(100 * time.Millisecond) // two of the same that are pending are one
			kill(t, ward, sig)
		}
	}
}

func key(k string) func(*testing.T, *terminal, int, int) {
	return func(t *testing.T, term *terminal, _, _ int) { term.press(t, k) }
}

func kill(t *testing.T, pid int, sig syscall.Signal) {
	t.Helper()
	if err := unix.Kill(pid, sig); err != nil {
		t.Fatalf("kill %d: %v", pid, err)
	}
}

// withArgument are the processes that have a word among their arguments.
func withArgument(word string) []int {
	var list []int
	names, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range names {
		data, err := os.ReadFile(path)
		if err == nil && slices.Contains(strings.Split(string(data), "\x00"), word) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			list = append(list, pid)
		}
	}
	return list
}

// TestEndingsKilled: kill -9 of ward leaves nothing inside alive, whatever session or parent it has.
func TestEndingsKilled(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		mark := "ward-test-" + rand.Text()
		script := fmt.Sprintf("setsid -f bash -c 'exec -a %s sleep 600'; (trap '' HUP TERM INT; exec -a %s sleep 600) & exec -a %s sleep 600", mark, mark, mark)
		cmd := p.run(t, "--silent", "--", "bash", "-c", script)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		until(t, "three processes run inside", func() bool { return len(withArgument(mark)) == 3 })
		kill(t, cmd.Process.Pid, syscall.SIGKILL)
		cmd.Wait()
		limit := time.Now().Add(2 * time.Second)
		for left := withArgument(mark); len(left) > 0; left = withArgument(mark) {
			if time.Now().After(limit) {
				t.Fatalf("two seconds after ward was killed, %d still run", left)
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
}

// TestEndingsOrphans: what a command leaves behind is reaped while it runs.
func TestEndingsOrphans(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		script := `for i in 1 2 3 4 5 6 7 8 9 10; do (sh -c 'exit 3' & sh -c 'kill -9 $$' &) ; done
			n=0; while grep -l '^State:.*zombie' /proc/[0-9]*/status 2>/dev/null && [ $n -lt 200 ]; do n=$((n+1)); sleep 0.01; done; echo $n >&2; test $n -lt 200`
		if got := end(t, p.run(t, "--silent", "--", "sh", "-c", script)); got.code != 0 {
			t.Errorf("exit %d; zombies stay: %s", got.code, got.stdout)
		}
	})
}

// TestEndingsNohup: signals that ward was started to ignore stay ignored, by ward and by the command.
func TestEndingsNohup(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		p.write(t, "ignoring", []byte("trap '' HUP INT\nexec \"$@\"\n"), 0o755)
		cmd := p.command(t, "sh", "ignoring", p.ward, "run", "--silent", "--allow-cwd", "--", "sh", "-c",
			"kill -HUP $$; kill -INT $$; echo ready > ready; while test ! -e go; do sleep 0.02; done; echo done")
		var out strings.Builder
		cmd.Stdout = &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		until(t, "the command runs", func() bool { return p.read(t, "ready") != "" })
		for range 2 { // at the second of the same kind ward stops being patient
			kill(t, cmd.Process.Pid, syscall.SIGHUP)
			kill(t, cmd.Process.Pid, syscall.SIGINT)
			time.Sleep(100 * time.Millisecond) // two that are pending are one
		}
		p.write(t, "go", nil, 0o644)
		if err := cmd.Wait(); err != nil || out.String() != "done\n" {
			t.Errorf("%v, stdout %q; want the command to go on to its end", err, &out)
		}
	})
}

// TestEndingsStalled: a reader that has stopped reading does not keep ward from being ended.
func TestEndingsStalled(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		p.env = append(p.env, "STALL_SOURCE="+secretValue())
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		cmd := p.run(t, "--silent", "--env-credential-map", "env://STALL_SOURCE", "STALL_TOKEN", "--", "sh", "-c", "exec yes")
		cmd.Stdout = w
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		w.Close()
		until(t, "the pipe is full", func() bool {
			n, err := unix.IoctlGetInt(int(r.Fd()), unix.TIOCINQ)
			return err == nil && n == 64<<10
		})
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		for range 100 {
			unix.Kill(cmd.Process.Pid, syscall.SIGTERM)
			select {
			case <-done:
				if code := cmd.ProcessState.ExitCode(); code != 128+15 && code != 128+9 {
					t.Errorf("exit %d", code)
				}
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
		t.Fatal("ward still runs after 5 s of SIGTERM")
	})
}
