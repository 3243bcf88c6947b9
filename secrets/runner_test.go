package secrets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func isEmpty(value []byte) bool { return len(value) == 0 }

func TestOnePasswordSource(t *testing.T) {
	s := newStage(t, "op")
	sourceTest{
		source: OnePassword{s.runner()},
		path:   func(name string) string { return "Work/GitHub/" + name },
		plant:  func(t *testing.T, name string, value []byte) { s.put(t, "Work/GitHub/"+name, value) },
		lacks:  isEmpty,
		names:  []string{"token", "TOKEN", "with space", "ä", "section/token", "-n", "--help", "$(id)", "a;b", "otp?attribute=otp"},
		hint:   "op item get GitHub --vault Work",
	}.run(t)
}

func TestApplePasswordSource(t *testing.T) {
	s := newStage(t, "security")
	sourceTest{
		source: ApplePasswords{s.runner(), filepath.Join(s.dir, "bin", "security")},
		path:   func(name string) string { return "example.com/" + name },
		plant:  func(t *testing.T, name string, value []byte) { s.put(t, "example.com/"+name, value) },
		lacks:  isEmpty,
		names:  []string{"me@example.com", "ME@example.com", "with space", "ä", "-g", "--help"},
		hint:   "-s example.com",
	}.run(t)
}

func TestCommandSource(t *testing.T) {
	s := newStage(t, "prints")
	sourceTest{
		source: anyCommand{s},
		plant:  s.put,
		lacks:  isEmpty,
		names:  []string{"token", "TOKEN", "a.b", "a-b"},
		hint:   `"credential_capture": {"not_there"`,
	}.run(t)
}

// anyCommand declares a command for each name but one.
type anyCommand struct{ stage }

func (a anyCommand) Fetch(ctx context.Context, name string) (*Buffer, error) {
	declared := map[string]Command{name: {Argv: []string{"prints", name}}}
	if name == "not_there" || name == "n31" {
		declared = nil
	}
	return Commands{a.runner(), declared}.Fetch(ctx, name)
}

// fetchers are the three sources with a value each behind them.
func fetchers(t *testing.T, s stage) map[string]func(context.Context) (*Buffer, error) {
	for _, path := range []string{"V/i/f", "server/account", "name"} {
		s.put(t, path, []byte("v"))
	}
	r := s.runner()
	return map[string]func(context.Context) (*Buffer, error){
		"op":       func(ctx context.Context) (*Buffer, error) { return OnePassword{r}.Fetch(ctx, "V/i/f") },
		"security": func(ctx context.Context) (*Buffer, error) { return apple(s, r).Fetch(ctx, "server/account") },
		"prints": func(ctx context.Context) (*Buffer, error) {
			return Commands{r, map[string]Command{"c": {Argv: []string{"prints", "name"}}}}.Fetch(ctx, "c")
		},
	}
}

func apple(s stage, r *Runner) ApplePasswords {
	return ApplePasswords{r, filepath.Join(s.dir, "bin", "security")}
}

func TestProgramsAreStarted(t *testing.T) {
	want := map[string]string{
		"op":       `["read" "--no-newline" "op://V/i/f"] in / group true`,
		"security": `["find-internet-password" "-s" "server" "-a" "account" "-g"] in / group true`,
		"prints":   `["name"] in / group true`,
	}
	s := newStage(t, "op", "security", "prints")
	for name, fetch := range fetchers(t, s) {
		b, err := fetch(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := string(plain(t, b)); got != "v" {
			t.Errorf("%s gives %q", name, got)
		}
		b.Destroy()
		if called, _ := s.told("called"); called != want[name]+"\n" {
			t.Errorf("%s was called by %swant %s", name, called, want[name])
		}
	}
}

// Whatever a program prints beside a value, no byte of it is in an error.
func TestProgramsRepeatNothing(t *testing.T) {
	s := newStage(t, "op", "security", "prints")
	value := string(random(20))
	s.tell(t, "repeat", value)
	for name, fetch := range fetchers(t, s) {
		b, err := fetch(t.Context())
		if b != nil || err == nil {
			t.Fatalf("%s: %v, %v", name, b, err)
		}
		for _, word := range []string{value, value[:8], "noise", "cannot use"} {
			if said := fmt.Sprintf("%v %+v %#v %s", err, err, err, hintOf(err)); strings.Contains(said, word) {
				t.Errorf("%s: the error repeats %q: %v", name, word, err)
			}
		}
		if !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(hintOf(err), "see what it says: "+strings.Fields(name)[0]) {
			t.Errorf("%s: %v\nhint: %s", name, err, hintOf(err))
		}
	}
}

func TestProgramsThatPrintTooMuch(t *testing.T) {
	s := newStage(t, "op", "prints")
	s.tell(t, "flood", "")
	for name, fetch := range fetchers(t, s) {
		if name == "security" {
			continue // it floods stdout, which is of no interest there
		}
		started := time.Now()
		b, err := fetch(t.Context())
		if b != nil || err == nil || !strings.Contains(err.Error(), "larger than 1048576 bytes") || !strings.Contains(hintOf(err), "at most 1 MiB") {
			t.Errorf("%s: %v\nhint: %s", name, err, hintOf(err))
		}
		if took := time.Since(started); took > 10*time.Second {
			t.Errorf("%s: it was known after %v", name, took)
		}
	}
}

// A program that gives no answer is ended with all that it started, by its time
// and by the caller's context.
func TestProgramsThatHang(t *testing.T) {
	s := newStage(t, "op", "security", "prints")
	s.tell(t, "hang", "")
	for name := range fetchers(t, s) {
		for _, c := range []struct {
			what    string
			timeout time.Duration
			end     error
		}{
			{"late", 300 * time.Millisecond, context.DeadlineExceeded},
			{"cancelled", time.Minute, context.Canceled},
		} {
			os.Remove(filepath.Join(s.dir, "pids"))
			r := s.runner()
			r.Timeout = c.timeout
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				for pids := ""; pids == "" && ctx.Err() == nil; pids, _ = s.told("pids") {
					time.Sleep(5 * time.Millisecond)
				}
				if c.end == context.Canceled {
					cancel()
				}
			}()
			began := time.Now()
			err := hung(ctx, s, r, name)
			took := time.Since(began)
			cancel()
			if !errors.Is(err, c.end) || took > 10*time.Second {
				t.Errorf("%s, %s: %v after %v", name, c.what, err, took)
			}
			if c.what == "late" && (!strings.Contains(err.Error(), "no answer within 300ms") || hintOf(err) == "") {
				t.Errorf("%s: %v\nhint: %s", name, err, hintOf(err))
			}
			gone(t, s, name+", "+c.what)
		}
	}
}

func hung(ctx context.Context, s stage, r *Runner, name string) (err error) {
	switch name {
	case "op":
		_, err = OnePassword{r}.Fetch(ctx, "V/i/f")
	case "security":
		_, err = apple(s, r).Fetch(ctx, "server/account")
	case "prints":
		_, err = Commands{r, map[string]Command{"c": {Argv: []string{"prints", "name"}, Timeout: r.Timeout}}}.Fetch(ctx, "c")
	}
	return err
}

// gone checks that the program and what it started have ended.
func gone(t *testing.T, s stage, what string) {
	t.Helper()
	var first, second int
	pids, _ := s.told("pids")
	if n, err := fmt.Sscan(pids, &first, &second); n != 2 {
		t.Fatalf("%s: %q, %v", what, pids, err)
	}
	for _, pid := range []int{first, second} {
		limit := time.Now().Add(5 * time.Second)
		for alive(pid) && time.Now().Before(limit) {
			time.Sleep(5 * time.Millisecond)
		}
		if alive(pid) {
			t.Errorf("%s: process %d of (%d %d) is still there", what, pid, first, second)
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// alive says whether a process runs; one that only waits to be reaped does not.
func alive(pid int) bool {
	if err := syscall.Kill(pid, 0); err != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return !errors.Is(err, os.ErrNotExist)
	}
	return !bytes.Contains(stat, []byte(") Z "))
}

func TestProgramsAreFound(t *testing.T) {
	s := newStage(t, "op")
	s.put(t, "V/i/f", []byte("v"))
	bin := filepath.Join(s.dir, "bin")
	t.Chdir(bin)
	notRun := filepath.Join(t.TempDir(), "op")
	if err := os.WriteFile(notRun, []byte("#!/bin/sh\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	behind := t.TempDir()
	if err := os.Symlink(filepath.Join(bin, "op"), filepath.Join(behind, "op")); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ what, path, changeable, want string }{
		{"absolute", "/nowhere:" + bin, "", ""},
		{"not executable before", filepath.Dir(notRun) + ":" + bin, "", ""},
		{"relative", ".:bin::" + ".." + ":", "", "secret V/i/f: 1Password: its program op is not installed"},
		{"no PATH", "", "", "secret V/i/f: 1Password: its program op is not installed"},
		{"changeable", bin, s.dir, "secret V/i/f: 1Password: " + bin + "/op is in " + s.dir + ", which the command may change, so it is not run"},
		{"changeable behind a link", behind, self, "secret V/i/f: 1Password: " + behind + "/op is in " + self + ", which the command may change, so it is not run"},
		{"another beside it", bin, s.dir + "/b", ""},
		{"kept inside", bin, s.dir + " but " + bin, ""},
	} {
		r := s.runner()
		r.Environ = []string{"PATH=" + c.path, "STAGE=" + s.dir}
		if c.changeable != "" {
			place, kept, _ := strings.Cut(c.changeable, " but ")
			r.Changeable, r.Kept = []string{place}, []string{kept}
		}
		b, err := OnePassword{r}.Fetch(t.Context(), "V/i/f")
		if got := fmt.Sprint(err); c.want == "" && err != nil || c.want != "" && got != c.want {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
		if c.what == "no PATH" && !strings.Contains(hintOf(err), "install it") {
			t.Errorf("hint: %s", hintOf(err))
		}
		b.Destroy()
	}
}

// A program that lies in the project is not run, and none is instead of it.
func TestProgramsPlanted(t *testing.T) {
	s := newStage(t, "op")
	s.put(t, "V/i/f", []byte("v"))
	project := t.TempDir()
	left := filepath.Join(project, "op")
	if err := os.WriteFile(left, []byte("#!/bin/sh\nprintf other\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	behind := t.TempDir()
	if err := os.Symlink(left, filepath.Join(behind, "op")); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(s.dir, "bin")
	for _, c := range []struct{ path, where string }{
		{project + ":" + bin, project}, {behind + ":" + bin, behind}, {bin + ":" + project, ""},
	} {
		r := s.runner()
		r.Environ[0] = "PATH=" + c.path
		r.Project = []string{project}
		b, err := OnePassword{r}.Fetch(t.Context(), "V/i/f")
		if c.where == "" {
			if err != nil || string(plain(t, b)) != "v" {
				t.Errorf("%s: %v", c.path, err)
			}
			continue
		}
		want := "secret V/i/f: 1Password: " + c.where + "/op is in " + project + ", the project that ward was started in, so it is not run"
		if fmt.Sprint(err) != want || hintOf(err) != "take "+c.where+" out of PATH" {
			t.Errorf("%s: %v, want %s\nhint: %s", c.path, err, want, hintOf(err))
		}
	}
}

// A program that is run finds others in PATH, as the interpreter of a script: not those that were left in the project, by a
// link neither, nor where the command may write.
func TestProgramsFindOthers(t *testing.T) {
	own, project, open, behind := t.TempDir(), t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "link")
	for dir, text := range map[string]string{own: "own", project: "planted", open: "planted"} {
		if err := os.WriteFile(filepath.Join(dir, "interpreter"), []byte("#!/bin/sh\nprintf "+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink(project, behind), os.WriteFile(filepath.Join(own, "script"), []byte("#!/usr/bin/env interpreter\n"), 0o755)); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{project, behind, open, "relative", ""} {
		r := &Runner{Environ: []string{"PATH=" + dir + ":" + own + ":/usr/bin:/bin", "OTHER=PATH=x"}, Project: []string{project}, Changeable: []string{open}}
		b, err := Commands{Runner: r, Declared: map[string]Command{"c": {Argv: []string{"script"}}}}.Fetch(t.Context(), "c")
		if err != nil || string(plain(t, b)) != "own" {
			t.Errorf("%q in front: %v, %q", dir, err, plain(t, b))
		}
	}
}

// The path is looked up once: what is put in front of PATH later is not run.
func TestProgramsAreFoundOnce(t *testing.T) {
	s := newStage(t, "op")
	s.put(t, "V/i/f", []byte("v"))
	first := t.TempDir()
	r := s.runner()
	r.Environ[0] = "PATH=" + first + ":" + filepath.Join(s.dir, "bin")
	for range 2 {
		if b, err := (OnePassword{r}).Fetch(t.Context(), "V/i/f"); err != nil || string(plain(t, b)) != "v" {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(first, "op"), []byte("#!/bin/sh\nprintf other\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}
