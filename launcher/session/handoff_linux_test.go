package session

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// handOff prepares one for the test's own descendants, and gives its script and its keeper.
func handOff(t *testing.T, value string, h HandOff) (script string, keeper int) {
	t.Helper()
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	h.Var, h.Ward = "HANDED", self
	if h.Bound == (Bound{}) {
		h.Bound = bound(t, os.Getpid())
	}
	script, err = h.Prepare(buffer(t, value))
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range keepers(t) {
		keeper = max(keeper, pid)
	}
	end(t, keeper)
	return script, keeper
}

// keepers are the test's processes in the background.
func keepers(t *testing.T) (list []int) {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range lines {
		data, _ := os.ReadFile(path)
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if string(data) == keeperName+"\x00" && running(pid) && below(pid) {
			list = append(list, pid)
		}
	}
	return list
}

// below says whether a process is a child of the test.
func below(pid int) bool {
	data, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	return len(fields) > 1 && fields[1] == strconv.Itoa(os.Getpid())
}

// shells are those of this machine that people and agents use.
func shells(t *testing.T) (list []string) {
	t.Helper()
	for _, name := range []string{"bash", "dash", "zsh"} {
		path, err := exec.LookPath(name)
		if err != nil {
			needs(t, name)
		}
		list = append(list, path)
	}
	return list
}

type outcome struct {
	stdout, stderr string
	code           int
}

// shell runs a script in which $LINE is what `ward get` printed.
func shell(t *testing.T, path, line, script string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), path, "-c", script)
	cmd.Env = append(os.Environ(), "LINE="+line, "HANDED=before")
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if _, ok := err.(*exec.ExitError); err != nil && !ok {
		t.Fatal(err)
	}
	return outcome{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// TestHandOffValues: every value arrives byte for byte, in the environment of what the shell starts, in every shell.
func TestHandOffValues(t *testing.T) {
	world(t)
	token := "sk-" + rand.Text()
	values := map[string]string{
		"a token": token, "empty": "", "newlines at the end": token + "\n\n\n", "only newlines": "\n\n", "lines": "one\ntwo\nthree",
		"quotes": `a'b"c` + "`d`" + `$(echo e)${HOME}\n\\`, "dots at the end": token + "..", "spaces": "  two  spaces  ",
		"an option": "-n " + token, "a tilde": "~root/*", "other letters": "пароль-密码", "no letters": "\xff\xfe\x80" + token + "\x01",
		"a key of many lines": strings.Repeat(rand.Text()+rand.Text()+"\n", 60), "100 kB": strings.Repeat(rand.Text(), 4000)[:100_000],
	}
	for _, sh := range shells(t) {
		for what, value := range values {
			script, _ := handOff(t, value, HandOff{})
			got := shell(t, sh, Line(script), `set -eu; umask 0777; eval "$LINE"; exec sh -c 'printf %s "$HANDED"'`)
			if got.stdout != value || got.code != 0 || got.stderr != "" {
				t.Errorf("%s, %s: %d bytes arrive of %d, exit %d: %.200s", sh, what, len(got.stdout), len(value), got.code, got.stderr)
			}
			if dir := filepath.Dir(script); !gone(script) {
				t.Errorf("%s, %s: the script is left in %s", sh, what, dir)
			}
		}
	}
	until(t, "every process in the background ends", func() bool { return len(keepers(t)) == 0 })
}

// TestHandOffOnce: the second use fails in words, and the variable keeps what it had.
func TestHandOffOnce(t *testing.T) {
	world(t)
	value := "sk-" + rand.Text()
	for _, sh := range shells(t) {
		script, keeper := handOff(t, value, HandOff{})
		copied := filepath.Join(t.TempDir(), scriptName)
		text, err := os.ReadFile(script)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(copied, text, 0o700); err != nil {
			t.Fatal(err)
		}
		dir := filepath.Dir(script)
		if got := shell(t, sh, Line(script), `eval "$LINE"; HANDED=; eval "$LINE"; echo "$? $HANDED"`); got.stdout != "1 \n" || !strings.Contains(got.stderr, "used already") {
			t.Errorf("%s: the second time: %+v", sh, got)
		}
		until(t, "its process ends", func() bool { return !running(keeper) && gone(dir) })
		// A copy of the script, put where it was, opens nothing any more.
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(script, text, 0o700); err != nil {
			t.Fatal(err)
		}
		if got := shell(t, sh, Line(script), `eval "$LINE"; echo "$? $HANDED"`); got.stdout != "1 before\n" || strings.Contains(got.stderr, value) {
			t.Errorf("%s: a copy: %+v", sh, got)
		}
	}
}

// Of many who come at once, one gets the value.
func TestHandOffRace(t *testing.T) {
	world(t)
	value := "sk-" + rand.Text()
	script, _ := handOff(t, value, HandOff{})
	socket := filepath.Join(filepath.Dir(script), keySocket)
	var mu sync.Mutex
	var all sync.WaitGroup
	got := 0
	for range 8 {
		cmd := helper(t, "take", socket)
		all.Go(func() {
			out, err := cmd.CombinedOutput()
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			if bytes.HasPrefix(out, []byte("value: ")) {
				got++
			}
		})
	}
	all.Wait()
	if got != 1 {
		t.Errorf("%d of 8 got the key, want 1", got)
	}
}

// The key is taken out, not copied: however late the process ends, there is no second time.
func TestHandOffTaken(t *testing.T) {
	k := &keeper{opening: opening{Values: []entry{{"key", 5}}}, values: buffer(t, "12345")}
	key, err := k.once()
	if err != nil {
		t.Fatal(err)
	}
	defer key.Destroy()
	if second, err := k.once(); err == nil || key.Len() != 5 {
		t.Errorf("the first time %d bytes, the second time %d", key.Len(), second.Len())
	}
}

// TestHandOffTime: what nobody takes is gone with the process that keeps it.
func TestHandOffTime(t *testing.T) {
	world(t)
	script, keeper := handOff(t, "sk-"+rand.Text(), HandOff{Last: time.Second})
	if !running(keeper) || gone(script) {
		t.Fatal("it is gone already")
	}
	until(t, "it ends", func() bool { return !running(keeper) })
	if dir := filepath.Dir(script); !gone(dir) {
		t.Errorf("%s is left", dir)
	}
	got := shell(t, shells(t)[0], Line(script), `eval "$LINE"; echo "$? $HANDED"`)
	if got.stdout != "1 before\n" || !strings.Contains(got.stderr, "waited too long") {
		t.Errorf("afterwards: %+v", got)
	}
}

// TestHandOffOther: another session's process gets nothing, and takes nothing away from whom it is for.
func TestHandOffOther(t *testing.T) {
	world(t)
	value := "sk-" + rand.Text()
	_, at := background(t, "sleep")
	script, keeper := handOff(t, value, HandOff{Bound: at})
	socket := filepath.Join(filepath.Dir(script), keySocket)
	got := shell(t, shells(t)[0], Line(script), `eval "$LINE"; echo "$? $HANDED"`)
	if got.stdout != "1 before\n" || !strings.Contains(got.stderr, "opened in another terminal") {
		t.Errorf("another's process: %+v", got)
	}
	if got := said(t, helper(t, "take", socket)); !strings.Contains(got, "opened in another terminal") {
		t.Errorf("another's process, asking the socket: %q", got)
	}
	if !running(keeper) {
		t.Error("it ended, by one who had no right to it")
	}
}

// forms would give a value away: its halves, hex, and base64 at each of the three places of a group.
func forms(value string) [][]byte {
	all := [][]byte{[]byte(value[:len(value)/2]), []byte(value[len(value)/2:]), []byte(hex.EncodeToString([]byte(value)))}
	for shift := range 3 {
		coded := base64.StdEncoding.EncodeToString([]byte(value[shift:]))
		all = append(all, []byte(coded[:len(coded)-4]))
	}
	return all
}

// TestHandOffFile: nothing on disk, in any command line or environment tells the value.
func TestHandOffFile(t *testing.T) {
	runtime := world(t)
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	value := "sk-" + rand.Text() + rand.Text()
	script, _ := handOff(t, value, HandOff{})
	if info, err := os.Stat(script); err != nil || info.Mode() != 0o700 {
		t.Errorf("the script: %v, %v; want mode 0700", info.Mode(), err)
	}
	if info, err := os.Stat(filepath.Join(filepath.Dir(script), keySocket)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v, %v; want mode 0600", info.Mode(), err)
	}
	if info, err := os.Stat(filepath.Dir(script)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("its directory: %v, %v; want mode 0700", info.Mode(), err)
	}
	hits := func(where string, data []byte) {
		for i, form := range forms(value) {
			if bytes.Contains(data, form) {
				t.Errorf("%s holds form %d of the value", where, i)
			}
		}
	}
	err := filepath.WalkDir(runtime, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		hits(path, data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var sampler sync.WaitGroup
	samples := 0
	sampler.Go(func() {
		for ; ; samples++ {
			select {
			case <-done:
				return
			default:
			}
			lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
			for _, path := range lines {
				data, _ := os.ReadFile(path)
				hits(path, data)
			}
		}
	})
	got := shell(t, shells(t)[0], Line(script), `eval "$LINE"; sleep 0.1; test ${#HANDED} = 55; echo $?`)
	close(done)
	sampler.Wait()
	if got.stdout != "0\n" || got.stderr != "" || samples < 2 {
		t.Errorf("the shell: %+v, after %d samples", got, samples)
	}
}

// TestHandOffTraced: a shell that prints what it does gets nothing to print.
func TestHandOffTraced(t *testing.T) {
	world(t)
	value := "sk-" + rand.Text()
	for _, sh := range shells(t) {
		script, _ := handOff(t, value, HandOff{})
		got := shell(t, sh, Line(script), `set -x; eval "$LINE"; echo "$? $HANDED"`)
		if got.stdout != "1 before\n" || strings.Contains(got.stderr, value) || !strings.Contains(got.stderr, "set -x") {
			t.Errorf("%s: %+v", sh, got)
		}
		if got := shell(t, sh, Line(script), `eval "$LINE"; echo "$? $HANDED"`); got.stdout != "0 "+value+"\n" {
			t.Errorf("%s, without it: %+v", sh, got)
		}
	}
	// A trap sees the words of a command, and not what comes out of it.
	script, _ := handOff(t, value, HandOff{})
	got := shell(t, shells(t)[0], Line(script), `set -T; trap 'printf "%s\n" "$BASH_COMMAND" >&2' DEBUG; eval "$LINE"; trap - DEBUG; echo "$? ${#HANDED}"`)
	if got.stdout != "0 "+strconv.Itoa(len(value))+"\n" || strings.Contains(got.stderr, value) || !strings.Contains(got.stderr, "export HANDED") {
		t.Errorf("with a trap: %+v", got)
	}
}
