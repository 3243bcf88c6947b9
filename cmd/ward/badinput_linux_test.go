package main_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// try runs ward with something on stdin, in a session without a terminal.
func (p *person) try(t *testing.T, stdin string, args ...string) outcome {
	t.Helper()
	cmd := p.command(t, append([]string{p.ward}, args...)...)
	cmd.SysProcAttr.Setpgid, cmd.SysProcAttr.Setsid = false, true
	cmd.Stdin = strings.NewReader(stdin)
	return end(t, cmd)
}

// complaint checks how an error is said: lines of ward's, short, without control characters, and no value in them.
func complaint(t *testing.T, what string, o outcome, value string) {
	t.Helper()
	for line := range strings.Lines(o.stderr) {
		if !strings.HasPrefix(line, "ward: ") && !strings.HasPrefix(line, "      ") || len(line) > 500 ||
			strings.ContainsFunc(strings.TrimSuffix(line, "\n"), func(r rune) bool { return r < ' ' }) {
			t.Errorf("%s: says %.200q", what, line)
		}
	}
	if o.stderr == "" || value != "" && strings.Contains(o.stdout+o.stderr, value) {
		t.Errorf("%s: says nothing, or the value: %.200q", what, o.stderr)
	}
}

// everyCommand is each command that takes a name, with that name.
func everyCommand(t *testing.T, name string) map[string][]string {
	empty := filepath.Join(t.TempDir(), ".env")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return map[string][]string{
		"set": {"set", name, "--stdin"}, "get": {"get", name}, "get raw": {"get", name, "--raw"}, "peek": {"peek", name}, "rm": {"rm", name},
		"mv from": {"mv", name, "new"}, "mv to": {"mv", "kept", name}, "rotate": {"rotate", name, "--stdin"},
		"load": {"load", name}, "export": {"export", name}, "bundle": {"bundle", name}, "import": {"import", "--prefix=" + name, empty},
	}
}

// A path that is empty, as of a variable that is not set, opens nothing.
func TestEmptyPaths(t *testing.T) {
	p := one(t)
	for _, flag := range []string{"allow", "read", "write", "deny", "protect", "allow-unix-socket"} {
		byFlag := p.command(t, p.ward, "run", "--"+flag, "", "--", "true")
		byEnv := p.command(t, p.ward, "run", "--", "true")
		byEnv.Env = append(byEnv.Env, "WARD_"+strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))+"=")
		for _, cmd := range []*exec.Cmd{byFlag, byEnv} {
			if o := end(t, cmd); o.code != 125 || !strings.Contains(o.stderr, "--"+flag+": the path is empty") {
				t.Errorf("%s: %+v", cmd.Args, o)
			}
		}
	}
}

// No name that is none gets anywhere, by any command, and none of it is made on the disk or repeated to the terminal.
func TestBadNames(t *testing.T) {
	p := one(t)
	p.vault()
	p.store(t, "kept", "what is kept")
	before := treeOf(t, p.home)
	for _, name := range []string{
		"../up", "a/../b", "..", "/etc/passwd", "a//b", "a/", "a\nb", "\x1b[31mred", "a b", "-", ".hidden", "ключ",
		strings.Repeat("k", 10_000), strings.Repeat("k/", 5_000) + "k", "_ward/marks", "vault://kept", "\xff",
	} {
		for what, args := range everyCommand(t, name) {
			o := p.try(t, "a value of some length", args...)
			// What is empty is imported anywhere, and get reads references.
			if what == "import" && o.code == 0 && !strings.Contains(name, "..") || strings.HasPrefix(what, "get") && name == "vault://kept" {
				continue
			}
			if o.code != 1 && o.code != 2 {
				t.Errorf("%s %.20q: exit code %d, want 1: %s", what, name, o.code, o.stderr)
			}
			complaint(t, fmt.Sprintf("%s %.20q", what, name), o, "")
		}
	}
	if after := treeOf(t, p.home); after != before {
		t.Errorf("the disk has changed from\n%s\nto\n%s", before, after)
	}
}

// treeOf is every file below a directory, with its content.
func treeOf(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasSuffix(path, ".lock") || strings.Contains(path, "/state/") {
			return err
		}
		data, err := os.ReadFile(path)
		fmt.Fprintf(&b, "%s %x\n", path, data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestBadFlags(t *testing.T) {
	p := one(t)
	p.vault()
	p.store(t, "kept", "what is kept of some length", "--desc", "as it was")
	token := secretValue()
	for _, c := range []struct {
		flags []string
		want  string
	}{
		{[]string{"--type", "nonsense"}, "--type must be one of"},
		{[]string{"--expires", "yesterday"}, "expires is no date"},
		{[]string{"--expires", "2001-01-01"}, "is past"},
		{[]string{"--expires", "0d"}, "expires is no date"},
		{[]string{"--rotate", "http://example.com"}, "no https URL"},
		{[]string{"--rotate", "https://user:" + token + "@example.com"}, "no https URL"},
		{[]string{"--bundle", "a b"}, "bundle: "},
		{[]string{"--desc", "two\nlines"}, "desc holds a line break"},
		{[]string{"--desc", "it is " + token}, "desc looks like a secret's value"},
		{[]string{"--store", "nowhere"}, "--store must be one of"},
		{[]string{"--clipboard"}, "can't be used together"},
		{[]string{"and a value"}, "set takes one name; the value is never an argument"},
	} {
		o := p.try(t, "another value", append([]string{"set", "kept", "--stdin"}, c.flags...)...)
		if o.code != 1 && o.code != 2 || !strings.Contains(o.stderr, c.want) {
			t.Errorf("%q: exit code %d: %q, want %q", c.flags, o.code, o.stderr, c.want)
		}
		complaint(t, fmt.Sprint(c.flags[0]), o, token)
	}
	if o := p.try(t, "", "ls", "--json"); !strings.Contains(o.stdout, `"desc": "as it was"`) || strings.Contains(o.stdout, "expires") {
		t.Errorf("what was refused has changed something: %s", o.stdout)
	}
}

// Where there is no store yet, reading says so and makes none.
func TestNoStore(t *testing.T) {
	p := one(t)
	p.env = append(p.env, "WARD_VAULT_PASSPHRASE=correct-horse")
	for what, args := range everyCommand(t, "name") {
		if what == "set" {
			continue
		}
		o := p.try(t, "a value", args...)
		if want := map[string]int{"import": 0}[what]; what != "import" && o.code != 1 || what == "import" && o.code != want {
			t.Errorf("%s: exit code %d: %s", what, o.code, o.stderr)
		}
		complaint(t, what, o, "")
	}
	for _, args := range [][]string{{"ls"}, {"ls", "--json"}, {"check"}} {
		if o := p.try(t, "", args...); o.code != 0 {
			t.Errorf("%s: exit code %d: %s", args, o.code, o.stderr)
		}
	}
	if _, err := os.Stat(filepath.Join(p.home, ".local/share/ward/vault")); err == nil {
		t.Error("a command that stores nothing made a vault")
	}
}

// A locked store: what needs the passphrase says so; what does not goes on.
func TestLockedStore(t *testing.T) {
	p := one(t)
	p.vault()
	value := secretValue()
	p.store(t, "kept", value, "--bundle", "kept")
	dotenv := p.write(t, "locked.env", []byte("kept="+value+"\n"), 0o600)
	p.env = slices.DeleteFunc(p.env, func(s string) bool { return strings.HasPrefix(s, "WARD_VAULT_PASSPHRASE=") })
	before := treeOf(t, p.home)
	for what, args := range map[string][]string{
		"get": {"get", "kept"}, "raw": {"get", "kept", "--raw"}, "load": {"load", "kept"}, "export": {"export", "kept"}, "bundle": {"bundle", "kept"},
		"mv": {"mv", "kept", "new"}, "rotate": {"rotate", "kept", "--stdin"}, "import": {"import", dotenv, "--delete"},
	} {
		o := p.try(t, "another value of some length", args...)
		if o.code != 1 || !strings.Contains(o.stderr, "locked") || !strings.Contains(o.stderr, "WARD_VAULT_PASSPHRASE_FILE") {
			t.Errorf("%s: exit code %d: %s", what, o.code, o.stderr)
		}
		complaint(t, what, o, value)
	}
	if after := treeOf(t, p.home); after != before {
		t.Error("something was changed in a locked store")
	}
	for what, args := range map[string][]string{
		"ls": {"ls"}, "peek": {"peek", "kept"}, "check": {"check"}, "set": {"set", "new", "--stdin"}, "rm": {"rm", "new"},
	} {
		if what == "rm" {
			continue // after set
		}
		if o := p.try(t, "another value of some length", args...); o.code != 0 {
			t.Errorf("%s: exit code %d: %s", what, o.code, o.stderr)
		}
	}
	if o := p.try(t, "", "rm", "new"); o.code != 0 {
		t.Errorf("rm: %+v", o)
	}
}

// Values of every kind go through the commands byte for byte, or are refused before anything is written.
func TestBadValues(t *testing.T) {
	p := one(t)
	p.vault()
	p.store(t, "kept", "what is kept")
	big := bytes.Repeat([]byte("0123456789abcde\n"), 1<<16)
	binary := make([]byte, 4096)
	for i := range binary {
		binary[i] = byte(i)
	}
	for name, value := range map[string]string{"1 MB": string(big[:1<<20-1]) + "x", "binary": string(binary), "newlines": "\n\n\n\n", "blank": " "} {
		if o := p.try(t, value+"\n", "set", "kept", "--stdin"); o.code != 0 {
			t.Errorf("set %s: %.200s", name, o.stderr)
			continue
		}
		if o := p.try(t, "", "mv", "kept", "moved"); o.code != 0 {
			t.Errorf("mv %s: %s", name, o.stderr)
		}
		if o := p.try(t, "", "get", "moved", "--raw"); o.stdout != value {
			t.Errorf("%s: %d bytes come back of %d", name, len(o.stdout), len(value))
		}
		if name == "binary" {
			for _, args := range [][]string{{"load", "moved"}, {"export", "moved"}} {
				o := p.try(t, "", args...)
				if o.code != 1 || strings.Contains(o.stdout, "MOVED") {
					t.Errorf("%s of a binary value: exit code %d, %d bytes on stdout", args, o.code, len(o.stdout))
				}
				complaint(t, args[0], o, "")
			}
		}
		if o := p.try(t, "", "mv", "moved", "kept"); o.code != 0 {
			t.Errorf("mv %s back: %s", name, o.stderr)
		}
	}
	p.halfWritten(t, string(binary))
	p.store(t, "kept", "what is kept")
	for what, value := range map[string]string{"empty": "", "a newline": "\n", "1 MB and a byte": string(big) + "xy"} {
		for _, command := range []string{"set", "rotate"} {
			o := p.try(t, value, command, "kept", "--stdin")
			if o.code != 1 {
				t.Errorf("%s %s: exit code %d", command, what, o.code)
			}
			complaint(t, command+" "+what, o, "")
		}
	}
	if o := p.try(t, "", "get", "kept", "--raw"); o.stdout != "what is kept" {
		t.Errorf("what was refused has changed something: %q", o.stdout)
	}
}

// halfWritten: of two secrets, the second of which cannot be written, the first is not printed either.
func (p *person) halfWritten(t *testing.T, binary string) {
	t.Helper()
	p.store(t, "pair/first", "a value that can be written")
	p.store(t, "pair/second", binary)
	for command, want := range map[string]string{"load": "false\n", "export": ""} {
		if o := p.try(t, "", command, "pair"); o.code != 1 || o.stdout != want {
			t.Errorf("%s: exit code %d, %d bytes on stdout: %s", command, o.code, len(o.stdout), o.stderr)
		}
	}
}

// badDisk runs a command with ward's data on a file system of its own, prepared by a line of shell.
func (p *person) badDisk(t *testing.T, prepare string, args ...string) outcome {
	t.Helper()
	needs(t, "unshare")
	script := `mount -t tmpfs -o size=128k,mode=700 ward "$1" && cp -a "$2/." "$1" && ` + prepare + ` && shift 2 && "$@"; code=$?
for name in kept other; do WARD_VAULT_PASSPHRASE=correct-horse "$1" get $name --raw; echo; done; exit $code`
	data := filepath.Join(p.home, ".local/share/ward")
	cmd := p.command(t, append([]string{"unshare", "--mount", "--map-root-user", "sh", "-c", script, "sh", data, data + ".saved", p.ward}, args...)...)
	cmd.Stdin = strings.NewReader("another value of some length")
	o := end(t, cmd)
	if strings.Contains(o.stderr, "unshare: ") || strings.Contains(o.stderr, "mount: ") {
		agentNeeds(t, "mount namespaces")
	}
	return o
}

// A disk that is full or read-only: every change fails with its reason, and everything stays.
func TestBadDisks(t *testing.T) {
	p := one(t)
	p.vault()
	first, second := secretValue(), secretValue()
	p.store(t, "kept", first)
	p.store(t, "other", second)
	data := filepath.Join(p.home, ".local/share/ward")
	if err := os.CopyFS(data+".saved", os.DirFS(data)); err != nil {
		t.Fatal(err)
	}
	dotenv := p.write(t, "bad.env", []byte("NEW=a-value-of-some-length\n"), 0o600)
	for disk, c := range map[string]struct{ prepare, want string }{
		"full":      {`{ dd if=/dev/zero of="$1/fill" bs=512 2>/dev/null; true; }`, "no space left on device"},
		"read-only": {`mount -o remount,ro "$1"`, "read-only file system"},
	} {
		for what, args := range map[string][]string{
			"set": {"set", "new", "--stdin"}, "over": {"set", "kept", "--stdin"}, "rotate": {"rotate", "kept", "--stdin"},
			"mv": {"mv", "kept", "new"}, "import": {"import", dotenv, "--delete"},
		} {
			o := p.badDisk(t, c.prepare, args...)
			if o.code != 1 || !strings.Contains(o.stderr, c.want) {
				t.Errorf("%s on a %s disk: exit code %d: %s", what, disk, o.code, o.stderr)
			}
			if !strings.HasSuffix(o.stdout, first+"\n"+second+"\n") {
				t.Errorf("%s on a %s disk: the secrets are not what they were", what, disk)
			}
			complaint(t, what+" on a "+disk+" disk", o, "")
		}
		for _, args := range [][]string{{"ls"}, {"peek", "kept"}, {"check"}} {
			if o := p.badDisk(t, c.prepare, args...); o.code != 0 {
				t.Errorf("%s on a %s disk: exit code %d: %s", args, disk, o.code, o.stderr)
			}
		}
	}
	if p.read(t, "bad.env") == "" {
		t.Error("the file was removed though nothing was stored")
	}
}

// Many that change the same secret at once: the value and what is known about it are one writer's.
func TestConcurrentSet(t *testing.T) {
	p := one(t)
	p.vault()
	p.store(t, "kept", "the first of some length", "--desc", "the first")
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			for j := range 3 {
				text := fmt.Sprintf("writer %d round %d of some length", i, j)
				if o := p.try(t, text, "set", "kept", "--stdin", "--desc", text); o.code != 0 {
					t.Errorf("%s: %+v", text, o)
				}
			}
		})
	}
	all.Wait()
	value := p.try(t, "", "get", "kept", "--raw").stdout
	if o := p.try(t, "", "ls", "--json"); !strings.Contains(o.stdout, `"desc": "`+value+`"`) || value == "" {
		t.Errorf("the value is %q, and the index says %s", value, o.stdout)
	}
	moved := make([]outcome, 4)
	for i := range moved {
		all.Go(func() { moved[i] = p.try(t, "", "mv", "kept", fmt.Sprint("moved", i)) })
	}
	all.Wait()
	won := 0
	for _, o := range moved {
		if o.code == 0 {
			won++
		}
	}
	if o := p.try(t, "", "ls"); won != 1 || strings.Count(o.stdout, "\n") != 1 {
		t.Errorf("%d of 4 moved the same secret, and now there are %q", won, o.stdout)
	}
}

// Killed at any moment, a command leaves the old value or the new one, and the next command goes on.
func TestKilledCommands(t *testing.T) {
	p := one(t)
	p.vault()
	values := []string{secretValue(), secretValue()}
	p.store(t, "kept", values[0])
	killed := 0
	for i := range 40 {
		args := [][]string{{"set", "kept", "--stdin"}, {"rotate", "kept", "--stdin"}}[i%2]
		cmd := exec.Command(p.ward, args...)
		cmd.Env = append(p.command(t, "true").Env, "GOMAXPROCS=2")
		cmd.Stdin = strings.NewReader(values[i/2%2])
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rand.IntN(150)) * time.Millisecond)
		cmd.Process.Signal(syscall.SIGKILL)
		cmd.Wait()
		if cmd.ProcessState.ExitCode() < 0 {
			killed++
		}
		if o := p.try(t, "", "get", "kept", "--raw"); !slices.Contains(values, o.stdout) {
			t.Fatalf("after %s was killed: %d bytes, %s", args, len(o.stdout), o.stderr)
		}
	}
	if killed < 5 {
		t.Errorf("only %d of 40 were killed in time", killed)
	}
	if o := p.try(t, "the last value of some length", "set", "kept", "--stdin"); o.code != 0 {
		t.Errorf("afterwards set fails: %+v", o)
	}
}
