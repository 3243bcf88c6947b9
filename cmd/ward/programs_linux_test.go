package main_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// play lets this test binary be the programs that it is started under the names of.
func play(program string) (status int, played bool) {
	if program == "op" {
		return playOp(), true
	}
	if lookup, ok := playStores()[program]; ok {
		return playStore(lookup), true
	}
	return 0, false
}

// opToken opens the played 1Password; the real ones begin with ops_.
const opToken = "ops_played"

// playOp is 1Password's CLI: this test binary, started under the name op. It knows the fields of op://Work/ITEM/FIELD as
// files ITEM.FIELD in a directory that OP_PLAYED names. An item's name says how it behaves.
func playOp() int {
	dir := os.Getenv("OP_PLAYED")
	fail := func(format string, args ...any) int {
		fmt.Fprintf(os.Stderr, "[ERROR] 2026/11/20 15:04:05 "+format+"\n", args...)
		return 1
	}
	if len(os.Args) != 4 || os.Args[1] != "read" || os.Args[2] != "--no-newline" {
		return fail("unknown command %q for \"op\"", os.Args[1:])
	}
	os.WriteFile(filepath.Join(dir, "called"), []byte(os.Args[3]), 0o644)
	parts := strings.Split(os.Args[3], "/")
	item, field := parts[3], parts[4]
	if os.Getenv("OP_SERVICE_ACCOUNT_TOKEN") != opToken || os.Getenv("OP_SESSION_my") == "" || os.Getenv("WARD_VAULT_PASSPHRASE") != "" {
		return fail("could not read secret '%s': error initializing client: You are not currently signed in. Please run `op signin --help` for instructions", os.Args[3])
	}
	switch item {
	case "slow":
		time.Sleep(1500 * time.Millisecond)
	case "hangs":
		os.WriteFile(filepath.Join(dir, "pid"), []byte(strconv.Itoa(os.Getpid())), 0o644)
		time.Sleep(time.Minute)
	case "asks":
		if err := ask(filepath.Join(dir, "password."+field), field); err != nil {
			return fail("%v", err)
		}
	}
	value, err := os.ReadFile(filepath.Join(dir, item+"."+field))
	if err != nil {
		return fail(`could not read secret '%s': could not get item Work/%s: %q isn't an item in the "Work" vault. Specify the item with its UUID, name, or domain.`, os.Args[3], item, item)
	}
	os.Stdout.Write(value)
	return 0
}

// ask does what op does for an account that was added without the app.
func ask(right, account string) error {
	want, err := os.ReadFile(right)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "Enter the password for %s at example.1password.com: ", account)
	mode, err := unix.IoctlGetTermios(0, unix.TCGETS)
	if err != nil {
		return fmt.Errorf("cannot prompt for the password: %v", err)
	}
	silent := *mode
	silent.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(0, unix.TCSETS, &silent); err != nil {
		return err
	}
	line := make([]byte, 100)
	n, err := os.Stdin.Read(line)
	fmt.Fprintln(os.Stderr)
	unix.IoctlSetTermios(0, unix.TCSETS, mode)
	if err != nil || strings.TrimSuffix(string(line[:n]), "\n") != string(want) {
		return fmt.Errorf("could not unlock: wrong password (%v)", err)
	}
	return nil
}

// onePassword gives the person op with some fields, by ITEM.FIELD.
func (p *person) onePassword(t *testing.T, fields map[string]string) (dir string) {
	t.Helper()
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(filepath.Dir(p.home), "played")
	err = errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(filepath.Join(dir, "op"), self, 0o755))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range fields {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(value), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(dir, p.uid, p.uid); err != nil {
		t.Fatal(err)
	}
	p.env = append(p.env, "PATH="+dir+":/usr/local/bin:/usr/bin:/bin", "OP_PLAYED="+dir, "OP_SESSION_my="+secretValue(),
		"OP_SERVICE_ACCOUNT_TOKEN="+opToken, "WARD_VAULT_PASSPHRASE=x")
	return dir
}

// The command gets a field of 1Password's, masked where it prints it, and nothing of what opened 1Password.
func TestOnePassword(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		value := secretValue()
		dir := p.onePassword(t, map[string]string{"api.key": value})
		print := `printf %s "$KEY" | sha256sum; echo "$KEY"; env | grep ^OP_`
		o := end(t, p.run(t, "--env-credential-map", "op://Work/api/key", "KEY", "--allow-var", "OP_*", "--allow-var", "OP_SERVICE_ACCOUNT_TOKEN",
			"--", "sh", "-c", print))
		sum := end(t, p.command(t, "sh", "-c", "printf %s '"+value+"' | sha256sum")).stdout
		if want := sum + "sk-" + strings.Repeat("*", len(value)-3) + "\nOP_PLAYED=" + dir + "\n"; o.stdout != want || o.code != 0 {
			t.Errorf("%+v\nwant %q", o, want)
		}
		for _, name := range []string{"OP_SESSION_my", "OP_SERVICE_ACCOUNT_TOKEN"} {
			if !strings.Contains(o.stderr, name+" opens a whole store of secrets and is not passed on") {
				t.Errorf("it is not said that %s is kept back: %q", name, o.stderr)
			}
		}

		// On purpose a token can be a credential like any other.
		o = end(t, p.run(t, "--env-credential-map", "env://OP_SERVICE_ACCOUNT_TOKEN", "TOKEN", "--env-credential-map", "op://Work/api/key", "KEY",
			"--guard", "off", "--", "sh", "-c", `echo "$TOKEN $KEY"`))
		if o.stdout != opToken+" "+value+"\n" {
			t.Errorf("%+v", o)
		}
	})
}

// What op cannot give ends the launch, in words and with what to do.
func TestOnePasswordFails(t *testing.T) {
	p := one(t)
	dir := p.onePassword(t, map[string]string{"api.key": secretValue()})
	inside := filepath.Join(p.project, "bin")
	if err := os.Mkdir(inside, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(dir, "op"), filepath.Join(inside, "op")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ what, env, ref, said, hint string }{
		{"missing", "", "op://Work/none/key", "secret op://Work/none/key: not found in 1Password's vault Work\n", "op item list --vault Work"},
		{"signed out", "OP_SESSION_my=", "op://Work/api/key", "secret op://Work/api/key: 1Password: not signed in\n", `eval "$(op signin)"`},
		{"not installed", "PATH=/usr/bin:/bin", "op://Work/api/key", "secret op://Work/api/key: 1Password: its program op is not installed\n", "1password-cli"},
		{"left in the project", "PATH=" + inside + ":/usr/bin:/bin", "op://Work/api/key", "secret op://Work/api/key: 1Password: " + inside + "/op is in " + p.project + ", which the command may change, so it is not run\n", "take " + inside + " out of PATH"},
		{"undeclared", "", "cmd://none", "--env-credential-map: cmd://none: the profile declares no such command\n", `"credential_capture": {"none"`},
	} {
		cmd := p.run(t, "--env-credential-map", c.ref, "KEY", "--", "touch", "started")
		cmd.Env = append(cmd.Env, c.env)
		o := end(t, cmd)
		if o.code != 125 || !strings.HasPrefix(o.stderr, "ward: "+c.said) || !strings.Contains(o.stderr, "\n      ") == (c.hint != "") || !strings.Contains(o.stderr, c.hint) {
			t.Errorf("%s: %+v\nwant %s%s", c.what, o, c.said, c.hint)
		}
		if _, err := os.Stat(filepath.Join(p.project, "started")); err == nil {
			t.Errorf("%s: the command was started", c.what)
		}
	}
}

// An optional field may be missing. That 1Password is locked is no such excuse.
func TestOptionalFromOnePassword(t *testing.T) {
	p := one(t)
	p.onePassword(t, map[string]string{"api.key": secretValue()})
	profile := p.write(t, "optional.json", []byte(`{"env_credentials": {
		"op://Work/none/key": {"var": "MISSING", "optional": true}, "op://Work/api/key": {"var": "THERE", "optional": true}}}`), 0o644)
	run := func(env string) outcome {
		cmd := p.run(t, "-p", profile, "--", "sh", "-c", `echo "${MISSING-unset} ${#THERE}"`)
		cmd.Env = append(cmd.Env, env)
		return end(t, cmd)
	}
	if o := run(""); o.stdout != "unset 40\n" || o.code != 0 {
		t.Errorf("%+v", o)
	}
	if o := run("OP_SESSION_my="); o.code != 125 || strings.Count(o.stderr, "1Password: not signed in") != 2 {
		t.Errorf("signed out: %+v", o)
	}
}

// Each of two programs asks for a password, and ward for the vault's passphrase: one after the other, without echo.
func TestOneQuestionAtATime(t *testing.T) {
	p := one(t)
	values := map[string]string{"asks.a": secretValue(), "asks.b": secretValue(), "password.a": "first password", "password.b": "second password"}
	p.onePassword(t, values)
	set := p.command(t, p.ward, "set", "stored", "--stdin")
	set.Env = append(set.Env, "WARD_VAULT_PASSPHRASE=the passphrase")
	set.Stdin = strings.NewReader(secretValue())
	if o := end(t, set); o.code != 0 {
		t.Fatal(o.stderr)
	}
	p.env[len(p.env)-1] = "NOTHING=" // of the passphrase
	cmd := p.run(t, "--silent", "--env-credential-map", "op://Work/asks/a", "A", "--env-credential-map", "op://Work/asks/b", "B",
		"--env-credential", "stored", "--guard", "off", "--", "sh", "-c", `echo "A=$A B=$B ${#STORED}"`)
	term := p.atTerminal(t, cmd)
	at, asked := 0, map[string]bool{}
	for range 3 {
		at = term.await(t, at, ": ")
		question := lastLine(term.shown()[:at])
		answer := map[string]string{
			"Enter the password for a at example.1password.com: ": values["password.a"], "Enter the password for b at example.1password.com: ": values["password.b"],
			"Passphrase of ward's vault: ": "the passphrase",
		}[question]
		if answer == "" || asked[question] {
			t.Fatalf("asked %q; the terminal shows %q", question, term.shown())
		}
		asked[question] = true
		time.Sleep(300 * time.Millisecond) // for another question to come in between, if it can
		if shown := term.shown(); len(shown) != at {
			t.Errorf("while %q is open, there comes %q", question, shown[at:])
		}
		until(t, "echo is off", func() bool { return term.mode(t) != term.before })
		term.press(t, answer+"\r")
	}
	if code := term.code(t); code != 0 || !strings.Contains(term.shown(), fmt.Sprintf("A=%s B=%s 40", values["asks.a"], values["asks.b"])) {
		t.Errorf("exit %d, and the terminal shows %q", code, term.shown())
	}
	for _, answer := range []string{"first", "second", "passphrase\r"} {
		if strings.Contains(term.shown(), answer) {
			t.Errorf("%q was echoed: %q", answer, term.shown())
		}
	}
	if term.mode(t) != term.before {
		t.Errorf("the terminal is left as %s", term.mode(t))
	}
}

func lastLine(s string) string { return s[strings.LastIndexByte(s, '\n')+1:] }

// Whoever ends ward while it waits for a program ends the program too, and gets the terminal back.
func TestEndedWhileWaiting(t *testing.T) {
	for _, c := range []struct {
		what, item string
		do         func(*testing.T, *terminal, int, int)
		want       int
	}{
		{"Ctrl-C while it hangs", "hangs", key(ctrlC), 125},
		{"SIGTERM while it hangs", "hangs", send(syscall.SIGTERM), 125},
		{"SIGKILL while it hangs", "hangs", send(syscall.SIGKILL), 1009},
		{"Ctrl-C at its question", "asks", key(ctrlC), 125},
		{"SIGTERM at its question", "asks", send(syscall.SIGTERM), 125},
		{"SIGKILL at its question", "asks", send(syscall.SIGKILL), 1009},
		{"wrong answer", "asks", key("wrong\r"), 125},
	} {
		t.Run(c.what, func(t *testing.T) {
			p := one(t)
			dir := p.onePassword(t, map[string]string{"password.key": "right"})
			// Beside it, one that waits for nothing but its own end.
			term := p.atTerminal(t, p.run(t, "--env-credential-map", "op://Work/"+c.item+"/key", "KEY", "--env-credential-map", "op://Work/hangs/too", "TOO", "--", "touch", "started"))
			until(t, "op runs", func() bool { _, err := os.Stat(filepath.Join(dir, "pid")); return err == nil })
			if c.item == "asks" {
				term.await(t, 0, "1password.com: ")
				until(t, "echo is off", func() bool { return term.mode(t) != term.before })
			}
			if c.what == "wrong answer" {
				time.AfterFunc(time.Second, func() { syscall.Kill(term.cmd.Process.Pid, syscall.SIGINT) })
			}
			c.do(t, term, term.cmd.Process.Pid, 0)
			if code := term.code(t); code != c.want {
				t.Errorf("exit %d, want %d: %q", code, c.want, term.shown())
			}
			if c.want == 125 && strings.Count(term.shown(), "ward: interrupted before the command was started\r\n") != 1 {
				t.Errorf("the terminal shows %q", term.shown())
			}
			if term.mode(t) != term.before {
				t.Errorf("the terminal is left as %s\nwant %s", term.mode(t), term.before)
			}
			if left := withArgument("op://Work/" + c.item + "/key"); len(left) > 0 {
				t.Errorf("still there: %v", left)
			}
			if _, err := os.Stat(filepath.Join(p.project, "started")); err == nil {
				t.Error("the command was started")
			}
		})
	}
}

// A line says what is waited for after a second, and is gone afterwards; never elsewhere than on a terminal.
func TestWaitingLine(t *testing.T) {
	p := one(t)
	p.onePassword(t, map[string]string{"slow.key": secretValue(), "api.key": secretValue()})
	const line = "\r\x1b[Kward: waiting for 1Password…\r\x1b[K"
	run := func(item string, more ...string) []string {
		return append(more, "--env-credential-map", "op://Work/"+item+"/key", "KEY", "--", "true")
	}
	for _, c := range []struct {
		what string
		args []string
		want bool
	}{
		{"slow", run("slow"), true},
		{"at once", run("api"), false},
		{"slow and silent", run("slow", "--silent"), false},
	} {
		shown, code := p.session(t, p.run(t, c.args...))
		if strings.Contains(shown, line) != c.want || strings.Contains(shown, "waiting") != c.want || code != 0 {
			t.Errorf("%s: exit %d and %q", c.what, code, shown)
		}
	}
	if o := end(t, p.run(t, run("slow")...)); strings.Contains(o.stderr, "waiting") || o.code != 0 {
		t.Errorf("not on a terminal: %+v", o)
	}
}

// ward get reads the same places, and however ward ends there, the program does too.
func TestGetFromOnePassword(t *testing.T) {
	p := one(t)
	value := secretValue()
	dir := p.onePassword(t, map[string]string{"api.key": value})
	if o := end(t, p.command(t, p.ward, "get", "--raw", "op://Work/api/key")); o.stdout != value || o.code != 0 {
		t.Errorf("%+v", o)
	}
	for _, c := range []struct {
		what string
		do   func(*testing.T, *terminal, int, int)
		code int
		says string
	}{
		{"Ctrl-C", key(ctrlC), 1, "secret op://Work/hangs/key: interrupted"},
		{"SIGTERM", send(syscall.SIGTERM), 1, "secret op://Work/hangs/key: interrupted"},
		{"SIGKILL", send(syscall.SIGKILL), 1009, ""},
	} {
		os.Remove(filepath.Join(dir, "pid"))
		term := p.atTerminal(t, p.command(t, p.ward, "get", "--raw", "op://Work/hangs/key"))
		until(t, "op runs", func() bool { _, err := os.Stat(filepath.Join(dir, "pid")); return err == nil })
		term.await(t, 0, "waiting for 1Password…")
		c.do(t, term, term.cmd.Process.Pid, 0)
		if code := term.code(t); code != c.code || !strings.Contains(term.shown(), c.says) {
			t.Errorf("%s: exit %d: %q", c.what, code, term.shown())
		}
		until(t, c.what+": op ends", func() bool { return len(withArgument("op://Work/hangs/key")) == 0 })
		if term.mode(t) != term.before {
			t.Errorf("%s: the terminal is left as %s\nwant %s", c.what, term.mode(t), term.before)
		}
	}
}

// Places are asked at the same time, on a terminal too, where each program might have a question.
func TestPlacesAreAskedTogether(t *testing.T) {
	p := one(t)
	fields, args := map[string]string{}, []string{}
	for i := range 6 {
		name := fmt.Sprint("f", i)
		fields["slow."+name] = secretValue()
		args = append(args, "--env-credential-map", "op://Work/slow/"+name, strings.ToUpper(name))
	}
	p.onePassword(t, fields)
	began := time.Now()
	_, code := p.session(t, p.run(t, append(args, "--", "sh", "-c", `test -n "$F0" && test -n "$F5"`)...))
	if took := time.Since(began); code != 0 || took > 6*1500*time.Millisecond/2 {
		t.Errorf("six programs of 1.5 s each took %v, exit %d", took, code)
	}
}

// A launch in the background cannot ask. It says so instead of taking the terminal from who has it.
func TestAskedInBackground(t *testing.T) {
	p := one(t)
	p.onePassword(t, map[string]string{"password.key": "right"})
	needs(t, "bash")
	job := `set -m; "$@" & wait $!; echo "code $?"; read -r line; echo "got $line"`
	shown, _ := p.session(t, p.command(t, "bash", "-c", job, "bash", p.ward, "run", "--env-credential-map", "op://Work/asks/key", "KEY", "--", "true"),
		step{"code ", "typed\r"}, step{"got typed", ""})
	for _, want := range []string{
		"ward: secret op://Work/asks/key: 1Password: it asks at the terminal, and ward is in the background\r\n", "bring ward to the front with fg", "code 125\r\n",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("the terminal shows %q\nwant %q", shown, want)
		}
	}
}
