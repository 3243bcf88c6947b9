package detect

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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

// probe writes what it sees into the file that is named.
func probe(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%q: want the name of a file", args)
	}
	pid := os.Getpid()
	var s sight
	var err, e error
	s.Tree, err = Inspect(System(), pid, nil)
	s.Marks, e = Inspect(tableMap{pid: {Start: 1, Exe: "/usr/bin/ward"}}, pid, os.LookupEnv)
	err = errors.Join(err, e)
	s.Both, e = Inspect(System(), pid, os.LookupEnv)
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

// probeFile makes the probe in a directory and gives its path.
func probeFile(t *testing.T, dir string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, probeName)
	if err := os.Symlink(self, file); err != nil {
		t.Fatal(err)
	}
	return file
}

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
