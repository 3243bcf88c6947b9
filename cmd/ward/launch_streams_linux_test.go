package main_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/creack/pty"
)

// guarded are the flags that put the guard between, or not.
func guarded(p *person) map[string][]string {
	p.env = append(p.env, "STREAM_SOURCE="+secretValue())
	return map[string][]string{
		"handed over":       {"--silent"},
		"through the guard": {"--silent", "--env-credential-map", "env://STREAM_SOURCE", "STREAM_TOKEN"},
	}
}

// TestStreamsExact: what the command writes arrives byte for byte, stdout and stderr apart.
func TestStreamsExact(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		var want [2][]byte
		for i, name := range []string{"a", "b"} {
			want[i] = make([]byte, 10<<20)
			rand.Read(want[i])
			p.write(t, name, want[i], 0o644)
		}
		for name, flags := range guarded(p) {
			got := end(t, p.run(t, append(flags, "--", "sh", "-c", "cat b >&2 & cat a; wait; exit 7")...))
			if got.code != 7 {
				t.Errorf("%s: exit %d", name, got.code)
			}
			for i, stream := range []string{got.stdout, got.stderr} {
				if !bytes.Equal([]byte(stream), want[i]) {
					t.Errorf("%s: stream %d: %d bytes, of which the first %d are right; want %d",
						name, i+1, len(stream), same([]byte(stream), want[i]), len(want[i]))
				}
			}
		}
	})
}

func same(a, b []byte) int {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	return i
}

// TestStreamsShell compares pipelines around ward with the same ones without: stdin is never read ahead, and a reader
// that goes away ends the writer.
func TestStreamsShell(t *testing.T) {
	for _, script := range []string{
		`while read x; do run true; echo $x; done < list`,
		`(run head -n1; cat) < list`,
		`(run sh -c 'read x; echo got $x'; cat) < list`,
		`yes | run head -1`,
		`run yes | head -1; echo ${PIPESTATUS[0]}`,
		`run sh -c 'yes; echo $? >&2' 2>status | head -1; cat status`,
		`cat list | run cat | run cat | tail -1`,
		`run cat <<< here`,
		`run sh -c 'echo out; echo err >&2' 2>&1 >/dev/null`,
		`run sh -c 'cat; echo $?' < /dev/null`,
		`echo before > log; run sh -c 'echo appended' >> log; cat log`,
		`x=$(run sh -c 'printf no-newline'); echo "$x."`,
		`run sh -c 'sleep 0.2; echo late' & wait $!; echo $?`,
	} {
		t.Run(strings.ReplaceAll(script, "/", "|"), func(t *testing.T) {
			p := one(t)
			var list strings.Builder
			for i := range 20 {
				fmt.Fprintln(&list, "line", i)
			}
			shell := func(flags []string) string {
				for _, f := range []string{"log", "status"} {
					os.Remove(filepath.Join(p.project, f))
				}
				p.write(t, "list", []byte(list.String()), 0o644)
				run := `run() { "$@"; }`
				if flags != nil {
					run = "run() { " + p.ward + " run --allow-cwd " + strings.Join(flags, " ") + ` -- "$@"; }`
				}
				got := end(t, p.command(t, "bash", "-c", run+"\n"+script))
				return fmt.Sprintf("%s\n%s\n%d", got.stdout, got.stderr, got.code)
			}
			want := shell(nil)
			for name, flags := range guarded(p) {
				wantText(t, name, shell(flags), want)
			}
		})
	}
}

// TestStreamsFull: output that finds no room is said to be missing, and the launch has not succeeded, whether or not the
// command noticed. Behind the guard it writes into a pipe, so a short one does not.
func TestStreamsFull(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		for name, flags := range guarded(p) {
			for _, size := range []string{"1", "1000000"} {
				argv := append([]string{"sh", "-c", `exec "$@" >/dev/full`, "sh", p.ward, "run", "--allow-cwd"}, flags...)
				got := end(t, p.command(t, append(argv, "--", "head", "-c", size, "/dev/zero")...))
				if got.code == 0 || !strings.Contains(strings.ToLower(got.stderr), "no space left on device") {
					t.Errorf("%s, %s bytes: exit %d and %q", name, size, got.code, got.stderr)
				}
			}
		}
	})
}

// TestStreamsLastByte: a program that writes and ends at once has all its output written, and nothing after it.
func TestStreamsLastByte(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		data := bytes.Repeat([]byte("0123456789abcde\n"), 4096)
		p.write(t, "data", data, 0o644)
		onTerminal := strings.ReplaceAll(string(data), "\n", "\r\n")
		for name, flags := range guarded(p) {
			for i := range 25 {
				if got := end(t, p.run(t, append(flags, "--", "cat", "data")...)); got.stdout != string(data) || got.stderr != "" {
					t.Fatalf("%s, pipe, run %d: %d bytes and stderr %q, want %d", name, i, len(got.stdout), got.stderr, len(data))
				}
				if got, _ := p.session(t, p.run(t, append(flags, "--", "cat", "data")...)); got != onTerminal {
					t.Fatalf("%s, terminal, run %d: %d bytes, want %d", name, i, len(got), len(onTerminal))
				}
			}
		}
	})
}

// TestStreamsTerminals: which of the command's descriptors are terminals, for each combination outside.
func TestStreamsTerminals(t *testing.T) {
	p := one(t)
	for _, mode := range []string{"auto", "always", "never"} {
		for bits := range 8 {
			outside := [3]bool{bits&1 != 0, bits&2 != 0, bits&4 != 0}
			want := outside
			switch mode {
			case "always":
				want = [3]bool{outside[0], true, true} // stdin that is a file would be lost
			case "never":
				want = [3]bool{outside[0], false, false} // stdin is handed over
			}
			t.Run(fmt.Sprint(mode, outside), func(t *testing.T) {
				cmd := p.run(t, "--silent", "--pty", mode, "--", "sh", "-c",
					"exec 3> seen; for i in 0 1 2; do test -t $i && printf $i >&3; done; echo out; echo err >&2")
				out, err := connect(t, cmd, outside)
				if outside == [3]bool{} {
					if got := end(t, cmd); got.code != 0 {
						t.Fatalf("exit %d: %s", got.code, got.stderr)
					}
				} else if shown, code := p.session(t, cmd); code != 0 || strings.Contains(shown, "\r\r") {
					t.Fatalf("exit %d; the terminal shows %q", code, shown)
				}
				got := p.read(t, "seen")
				var names string
				for i, is := range want {
					if is {
						names += fmt.Sprint(i)
					}
				}
				if got != names {
					t.Errorf("terminals inside: %q, want %q", got, names)
				}
				if mode == "auto" && !outside[1] && out.String() != "out\n" {
					t.Errorf("stdout = %q", out)
				}
				if mode == "auto" && !outside[2] && err.String() != "err\n" {
					t.Errorf("stderr = %q", err)
				}
			})
		}
	}
}

// connect gives a command files for all that is no terminal.
func connect(t *testing.T, cmd *exec.Cmd, terminal [3]bool) (out, err *bytes.Buffer) {
	t.Helper()
	out, err = &bytes.Buffer{}, &bytes.Buffer{}
	if !terminal[0] {
		cmd.Stdin = strings.NewReader("")
	}
	if !terminal[1] {
		cmd.Stdout = out
	}
	if !terminal[2] {
		cmd.Stderr = err
	}
	return out, err
}

// TestStreamsOthers: a descriptor that ward itself was started with is nobody's gift to the command.
func TestStreamsOthers(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		f, err := os.Open("/etc")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		cmd := p.run(t, "--", "sh", "-c", "echo /proc/self/fd/*")
		cmd.ExtraFiles = []*os.File{f}
		want := "/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 /proc/self/fd/3\n" // the last is the shell's own look
		wantText(t, "descriptors", end(t, cmd).stdout, want)
	})
}

// TestStreamsKeys: where stdout is no terminal, as before less, ward takes no keys: they are there for who asks.
func TestStreamsKeys(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		// The second command of the pipeline is the one that reads the terminal, while ward's still runs.
		script := p.ward + ` run --silent -- sh -c 'echo ready; sleep 0.5' | (read x; echo "$x" >&2; read key < /dev/tty; echo "key $key" >&2)`
		shown, code := p.session(t, p.command(t, "bash", "-c", script), step{"ready", "hello\r"})
		if code != 0 || !strings.Contains(shown, "key hello") {
			t.Errorf("exit %d; the terminal shows %q", code, shown)
		}
	})
}

// TestStreamsClosedTerminal: a terminal that goes away ends the command and ward.
func TestStreamsClosedTerminal(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		cmd := p.run(t, "--silent", "--", "sh", "-c", "trap 'echo hup > hup; exit' HUP; echo ready; while :; do sleep 0.02; done")
		master, slave, err := pty.Open()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
		cmd.SysProcAttr.Setpgid, cmd.SysProcAttr.Setsid, cmd.SysProcAttr.Setctty = false, true, true
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		slave.Close()
		buf := make([]byte, 64)
		if n, err := master.Read(buf); err != nil || !strings.HasPrefix(string(buf[:n]), "ready") {
			t.Fatalf("%q, %v", buf[:n], err)
		}
		master.Close()
		cmd.Wait()
		wantText(t, "what the command noted", p.read(t, "hup"), "hup\n")
	})
}
