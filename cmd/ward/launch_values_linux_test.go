package main_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestArguments: the command gets its arguments byte for byte, and no shell has had a look at them.
func TestArguments(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		for _, want := range [][]string{
			{"a  b", "$(id)", "", "*", "`id`", "~", "\t\n", "'\"", "\\"},
			{"not UTF-8 \xff\xfe", "é", "\x1b[31m", "\x01"},
			{"--allow-cwd", "-p", "--", "--help", "-v", "--env-credential=x", "-"},
			{strings.Repeat("x", 100<<10)},
			{},
		} {
			args := append([]string{"--", "printf", `%s\0`}, want...)
			if len(want) == 0 {
				args = []string{"--", "sh", "-c", `printf $#`}
			}
			got := end(t, p.run(t, args...))
			text := strings.Join(want, "\x00") + "\x00"
			if len(want) == 0 {
				text = "0"
			}
			if got.code != 0 || got.stdout != text {
				t.Errorf("%.60q: got %.100q, exit %d %s", want, got.stdout, got.code, got.stderr)
			}
		}
		// Without "--" ward's own flags end at the command.
		wantText(t, "arguments", end(t, p.run(t, "printf", "%s|", "-v", "--dry-run")).stdout, "-v|--dry-run|")
	})
}

// TestEnvironment: the command's environment is the list that is allowed, then its credentials, and nothing else.
func TestEnvironment(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		value := secretValue()
		p.env = []string{
			"USER=somebody", "LC_TIME=C", "TZ=UTC", "NO_COLOR=1", "EDITOR=vi", "XDG_CACHE_HOME=/x/cache", "CI=true", "TMPDIR=" + p.home,
			// None of these is passed on.
			"XDG_RUNTIME_DIR=/run/user/0", "LD_PRELOAD=", "LD_LIBRARY_PATH=/x", "BASH_ENV=/x", "ENV=/x", "NODE_OPTIONS=--x",
			"PYTHONPATH=/x", "PERL5OPT=-x", "GIT_SSH_COMMAND=x", "SSH_AUTH_SOCK=/x", "DBUS_SESSION_BUS_ADDRESS=unix:path=/x",
			"AWS_SECRET_ACCESS_KEY=x", "LC_TOKEN=x", "XDG_SECRET=x", "GITHUB_TOKEN=x", "WARD_SILENT=true", "WARD_PTY=never",
			"WARD_VAULT_PASSPHRASE=x", "WARD_VAULT_PASSPHRASE_FILE=/x", "WARD_ALLOW_VAR=LET_IN", "LET_IN=yes", "SOURCE=" + value, "BASH_FUNC_x%%=() { :; }",
		}
		cmd := p.run(t, "--set-var", "MODE=a $b c", "--guard", "off", "--env-credential-map", "env://SOURCE", "PLACED", "--", "env", "-0")
		got := end(t, cmd)
		list := strings.Split(strings.TrimSuffix(got.stdout, "\x00"), "\x00")
		random := regexp.MustCompile(`^(?:(WARD_SESSION=)[0-9a-f]{12}|(WARD_BROKER=@ward/)[0-9a-f]{12}|(WARD_UNSEAL=)[-_0-9A-Za-z]{43})$`)
		for i, e := range list {
			list[i] = random.ReplaceAllString(e, "$1$2$3")
		}
		slices.Sort(list)
		want := []string{
			"CI=true", "EDITOR=vi", "HOME=" + p.home, "LANG=C.UTF-8", "LC_TIME=C", "LET_IN=yes", "MODE=a $b c", "NO_COLOR=1",
			"PATH=/usr/local/bin:/usr/bin:/bin", "PLACED=" + value, "SHELL=/bin/bash", "TERM=xterm", "TMPDIR=/tmp", "TZ=UTC",
			"USER=somebody", "WARD=1", "WARD_BROKER=@ward/", "WARD_SESSION=", "WARD_UNSEAL=", "XDG_CACHE_HOME=/x/cache",
		}
		if !slices.Equal(list, want) {
			t.Errorf("environment = %q\nwant %q\n%s", list, want, got.stderr)
		}
	})
}

// TestValuesNowhere: after launches that went well and that went wrong, no file and no message holds a value.
func TestValuesNowhere(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		values := map[string]string{"GOOD": secretValue(), "OTHER": secretValue(), "BESIDE_NUL": secretValue(), "STORED": secretValue()}
		p.env = []string{"GOOD=" + values["GOOD"], "OTHER=" + values["OTHER"], "WARD_VAULT_PASSPHRASE=" + secretValue()}
		values["passphrase"] = strings.TrimPrefix(p.env[2], "WARD_VAULT_PASSPHRASE=")
		source := filepath.Join(filepath.Dir(p.home), "nul")
		if err := os.WriteFile(source, []byte(values["BESIDE_NUL"]+"\x00rest"), 0o644); err != nil {
			t.Fatal(err)
		}
		var said strings.Builder
		try := func(want int, stdin string, args ...string) {
			t.Helper()
			cmd := p.command(t, append([]string{p.ward}, args...)...)
			cmd.Stdin = strings.NewReader(stdin)
			got := end(t, cmd)
			if got.code != want {
				t.Errorf("ward %q: exit %d, want %d: %s", args, got.code, want, got.stderr)
			}
			said.WriteString(got.stdout + got.stderr)
		}
		run := func(want int, args ...string) {
			t.Helper()
			try(want, "", append([]string{"run", "--allow-cwd"}, args...)...)
		}
		good := []string{"--env-credential-map", "env://GOOD", "GOOD_TOKEN"}
		try(0, values["STORED"], "set", "stored", "--stdin")
		run(0, append(good, "--env-credential", "stored", "--", "sh", "-c", `echo "$GOOD_TOKEN $STORED"; echo "$GOOD_TOKEN" >&2; echo kept > /tmp/kept`)...)
		run(86, append(good, "--guard", "block", "--", "sh", "-c", `echo "$GOOD_TOKEN"; sleep 60`)...)
		run(125, append(good, "--env-credential", "missing", "--", "touch", "started")...)
		run(125, append(good, "--env-credential-map", "file://"+source, "NUL_TOKEN", "--", "touch", "started")...)
		run(125, append(good, "--env-credential-map", "env://OTHER", "NO VARIABLE", "--", "touch", "started")...)
		run(125, "--env-credential-map", "env://OTHER", values["OTHER"], "--", "touch", "started") // the words swapped
		run(126, append(good, "--", "/usr")...)
		run(127, append(good, "--", "./no-such")...)
		run(0, append(good, "--dry-run", "--json", "--", "true")...)
		try(2, "", "set", "stored", values["OTHER"])
		if p.read(t, "started") != "" {
			t.Error("a launch that failed started its command")
		}

		for name, value := range values {
			if strings.Contains(said.String(), value) {
				t.Errorf("%s was printed: %s", name, strings.ReplaceAll(said.String(), value, "<<<"+name+">>>"))
			}
		}
		files := 0
		for _, dir := range []string{p.home, filepath.Join(os.TempDir(), "ward-"+strconv.Itoa(p.uid))} {
			files += grep(t, dir, values)
		}
		if files < 4 { // the vault, its index, the audit record, what was kept in /tmp
			t.Errorf("only %d files were searched", files)
		}
	})
}

// grep reports the files below dir that hold one of values, and counts them all.
func grep(t *testing.T, dir string, values map[string]string) (files int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return nil // another launch may be tidying up
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil
		}
		files++
		for name, value := range values {
			for form, trace := range traces(value) {
				if bytes.Contains(data, trace) {
					t.Errorf("%s: holds %s of %s", path, form, name)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
