package main_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestPlanted: a program that an earlier launch left in the project does not get what opens the store, whether the
// project is open in this launch or not, and in no launch.
func TestPlanted(t *testing.T) {
	p := one(t)
	value := secretValue()
	dir := p.onePassword(t, map[string]string{"api.key": value})
	script := "#!/bin/sh\necho $OP_SERVICE_ACCOUNT_TOKEN >" + p.home + "/stolen\n"
	for _, name := range []string{"node_modules/.bin/op", "sub/", "planted/.git/"} {
		if err := os.MkdirAll(filepath.Join(p.project, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	p.write(t, "node_modules/.bin/op", []byte(script), 0o755)
	own := filepath.Join(p.home, ".local", "bin")
	err := errors.Join(os.MkdirAll(own, 0o755), os.MkdirAll(filepath.Join(p.project, ".git"), 0o755), os.Link(filepath.Join(dir, "op"), filepath.Join(own, "op")))
	if err != nil {
		t.Fatal(err)
	}
	planted := filepath.Join(p.project, "node_modules", ".bin")
	get := []string{p.ward, "get", "op://Work/api/key", "--raw"}
	run := []string{p.ward, "run", "--guard", "off", "--env-credential-map", "op://Work/api/key", "KEY", "--", "sh", "-c", `printf %s "$KEY"`}
	for _, c := range []struct {
		what, at, path string
		argv           []string
		code           int
	}{
		{"get", p.project, planted + ":" + dir, get, 1},
		{"get below the repository's root", filepath.Join(p.project, "sub"), planted + ":" + dir, get, 1},
		{"get below what an earlier launch made look like the root", filepath.Join(p.project, "planted"), planted + ":" + dir, get, 1},
		{"run", p.project, planted + ":" + dir, run, 125},
		{"run with another working directory", p.home, planted + ":" + dir, append([]string{p.ward, "run", "--workdir", p.project}, run[2:]...), 125},
		{"get, where the real one comes first", p.project, dir + ":" + planted, get, 0},
		{"get at home, with a program of one's own", p.home, own, get, 0},
		{"get in the project, with a program of one's own", p.project, own, get, 0},
	} {
		cmd := p.command(t, c.argv...)
		cmd.Dir = c.at
		cmd.Env = append(cmd.Env, "PATH="+c.path+":/usr/bin:/bin")
		o := end(t, cmd)
		refused := strings.Contains(o.stderr, planted+"/op is in "+p.project+", the project that ward was started in, so it is not run") &&
			strings.Contains(o.stderr, "take "+planted+" out of PATH")
		if o.code != c.code || refused != (c.code != 0) || c.code == 0 && o.stdout != value {
			t.Errorf("%s: %+v", c.what, o)
		}
		if _, err := os.Stat(filepath.Join(p.home, "stolen")); err == nil {
			t.Fatalf("%s: what was planted ran", c.what)
		}
	}
}

// TestPlantedClosed: that a program of the project may be written by nobody says nothing of who left it there.
func TestPlantedClosed(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		script := "mkdir bin && printf '#!/bin/sh\necho ran >&2\n' > bin/op && chmod 555 bin/op bin"
		if o := end(t, p.run(t, "--", "sh", "-c", script)); o.code != 0 {
			t.Fatalf("%+v", o)
		}
		for _, open := range []string{"--allow-cwd", "--allow-cwd=false"} {
			cmd := p.command(t, p.ward, "run", open, "--env-credential-map", "op://Work/api/key", "KEY", "--", "true")
			cmd.Env = append(cmd.Env, "PATH="+p.project+"/bin:/usr/bin:/bin")
			if o := end(t, cmd); o.code != 125 || !strings.Contains(o.stderr, "so it is not run") {
				t.Errorf("%s: %+v", open, o)
			}
		}
	})
}

// TestPlantedInterpreter: what a script of the project says of its interpreter, and where the project's links lead, does not
// open what is around the project.
func TestPlantedInterpreter(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		p.write(t, "../.netrc", []byte("credential\n"), 0o600)
		p.write(t, "../diary", []byte("private\n"), 0o600)
		p.write(t, "read\f", []byte("#!/bin/sh\ncat ../diary ../.netrc\necho done\n"), 0o755)
		p.write(t, "tool", []byte("#!./read\f\n"), 0o755)
		for link, target := range map[string]string{"read": "..", "node_modules": ".."} {
			if err := os.Symlink(target, filepath.Join(p.project, link)); err != nil {
				t.Fatal(err)
			}
		}
		for _, tool := range []string{"./tool", "./node_modules/project/tool"} {
			if o := end(t, p.run(t, "--", tool)); o.code != 0 || o.stdout != "done\n" {
				t.Errorf("%s: %+v", tool, o)
			}
		}
	})
}

// TestHomeBehindLink: the home directory is no project either where HOME names it by a link.
func TestHomeBehindLink(t *testing.T) {
	p := one(t)
	link := filepath.Join(filepath.Dir(p.home), "link")
	if err := os.Symlink("home", link); err != nil {
		t.Fatal(err)
	}
	cmd := p.run(t, "--", "true")
	cmd.Dir, cmd.Env = p.home, append(cmd.Env, "HOME="+link)
	if o := end(t, cmd); o.code != 125 || !strings.Contains(o.stderr, "holds the home directory") {
		t.Errorf("%+v", o)
	}
}

// TestPlantedNames: neither the plan nor a warning lets a name that the project chose write lines of its own or steer the
// terminal.
func TestPlantedNames(t *testing.T) {
	p := one(t)
	name := "a\x1b[31m\nward: all is well\u009b2J"
	dir := filepath.Join(p.project, name)
	if err := errors.Join(os.Mkdir(dir, 0o755), os.Symlink(name, filepath.Join(p.project, "link"))); err != nil {
		t.Fatal(err)
	}
	warned := end(t, p.run(t, "--read", p.project+"/link", "--", "true"))
	if warned.code != 0 || !strings.Contains(warned.stderr, "opens nothing more") {
		t.Errorf("%+v", warned)
	}
	cmd := p.run(t, "--dry-run", "--read", dir, "--deny", dir, "--", "true")
	cmd.Dir = dir
	planned := end(t, cmd)
	if planned.code != 0 || strings.Count(planned.stdout, "all is well") < 4 {
		t.Errorf("%+v", planned)
	}
	for _, text := range []string{warned.stderr, planned.stdout} {
		if strings.ContainsAny(text, "\x1b\u009b") || strings.Contains(text, "\nward: all") {
			t.Errorf("%q", text)
		}
	}
}

// TestDenyOddName: what is to be closed and has a name that cannot be handed over ends the launch.
func TestDenyOddName(t *testing.T) {
	p := one(t)
	odd := "secret\xff"
	p.write(t, odd, []byte("content\n"), 0o600)
	for _, flag := range []string{"--deny", "--protect"} {
		if o := end(t, p.run(t, flag, odd, "--", "sh", "-c", "cat secret*")); o.code != 125 || o.stdout != "" || !strings.Contains(o.stderr, "not valid UTF-8") {
			t.Errorf("%s: %+v", flag, o)
		}
	}
}

// TestScratchInProject: where TMPDIR lies in what the command may write, it cannot put anything in the place of what the
// next launch mounts over its /tmp, be that slot there yet or not.
func TestScratchInProject(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		p.write(t, "../diary", []byte("private\n"), 0o600)
		tmp := filepath.Join(p.project, "tmp")
		if err := errors.Join(os.Mkdir(tmp, 0o755), os.Chown(tmp, p.uid, p.uid)); err != nil {
			t.Fatal(err)
		}
		base := fmt.Sprintf("%s/ward-%d", tmp, p.uid)
		script := fmt.Sprintf("ls -A %[1]s; { mkdir %[1]s/1 || rm -r %[1]s || mv tmp away || ln -s %[2]s %[1]s/2; } 2> /dev/null && echo changed; echo x > /tmp/x && cat /tmp/x", base, p.home)
		for range 2 {
			cmd := p.run(t, "--", "sh", "-c", script)
			cmd.Env = append(cmd.Env, "TMPDIR="+tmp)
			if o := end(t, cmd); o.code != 0 || o.stdout != "x\n" {
				t.Errorf("%+v", o)
			}
		}
	})
}

// TestPlantedVoid: what an earlier launch left for a later one whose TMPDIR lies in the project does not have masks show it.
func TestPlantedVoid(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		p.write(t, "../.netrc", []byte("credential\n"), 0o600)
		slot := fmt.Sprintf("tmp/ward-%d/0", p.uid)
		for _, file := range []string{"f", "d"} {
			target := map[string]string{"f": p.home + "/.netrc", "d": p.home}[file]
			script := "rm -rf tmp; umask 077; mkdir -p " + slot + "/tmp && cd " + slot + " && mkdir void.d && : > void.f && rm -r void." + file + " && ln -s " + target + " void." + file
			if o := end(t, p.run(t, "--", "sh", "-c", script)); o.code != 0 {
				t.Fatalf("%+v", o)
			}
			cmd := p.command(t, p.ward, "run", "--read", p.home, "--deny", p.project, "--", "sh", "-c", "cat ~/.netrc ~/project/.netrc")
			cmd.Dir, cmd.Env = "/", append(cmd.Env, "TMPDIR="+p.project+"/tmp")
			if o := end(t, cmd); o.code != 125 || o.stdout != "" || !strings.Contains(o.stderr, "is not what ward made") {
				t.Errorf("%s: %+v", file, o)
			}
		}
	})
}

// TestPlantedReference: a link that an earlier launch left in the place of a credential's file does not have another file
// handed over.
func TestPlantedReference(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		value := secretValue()
		p.write(t, "../private", []byte(value), 0o600)
		p.write(t, "../.netrc", []byte(value), 0o600)
		p.write(t, "plain", []byte(value), 0o600)
		for link, target := range map[string]string{"out": "../private", "dir": "..", "masked": "../.netrc", "in": "plain", "../own": "private"} {
			if err := os.Symlink(target, filepath.Join(p.project, link)); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []struct {
			path, more string
			given      bool
		}{
			{"out", "", false}, {"dir/private", "", false}, {"masked", "--allow=" + p.home, false},
			{"in", "", true}, {"plain", "", true}, {"../own", "", true}, {"out", "--allow=" + p.home, true},
		} {
			args := []string{"--guard", "off", "--env-credential-map", "file://" + filepath.Join(p.project, c.path), "KEY", "--", "sh", "-c", `printf %s "$KEY"`}
			if c.more != "" {
				args = append([]string{c.more}, args...)
			}
			o := end(t, p.run(t, args...))
			refused := o.code == 125 && o.stdout == "" && strings.Contains(o.stderr, "by a link that a command may have put there")
			if c.given != (o.code == 0 && o.stdout == value) || !c.given && !refused {
				t.Errorf("%s: %+v", c.path, o)
			}
		}
	})
}

// TestPlantedLinks: nor do links that an earlier launch left in the project open anything, or have anything changed, in a
// launch that may write nothing there.
func TestPlantedLinks(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		value := secretValue()
		if err := errors.Join(os.Mkdir(filepath.Join(p.home, "else"), 0o755), os.Chown(filepath.Join(p.home, "else"), p.uid, p.uid)); err != nil {
			t.Fatal(err)
		}
		p.write(t, "../else/private", []byte(value), 0o600)
		if o := end(t, p.run(t, "--", "ln", "-s", p.home+"/else", "link")); o.code != 0 {
			t.Fatalf("%+v", o)
		}
		for _, flags := range [][]string{
			{"--read", "link"}, {"--allow", "link"}, {"--allow", "link/private"}, {"--allow-unix-socket", "link/x"}, {"--audit-log", "link/private"},
			{"--env-credential-map", "file://" + p.project + "/link/private", "KEY"},
		} {
			cmd := p.command(t, append(append([]string{p.ward, "run", "--guard", "off"}, flags...), "--", "sh", "-c", "echo $KEY; cat "+p.home+"/else/private")...)
			cmd.Dir = p.project
			if o := end(t, cmd); o.code != 125 || o.stdout != "" || !strings.Contains(o.stderr, "by a link that a command may have put there") {
				t.Errorf("%s: %+v", flags, o)
			}
		}
		if left, err := os.ReadFile(p.home + "/else/private"); err != nil || string(left) != value {
			t.Errorf("%v, %d bytes", err, len(left))
		}
	})
}

// TestPlantedInstead: a file where a protected directory would be, and a directory that cannot be looked into, are named at
// the end: git takes its settings from where such a file says.
func TestPlantedInstead(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		o := end(t, p.run(t, "--", "sh", "-c", "mkdir elsewhere .vscode && echo gitdir: elsewhere > .git && touch .vscode/tasks.json && chmod 0 .vscode"))
		closed := p.project + "/.vscode"
		if p.uid == 0 { // nothing is closed to root
			closed += "/tasks.json"
		}
		want := "new, and other programs will do what it says: " + p.project + "/.git, " + closed + "; look"
		if o.code != 0 || !strings.Contains(o.stderr, want) {
			t.Errorf("%+v, want %s", o, want)
		}
	})
}

// TestPlantedSettings: of the settings that an agent's command line names nothing is put there that the agent may not read.
func TestPlantedSettings(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		value := secretValue()
		p.write(t, "../.netrc", []byte(`{"key": "`+value+`"}`), 0o600)
		p.write(t, "own.json", []byte(`{"key": "own"}`), 0o600)
		p.write(t, "claude", []byte("#!/bin/sh\necho \"$*\"\n"), 0o755)
		err := errors.Join(os.Symlink("../.netrc", filepath.Join(p.project, "link.json")), syscall.Mkfifo(filepath.Join(p.project, "pipe.json"), 0o666))
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{"own.json": `"key":"own"`, "link.json": "may not read", "pipe.json": "not a regular file"} {
			o := end(t, p.run(t, "--", "./claude", "--settings", name))
			if o.code != 0 || strings.Contains(o.stdout, value) || !strings.Contains(o.stdout+o.stderr, want) {
				t.Errorf("%s: %+v", name, o)
			}
		}
	})
}

// TestPlantedAgent: a program of the project does not get an agent's login by having the agent's name.
func TestPlantedAgent(t *testing.T) {
	p := one(t)
	value := secretValue()
	if err := errors.Join(os.MkdirAll(p.home+"/.claude", 0o700), os.Mkdir(p.project+"/bin", 0o755)); err != nil {
		t.Fatal(err)
	}
	p.write(t, "../.claude/.credentials.json", []byte(`{"key": "`+value+`"}`), 0o600)
	p.write(t, "bin/claude", []byte("#!/bin/sh\necho here; cat ~/.claude/.credentials.json\n"), 0o755)
	for _, c := range []struct {
		args  []string
		code  int
		login bool
	}{
		{[]string{"--", "claude"}, 126, false}, {[]string{"-p", "default", "--", "claude"}, 1, false},
		{[]string{"-p", "claude", "--", "claude"}, 0, true}, {[]string{"--", "bin/claude"}, 0, true}, // somebody named it
	} {
		cmd := p.run(t, append([]string{"--guard", "off"}, c.args...)...)
		cmd.Env = append(cmd.Env, "PATH="+p.project+"/bin:/usr/bin:/bin")
		o := end(t, cmd)
		if o.code != c.code || strings.Contains(o.stdout, value) != c.login || c.code == 126 && !strings.Contains(o.stderr, "a file of the project") {
			t.Errorf("%s: %+v", c.args, o)
		}
	}
}

// TestProtectedAround: what git and agents run outside is kept at the root of the repository too, where ward is started further
// down and a rule opens more than that.
func TestProtectedAround(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		for _, dir := range []string{".git", ".git/hooks", "sub", "other"} {
			if err := errors.Join(os.Mkdir(filepath.Join(p.project, dir), 0o755), os.Chown(filepath.Join(p.project, dir), p.uid, p.uid)); err != nil {
				t.Fatal(err)
			}
		}
		p.write(t, ".mcp.json", []byte("{}"), 0o644)
		script := `for f in .git/hooks/x .mcp.json other/x; do echo x > ` + p.project + `/$f && echo $f; done 2> /dev/null`
		for _, c := range []struct{ flag, want string }{
			{"--allow=..", "other/x\n"}, {"--allow=../.git", ""}, {"--allow=" + p.home, "other/x\n"}, {"--unprotect=../.git/hooks", ""}, {"--allow=../other", "other/x\n"},
		} {
			cmd := p.run(t, c.flag, "--", "sh", "-c", script)
			cmd.Dir = filepath.Join(p.project, "sub")
			if o := end(t, cmd); o.stdout != c.want {
				t.Errorf("%s: %+v", c.flag, o)
			}
		}
		cmd := p.run(t, "--allow=..", "--unprotect=../.git/hooks", "--", "sh", "-c", script)
		cmd.Dir = filepath.Join(p.project, "sub")
		if o := end(t, cmd); o.stdout != ".git/hooks/x\nother/x\n" {
			t.Errorf("unprotected: %+v", o)
		}
	})
}

// TestDollarInDirectory: a dollar sign in the name of the directory that ward is started in begins no variable.
func TestDollarInDirectory(t *testing.T) {
	p := one(t)
	dir, other := filepath.Join(p.project, "x$UID"), filepath.Join(p.home, "other")
	err := errors.Join(os.Mkdir(dir, 0o755), os.Mkdir(other, 0o755), os.Symlink(other, filepath.Join(p.project, fmt.Sprintf("x%d", p.uid))))
	if err != nil {
		t.Fatal(err)
	}
	for _, flags := range [][]string{{"--allow-cwd"}, {"--allow", "./"}} {
		cmd := p.command(t, append(append([]string{p.ward, "run"}, flags...), "--", "sh", "-c", "touch here; touch "+other+"/there")...)
		cmd.Dir = dir
		o := end(t, cmd)
		if _, err := os.Stat(filepath.Join(dir, "here")); err != nil || o.code != 1 {
			t.Errorf("%s: %v, %+v", flags, err, o)
		}
		os.Remove(filepath.Join(dir, "here"))
	}
	if left, err := os.ReadDir(other); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}
