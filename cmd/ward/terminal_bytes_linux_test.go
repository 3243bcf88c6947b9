package main_test

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/creack/pty"
)

// TestTerminalBytes compares what a terminal is sent with what it is sent without ward.
func TestTerminalBytes(t *testing.T) {
	text := bytes.Repeat([]byte("a line with a tab\tand an escape \x1b[1mbold\x1b[0m, ümläut, no carriage return\n"), 60)
	for _, c := range []struct {
		name  string
		needs string
		argv  []string
		steps []step
	}{
		{name: "newlines, tabs and escapes", argv: []string{"printf", `one\ntwo\tthree\r\n\033[31mred\033[0m\n\n\a\b\0no newline at the end`}},
		{name: "stty", needs: "stty", argv: []string{"stty", "-a"}},
		{name: "tty", argv: []string{"sh", "-c", "for i in 0 1 2; do test -t $i && echo $i; done; stty size; echo err >&2"}},
		{name: "vim", needs: "vim", argv: []string{"vim", "-u", "NONE", "-i", "NONE", "-n", "text"}, steps: []step{{"a line", "ihello\x1b:q!\r"}}},
		{name: "less", needs: "less", argv: []string{"less", "-f", "text"}, steps: []step{{"text\x1b[27m", " "}, {":\x1b[K", "q"}}},
		{name: "readline", needs: "python3", argv: []string{"python3", "-q", "-E", "-s"},
			steps: []step{{">>> ", "1+1\r"}, {"2", ""}, {">>> ", "print('\x1b[Dx'\r"}, {">>> ", "exit()\r"}}},
		{name: "5 MB", argv: []string{"cat", "big"}},
		{name: "typed line", argv: []string{"sh", "-c", "echo ask; read x; echo got $x"}, steps: []step{{"ask", "hello\r"}}},
		{name: "end of file key", argv: []string{"sh", "-c", "echo ask; cat; echo end"}, steps: []step{{"ask", "hello\r"}, {"hello\r\nhello", "\x04"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.needs != "" {
				needs(t, c.needs)
			}
			asEach(t, func(t *testing.T, p *person) {
				p.write(t, "text", text, 0o644)
				p.write(t, "big", bytes.Repeat(text, 5<<20/len(text)), 0o644)
				want, wantCode := p.session(t, p.command(t, c.argv...), c.steps...)
				p.env = append(p.env, "BYTES_SOURCE="+secretValue()) // so that the guard has something to look for
				flags := []string{"--silent", "--env-credential-map", "env://BYTES_SOURCE", "BYTES_TOKEN", "--"}
				got, code := p.session(t, p.run(t, append(flags, c.argv...)...), c.steps...)
				if got != want {
					t.Errorf("the terminal got %d bytes, %s", len(got), difference(got, want))
				}
				if code != wantCode {
					t.Errorf("exit code %d, want %d", code, wantCode)
				}
			})
		})
	}
}

// difference shows where two long texts part.
func difference(got, want string) string {
	i := 0
	for i < len(got) && i < len(want) && got[i] == want[i] {
		i++
	}
	part := func(s string) string { return s[max(0, i-40):min(len(s), i+60)] }
	return strings.Join([]string{"and they part at " + regexp.MustCompile(`\s+`).ReplaceAllString(part(got), " "), part(got), "want", part(want)}, "\n")
}

// TestTerminalStdinElsewhere: stdin is a file and stdout the terminal, whose own line discipline then edits output.
func TestTerminalStdinElsewhere(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		file := p.write(t, "in", []byte("one\ntwo\n"), 0o644)
		open := func(cmd *exec.Cmd) *exec.Cmd {
			f, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { f.Close() })
			cmd.Stdin = f
			return cmd
		}
		argv := []string{"sh", "-c", "cat; stty size <&2; test -t 0 || echo no terminal on stdin; test -t 1 && echo terminal"}
		want, _ := p.session(t, open(p.command(t, argv...)))
		got, code := p.session(t, open(p.run(t, append([]string{"--silent", "--"}, argv...)...)))
		wantText(t, "the terminal", got, want)
		if code != 0 || strings.Contains(got, "\r\r\n") {
			t.Errorf("exit %d, output %q", code, got)
		}
	})
}

// sizes prints the terminal's size at the start and on the signal, and ends at the third. It blocks the signal but while
// it waits: a shell's trap can miss one.
const sizes = `
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGWINCH])
for i in range(3):
    if i: signal.sigwait([signal.SIGWINCH])
    size = os.get_terminal_size(0)
    print(size.lines, size.columns, flush=True)
`

// TestTerminalSize: the command sees the size of the terminal, and each change of it, by a signal.
func TestTerminalSize(t *testing.T) {
	needs(t, "python3")
	asEach(t, func(t *testing.T, p *person) {
		term := p.atTerminal(t, p.run(t, "--silent", "--", "python3", "-c", sizes))
		at := term.await(t, 0, "24 80")
		for _, c := range []struct {
			size pty.Winsize
			want string
		}{{pty.Winsize{Rows: 40, Cols: 132}, "40 132"}, {pty.Winsize{Rows: 10, Cols: 20}, "10 20"}} {
			if err := pty.Setsize(term.File, &c.size); err != nil {
				t.Fatal(err)
			}
			at = term.await(t, at, c.want)
		}
		if code := term.code(t); code != 0 {
			t.Errorf("exit %d", code)
		}
	})
}
