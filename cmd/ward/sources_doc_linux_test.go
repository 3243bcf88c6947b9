package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// playStores are the programs of docs/sources.md that cannot be had here: this test binary under their names. They take
// the command lines that the real ones take, look a value up in the directory PLAYED, and print it as those do.
func playStores() map[string]func(args []string) (name, end string) {
	kv := func(args []string) (string, string) {
		if len(args) != 5 || !slices.Equal(args[:2], []string{"kv", "get"}) {
			return "", ""
		}
		mount, isMount := strings.CutPrefix(args[2], "-mount=")
		field, isField := strings.CutPrefix(args[3], "-field=")
		if !isMount || !isField {
			return "", ""
		}
		return mount + "/" + args[4] + "#" + field, "" // no newline where stdout is no terminal
	}
	return map[string]func([]string) (string, string){
		"vault": kv,
		"bao":   kv,
		"aws": func(args []string) (string, string) {
			line := strings.Join(args, " ")
			for _, form := range []string{
				`^secretsmanager get-secret-value --secret-id (\S+) --query SecretString --output text$`,
				`^ssm get-parameter --name (\S+) --with-decryption --query Parameter.Value --output text$`,
			} {
				if m := regexp.MustCompile(form).FindStringSubmatch(line); m != nil {
					return m[1], "\n"
				}
			}
			return "", ""
		},
		"gcloud": func(args []string) (string, string) {
			form := regexp.MustCompile(`^secrets versions access (\S+) --secret=(\S+) --project=(\S+)$`)
			if m := form.FindStringSubmatch(strings.Join(args, " ")); m != nil {
				return m[3] + "/" + m[2] + "@" + m[1], ""
			}
			return "", ""
		},
		"gopass": func(args []string) (string, string) {
			if len(args) == 3 && args[0] == "show" && args[1] == "--password" {
				return args[2], ""
			}
			return "", ""
		},
	}
}

func playStore(lookup func([]string) (name, end string)) int {
	name, end := lookup(os.Args[1:])
	if name == "" {
		fmt.Fprintf(os.Stderr, "unknown command line %q\n", os.Args)
		return 2
	}
	value, err := os.ReadFile(filepath.Join(os.Getenv("PLAYED"), storeFile(os.Args[0], name)))
	if err != nil {
		fmt.Fprintf(os.Stderr, "no value at %s\n", name)
		return 2
	}
	os.Stdout.WriteString(string(value) + end)
	return 0
}

// storeFile is where a program's value lies.
func storeFile(program, name string) string {
	return filepath.Base(program) + " " + strings.ReplaceAll(name, "/", "|")
}

// TestSourcesDocument runs every profile of docs/sources.md, with the real pass and gpg.
func TestSourcesDocument(t *testing.T) {
	needs(t, "pass", "gpg")
	p := one(t)
	text, err := os.ReadFile(filepath.Join(shapeRoot(), "docs", "sources.md"))
	if err != nil {
		t.Fatal(err)
	}
	dir := p.stores(t)
	p.passwordStore(t)
	want := map[string]string{}
	for variable, place := range map[string]string{
		"GITHUB_TOKEN of vault": "vault secret/ci/github#token", "NPM_TOKEN": "bao secret/ci/npm#token",
		"DATABASE_URL": "aws prod/database", "STRIPE_KEY": "aws /prod/stripe/key",
		"SENTRY_AUTH_TOKEN": "gcloud acme-prod/sentry-token@latest", "GITLAB_TOKEN": "gopass work/gitlab",
		"GITHUB_TOKEN of pass": "pass work/github", "MAIL_PASSWORD": "pass work/mail",
	} {
		value := secretValue()
		want[variable] = value
		program, name, _ := strings.Cut(place, " ")
		if program == "pass" {
			p.insert(t, name, value)
		} else if err := os.WriteFile(filepath.Join(dir, storeFile(program, name)), []byte(value), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	found := map[string]bool{}
	for _, block := range regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		for variable, value := range p.runProfile(t, block[1]) {
			name := variable
			if variable == "GITHUB_TOKEN" {
				name += map[bool]string{true: " of pass", false: " of vault"}[strings.Contains(block[1], `"pass"`)]
			}
			if value != want[name] || value == "" {
				t.Errorf("%s is %q, want %q", name, value, want[name])
			}
			found[name] = true
		}
	}
	for name := range want {
		if !found[name] {
			t.Errorf("docs/sources.md has no example that gives %s", name)
		}
	}
}

// stores puts the played programs in front of PATH.
func (p *person) stores(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(filepath.Dir(p.home), "played")
	self, err := os.Executable()
	err = errors.Join(err, os.Mkdir(dir, 0o755))
	for name := range playStores() {
		err = errors.Join(err, os.Symlink(self, filepath.Join(dir, name)))
	}
	if err != nil {
		t.Fatal(err)
	}
	p.env = append(p.env, "PATH="+dir+":/usr/local/bin:/usr/bin:/bin", "PLAYED="+dir)
	return dir
}

// passwordStore makes a key without a passphrase and a store that is encrypted to it.
func (p *person) passwordStore(t *testing.T) {
	t.Helper()
	gnupg := filepath.Join(p.home, ".gnupg")
	if err := os.Mkdir(gnupg, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // gpg leaves its agent running
		if out, err := exec.Command("gpgconf", "--homedir", gnupg, "--kill", "all").CombinedOutput(); err != nil {
			t.Errorf("gpgconf: %v %s", err, out)
		}
	})
	for _, argv := range [][]string{
		{"gpg", "--batch", "--passphrase", "", "--quick-generate-key", "person@example.com", "default", "default", "never"},
		{"pass", "init", "person@example.com"},
	} {
		if o := end(t, p.command(t, argv...)); o.code != 0 {
			t.Fatalf("%q: %+v", argv, o)
		}
	}
}

// insert stores a value and more lines below it.
func (p *person) insert(t *testing.T, name, value string) {
	t.Helper()
	cmd := p.command(t, "pass", "insert", "--multiline", name)
	cmd.Stdin = strings.NewReader(value + "\n")
	if name == "work/mail" {
		cmd.Stdin = strings.NewReader(value + "\nuser: me\nurl: https://mail.example.com\n")
	}
	if o := end(t, cmd); o.code != 0 {
		t.Fatalf("pass insert: %+v", o)
	}
}

// runProfile launches a command under the profile, and gives what it found in the variables that the profile fills.
// The store itself and the key to it are out of its reach.
func (p *person) runProfile(t *testing.T, profile string) map[string]string {
	t.Helper()
	var fills struct {
		EnvCredentials map[string]string `json:"env_credentials"`
	}
	if err := json.Unmarshal([]byte(profile), &fills); err != nil {
		t.Fatalf("%v in\n%s", err, profile)
	}
	path := p.write(t, "profile.json", []byte(profile), 0o644)
	got := map[string]string{}
	for _, variable := range fills.EnvCredentials {
		script := fmt.Sprintf(`printf %%s "$%s"; ls ~/.password-store ~/.gnupg`, variable)
		o := end(t, p.run(t, "-p", path, "--guard", "off", "--silent", "--", "sh", "-c", script))
		got[variable] = o.stdout
		if o.code == 0 {
			t.Errorf("the command can look into the store: %+v", o)
		}
		if o.stdout == "" {
			t.Errorf("%s: %s", variable, o.stderr)
		}
	}
	return got
}
