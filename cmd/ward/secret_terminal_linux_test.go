package main_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// vault gives the person a vault by its passphrase.
func (p *person) vault() {
	p.env = append(p.env, "WARD_VAULT_PASSPHRASE=correct-horse", "WARD_STORE=vault")
}

// store puts a secret away, by ward itself.
func (p *person) store(t *testing.T, key, value string, flags ...string) {
	t.Helper()
	cmd := p.command(t, append([]string{p.ward, "set", key, "--stdin"}, flags...)...)
	cmd.Stdin = strings.NewReader(value)
	if o := end(t, cmd); o.code != 0 {
		t.Fatalf("ward set %s: %+v", key, o)
	}
}

// display starts a real X server without a screen, and lets the person's programs find it.
func (p *person) display(t *testing.T) {
	t.Helper()
	needs(t, "Xvfb", "xclip")
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	server := exec.Command("Xvfb", "-displayfd", "3", "-nolisten", "tcp", "-screen", "0", "64x64x8")
	server.ExtraFiles = []*os.File{write}
	err = server.Start()
	write.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Signal(os.Interrupt)
		server.Wait()
	})
	read.SetReadDeadline(time.Now().Add(patience))
	number, err := bufio.NewReader(read).ReadString('\n')
	if err != nil {
		t.Fatalf("Xvfb gives no display: %v", err)
	}
	p.env = append(p.env, "DISPLAY=:"+strings.TrimSpace(number))
}

// A person at a terminal gets a secret into the clipboard, and 30 s later it is gone from there. The terminal shows
// nothing of it.
func TestGetClipboard(t *testing.T) {
	p := one(t)
	p.vault()
	p.display(t)
	value := secretValue()
	p.store(t, "acme/api/TOKEN", value)
	shown, code := p.session(t, p.command(t, p.ward, "get", "acme/api/TOKEN"))
	if code != 0 || !strings.Contains(shown, "acme/api/TOKEN is in the clipboard for 30s") || strings.Contains(shown, value[4:]) {
		t.Errorf("exit code %d; the terminal shows %q", code, shown)
	}
	paste := func() string {
		return end(t, p.command(t, "xclip", "-selection", "clipboard", "-out")).stdout
	}
	if got := paste(); got != value {
		t.Fatalf("the clipboard holds %d bytes, want the value", len(got))
	}
	copied := time.Now()

	// What is in the clipboard can be stored from there.
	if o := end(t, p.command(t, p.ward, "set", "copy", "--clipboard")); o.code != 0 {
		t.Errorf("set --clipboard: %+v", o)
	}
	if o := end(t, p.command(t, p.ward, "get", "copy", "--raw")); o.stdout != value {
		t.Errorf("stored from the clipboard: %d bytes, want the value", len(o.stdout))
	}
	for paste() == value {
		if time.Since(copied) > 45*time.Second {
			t.Fatal("the clipboard still holds the value")
		}
		time.Sleep(500 * time.Millisecond)
	}
	if after := time.Since(copied); after < 25*time.Second {
		t.Errorf("the clipboard was emptied after %v", after)
	}
}

// Without a desktop a person is told how else; nothing is shown unasked.
func TestGetWithoutClipboard(t *testing.T) {
	p := one(t)
	p.vault()
	value := secretValue()
	p.store(t, "TOKEN", value)
	shown, code := p.session(t, p.command(t, p.ward, "get", "TOKEN"))
	want := "ward: clipboard: there is none here: neither WAYLAND_DISPLAY nor DISPLAY is set\r\n      ward get TOKEN --raw prints it\r\n"
	if code != 1 || shown != want {
		t.Errorf("exit code %d; the terminal shows %q", code, shown)
	}
	if shown, code = p.session(t, p.command(t, p.ward, "get", "TOKEN", "--raw")); code != 0 || shown != value {
		t.Errorf("--raw: exit code %d, %d bytes shown", code, len(shown))
	}
	if shown, code = p.session(t, p.command(t, p.ward, "load", "TOKEN")); code != 1 || strings.Contains(shown, value[4:]) {
		t.Errorf("load at a terminal: exit code %d; %q", code, shown)
	}
}

// On a terminal ls is a table; set and rotate ask without echo; strict asks for a number each time.
func TestSecretsTerminal(t *testing.T) {
	p := one(t)
	p.vault()
	first, second := secretValue(), secretValue()
	shown, code := p.session(t, p.command(t, p.ward, "set", "acme/api/TOKEN", "--type", "token", "--strict", "--desc", "for deploys", "--rotate", "https://example.com/t"),
		step{"acme/api/TOKEN: ", first + "\n"})
	if code != 0 || strings.Contains(shown, first[4:]) {
		t.Errorf("set: exit code %d, shown %q", code, shown)
	}
	p.store(t, "short", "tiny")
	shown, _ = p.session(t, p.command(t, p.ward, "ls"))
	today := time.Now().UTC().Format(time.DateOnly)
	wantText(t, "ls", shown, strings.ReplaceAll(""+
		"NAME            TYPE   EXPIRES  CHANGED     BUNDLE          DESCRIPTION\n"+
		"acme/api/TOKEN  token           "+today+"          strict  for deploys\n"+
		"short                           "+today+"                  \n", "\n", "\r\n"))
	shown, code = p.session(t, p.command(t, p.ward, "rotate", "acme/api/TOKEN"), step{"New value of acme/api/TOKEN: ", second + "\n"})
	if code != 0 || !strings.Contains(shown, "renewed at https://example.com/t") || strings.Contains(shown, second[4:]) {
		t.Errorf("rotate: exit code %d, shown %q", code, shown)
	}

	// The number is answered right, then wrong.
	for _, right := range []bool{true, false} {
		term := p.atTerminal(t, p.command(t, p.ward, "get", "acme/api/TOKEN", "--raw"))
		at := term.await(t, 0, "hand over acme/api/TOKEN?")
		at = term.await(t, at, "type ")
		term.await(t, at, " to agree: ")
		number := term.shown()[at : at+4]
		if !right {
			number = "0000"
		}
		term.press(t, number+"\n")
		code := term.code(t)
		if got := strings.Contains(term.shown(), second); got != right || (code == 0) != right {
			t.Errorf("number right %v: exit code %d, handed over %v", right, code, got)
		}
	}
}

// completed asks a real shell what it would complete.
func (p *person) completed(t *testing.T, shell, line string) string {
	t.Helper()
	script := map[string]string{
		"bash": `eval "$(ward completion bash)"; COMP_WORDS=(LINE); COMP_CWORD=$((${#COMP_WORDS[@]}-1)); _ward; printf '%s\n' "${COMPREPLY[@]}"`,
		"fish": `ward completion fish | source; complete -C "LINE" | string replace -r '\t.*' ''`,
		"zsh": `compdef() { :; }; compadd() { shift; local w; for w; do [[ $w == $PREFIX* ]] && print -r -- $w; done }; _files() { :; }
eval "$(ward completion zsh)"; words=(LINE); CURRENT=$#words; PREFIX=$words[-1]; _ward`,
	}[shell]
	if strings.HasSuffix(line, " ") && shell != "fish" {
		line += "''"
	}
	o := end(t, p.command(t, shell, "-c", strings.ReplaceAll(script, "LINE", line)))
	if o.code > 1 || o.stderr != "" {
		t.Errorf("%s: %+v", shell, o)
	}
	return strings.Join(strings.Fields(o.stdout), " ")
}

func TestCompletion(t *testing.T) {
	p := one(t)
	p.vault()
	bin := filepath.Join(p.home, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(p.ward, filepath.Join(bin, "ward")); err != nil {
		t.Fatal(err)
	}
	p.env = append(p.env, "PATH="+bin+":/usr/local/bin:/usr/bin:/bin")
	p.store(t, "acme/api/TOKEN", secretValue())
	p.store(t, "other", secretValue())
	for _, shell := range []string{"bash", "zsh", "fish"} {
		t.Run(shell, func(t *testing.T) {
			needs(t, shell)
			for line, want := range map[string]string{
				"ward che":          "check",
				"ward get --r":      "--raw",
				"ward get ac":       "acme/api/TOKEN",
				"ward rm ot":        "other",
				"ward import --dry": "--dry-run",
				"ward profile li":   "list",
			} {
				if got := p.completed(t, shell, line); got != want {
					t.Errorf("%s: %q completes to %q, want %q", shell, line, got, want)
				}
			}
		})
	}
}

// The help of every command shows how it is typed.
func TestHelpExamples(t *testing.T) {
	p := one(t)
	list := end(t, p.command(t, p.ward, "--help"))
	found := 0
	for line := range strings.Lines(list.stdout) {
		name, ok := strings.CutPrefix(line, "  ")
		name, _, _ = strings.Cut(name, " ")
		if !ok || name == "" || strings.HasPrefix(name, "-") {
			continue
		}
		found++
		o := end(t, p.command(t, p.ward, name, "--help"))
		// The usage line is the first; an example is another one.
		if strings.Count(o.stdout, "ward "+name) < 2 || o.code != 0 {
			t.Errorf("ward %s --help has no example:\n%s", name, o.stdout)
		}
	}
	if found < 18 {
		t.Errorf("found %d commands in\n%s", found, list.stdout)
	}
}
