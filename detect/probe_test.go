package detect

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// probeName is what the test binary is called where it shall look around.
const probeName = "detect-probe"

// probeDone is what the probe prints last. Where it stands in a request, the
// agent has run its command and told the model.
const probeDone = "the probe has looked around"

// sight is what the probe found out about itself.
type sight struct {
	Tree  Caller // by the process tree alone
	Marks Caller // by the environment alone
	Both  Caller
	// Names are the variables that are there, without their values.
	Names []string
}

// rooted is this machine's table, in which the test that runs has no parent:
// an agent may be running the tests.
type rooted struct{ root int }

func (r rooted) Process(pid int) (Process, error) {
	p, err := System().Process(pid)
	if pid == r.root {
		p.PPID = 0
	}
	return p, err
}

// probe writes what it sees, up to the process with the number that is given,
// into the file that is named.
func probe(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("%q: want the name of a file, and a number", args)
	}
	root, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	pid, table := os.Getpid(), rooted{root}
	var s sight
	var e error
	s.Tree, err = Inspect(table, pid, nil)
	s.Marks, e = Inspect(tableMap{pid: {Start: 1, Exe: "/usr/bin/ward"}}, pid, os.LookupEnv)
	err = errors.Join(err, e)
	s.Both, e = Inspect(table, pid, os.LookupEnv)
	err = errors.Join(err, e)
	if err != nil {
		return err
	}
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		s.Names = append(s.Names, name)
	}
	slices.Sort(s.Names)
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	// Whole or not at all: the test waits for the name.
	if err := os.WriteFile(args[0]+".new", data, 0o600); err != nil {
		return err
	}
	if err := os.Rename(args[0]+".new", args[0]); err != nil {
		return err
	}
	fmt.Println(probeDone)
	return nil
}

// probeIn makes the probe in a directory.
func probeIn(t *testing.T, dir string) prober {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, probeName)
	if err := os.Symlink(self, file); err != nil {
		t.Fatal(err)
	}
	return prober{file}
}

// prober is the file of the probe.
type prober struct{ file string }

// to is the command line that writes into a file; nothing of it needs quotes.
func (p prober) to(file string) string { return strings.Join(p.argv(file), " ") }

func (p prober) argv(file string) []string { return []string{p.file, file, strconv.Itoa(os.Getpid())} }

// readSight reads what a probe wrote.
func readSight(t *testing.T, file string) sight {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("the probe did not run: %v", err)
	}
	var s sight
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// bareEnviron is the environment of the tests without what an agent set that
// may be running them.
func bareEnviron() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.TempDir(), "LANG=C.UTF-8"}
}

func needsProgram(t *testing.T, name string) string {
	t.Helper()
	file, err := exec.LookPath(name)
	if err != nil {
		needs(t, name)
	}
	return file
}
