package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ward/secrets"
)

// typeBack is a program that opens a terminal, runs a command line there, and types the number that it is shown.
const typeBack = `
import os, pty, re, sys
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
shown, typed = b"", False
while True:
    try: data = os.read(fd, 4096)
    except OSError: break
    if not data: break
    shown += data
    asked = re.search(rb"type (\d+) to agree: ", shown)
    if asked and not typed:
        typed = True
        os.write(fd, asked[1] + b"\n")
sys.stdout.write(shown.decode(errors="replace"))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`

// What a person has to be asked for is not asked for at a terminal that an agent opened, whichever way it is to come out
// and whatever the terminal's first process calls itself; a person at the agent's own terminal is told who asks.
func TestStrictOwnTerminal(t *testing.T) {
	p := one(t)
	p.vault()
	needs(t, "python3", "node")
	strict, plain := secretValue(), secretValue()
	p.store(t, "acme/STRICT", strict, "--strict")
	p.store(t, "acme/PLAIN", plain)
	claude := p.fakeAgent(t, "claude")
	if o := end(t, p.command(t, "mkdir", "-p", filepath.Join(p.home, ".config", "ward"))); o.code != 0 {
		t.Fatalf("%+v", o)
	}
	own := p.write(t, "own.py", []byte(typeBack), 0o644)
	title := p.write(t, "title.js", []byte(`process.title = 'claude'
process.exit(require('child_process').spawnSync(process.argv[2], process.argv.slice(3), {stdio: 'inherit'}).status)`), 0o644)
	below := []string{claude, "-c", `"$@"; exit $?`, "agent", "python3", own}

	ways := func(name string) [][]string {
		return [][]string{
			{"/bin/dash", "-c", `eval "$("$0" get ` + name + `)" && env; exit $?`, p.ward},
			{p.ward, "run", "--guard", "off", "--env-credential", name, "--", "env"},
			{"node", title, p.ward, "run", "--guard", "off", "--env-credential", name, "--", "env"},
		}
	}
	for _, c := range []struct{ name, value, config string }{
		{"acme/STRICT", strict, "{}"}, {"acme/PLAIN", plain, `{"presence": "always"}`}, {"acme/PLAIN", plain, `{"presence": "session"}`},
	} {
		p.write(t, "../.config/ward/config.json", []byte(c.config), 0o600)
		for _, way := range ways(c.name) {
			o := end(t, p.command(t, append(below, way...)...))
			if o.code == 0 || strings.Contains(o.stdout, c.value) || strings.Contains(o.stdout, "to agree") ||
				!strings.Contains(o.stdout, "what is typed at this terminal proves nobody's presence") {
				t.Errorf("%s, %s, at the agent's own terminal: %q: exit code %d, %q", c.name, c.config, way, o.code, o.stdout)
			}
		}
	}
	p.write(t, "../.config/ward/config.json", []byte("{}"), 0o600)
	o := end(t, p.command(t, append(below, "node", title, p.ward, "get", "acme/PLAIN", "--raw")...))
	if o.code != 77 || strings.Contains(o.stdout, plain) {
		t.Errorf("get --raw below a second agent: exit code %d, %q", o.code, o.stdout)
	}
	for asks, argv := range map[string][]string{
		"Claude Code asks: hand over acme/STRICT?": {claude, "-c", `"$@"; exit $?`, "agent"},
		"dash asks: hand over acme/STRICT?":        {},
	} {
		argv = append([]string{"/bin/dash", "-c", `"$@"; exit $?`, "shell"}, argv...)
		term := p.atTerminal(t, p.command(t, append(argv, p.ward, "run", "--guard", "off", "--env-credential", "acme/STRICT", "--", "env")...))
		at := term.await(t, term.await(t, 0, asks), "type ")
		term.await(t, at, " to agree: ")
		term.press(t, term.shown()[at:at+4]+"\n")
		if code := term.code(t); code != 0 || !strings.Contains(term.shown(), "STRICT="+strict) {
			t.Errorf("%s: exit code %d; %q", asks, code, term.shown())
		}
	}
}

// takeTerminal starts a program without a terminal that leads its session, and has it open one: a file that it opens is a
// link to it. So it has one once it was looked at, and the number that is shown there is typed.
const takeTerminal = `
import os, pty, re, sys, threading, time
fd, slave = pty.openpty()
link = os.path.join(os.environ["XDG_STATE_HOME"], "ward", "known_callers.json")
os.makedirs(os.path.dirname(link), exist_ok=True)
if os.path.lexists(link): os.remove(link)
os.symlink(os.ttyname(slave), link)
pid = os.fork()
if pid == 0:
    os.setsid()
    for n in range(3): os.dup2(slave, n)
    os.execvp(sys.argv[1], sys.argv[1:])
os.close(slave)
shown, typed, over = b"", False, False
def ends(): # of the file, as often as it is read
    while not typed and not over:
        os.write(fd, b"\x04"); time.sleep(.1)
threading.Thread(target=ends, daemon=True).start()
while True:
    try: data = os.read(fd, 4096)
    except OSError: break
    if not data: break
    shown += data
    asked = re.search(rb"type (\d+) to agree: ", shown)
    if asked and not typed:
        typed = True
        os.write(fd, asked[1] + b"\n")
over = True
sys.stdout.write(shown.decode(errors="replace"))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`

// A terminal that ward got only after it was looked at is no better than one that the agent opened.
func TestStrictTerminalTaken(t *testing.T) {
	p := one(t)
	p.vault()
	needs(t, "python3")
	strict, plain := secretValue(), secretValue()
	p.store(t, "acme/STRICT", strict, "--strict")
	p.store(t, "acme/PLAIN", plain)
	taken := p.write(t, "taken.py", []byte(takeTerminal), 0o644)
	below := []string{p.fakeAgent(t, "claude"), "-c", `"$@"; exit $?`, "agent", "python3", taken, p.ward}
	p.env = append(p.env, "XDG_STATE_HOME="+filepath.Join(p.project, "state"))
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"get", "acme/PLAIN", "--raw"}, 77, "get --raw: refused to Claude Code"},
		{[]string{"get", "acme/STRICT"}, 1, "nobody can be asked: there is no terminal"},
	} {
		o := end(t, p.command(t, append(below, c.args...)...))
		if o.code != c.code || strings.Contains(o.stdout, "to agree") || strings.Contains(o.stdout, plain) || !strings.Contains(o.stdout, c.says) {
			t.Errorf("%q: exit code %d, %q; want %d, %q", c.args, o.code, o.stdout, c.code, c.says)
		}
		if !strings.Contains(o.stdout, "known_callers.json is not a regular file") { // it is open then, which is enough
			t.Errorf("%q: the terminal was not opened, so this shows nothing: %q", c.args, o.stdout)
		}
	}
}

// An import says of a strict secret only that it is there: whether it has the file's value is a guess confirmed.
func TestStrictImport(t *testing.T) {
	p := one(t)
	p.vault()
	strict, plain := secretValue(), secretValue()
	p.store(t, "acme/STRICT", strict, "--strict")
	p.store(t, "acme/PLAIN", plain)
	claude := p.fakeAgent(t, "claude")
	for what, c := range map[string]struct{ strict, plain, says string }{
		"right": {strict, plain, "same"}, "wrong": {secretValue(), secretValue(), "kept another"},
	} {
		file := p.write(t, "guess.env", []byte("STRICT="+c.strict+"\nPLAIN="+c.plain+"\n"), 0o600)
		o := p.asAgent(t, claude, "", "import", file, "--prefix", "acme")
		if want := "acme/STRICT  line 1  exists\nacme/PLAIN   line 2  " + c.says + "\n"; o.stdout != want || o.code != 1 {
			t.Errorf("a guess that is %s: %+v, want exit code 1 and\n%s", what, o, want)
		}
	}
	// A person replaces it without its being read.
	file := p.write(t, "new.env", []byte("STRICT="+plain+"\n"), 0o600)
	if o := end(t, p.command(t, p.ward, "import", file, "--prefix", "acme", "--force")); o.code != 0 || !strings.Contains(o.stdout, "acme/STRICT  line 1  replaced") {
		t.Errorf("--force: %+v", o)
	}
}

// unknown is a person's vault with two secrets, of which one was strict before the index and the one before it were lost;
// meanwhile is called when the index is lost alone.
func unknown(t *testing.T, value string, meanwhile func(*person)) (p *person, index string) {
	t.Helper()
	p = one(t)
	p.vault()
	p.store(t, "acme/STRICT", value, "--strict")
	p.store(t, "acme/OTHER", value)
	index = filepath.Join(p.home, ".local", "share", "ward", "index.json")
	if err := os.Remove(index); err != nil {
		t.Fatal(err)
	}
	meanwhile(p)
	if err := os.Remove(index + ".prev"); err != nil {
		t.Fatal(err)
	}
	return p, index
}

// What the index does not know, as after its loss or in a vault from another machine, is asked for as what is strict is.
func TestStrictUnknown(t *testing.T) {
	value := secretValue()
	p, _ := unknown(t, value, func(p *person) {
		o := end(t, p.command(t, p.ward, "run", "--", "true"))
		if !strings.Contains(o.stderr, "stored secrets are not looked for") || !strings.Contains(o.stderr, "it is missing") {
			t.Errorf("a launch without the index: %+v", o)
		}
	})
	for _, name := range []string{"acme/STRICT", "vault://acme/STRICT", "acme/OTHER"} {
		for _, args := range [][]string{{"get", name}, {"get", name, "--raw"}, {"run", "--env-credential", name, "--", "env"}} {
			o := end(t, p.command(t, append([]string{"setsid", "-w", p.ward}, args...)...))
			if o.code == 0 || strings.Contains(o.stdout, value) || !strings.Contains(o.stderr, "nobody can be asked") ||
				!strings.Contains(o.stderr, "secret "+strings.TrimPrefix(name, "vault://")+" (of ") {
				t.Errorf("%q: %+v", args, o)
			}
		}
	}
	if o := end(t, p.command(t, p.ward, "check")); o.code != 1 || !strings.Contains(o.stdout, "asked for as what is strict is") {
		t.Errorf("check: %+v", o)
	}
	term := p.atTerminal(t, p.command(t, p.ward, "get", "acme/STRICT", "--raw"))
	at := term.await(t, term.await(t, 0, "hand over acme/STRICT (of acme/STRICT the index"), "type ")
	term.await(t, at, " to agree: ")
	term.press(t, term.shown()[at:at+4]+"\n")
	if code := term.code(t); code != 0 || !strings.Contains(term.shown(), value) {
		t.Errorf("a person agreed: exit code %d; %q", code, term.shown())
	}
}

// Another name, or a row of another store's, is no way around the question; ward set is.
func TestStrictUnknownChanged(t *testing.T) {
	value := secretValue()
	p, index := unknown(t, value, func(*person) {})
	refused := func(what, name string) {
		t.Helper()
		if o := end(t, p.command(t, "setsid", "-w", p.ward, "get", name, "--raw")); o.code == 0 || !strings.Contains(o.stderr, "nobody can be asked") {
			t.Errorf("%s: %+v", what, o)
		}
	}
	// Under another name it is no less.
	if o := end(t, p.command(t, p.ward, "mv", "acme/STRICT", "acme/MOVED")); o.code != 0 {
		t.Fatalf("mv: %+v", o)
	}
	refused("under another name", "acme/MOVED")
	// A row of another store's says nothing of it.
	stores := secrets.Index{Path: index}
	if err := stores.Update(t.Context(), "acme/OTHER", func(m *secrets.Meta) error { return nil }); err != nil {
		t.Fatal(err)
	}
	refused("with the row of another store's", "acme/OTHER")
	if _, err := stores.Remove(t.Context(), "acme/OTHER"); err != nil {
		t.Fatal(err)
	}
	// Stored again, it is what was said of it.
	p.store(t, "acme/OTHER", value)
	if o := end(t, p.command(t, "setsid", "-w", p.ward, "get", "acme/OTHER", "--raw")); o.code != 0 || o.stdout != value {
		t.Errorf("stored again: %+v", o)
	}
}
