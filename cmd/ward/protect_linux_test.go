package main_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// What git runs by itself stays as it was, however it is reached: in place, by a new name for the directory around it,
// and where a link that the command may write leads to it.
func TestProtected(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		for _, dir := range []string{"real/hooks", "plain/.git/hooks"} {
			for at := filepath.Join(p.project, dir); at != p.project; at = filepath.Dir(at) {
				if err := os.MkdirAll(at, 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.Chown(at, p.uid, p.uid); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := os.Symlink("real", filepath.Join(p.project, ".git")); err != nil {
			t.Fatal(err)
		}
		if err := os.Lchown(filepath.Join(p.project, ".git"), p.uid, p.uid); err != nil {
			t.Fatal(err)
		}
		for name, try := range map[string]string{
			"write":         "echo x > .git/hooks/pre-commit",
			"by its place":  "echo x > real/hooks/pre-commit",
			"other link":    "ln -sfn elsewhere .git && mkdir -p elsewhere/hooks && echo x > .git/hooks/pre-commit",
			"link removed":  "rm .git && mkdir -p .git/hooks && echo x > .git/hooks/pre-commit",
			"target moved":  "mv real other && mkdir -p real/hooks && echo x > real/hooks/pre-commit",
			"plain renamed": "cd plain && mv .git x && mkdir -p .git/hooks && echo x > .git/hooks/pre-commit",
		} {
			flags := []string{"--silent", "--"}
			if name == "plain renamed" {
				flags = append([]string{"--protect", "plain/.git/hooks"}, flags...)
			}
			o := end(t, p.run(t, append(flags, "sh", "-c", try)...))
			if o.code == 0 {
				t.Errorf("%s: done", name)
			}
			for _, hook := range []string{".git/hooks/pre-commit", "real/hooks/pre-commit", "plain/.git/hooks/pre-commit"} {
				if content := p.read(t, hook); strings.TrimSpace(content) != "" {
					t.Fatalf("%s: there is a hook in %s", name, hook)
				}
			}
		}
	})
}

// In a work tree of git's, .git is a file that says where the hooks are.
func TestProtectedWorkTree(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		p.write(t, ".git", []byte("gitdir: /else/where\n"), 0o644)
		for _, try := range []string{"echo gitdir: evil > .git", "rm .git && mkdir -p .git/hooks", "mv .git other && echo gitdir: evil > .git"} {
			if o := end(t, p.run(t, "--silent", "--", "sh", "-c", try)); o.code == 0 || p.read(t, ".git") != "gitdir: /else/where\n" {
				t.Fatalf("%s: done", try)
			}
		}
		if o := end(t, p.run(t, "--silent", "--unprotect", ".git/hooks", "--unprotect", ".git/config",
			"--unprotect", ".git/config.worktree", "--unprotect", ".git/commondir", "--", "sh", "-c", "echo gitdir: other > .git")); o.code != 0 {
			t.Errorf("unprotected, and cannot be written: %s", o.stderr)
		}
	})
}

// A profile that lies in the project, and what that extends, stay as they were: whoever wrote them would have the next launch
// run a command outside, by cmd://, and open what it likes.
func TestProtectedProfile(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		files := map[string]string{"own.json": `{"extends": ["./base.json"]}`, "base.json": `{"extends": ["default"]}`}
		for name, text := range files {
			p.write(t, name, []byte(text), 0o644)
		}
		for _, try := range []string{"echo x > own.json", "echo x > base.json", "echo x > new && mv new own.json", "mv base.json other", "rm base.json"} {
			if o := end(t, p.run(t, "--silent", "-p", "./own.json", "--", "sh", "-c", try)); o.code == 0 {
				t.Errorf("%s: done", try)
			}
			for name, text := range files {
				if got := p.read(t, name); got != text {
					t.Fatalf("%s: %s is %q", try, name, got)
				}
			}
		}
		if o := end(t, p.run(t, "--silent", "-p", "./own.json", "--", "sh", "-c", "echo x > other.json")); o.code != 0 {
			t.Errorf("another file cannot be written: %+v", o)
		}
	})
}

// What is not there yet cannot be kept from being made. It is named at the end, with --silent in the record only.
func TestProtectedAppears(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		for _, flags := range [][]string{{}, {"--silent"}, {"--unprotect", ".mcp.json"}} {
			record := filepath.Join(p.home, "record")
			flags = append(flags, "--audit-log", record, "--", "sh", "-c", "mkdir -p .vscode .git && touch .mcp.json .vscode/tasks.json .git/commondir .git/config.worktree other")
			o := end(t, p.run(t, flags...))
			if o.code != 0 {
				t.Fatalf("exit code %d: %s", o.code, o.stderr)
			}
			events, err := os.ReadFile(record)
			if err != nil {
				t.Fatal(err)
			}
			for name, want := range map[string]bool{".mcp.json": flags[0] != "--unprotect", ".vscode/tasks.json": true, ".git/commondir": true, ".git/config.worktree": true, "other": false} {
				name = filepath.Join(p.project, name)
				if said := strings.Contains(o.stderr, name); said != (want && flags[0] != "--silent") {
					t.Errorf("%v: %s is said: %t: %s", flags, name, said, o.stderr)
				}
				if kept := strings.Contains(string(events), `"made","what":"`+name+`"`); kept != want {
					t.Errorf("%v: %s is recorded: %t: %s", flags, name, kept, events)
				}
			}
			for _, path := range []string{record, filepath.Join(p.project, ".mcp.json"), filepath.Join(p.project, ".vscode"), filepath.Join(p.project, ".git")} {
				if err := os.RemoveAll(path); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// What runs outside in Claude Code's later sessions is made before its first launch, so that it cannot plant it; also where
// the home directory is reached by a link. A link that leads nowhere is left alone.
func TestProtectedIsMade(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		try := func(want string) {
			t.Helper()
			o := end(t, p.run(t, "--silent", "-p", "claude", "--", "sh", "-c", `cd ~/.claude
				for f in settings.json hooks/x plugins/x agents/x; do echo x > $f && echo "$f is written"; done
				mv hooks other || rm -r plugins || mkdir skills || echo x > mine; cat settings.json mine`))
			if o.stdout != want {
				t.Errorf("got %q, want %q: %s", o.stdout, want, o.stderr)
			}
		}
		try("{}\nx\n")
		if entries, err := os.ReadDir(filepath.Join(p.home, ".claude/hooks")); err != nil || len(entries) > 0 {
			t.Errorf("hooks hold %v, %v", entries, err)
		}
		real := p.home
		p.home += "-link"
		if err := errors.Join(os.RemoveAll(filepath.Join(real, ".claude")), os.Symlink(real, p.home)); err != nil {
			t.Fatal(err)
		}
		try("{}\nx\n")
		t.Cleanup(func() { os.Remove(p.home) })
		hooks := filepath.Join(real, ".claude/hooks")
		if err := errors.Join(os.Remove(hooks), os.Symlink("nowhere", hooks)); err != nil {
			t.Fatal(err)
		}
		try("{}\nx\n")
	})
}

// What is open inside a credential path, or inside what is denied, is so as it was granted, whatever a wider grant says; and
// nothing new comes to stand beside it.
func TestOpenInside(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		ssh := filepath.Join(p.home, ".ssh")
		for _, dir := range []string{ssh, filepath.Join(p.project, "in"), filepath.Join(p.project, "in/r"), filepath.Join(p.project, "in/rw"), filepath.Join(p.project, "in/rw/shut")} {
			if err := errors.Join(os.Mkdir(dir, 0o755), os.Chown(dir, p.uid, p.uid)); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"../.ssh/id", "../.ssh/known_hosts", "../.ssh/config", "in/x", "in/r/x", "in/rw/x", "in/rw/shut/x"} {
			p.write(t, name, []byte("old\n"), 0o644)
		}
		o := end(t, p.run(t, "--silent", "--allow", p.home, "--read", ssh+"/known_hosts", "--allow", ssh+"/config",
			"--deny", "in/rw/shut", "--deny", "in", "--read", "in/r", "--allow", "in/rw", "--", "sh", "-c", `
			try() { for f; do echo new >> $f && echo "$f is written"; done 2> /dev/null; }
			try ~/.ssh/config ~/.ssh/known_hosts ~/.ssh/authorized_keys ~/.ssh/id in/x in/new in/r/x in/r/new in/rw/x in/rw/new in/rw/shut/x
			mv ~/.ssh/known_hosts ~/.ssh/other; mv in other; mv ~/.ssh ~/ssh; rm in/r/x ~/.ssh/known_hosts; chmod 777 in/r/x
			cat ~/.ssh/known_hosts ~/.ssh/id in/x in/r/x in/rw/x in/rw/shut/x; touch ~/beside in/rw/and && echo beside`))
		home := func(lines ...string) string { return strings.ReplaceAll(strings.Join(lines, "\n")+"\n", "~", p.home) }
		if want := home("~/.ssh/config is written", "in/rw/x is written", "in/rw/new is written", "old", "old", "old", "new", "beside"); o.stdout != want {
			t.Errorf("got %q, want %q: %s", o.stdout, want, o.stderr)
		}
		for name, want := range map[string]string{"../.ssh/id": "old\n", "../.ssh/known_hosts": "old\n", "../.ssh/authorized_keys": "", "../.ssh/config": "old\nnew\n", "in/x": "old\n", "in/new": "", "in/r/x": "old\n", "in/rw/new": "new\n", "in/rw/shut/x": "old\n"} {
			if got := p.read(t, name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
	})
}

// Where all may be written and nothing read, what is denied cannot be written, nor a credential file, nor ward's own.
func TestWriteAroundWhatIsDenied(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		aws := filepath.Join(p.home, ".aws")
		if err := errors.Join(os.Mkdir(aws, 0o755), os.Chown(aws, p.uid, p.uid)); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"../.aws/credentials", "shut", "open"} {
			p.write(t, name, []byte("old\n"), 0o644)
		}
		end(t, p.run(t, "--silent", "--write", p.home, "--deny", "shut", "--", "sh", "-c", `
			for f in ~/.aws/credentials ~/.config/ward/profiles.json shut open; do echo new > $f; done; rm shut`))
		for name, want := range map[string]string{"../.aws/credentials": "old\n", "../.config/ward/profiles.json": "", "shut": "old\n", "open": "new\n"} {
			if got := p.read(t, name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
	})
}

// Ward's own directories are closed where they come to be, though links lead to them, and to nothing yet.
func TestOwnDirectoriesBehindLinks(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		config := filepath.Join(p.home, ".config")
		for _, at := range []string{"", "ward"} { // the whole of it is elsewhere, or that of ward
			link := filepath.Join(config, at)
			if err := errors.Join(os.RemoveAll(config), os.MkdirAll(filepath.Dir(link), 0o755), os.Symlink(filepath.Join(p.project, "dot", at), link)); err != nil {
				t.Fatal(err)
			}
			o := end(t, p.run(t, "--silent", "--", "sh", "-c", "mkdir -p dot/ward; echo new > dot/ward/profiles.json; mv dot/ward dot/other; mv dot other; echo new > beside"))
			if _, err := os.Lstat(filepath.Join(p.project, "dot/ward")); err != nil || p.read(t, "dot/ward/profiles.json") != "" || p.read(t, "beside") != "new\n" {
				t.Errorf("%q: a profile is written, or nothing is: %v: %s", at, err, o.stderr)
			}
			if err := errors.Join(os.RemoveAll(filepath.Join(p.project, "dot")), os.Remove(filepath.Join(p.project, "beside"))); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A link that leads to ward's own directory, or to credential files, is not exchanged for a directory of the command's own.
func TestLinksToWhatIsClosedStay(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		for link, target := range map[string]string{".config/ward": "../dot/ward", ".aws": "dot/aws", ".kube": "dot/kube", ".docker": "dot/docker"} {
			target = filepath.Join(p.home, "dot", filepath.Base(target))
			for at := target; at != p.home; at = filepath.Dir(at) {
				if err := errors.Join(os.MkdirAll(at, 0o755), os.Chown(at, p.uid, p.uid)); err != nil {
					t.Fatal(err)
				}
			}
			at := filepath.Join(p.home, link)
			if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.Chown(filepath.Dir(at), p.uid, p.uid), os.Symlink(target, at), os.Lchown(at, p.uid, p.uid)); err != nil {
				t.Fatal(err)
			}
		}
		p.write(t, "../dot/kube/config", []byte("old\n"), 0o644)
		o := end(t, p.run(t, "--silent", "--allow", p.home, "--read", filepath.Join(p.home, "dot/kube/config"), "--read", filepath.Join(p.home, "dot/docker"), "--", "sh", "-c", `cat ~/.kube/config
			for l in .config/ward .aws .kube .docker; do rm ~/$l || mv ~/$l ~/away || ln -sfn ~ ~/$l; mkdir -p ~/$l && echo new > ~/$l/new; done; mv ~/.config ~/other; touch ~/beside && echo beside`))
		if o.stdout != "old\nbeside\n" {
			t.Errorf("got %q: %s", o.stdout, o.stderr)
		}
		for _, link := range []string{".config/ward", ".aws", ".kube", ".docker"} {
			at := filepath.Join(p.home, link)
			if _, err := os.Readlink(at); err != nil || p.read(t, filepath.Join("..", link, "new")) != "" {
				t.Errorf("%s is no link any more, or something is in it: %v", link, err)
			}
		}
	})
}

// What one launch leaves behind as a link does not open anything to the next one.
func TestLinkForTheNextLaunch(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		p.write(t, "../key", []byte("old\n"), 0o600)
		if o := end(t, p.run(t, "--silent", "-p", "claude", "--", "ln", "-s", p.home+"/key", p.home+"/.claude/.credentials.json")); o.code != 0 {
			t.Fatal(o.stderr)
		}
		o := end(t, p.run(t, "--silent", "-p", "claude", "--", "sh", "-c", "cat ~/key; echo new > ~/key"))
		if o.code != 125 || o.stdout != "" || !strings.Contains(o.stderr, "a command may have put there") || p.read(t, "../key") != "old\n" {
			t.Errorf("%+v", o)
		}
	})
}

// A link that leads nowhere, to what only others can make, is not exchanged either: for ward's own directory, and for
// what is protected. That is not said to be new.
func TestLinksToNothingStay(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		for link, target := range map[string]string{".config/ward": "/nowhere/ward", "project/.mcp.json": "nowhere", "project/.vscode": "nowhere", "project/ward.json": "ward.json"} {
			at := filepath.Join(p.home, link)
			if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.Chown(filepath.Dir(at), p.uid, p.uid), os.Symlink(target, at), os.Lchown(at, p.uid, p.uid)); err != nil {
				t.Fatal(err)
			}
		}
		o := end(t, p.run(t, "--allow", p.home, "--", "sh", "-c", `for l in .config/ward project/.mcp.json project/.vscode project/ward.json; do
			{ rm ~/$l || mv ~/$l ~/away || ln -sfn ~ ~/$l || mv ~/$(dirname $l) ~/away; } 2> /dev/null && echo $l; done; touch beside && echo beside`))
		if o.stdout != "beside\n" || strings.Contains(o.stderr, "new, and") {
			t.Errorf("got %q: %s", o.stdout, o.stderr)
		}
		if o := end(t, p.run(t, "--", "mkdir", "nowhere")); !strings.Contains(o.stderr, "new, and other programs will do what it says: "+p.project+"/nowhere") {
			t.Errorf("%+v", o)
		}
	})
}

// What lies in a directory that its owner has closed is kept as well: the command can open that again.
func TestInClosedDirectories(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		for _, dir := range []string{"locked", "hooks"} {
			at := filepath.Join(p.project, dir)
			if err := errors.Join(os.Mkdir(at, 0o700), os.Chown(at, p.uid, p.uid)); err != nil {
				t.Fatal(err)
			}
			p.write(t, dir+"/in", []byte("old\n"), 0o644)
			if err := os.Chmod(at, 0); err != nil {
				t.Fatal(err)
			}
			defer os.Chmod(at, 0o700)
		}
		o := end(t, p.run(t, "--silent", "--deny", "locked/in", "--protect", "hooks/in", "--", "sh", "-c", "chmod 700 locked hooks; cat locked/in; echo new > hooks/in; mv hooks other; touch beside && echo beside"))
		if err := os.Chmod(filepath.Join(p.project, "hooks"), 0o700); err != nil { // as it was left: for the test to read, too
			t.Error(err)
		}
		if o.stdout != "beside\n" || p.read(t, "hooks/in") != "old\n" {
			t.Errorf("%+v; in hooks: %q", o, p.read(t, "hooks/in"))
		}
	})
}

// A file that is replaced outside meanwhile is no longer kept: the kernel takes the mount away. It is named at the end.
func TestReplacedOutside(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		for _, name := range []string{"kept", "replaced", "shut"} {
			p.write(t, name, []byte("old\n"), 0o644)
		}
		fifo := filepath.Join(p.project, "fifo")
		if err := errors.Join(syscall.Mkfifo(fifo, 0o666), os.Chmod(fifo, 0o666)); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() {
			ready, err := os.OpenFile(fifo, os.O_WRONLY, 0) // when the command reads
			for _, name := range []string{"replaced", "shut"} {
				path := filepath.Join(p.project, name)
				err = errors.Join(err, os.WriteFile(path+".new", []byte("other\n"), 0o666), os.Rename(path+".new", path))
			}
			done <- errors.Join(err, ready.Close())
		}()
		o := end(t, p.run(t, "--protect", "kept", "--protect", "replaced", "--deny", "shut", "--", "sh", "-c", "cat fifo shut"))
		if o.code != 0 {
			t.Fatal(o.stderr)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if want := "replaced from outside, and no longer kept from the command since: " + p.project + "/shut, " + p.project + "/replaced;"; o.stdout != "other\n" || !strings.Contains(o.stderr, want) {
			t.Errorf("%+v, want %s", o, want)
		}
	})
}

// A directory that is handed over open would be read past what is masked in it.
func TestDirectoryAsStream(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		p.write(t, "secret", []byte("hidden\n"), 0o644)
		for name, set := range map[string]func(*exec.Cmd, *os.File){
			"stdin":  func(c *exec.Cmd, f *os.File) { c.Stdin = f },
			"stdout": func(c *exec.Cmd, f *os.File) { c.Stdout = f },
		} {
			dir, err := os.Open(p.project)
			if err != nil {
				t.Fatal(err)
			}
			defer dir.Close()
			var stderr strings.Builder
			cmd := p.run(t, "--silent", "--guard", "off", "--deny", "secret", "--", "sh", "-c", "cat /proc/self/fd/[01]/secret >&2")
			set(cmd, dir)
			cmd.Stderr = &stderr
			err = cmd.Run()
			if cmd.ProcessState.ExitCode() != 125 || !strings.HasPrefix(stderr.String(), "ward: "+name+": is a directory\n") {
				t.Errorf("%s: %v: %s", name, err, stderr.String())
			}
		}
	})
}
