package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The commands with a real keyring, and beside a vault: what they say and store is seen by another program, and a name
// is in one of the two only.
func TestKeyringCommands(t *testing.T) {
	p := one(t)
	p.keyring(t)
	p.env = append(p.env, "WARD_VAULT_PASSPHRASE=correct-horse")
	first, second := secretValue(), secretValue()
	lookup := func(name string) string { return p.lookup(t, name) }
	step := func(stdin, want string, args ...string) outcome { t.Helper(); return p.does(t, stdin, want, args...) }
	step(first, "stored acme/api/TOKEN in the keyring", "set", "acme/api/TOKEN", "--stdin", "--bundle", "deploy", "--type", "token")
	if lookup("acme/api/TOKEN") != first {
		t.Error("secret-tool finds another value")
	}
	step("", "acme/api/TOKEN\n", "ls")
	step("", first[:8], "peek", "acme/api/TOKEN")
	step(second, "rotated", "rotate", "acme/api/TOKEN", "--stdin")
	if lookup("acme/api/TOKEN") != second || lookup("acme/api/TOKEN+old") != "" {
		t.Error("rotated: secret-tool finds another value, or the old one")
	}
	step("", "renamed", "mv", "acme/api/TOKEN", "acme/ci/TOKEN")
	if lookup("acme/ci/TOKEN") != second || lookup("acme/api/TOKEN") != "" {
		t.Error("renamed: secret-tool finds another value, or the old name")
	}
	step("", "export TOKEN='"+second+"'", "bundle", "deploy")
	dotenv := p.write(t, ".env", []byte("KEY="+first+"\n"), 0o600)
	step("", "read back", "import", dotenv, "--prefix", "acme", "--delete")
	if lookup("acme/KEY") != first {
		t.Error("imported: secret-tool finds another value")
	}
	step("", "nothing is wrong", "check")

	p.twoStores(t, first)
}

// lookup is what another program finds in the keyring.
func (p *person) lookup(t *testing.T, name string) string {
	t.Helper()
	return end(t, p.command(t, "secret-tool", "lookup", "service", "ward", "username", name)).stdout
}

// does runs ward, which has to succeed and say or print something.
func (p *person) does(t *testing.T, stdin, want string, args ...string) outcome {
	t.Helper()
	o := p.try(t, stdin, args...)
	if o.code != 0 || !strings.Contains(o.stdout+o.stderr, want) {
		t.Errorf("%s: %+v, want %q", args, o, want)
	}
	return o
}

// twoStores goes on with acme/KEY, which holds first, and acme/ci/TOKEN.
func (p *person) twoStores(t *testing.T, first string) {
	lookup := func(name string) string { return p.lookup(t, name) }
	step := func(stdin, want string, args ...string) outcome { t.Helper(); return p.does(t, stdin, want, args...) }
	step(first, "stored other in the vault", "set", "other", "--stdin", "--store", "vault")
	step("", "acme/KEY\nacme/ci/TOKEN\n", "ls")
	if o := step("", "other\n", "ls", "--store", "vault"); o.stdout != "other\n" {
		t.Errorf("the vault lists %q", o.stdout)
	}
	if o := p.try(t, first, "set", "other", "--stdin"); o.code != 1 || !strings.Contains(o.stderr, "the other store has a secret of this name") {
		t.Errorf("one name in both stores: %+v", o)
	}
	if o := p.try(t, "", "rm", "acme/KEY", "--store", "vault"); o.code != 1 || lookup("acme/KEY") != first {
		t.Errorf("rm in the wrong store: %+v", o)
	}
	// config.json decides where no flag does.
	config := filepath.Join(p.home, ".config/ward")
	if err := os.MkdirAll(config, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(config, "config.json"), []byte(`{"store": "vault"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if o := step("", "other\n", "ls"); o.stdout != "other\n" {
		t.Errorf("with the vault in config.json, ls gives %q", o.stdout)
	}
	step("", "removed", "rm", "acme/ci/TOKEN", "--store", "keyring")
	if lookup("acme/ci/TOKEN") != "" {
		t.Error("removed: secret-tool still finds it")
	}
}
