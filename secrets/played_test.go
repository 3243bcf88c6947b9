package secrets

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// played are the programs that this binary is when it is started under their
// names: they take the command lines that the real ones take, and say what those
// say. What they know lies in a stage, a directory that STAGE names.
func played() map[string]func() int {
	return map[string]func() int{"op": playOp, "security": playSecurity, "prints": playCommand}
}

// stage is such a directory, with the programs in its bin.
type stage struct{ dir string }

func newStage(t *testing.T, programs ...string) stage {
	t.Helper()
	s := stage{t.TempDir()}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"bin", "values"} {
		if err := os.Mkdir(filepath.Join(s.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range programs {
		if err := os.Symlink(self, filepath.Join(s.dir, "bin", name)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s stage) runner() *Runner {
	return &Runner{Environ: []string{"PATH=" + filepath.Join(s.dir, "bin"), "STAGE=" + s.dir}}
}

// at is where a value lies; names are in hex for file systems that fold case.
func (s stage) at(path string) string {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		parts[i] = "x" + hex.EncodeToString([]byte(part))
	}
	return filepath.Join(append([]string{s.dir, "values"}, parts...)...)
}

// put makes a value.
func (s stage) put(t *testing.T, path string, value []byte) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(s.at(path)), 0o755), os.WriteFile(s.at(path), value, 0o600)); err != nil {
		t.Fatal(err)
	}
}

// tell sets how the programs behave: see misbehave.
func (s stage) tell(t *testing.T, how, what string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, how), []byte(what), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (s stage) told(how string) (string, bool) {
	data, err := os.ReadFile(filepath.Join(s.dir, how))
	return string(data), err == nil
}

// misbehave does what the stage tells.
func (s stage) misbehave() (status int, done bool) {
	wd, _ := os.Getwd()
	note := fmt.Sprintf("%q in %s group %v\n", os.Args[1:], wd, syscall.Getpgrp() == os.Getpid())
	os.WriteFile(filepath.Join(s.dir, "called"), []byte(note), 0o600)
	if text, ok := s.told("fail"); ok {
		fmt.Fprintln(os.Stderr, text)
		return 1, true
	}
	if _, ok := s.told("hang"); ok {
		// One more, which is not waited for.
		self, _ := os.Executable()
		again, _ := os.StartProcess(self, os.Args, &os.ProcAttr{Env: []string{"STAGE=" + s.dir + "/nobody"}, Files: []*os.File{nil, os.Stdout, os.Stderr}})
		os.WriteFile(filepath.Join(s.dir, "pids"), fmt.Appendf(nil, "%d %d", os.Getpid(), again.Pid), 0o600)
		time.Sleep(time.Minute)
	}
	if _, ok := s.told("flood"); ok {
		for {
			if _, err := os.Stdout.Write(make([]byte, 64<<10)); err != nil {
				return 1, true
			}
		}
	}
	if value, ok := s.told("repeat"); ok {
		fmt.Fprint(os.Stdout, value)
		fmt.Fprintf(os.Stderr, "%s\ncannot use %s\n", strings.Repeat("noise ", 20_000), value)
		return 3, true
	}
	return 0, false
}

// thisStage is the stage of a played program; it waits where there is none.
func thisStage() stage {
	dir := os.Getenv("STAGE")
	if _, err := os.Stat(dir); err != nil {
		time.Sleep(time.Minute)
		os.Exit(9)
	}
	return stage{dir}
}

// playOp is 1Password's CLI, as of version 2.39.
func playOp() int {
	s := thisStage()
	if status, done := s.misbehave(); done {
		return status
	}
	fail := func(format string, args ...any) int {
		fmt.Fprintf(os.Stderr, "[ERROR] 2026/11/20 15:04:05 "+format+"\n", args...)
		return 1
	}
	if len(os.Args) != 4 || !slices.Equal(os.Args[1:3], []string{"read", "--no-newline"}) {
		return fail("unknown command %q for \"op\"", os.Args[1:])
	}
	ref := os.Args[3]
	parts := strings.Split(strings.TrimPrefix(ref, "op://"), "/")
	if len(parts) < 3 {
		return fail("could not read secret '%s': invalid secret reference", ref)
	}
	if _, err := os.Stat(s.at(parts[0])); err != nil {
		return fail("could not read secret '%s': could not get item %s/%s: %q isn't a vault in this account. Specify the vault with its ID or name.", ref, parts[0], parts[1], parts[0])
	}
	if _, err := os.Stat(s.at(parts[0] + "/" + parts[1])); err != nil {
		return fail("could not read secret '%s': could not get item %s/%s: %q isn't an item in the %q vault. Specify the item with its UUID, name, or domain.", ref, parts[0], parts[1], parts[1], parts[0])
	}
	value, err := os.ReadFile(s.at(strings.Join(parts, "/")))
	if err != nil {
		return fail("could not read secret '%s': item '%s/%s' does not have a field '%s'", ref, parts[0], parts[1], parts[len(parts)-1])
	}
	os.Stdout.Write(value)
	return 0
}

// playSecurity is macOS's security(1), as of macOS 26.
func playSecurity() int {
	s := thisStage()
	if status, done := s.misbehave(); done {
		return status
	}
	a := os.Args[1:]
	if len(a) != 6 || a[0] != "find-internet-password" || a[1] != "-s" || a[3] != "-a" || a[5] != "-g" {
		fmt.Fprintln(os.Stderr, "Usage: find-internet-password [-a account] [-s server] [options...] [-g] [keychain...]")
		return 2
	}
	if status, ok := s.told("status"); ok {
		code := 0
		fmt.Sscan(status, &code)
		fmt.Fprintln(os.Stderr, "security: SecKeychainItemCopyContent: User interaction is not allowed.")
		return code
	}
	value, err := os.ReadFile(s.at(a[2] + "/" + a[4]))
	if errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintln(os.Stderr, "security: SecKeychainSearchCopyNext: The specified item could not be found in the keychain.")
		return 44
	}
	fmt.Printf("keychain: \"/Users/x/Library/Keychains/login.keychain-db\"\nclass: \"inet\"\nattributes:\n    \"acct\"<blob>=%q\n", a[4])
	printSecurity(os.Stderr, value)
	return 0
}

// printSecurity writes the line of -g as print_buffer of SecurityTool does.
func printSecurity(w io.Writer, value []byte) {
	inHex, some := false, false
	var escaped strings.Builder
	for _, c := range value {
		if c < ' ' || c > '~' || c == '\\' {
			inHex = true
			fmt.Fprintf(&escaped, `\%03o`, c)
		} else {
			some = true
			escaped.WriteByte(c)
		}
	}
	line := "password: "
	if inHex {
		line += fmt.Sprintf("0x%X", value)
	}
	if inHex && some {
		line += "  "
	}
	if some {
		line += `"` + escaped.String() + `"`
	}
	fmt.Fprintln(w, line)
}

// playCommand prints a value and a newline, as most programs do.
func playCommand() int {
	s := thisStage()
	if status, done := s.misbehave(); done {
		return status
	}
	if os.Args[1] == "nothing" {
		return 0
	}
	value, err := os.ReadFile(s.at(os.Args[1]))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 4
	}
	os.Stdout.Write(append(value, '\n'))
	return 0
}
