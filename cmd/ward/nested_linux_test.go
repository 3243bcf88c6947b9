package main_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// filtered runs a command with what a container or another sandbox has too: no new privileges, and a filter. Before that it
// listens at the name that is said to be the outer launch's broker.
const filtered = `
import ctypes, os, socket, subprocess, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind("\0" + os.environ["WARD_BROKER"][1:])
listener.listen(8)
libc = ctypes.CDLL(None)
class Filter(ctypes.Structure): _fields_ = [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint)]
class Program(ctypes.Structure): _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.POINTER(Filter))]
allow = Filter(6, 0, 0, 0x7fff0000)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(Program(1, ctypes.pointer(allow))), 0, 0) == 0
sys.exit(subprocess.run(sys.argv[1:]).returncode)
`

// Variables that a project sets do not make a launch out of a container: ward would leave out what the outer launch is said
// to have put on already.
func TestNestedClaimed(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		needs(t, "python3")
		outside, err := os.Readlink("/proc/self/ns/pid")
		if err != nil {
			t.Fatal(err)
		}
		script := p.write(t, "filtered.py", []byte(filtered), 0o644)
		name := "@ward/claimed-" + secretValue()
		p.env = append(p.env, "WARD=1", "WARD_BROKER="+name, "WARD_OUTER="+name)
		o := end(t, p.command(t, "/usr/bin/python3", script, p.ward, "run", "--allow-cwd", "--", "sh", "-c", `readlink /proc/self/ns/pid; echo "$WARD_BROKER"`))
		if o.code != 0 || strings.Contains(o.stderr, "already inside") || strings.Contains(o.stdout, outside) || strings.Contains(o.stdout, name) || !strings.Contains(o.stdout, "@ward/") {
			t.Errorf("%+v; want a process namespace other than %s, and a broker", o, outside)
		}
	})
}

// A launch inside a launch narrows it, and so does one inside that.
func TestNested(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		deeper := []string{p.ward, "run", "--allow-cwd", "--allow", "/tmp", "--read", p.ward, "--no-audit", "--"}
		argv := append([]string{}, deeper...)
		for range 2 {
			argv = append(argv, deeper...)
		}
		o := end(t, p.command(t, append(argv, "sh", "-c", `echo done; echo x > ../outside`)...))
		if o.stdout != "done\n" || strings.Count(o.stderr, "already inside a launch: this one only narrows it") != 2 {
			t.Errorf("%+v", o)
		}
	})
}

// What only the inner launch closes ends it, since it has no mounts of its own. What the outer one closed already does not.
func TestNestedMasks(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		for _, name := range []string{"both", "inner", "shut", "ward.json"} {
			p.write(t, name, []byte("old\n"), 0o644)
		}
		fixed := filepath.Join(p.project, "fixed")
		if err := errors.Join(os.Mkdir(fixed, 0o755), syscall.Mkfifo(filepath.Join(fixed, "fifo"), 0o600),
			os.Chown(fixed, p.uid, p.uid), os.Chown(filepath.Join(fixed, "fifo"), p.uid, p.uid)); err != nil {
			t.Fatal(err)
		}
		outer := []string{p.ward, "run", "--silent", "--allow-cwd", "--deny", "both", "--deny", "shut", "--protect", "both", "--protect", "fixed", "--read", p.ward, "--no-audit", "--"}
		inner := []string{p.ward, "run", "--silent", "--allow-cwd", "--read", p.ward, "--no-audit"}
		for flags, code := range map[string]int{"--deny both": 0, "--deny inner": 125, "--protect inner": 125, "--protect shut": 0, "--deny ward.json": 125, "--deny inner --allow-degraded": 0, "--deny fixed/fifo": 125} {
			argv := append(append(append([]string{}, outer...), inner...), strings.Fields(flags)...)
			o := end(t, p.command(t, append(argv, "--", "echo", "done")...))
			if o.code != code || (o.stdout == "done\n") != (code == 0) {
				t.Errorf("%s: %+v", flags, o)
			}
			if code == 125 && !strings.Contains(o.stderr, "open would be "+p.project+"/"+strings.Fields(flags)[1]) {
				t.Errorf("%s: it is not named: %s", flags, o.stderr)
			}
		}
	})
}

// A launch inside a launch has no broker that a hook could ask: it says so where an agent is started.
func TestNestedHook(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		p.write(t, "claude", []byte("#!/bin/sh\necho \"given: $*\"\n"), 0o755)
		run := []string{p.ward, "run", "-p", "default", "--allow-cwd", "--read", p.ward, "--no-audit", "--"}
		o := end(t, p.command(t, append(append(run, run...), "./claude", "a")...))
		const want = "the output of the agent's tools is not masked before its model sees it: a launch inside another one"
		if o.stdout != "given: a\n" || strings.Count(o.stderr, want) != 1 {
			t.Errorf("%+v, want %q said once", o, want)
		}
	})
}
