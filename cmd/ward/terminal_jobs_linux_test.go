package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// shell is an interactive bash at a terminal, with `run` for ward and a prompt that nothing else prints.
type shell struct {
	*terminal
	at int // what was shown up to there is dealt with
}

const prompt = "§ "

func (p *person) shell(t *testing.T) *shell {
	t.Helper()
	needs(t, "bash")
	p.write(t, "rc", []byte("PS1='"+prompt+"'; set +o history; bind 'set enable-bracketed-paste off'; run() { "+p.ward+" run --silent --allow-cwd -- \"$@\"; }\n"), 0o644)
	p.write(t, "loop", []byte("echo ready\nwhile read x; do echo got $x; done\n"), 0o644)
	sh := &shell{terminal: p.atTerminal(t, p.command(t, "bash", "--rcfile", "rc", "-i"))}
	sh.see(t, prompt)
	return sh
}

// see waits for a text after all that was seen before.
func (sh *shell) see(t *testing.T, text string) { t.Helper(); sh.at = sh.await(t, sh.at, text) }

// do types a line and waits for what it should show.
func (sh *shell) do(t *testing.T, line string, texts ...string) {
	t.Helper()
	sh.press(t, line)
	for _, text := range texts {
		sh.see(t, text)
	}
}

// sane checks that the shell answers, with its terminal as bash keeps it while a command runs.
func (sh *shell) sane(t *testing.T) {
	t.Helper()
	sh.do(t, "stty -a | tr ' ' '\\n' | grep -x -e echo -e icanon -e isig -e opost | sort | tr '\\n' .; echo o\"\"k\r",
		"echo.icanon.isig.opost.ok\r\n", prompt)
}

// stopped says whether every ward in the project is.
func (p *person) stopped() bool {
	wards, stopped := 0, 0
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		argv, _ := os.ReadFile(dir + "/cmdline")
		cwd, err := os.Readlink(dir + "/cwd")
		if err != nil { // it hides from ordinary users; the shell that started it is where it is
			cwd, _ = os.Readlink(fmt.Sprintf("/proc/%d/cwd", parentOf(dir)))
		}
		if cwd != p.project || !strings.HasPrefix(string(argv), p.ward+"\x00run\x00") {
			continue
		}
		wards++
		if state, _ := os.ReadFile(dir + "/stat"); strings.Contains(string(state), ") T ") {
			stopped++
		}
	}
	return wards > 0 && wards == stopped
}

// parentOf reads the parent out of a process's directory in /proc.
func parentOf(dir string) (pid int) {
	stat, _ := os.ReadFile(dir + "/stat")
	_, rest, _ := strings.Cut(string(stat), ") ")
	var state string
	fmt.Sscan(rest, &state, &pid)
	return pid
}

const (
	ctrlC = "\x03"
	ctrlD = "\x04"
	ctrlZ = "\x1a"
)

// TestJobs does at an interactive shell what people do, with ward in between.
func TestJobs(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(t *testing.T, p *person, sh *shell)
	}{
		{"stop and go on", func(t *testing.T, p *person, sh *shell) {
			sh.do(t, "run sh loop\r", "ready\r\n")
			for range 3 {
				sh.do(t, ctrlZ, "^Z", "Stopped", prompt)
				sh.sane(t)
				sh.do(t, "fg\r", `"$@"`+"\r\n")
				sh.do(t, "hello\r", "got hello\r\n")
			}
			sh.do(t, ctrlD, prompt)
			sh.do(t, "echo code $?\r", "code 0\r\n", prompt)
		}},
		{"stop and interrupt", func(t *testing.T, p *person, sh *shell) {
			sh.do(t, "run sh loop\r", "ready\r\n")
			sh.do(t, ctrlZ, "Stopped", prompt)
			sh.do(t, "fg\r", `"$@"`+"\r\n")
			sh.do(t, "hello\r", "got hello\r\n")
			sh.do(t, ctrlC, "^C", prompt)
			sh.do(t, "echo code $?\r", "code 130\r\n", prompt)
			sh.sane(t)
		}},
		{"stopped job is ended", func(t *testing.T, p *person, sh *shell) {
			sh.do(t, "run sh loop\r", "ready\r\n")
			sh.do(t, ctrlZ, "Stopped", prompt)
			sh.do(t, "kill %1; while test -n \"$(jobs)\"; do command sleep 0.02; jobs; done; echo go\"\"ne\r", "Exit 143", "gone\r\n", prompt)
			sh.sane(t)
		}},
		{"go on in the background", func(t *testing.T, p *person, sh *shell) {
			sh.do(t, "mkfifo go; run sh -c 'echo rea\"\"dy; read x < go; echo fini\"\"shed'\r", "ready\r\n")
			sh.do(t, ctrlZ, "Stopped", prompt)
			sh.do(t, "bg\r", "&", prompt)
			sh.sane(t)
			sh.do(t, "echo > go; wait; echo wai\"\"ted\r", "finished\r\n", "waited\r\n", prompt)
			sh.sane(t)
		}},
		{"started in the background", func(t *testing.T, p *person, sh *shell) {
			sh.do(t, "run sh -c 'echo rea\"\"dy > ready; read x; echo got $x; read x; echo got $x' &\r", prompt)
			sh.do(t, "while test ! -e ready; do sleep 0.02; done; jobs\r", "Running", prompt)
			sh.sane(t)
			sh.do(t, "fg\r", "got $x'\r\n")
			sh.do(t, "one\r", "got one\r\n")
			sh.do(t, "two\r", "got two\r\n", prompt)
			sh.sane(t)
		}},
		{"in the background, output to a file", func(t *testing.T, p *person, sh *shell) {
			sh.do(t, "run sh -c 'echo rea\"\"dy > ready; cat; while test ! -e go; do sleep 0.02; done' > out &\r", prompt)
			sh.do(t, "while test ! -e ready; do sleep 0.02; done\r", prompt)
			sh.sane(t) // the command takes none of these keys
			sh.do(t, "touch go; wait; echo wai\"\"ted\r", "waited\r\n", prompt)
			wantText(t, "what the command read", p.read(t, "out"), "")
		}},
		{"inside an inner shell", func(t *testing.T, p *person, sh *shell) {
			sh.do(t, "run env PS1='inner''> ' bash --norc -i\r", "inner> ")
			sh.do(t, "bind 'set enable-bracketed-paste off'\r", "inner> ")
			sh.do(t, "sh loop\r", "ready\r\n")
			sh.do(t, "hello\r", "got hello\r\n")
			sh.do(t, ctrlZ, "Stopped", "inner> ")
			sh.do(t, "fg\r", "sh loop\r\n")
			sh.do(t, "again\r", "got again\r\n")
			sh.do(t, ctrlC, "inner> ")
			sh.do(t, "exit 5\r", prompt)
			sh.do(t, "echo code $?\r", "code 5\r\n", prompt)
			sh.sane(t)
		}},
		{"a program in raw mode stops itself", func(t *testing.T, p *person, sh *shell) {
			needs(t, "python3")
			p.write(t, "raw.py", []byte(rawProgram), 0o644)
			sh.do(t, "run python3 raw.py\r", "raw: ", "Stopped", prompt)
			sh.sane(t)
			sh.do(t, "fg\r", "back: ")
			sh.do(t, ctrlC, "key 3\r\n", prompt) // a key like others
			sh.sane(t)
		}},
		{"vim", func(t *testing.T, p *person, sh *shell) {
			needs(t, "vim")
			p.write(t, "text", []byte("first line\n"), 0o644)
			sh.do(t, "run vim -u NONE -i NONE -n text\r", "first line")
			sh.do(t, ctrlZ, "Stopped", prompt)
			sh.sane(t)
			sh.do(t, "fg\r", "first line")
			sh.do(t, "Aand more\x1b:wq\r", prompt)
			wantText(t, "the file", p.read(t, "text"), "first lineand more\n")
			sh.sane(t)
		}},
		{"pipeline", func(t *testing.T, p *person, sh *shell) {
			sh.do(t, "run sh loop | cat\r", "ready\r\n")
			sh.do(t, "one\r", "got one\r\n")
			sh.do(t, ctrlZ, "Stopped", prompt)
			// The shell sees the others stop at once. A key that is typed before ward has passed the stop on is the
			// command's, whose terminal this still is.
			until(t, "ward is stopped too", func() bool { return p.stopped() })
			sh.sane(t)
			sh.do(t, "fg\r", "| cat\r\n")
			sh.do(t, "two\r", "got two\r\n")
			sh.do(t, ctrlC, prompt)
			sh.do(t, "echo ${PIPESTATUS[0]} code\r", "130 code\r\n", prompt)
			sh.sane(t)
		}},
		{"subshell", func(t *testing.T, p *person, sh *shell) {
			sh.do(t, "(run sh loop; echo af\"\"ter)\r", "ready\r\n")
			sh.do(t, ctrlZ, "Stopped", prompt)
			sh.do(t, "fg\r", ")\r\n")
			sh.do(t, "one\r", "got one\r\n")
			sh.do(t, ctrlD, "after\r\n", prompt)
			sh.sane(t)
		}},
		{"changed size while stopped", func(t *testing.T, p *person, sh *shell) {
			sh.do(t, "run sh -c 'echo rea\"\"dy; read x; stty size'\r", "ready\r\n")
			sh.do(t, ctrlZ, "Stopped", prompt)
			sh.do(t, "stty rows 33 cols 77; fg\r", `"$@"`+"\r\n")
			sh.do(t, "\r", "33 77\r\n", prompt)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			asEach(t, func(t *testing.T, p *person) {
				sh := p.shell(t)
				c.do(t, p, sh)
				sh.press(t, "exit\r")
				sh.code(t)
			})
		})
	}
}

// rawProgram makes its terminal raw, puts it back and stops itself, as editors do, and then reads one key.
const rawProgram = `
import os, signal, sys, termios, tty
mode = termios.tcgetattr(0)
tty.setraw(0)
os.write(1, b'raw: ')
termios.tcsetattr(0, termios.TCSADRAIN, mode)
os.kill(os.getpid(), signal.SIGTSTP)
tty.setraw(0)
os.write(1, b'back: ')
key = os.read(0, 1)
termios.tcsetattr(0, termios.TCSADRAIN, mode)
print('key', key[0])
`
