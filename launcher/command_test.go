package launcher

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ward/sandbox"
)

func TestFind(t *testing.T) {
	root := tree(t, "a/tool", "b/tool", "b/other", "plain:a/denied", "b/sub/", "b/late", "plain:a/late", "c/link -> ../b/other", "c/dangling -> nowhere", "c/loop -> loop", "here")
	path := strings.Join([]string{"relative", "", filepath.Join(root, "missing"), filepath.Join(root, "a"), filepath.Join(root, "b"), filepath.Join(root, "c")}, ":")
	for _, c := range []struct {
		name string
		want string // below root
		code int    // 126 or 127 where it cannot run
		why  string
	}{
		{"tool", "a/tool", 0, ""},
		{"other", "b/other", 0, ""},
		{"late", "b/late", 0, ""}, // one that may not be executed does not hide another
		{"link", "c/link", 0, ""},
		{"./here", "here", 0, ""},
		{filepath.Join(root, "b/tool"), "b/tool", 0, ""},
		{"here", "", 127, "command not found"}, // the project is never searched
		{"denied", "", 126, "permission denied"},
		{"dangling", "", 127, "command not found"},
		{"sub", "", 126, "is a directory"},
		{"./b/sub", "", 126, "is a directory"},
		{"./b/sub/none", "", 127, "command not found"},
		{"./here/none", "", 127, "command not found"},
		{"./a/denied", "", 126, "permission denied"},
		{"./c/loop", "", 126, "too many levels of symbolic links"},
		{"", "", 127, "command not found"},
	} {
		got, err := find(c.name, root, path)
		if c.code == 0 {
			if err != nil || got != filepath.Join(root, c.want) {
				t.Errorf("%s: %s, %v; want %s", c.name, got, err, c.want)
			}
			continue
		}
		var e *CommandError
		if !errors.As(err, &e) {
			t.Errorf("%s: %s, %v; want an error", c.name, got, err)
			continue
		}
		if code := map[bool]int{true: 127, false: 126}[e.Missing]; code != c.code || e.Why != c.why {
			t.Errorf("%s: %d %s; want %d %s", c.name, code, e.Why, c.code, c.why)
		}
	}
}

func TestPackageRoot(t *testing.T) {
	root := tree(t,
		"venv/pyvenv.cfg", "venv/bin/python", "node/lib/node_modules/npm/bin/npm", "node/bin/node", "py/lib/python3.11/", "py/bin/x",
		"conda/conda-meta/", "conda/bin/x", "plain/bin/x", "home/bin/x", "home/lib/python3.9/", "home/.local/bin/x", "home/.local/lib/python3.9/",
		"app/node_modules/.bin/x", "app/node_modules/a/node_modules/b/cli.js", "x", "in[1]/pyvenv.cfg", "in[1]/bin/python", "p*/bin/x")
	for path, want := range map[string]string{
		"venv/bin/python":                   "venv",
		"node/bin/node":                     "node",
		"node/lib/node_modules/npm/bin/npm": "node/lib/node_modules",
		"py/bin/x":                          "py",
		"conda/bin/x":                       "conda",
		"plain/bin/x":                       "",
		"home/bin/x":                        "", // the home directory is no package
		"home/.local/bin/x":                 "",
		"app/node_modules/.bin/x":           "app/node_modules",
		"app/node_modules/a/node_modules/b/cli.js": "app/node_modules",
		"x":                "",
		"in[1]/bin/python": "in[1]", // a name, and no pattern: p* is not py
		"p*/bin/x":         "",
	} {
		if want != "" {
			want = filepath.Join(root, want)
		}
		if got := packageRoot(filepath.Join(root, path), filepath.Join(root, "home")); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

func TestInterpreterOf(t *testing.T) {
	root := tree(t, "bin/python", "bin/node")
	bin := filepath.Join(root, "bin")
	for _, c := range []struct{ first, want string }{
		{"#!/bin/sh\n", "/bin/sh"},
		{"#! /bin/sh -e\n", "/bin/sh"},
		{"#!/bin/sh\t-e\n", "/bin/sh"},
		{"#!/bin/sh\f\n", "/bin/sh\f"}, // to the kernel a part of the name
		{"#!/bin/sh\x00/else\n", "/bin/sh"},
		{"#!/usr/bin/env python\n", bin + "/python"},
		{"#!/usr/bin/env -S node --flag\n", bin + "/node"},
		{"#!/usr/bin/env A=1 node\n", bin + "/node"},
		{"#!/usr/bin/env -u /bin/sh node\n", bin + "/node"},
		{"#!/usr/bin/env no-such\n", ""},
		{"#!/usr/bin/env\n", ""},
		{"#!\n", ""},
		{"#!/bin/sh", "/bin/sh"}, // the file ends there
		{"\x7fELF", ""},
		{"", ""},
		{"text\n#!/bin/sh\n", ""},
		{"#!/" + strings.Repeat("x", 300) + "\n", "/" + strings.Repeat("x", 253)}, // the kernel reads 256 bytes
	} {
		plant(t, root, "script="+c.first+"more\n")
		if c.first == "" || !strings.HasSuffix(c.first, "\n") {
			plant(t, root, "script="+c.first)
		}
		if got := interpreterOf(filepath.Join(root, "script"), bin); got != c.want {
			t.Errorf("%q: %q, want %q", c.first, got, c.want)
		}
	}
	if got := interpreterOf(filepath.Join(root, "missing"), bin); got != "" {
		t.Errorf("a missing file: %q", got)
	}
}

// TestOpen: what a command needs to start is readable for the reason "the command", however it is reached.
func TestOpen(t *testing.T) {
	root := tree(t,
		"tools/env/pyvenv.cfg", "tools/env/bin/python -> ../../real/bin/python3", "tools/real/bin/python3", "tools/real/lib/python3.11/",
		"tools/env/bin/script=#!ROOT/tools/env/bin/python\n", "tools/link -> env/bin/script",
		"tools/a=#!ROOT/tools/b\n", "tools/b=#!ROOT/tools/a\n")
	for _, name := range []string{"tools/env/bin/script", "tools/a", "tools/b"} {
		data, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		plant(t, root, name+"="+strings.ReplaceAll(string(data), "ROOT", root))
	}
	for _, c := range []struct{ path, want string }{
		{"tools/link", "tools/env/bin/script tools/env tools/real/bin/python3 tools/real tools/env"},
		{"tools/a", "tools/a tools/b tools/a tools/b tools/a tools/b"}, // interpreters of each other: the kernel takes five
	} {
		var p Plan
		p.open(filepath.Join(root, c.path), Host{Home: filepath.Join(root, "home")}, 0)
		var got []string
		for _, r := range p.Policy.Rules {
			if r.Access != sandbox.Read || r.Why != "the command" {
				t.Errorf("%s: %+v", c.path, r)
			}
			rel, err := filepath.Rel(root, r.Path)
			got = append(got, rel)
			if err != nil {
				t.Error(err)
			}
		}
		if fmt.Sprint(got) != "["+c.want+"]" {
			t.Errorf("%s: %v\nwant %s", c.path, got, c.want)
		}
	}
}

// TestOpenNothingElse: neither a "#!" line nor a link of the project's opens what is no program, or its package.
func TestOpenNothingElse(t *testing.T) {
	root := tree(t, "home/plain:diary", "home/bin/x", "home/pyvenv.cfg", "home/project/node_modules -> ../..", "home/project/up -> ..", "link -> home",
		"home/project/env -> ..", "home/project/relative=#!./up\n", "home/project/form\f", "home/project/form -> ..", "home/project/feed=#!./form\f\n")
	plant(t, root, "home/project/file=#!"+root+"/home/diary\n")
	plant(t, root, "home/project/dir=#!"+root+"/home\n")
	for path, want := range map[string]string{
		"relative":                           "relative",
		"file":                               "file",
		"dir":                                "dir",
		"feed":                               "feed form\f",
		"node_modules/home/project/relative": "relative",
		"env/bin/x":                          "../bin/x",
	} {
		for _, home := range []string{"home", "link"} {
			p := Plan{Dir: filepath.Join(root, "home/project")}
			p.open(filepath.Join(p.Dir, path), Host{Home: filepath.Join(root, home)}, 0)
			var got []string
			for _, r := range p.Policy.Rules {
				rel, err := filepath.Rel(p.Dir, r.Path)
				if got = append(got, rel); err != nil || !filepath.IsAbs(r.Path) {
					t.Errorf("%s: %s", path, r.Path)
				}
			}
			if strings.Join(got, " ") != want {
				t.Errorf("%s: %q, want %s", path, got, want)
			}
		}
	}
}

// TestCommandIsAPipe: to look into a pipe that somebody calls a program would wait for a writer.
func TestCommandIsAPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tool")
	if err := syscall.Mkfifo(path, 0o755); err != nil {
		t.Fatal(err)
	}
	var e *CommandError
	if err := executable("tool", path); !errors.As(err, &e) || e.Missing || e.Why != "is not a regular file" {
		t.Error(err)
	}
}
