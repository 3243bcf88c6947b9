package launcher

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ward/guard"
	"ward/secrets"
)

// storedWorld is a vault with three marked secrets in a home of its own; it gives their values.
func storedWorld(t *testing.T) (values map[string]string) {
	t.Helper()
	data := t.TempDir()
	t.Setenv("XDG_DATA_HOME", data)
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
	phrase := rand.Text()
	stores, err := OpenStores(strings.NewReader("WARD_VAULT_PASSPHRASE=" + phrase + "\x00"))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("WARD_TEST_PHRASE", phrase)
	key, err := guard.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	put := func(name, value string) {
		b, err := secrets.ReadBuffer(strings.NewReader(value), 1000)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Destroy()
		if err := stores.Vault.Put(context.Background(), name, b); err != nil {
			t.Fatal(err)
		}
	}
	put("_ward/"+marksKey, hex.EncodeToString(key[:]))
	values = map[string]string{}
	for _, name := range []string{"team/used", "team/other", "team/exempt"} {
		values[name] = rand.Text() + strings.ToLower(rand.Text()) + rand.Text()
		err := stores.Keyring.Index.Update(context.Background(), name, func(m *secrets.Meta) error {
			m.Place = "vault"
			m.Marks = guard.MakeMarks(key, []byte(values[name]))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return values
}

// What is stored and not given to the command is masked all the same, where the key of its marks can be had.
func TestStoredSecretsAreLookedFor(t *testing.T) {
	values := storedWorld(t)
	environ := func(passphrase bool) *strings.Reader {
		if passphrase {
			return strings.NewReader("WARD_VAULT_PASSPHRASE=" + os.Getenv("WARD_TEST_PHRASE") + "\x00")
		}
		return strings.NewReader("")
	}
	for _, c := range []struct {
		name       string
		mode       string
		passphrase bool
		want       []string // the names that are masked
		notice     string
	}{
		{"the key is at hand", storedQuiet, true, []string{"team/other"}, ""},
		{"the key needs a passphrase", storedQuiet, false, nil, "--guard-stored asks"},
		{"the guard is off", storedNone, true, nil, ""},
		{"asked for", storedAsk, true, []string{"team/other"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := request{Stored: c.mode, Exempt: []string{"team/exempt"}, Wants: []want{{Ref: secrets.Ref{Path: "team/used"}, Var: "USED"}}}
			var rep report
			stores, err := OpenStores(environ(c.passphrase))
			if err != nil {
				t.Fatal(err)
			}
			frames := bytes.NewReader(req.stored(context.Background(), stores, &rep))
			var prints []guard.Print
			for frames.Len() > 0 {
				p, err := guard.ReadPrint(frames)
				if err != nil {
					t.Fatal(err)
				}
				prints = append(prints, p)
			}
			if rep.Stored != len(prints) || len(prints) != len(c.want) {
				t.Fatalf("%d prints, the report says %d, want %d (%q)", len(prints), rep.Stored, len(c.want), rep.Notices)
			}
			if c.notice == "" && len(rep.Notices) > 0 || !strings.Contains(strings.Join(rep.Notices, "\n"), c.notice) {
				t.Errorf("notices %q, want %q", rep.Notices, c.notice)
			}
			opt := guard.Options{Stored: prints}
			copy(opt.StoredKey[:], rep.StoredKey)
			for name, value := range values {
				g, _ := guard.New(guard.Key{1}, nil, opt)
				out := string(g.Process([]byte("it is " + value + " here\n")))
				if masked := !strings.Contains(out, value); masked != slices.Contains(c.want, name) {
					t.Errorf("%s: masked is %t, want %t", name, masked, !masked)
				}
				g.Wipe()
			}
		})
	}
}

func TestStoredNeedsAnIndex(t *testing.T) {
	if hasIndex(t.TempDir()) {
		t.Error("an empty directory has an index")
	}
	for _, name := range []string{"index.json", "index.json.prev"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, name), []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
		if !hasIndex(dir) {
			t.Errorf("%s: not found", name)
		}
	}
}

// What was opened for a credential of the launch is open for the marks too: nobody is asked twice, and nothing is left
// out for want of a passphrase that was typed a moment ago.
func TestStoredAfterTheStoreWasOpened(t *testing.T) {
	storedWorld(t)
	stores, err := OpenStores(strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	stores.Vault.Passphrase = func(context.Context, string, bool) (*secrets.Buffer, error) {
		asked++
		return secrets.ReadBuffer(strings.NewReader(os.Getenv("WARD_TEST_PHRASE")), 1000)
	}
	value, err := stores.Vault.Fetch(context.Background(), "_ward/"+marksKey)
	if err != nil {
		t.Fatal(err)
	}
	value.Destroy()
	var rep report
	request{Stored: storedQuiet}.stored(context.Background(), stores, &rep)
	if rep.Stored != 3 || len(rep.Notices) > 0 || asked != 1 {
		t.Errorf("%d secrets are looked for, %q, and the passphrase was asked for %d times; want 3, nothing said, once", rep.Stored, rep.Notices, asked)
	}
}
