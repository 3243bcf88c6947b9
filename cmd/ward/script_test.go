package main_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"ward/secrets"
)

// TestMain builds ward once, for all tests that start it.
func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	if status, played := play(filepath.Base(os.Args[0])); played {
		return status
	}
	if os.Getenv("WARD_TEST_BINARY") != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	ward := filepath.Join(dir, "ward")
	build := exec.Command("go", "build", "-o", ward, ".")
	build.Stderr = os.Stderr
	if err := errors.Join(os.Chmod(dir, 0o755), build.Run()); err != nil {
		fmt.Fprintln(os.Stderr, "building ward:", err)
		return 1
	}
	if err := os.Setenv("WARD_TEST_BINARY", ward); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// TestScript runs testdata/script: what a person types, and what comes back.
func TestScript(t *testing.T) {
	if runtime.GOOS != "linux" {
		agentNeeds(t, "Linux")
	}
	ward := agentWard(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("WARD_UPDATE_SCRIPTS") == "1",
		Setup: func(e *testscript.Env) error {
			bin, home := filepath.Join(e.WorkDir, ".bin"), filepath.Join(e.WorkDir, "home")
			e.Vars = []string{
				"WORK=" + e.WorkDir, "HOME=" + home, "PATH=" + bin + ":/usr/local/bin:/usr/bin:/bin",
				"TERM=dumb", "LANG=C.UTF-8", "SHELL=/bin/sh", "TMPDIR=" + filepath.Join(e.WorkDir, ".tmp"),
			}
			return errors.Join(os.MkdirAll(home, 0o755), os.MkdirAll(filepath.Join(e.WorkDir, ".tmp"), 0o700),
				os.Mkdir(bin, 0o755), os.Symlink(ward, filepath.Join(bin, "ward")))
		},
		Condition: func(name string) (bool, error) {
			if name != "root" {
				return false, fmt.Errorf("unknown condition %s", name)
			}
			return os.Getuid() == 0, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": code, "golden": golden, "nothing": nothing, "expire": expire},
	})
}

// code N ward …: the command ends with that exit code.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N command…")
	}
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if fmt.Sprint(got) != args[0] {
		ts.Fatalf("exit code %d, want %s\n%s", got, args[0], ts.ReadFile("stderr"))
	}
}

// golden stdout|stderr FILE compares with a golden file, in which $WORK stands for the script's directory. Lines of the
// golden that end in "…" are prefixes.
func golden(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: golden stdout|stderr FILE")
	}
	got := strings.ReplaceAll(ts.ReadFile(args[0]), ts.Getenv("WORK"), "$WORK")
	var pattern strings.Builder
	for line := range strings.Lines(ts.ReadFile(args[1])) {
		begin, open := strings.CutSuffix(strings.TrimSuffix(line, "\n"), "…")
		pattern.WriteString(regexp.QuoteMeta(begin))
		if open {
			pattern.WriteString(".*")
		}
		pattern.WriteString("\n")
	}
	if !regexp.MustCompile(`\A` + pattern.String() + `\z`).MatchString(got) {
		ts.Fatalf("%s is\n%swant\n%s", args[0], got, ts.ReadFile(args[1]))
	}
}

// nothing DIR: there is no file and no directory in it.
func nothing(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: nothing DIR")
	}
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	for _, e := range entries {
		ts.Fatalf("%s holds %s", args[0], e.Name())
	}
}

// expire NAME: the index says that the secret expired long ago, which ward itself would not be told.
func expire(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: expire NAME")
	}
	index := secrets.Index{Path: filepath.Join(ts.Getenv("HOME"), ".local/share/ward/index.json")}
	ts.Check(index.Update(context.Background(), args[0], func(m *secrets.Meta) error {
		m.Expires = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
		return nil
	}))
}
