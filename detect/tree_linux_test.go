package detect

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// fixture is a directory with programs that look like agents, or do not.
type fixture struct {
	dir   string
	probe prober
	out   string // where the probe writes
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	dir := t.TempDir()
	return &fixture{dir, probeIn(t, dir), filepath.Join(dir, "sight")}
}

// look is the probe's command line for a shell.
func (f *fixture) look() string { return f.probe.to(f.out) }

// write makes a file below the directory.
func (f *fixture) write(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	file := filepath.Join(f.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	// While it is open no other test may fork: the child would have it open
	// for writing until it executes something, and who runs the file then
	// gets ETXTBSY.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return file
}

// shell is bash under another name: a binary that is called so.
func (f *fixture) shell(t *testing.T, name string) string {
	t.Helper()
	bash, err := os.ReadFile(needsProgram(t, "bash"))
	if err != nil {
		t.Fatal(err)
	}
	return f.write(t, name, string(bash), 0o755)
}

// run runs a program to its end and gives what the probe below it saw.
func (f *fixture) run(t *testing.T, argv ...string) sight {
	t.Helper()
	needsProgram(t, argv[0])
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	cmd.Dir = f.dir
	cmd.Env = append(bareEnviron(), "TERM=dumb", "LESSOPEN=|sh -c '"+f.look()+"; true' %s")
	out, err := cmd.CombinedOutput()
	// vim and less have opinions about what is no terminal.
	if _, e := os.Stat(f.out); e != nil {
		t.Fatalf("%q: the probe did not run: %v\n%s", argv, err, out)
	}
	return readSight(t, f.out)
}

// asNode is a script that gives itself a title, or none, and starts the probe.
func (f *fixture) asNode(title string) string {
	argv := f.probe.argv(f.out)
	text := "#!/usr/bin/env node\n"
	if title != "" {
		text += "process.title = '" + title + "'\n"
	}
	return text + "require('child_process').execFileSync('" + argv[0] + "', ['" + argv[1] + "', '" + argv[2] + "'])\n"
}

// asPython is the same for Python.
func (f *fixture) asPython() string {
	return "import subprocess\nsubprocess.check_call('" + f.look() + "'.split())\n"
}

// TestTreeAgents runs real programs that are agents by what they are called
// or what they run.
func TestTreeAgents(t *testing.T) {
	pkg := "lib/node_modules/@anthropic-ai/claude-code/cli.js"
	for _, c := range []struct {
		name, want string
		argv       func(t *testing.T, f *fixture) []string
	}{
		{"a binary", "codex", func(t *testing.T, f *fixture) []string {
			return []string{f.shell(t, "codex"), "-c", f.look() + "; true"}
		}},
		{"a binary that is called by its version", "claude", func(t *testing.T, f *fixture) []string {
			return []string{f.shell(t, "share/claude/versions/2.1.0"), "-c", f.look() + "; true"}
		}},
		{"a binary that was replaced while it ran", "claude", func(t *testing.T, f *fixture) []string {
			file := f.shell(t, "claude")
			return []string{file, "-c", "rm " + file + "; " + f.look() + "; true"}
		}},
		{"a binary that calls itself bash", "goose", func(t *testing.T, f *fixture) []string {
			return []string{"bash", "-c", "exec -a bash " + f.shell(t, "goose") + " -c '" + f.look() + "; true'"}
		}},
		{"a script of its package", "claude", func(t *testing.T, f *fixture) []string {
			return []string{"node", f.write(t, pkg, f.asNode(""), 0o644)}
		}},
		{"a script by a relative path", "claude", func(t *testing.T, f *fixture) []string {
			f.write(t, pkg, f.asNode(""), 0o644)
			return []string{"bash", "-c", "cd " + filepath.Dir(pkg) + " && node --no-warnings cli.js; true"}
		}},
		{"a link of another name to a script", "claude", func(t *testing.T, f *fixture) []string {
			if err := os.Symlink(f.write(t, pkg, f.asNode(""), 0o755), filepath.Join(f.dir, "ai")); err != nil {
				t.Fatal(err)
			}
			return []string{filepath.Join(f.dir, "ai")}
		}},
		{"npx", "qwen", func(t *testing.T, f *fixture) []string {
			f.write(t, "package.json", `{"name": "p", "version": "1.0.0"}`, 0o644)
			f.write(t, "node_modules/.bin/qwen", f.asNode(""), 0o755)
			return []string{"npx", "--offline", "--no-install", "qwen"}
		}},
		{"a title", "claude", func(t *testing.T, f *fixture) []string {
			return []string{"node", f.write(t, "x.js", f.asNode("claude"), 0o644)}
		}},
		{"a module", "aider", func(t *testing.T, f *fixture) []string {
			f.write(t, "aider/__main__.py", f.asPython(), 0o644)
			return []string{"python3", "-Wignore", "-m", "aider"}
		}},
		{"a script of Python", "aider", func(t *testing.T, f *fixture) []string {
			return []string{"python3", f.write(t, "bin/aider", f.asPython(), 0o755)}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			if got := f.run(t, c.argv(t, f)...).Both; got.Agent != c.want {
				t.Errorf("agent %q, want %q (%s)", got.Agent, c.want, got.Why)
			}
		})
	}
}

// TestTreePeople runs real programs that have an agent's name somewhere, and
// are none.
func TestTreePeople(t *testing.T) {
	for _, c := range []struct {
		name string
		argv func(t *testing.T, f *fixture) []string
	}{
		{"vim claude.txt", func(t *testing.T, f *fixture) []string {
			return []string{"vim", "-N", "-u", "NONE", "-es", "-c", "!" + f.look(), "-c", "q!", f.write(t, "claude.txt", "", 0o644)}
		}},
		{"less claude", func(t *testing.T, f *fixture) []string {
			return []string{"less", f.write(t, "claude", "text\n", 0o644)}
		}},
		{"find -name claude", func(t *testing.T, f *fixture) []string {
			f.write(t, "claude", "", 0o644)
			return append(append([]string{"find", f.dir, "-name", "claude", "-exec"}, f.probe.argv(f.out)...), ";")
		}},
		{"bash claude", func(t *testing.T, f *fixture) []string {
			return []string{"bash", f.write(t, "claude", f.look()+"\ntrue\n", 0o644)}
		}},
		{"a script of bash that is called codex", func(t *testing.T, f *fixture) []string {
			return []string{f.write(t, "codex", "#!/usr/bin/env bash\n"+f.look()+"\ntrue\n", 0o755)}
		}},
		{"bash that calls itself claude", func(t *testing.T, f *fixture) []string {
			return []string{"bash", "-c", "exec -a claude bash -c '" + f.look() + "; true'"}
		}},
		{"node claude.js", func(t *testing.T, f *fixture) []string {
			return []string{"node", f.write(t, "claude.js", f.asNode(""), 0o644)}
		}},
		{"node server.js claude", func(t *testing.T, f *fixture) []string {
			return []string{"node", f.write(t, "server.js", f.asNode(""), 0o644), "claude", "--agent=claude"}
		}},
		{"node -e about claude", func(t *testing.T, f *fixture) []string {
			return []string{"node", "-e", strings.SplitN(f.asNode(""), "\n", 2)[1], "/usr/local/bin/claude"}
		}},
		{"python3 aider.py", func(t *testing.T, f *fixture) []string {
			return []string{"python3", f.write(t, "aider.py", f.asPython(), 0o644)}
		}},
		{"a directory that is called like an agent", func(t *testing.T, f *fixture) []string {
			return []string{f.shell(t, "claude/codex/sh"), "-c", f.look() + "; true"}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			got := f.run(t, c.argv(t, f)...).Both
			if got.Agent != "" || !strings.HasPrefix(got.Why, "no agent among ") {
				t.Errorf("agent %q, want none (%s)", got.Agent, got.Why)
			}
			if len(got.Chain) < 3 || got.Chain[len(got.Chain)-1].PID != os.Getpid() {
				t.Errorf("%d processes were looked at, not all up to the test", len(got.Chain))
			}
		})
	}
}
