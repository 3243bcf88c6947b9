package secrets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"filippo.io/age"
)

// testVault is a vault in a directory of its own, and a count of how often its
// passphrase was asked for.
func testVault(t *testing.T, dir, passphrase string) (*Vault, *atomic.Int32) {
	asked := new(atomic.Int32)
	return &Vault{Dir: dir, Passphrase: func(context.Context, string, bool) (*Buffer, error) {
		asked.Add(1)
		return ReadBuffer(strings.NewReader(passphrase), 100)
	}}, asked
}

func TestVault(t *testing.T) {
	v, asked := testVault(t, filepath.Join(t.TempDir(), "ward", "vault"), "a passphrase")
	storeTest{v}.run(t)
	if asked.Load() != 1 {
		t.Errorf("asked for the passphrase %d times", asked.Load())
	}
}

func TestVaultFiles(t *testing.T) {
	ctx := context.Background()
	dir := filepath.Join(t.TempDir(), "vault")
	v, _ := testVault(t, dir, "a passphrase")
	value := random(40)
	for range 2 {
		if err := v.Put(ctx, "org/Project", bufferOf(t, value)); err != nil {
			t.Fatal(err)
		}
	}
	var files []string
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		info, _ := entry.Info()
		files = append(files, fmt.Sprint(filepath.Base(path), " ", info.Mode()))
		if data, _ := os.ReadFile(path); bytes.Contains(data, value) || bytes.Contains(data, []byte("AGE-SECRET")) {
			t.Errorf("%s is in clear", path)
		}
		return err
	})
	want := []string{"vault drwx------", ".lock -rw-------", "identity.age -rw-------",
		"org,=p=roject.age -rw-------", "org,=p=roject.age.prev -rw-------", "recipient.txt -rw-------"}
	if err != nil || !slices.Equal(files, want) {
		t.Errorf("%v\n%q\nwant\n%q", err, files, want)
	}
	if err := v.Delete(ctx, "org/Project"); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "org*")); left != nil {
		t.Errorf("after Delete there is still %q", left)
	}
	// age(1) itself must be able to read it all: nobody is locked in.
	if err := v.Put(ctx, "x", bufferOf(t, []byte("plain"))); err != nil {
		t.Fatal(err)
	}
	identity, err := age.NewScryptIdentity("a passphrase")
	if err != nil {
		t.Fatal(err)
	}
	id, err := age.ParseX25519Identity(strings.TrimSpace(string(decrypt(t, filepath.Join(dir, "identity.age"), identity))))
	if err != nil {
		t.Fatal(err)
	}
	if got := decrypt(t, filepath.Join(dir, "x.age"), id); string(got) != "ward secret 1\nx\nplain" {
		t.Errorf("x.age holds %q", got)
	}
}

func decrypt(t *testing.T, path string, id age.Identity) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := age.Decrypt(f, id)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if _, err := out.ReadFrom(r); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// damageTest is what a crash or a stranger may leave behind. It starts from a
// vault with the secrets a (put twice) and b; fetch and put say how Fetch of a
// and Put of c end, "" for well.
type damageTest struct {
	what       string
	do         func(dir string) error
	fetch, put string
}

func TestVaultDamage(t *testing.T) {
	for _, c := range []damageTest{
		{"nothing", func(string) error { return nil }, "", ""},
		{"recipient.txt lost", func(d string) error { return os.Remove(d + "/recipient.txt") }, "", ""},
		{"recipient.txt damaged", func(d string) error { return os.WriteFile(d+"/recipient.txt", []byte("age1x\n"), 0o600) },
			"recipient.txt does not belong to identity.age", "recipient.txt is damaged"},
		{"recipient.txt of another", func(d string) error {
			id, err := age.GenerateX25519Identity()
			if err != nil {
				return err
			}
			return os.WriteFile(d+"/recipient.txt", []byte(id.Recipient().String()+"\n"), 0o600)
		}, "recipient.txt does not belong to identity.age", ""},
		{"identity.age lost", func(d string) error { return os.Remove(d + "/identity.age") }, "identity.age is missing", "identity.age is missing, and 2 secrets are encrypted to it"},
		{"identity.age cut", func(d string) error { return os.Truncate(d+"/identity.age", 150) }, "identity.age is damaged", ""},
		{"identity.age empty", func(d string) error { return os.Truncate(d+"/identity.age", 0) }, "identity.age is damaged", ""},
		{"a cut in its body", func(d string) error { return shorten(d+"/a.age", 1) }, "a.age is damaged or foreign", ""},
		{"a cut in its header", func(d string) error { return os.Truncate(d+"/a.age", 60) }, "a.age is damaged or foreign", ""},
		{"a empty", func(d string) error { return os.Truncate(d+"/a.age", 0) }, "a.age is damaged or foreign", ""},
		{"a foreign", func(d string) error { return os.WriteFile(d+"/a.age", []byte("hello"), 0o600) }, "a.age is damaged or foreign", ""},
		{"a one bit off", func(d string) error { return flip(d + "/a.age") }, "a.age is damaged or foreign", ""},
		{"b renamed to a", func(d string) error { return os.Rename(d+"/b.age", d+"/a.age") }, "a.age is damaged or foreign: it holds another secret's value: was it renamed?", ""},
		{"a of another vault", func(d string) error { return seal(d+"/a.age", header+"a\nv") }, "encrypted to another vault", ""},
		{"a is a directory", func(d string) error { return errors.Join(os.Remove(d+"/a.age"), os.Mkdir(d+"/a.age", 0o700)) }, "a.age: not a regular file", ""},
	} {
		t.Run(c.what, c.run)
	}
}

func (c damageTest) run(t *testing.T) {
	ctx := context.Background()
	v, _ := testVault(t, filepath.Join(t.TempDir(), "vault"), "a passphrase")
	for _, kv := range [][2]string{{"a", "older"}, {"b", "other"}, {"a", "value of a"}} {
		if err := v.Put(ctx, kv[0], bufferOf(t, []byte(kv[1]))); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.do(v.Dir); err != nil {
		t.Fatal(err)
	}
	fresh, _ := testVault(t, v.Dir, "a passphrase")
	b, err := fresh.Fetch(ctx, "a")
	if c.fetch == "" {
		if err != nil || string(plain(t, b)) != "value of a" {
			t.Fatalf("%v", err)
		}
	} else if err == nil || !strings.Contains(err.Error(), c.fetch) || !strings.HasPrefix(err.Error(), "secret a: ") {
		t.Fatalf("Fetch: %v; want %s", err, c.fetch)
	} else if strings.Contains(c.fetch, "a.age is damaged") && !strings.Contains(hintOf(err), "a.age.prev") {
		t.Errorf("the hint does not name the version before: %q", hintOf(err))
	}
	fresh, _ = testVault(t, v.Dir, "a passphrase")
	err = fresh.Put(ctx, "c", bufferOf(t, []byte("v")))
	if c.put == "" && err != nil || c.put != "" && !strings.Contains(fmt.Sprint(err), c.put) {
		t.Errorf("Put: %v; want %q", err, c.put)
	}
	if _, err := os.Stat(v.Dir + "/recipient.txt"); err != nil && c.put == "" {
		t.Errorf("recipient.txt was not written anew: %v", err)
	}
	if c.fetch == "" || !strings.HasPrefix(c.what, "a ") || c.what == "a is a directory" {
		return
	}
	// The way the hint describes.
	if err := os.Rename(v.Dir+"/a.age.prev", v.Dir+"/a.age"); err != nil {
		t.Fatal(err)
	}
	if b, err := fresh.Fetch(ctx, "a"); err != nil || string(plain(t, b)) != "older" {
		t.Errorf("the version before: %v", err)
	}
}

func shorten(path string, by int64) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.Truncate(path, info.Size()-by)
}

func flip(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	data[len(data)-20] ^= 1
	return os.WriteFile(path, data, 0o600)
}

func seal(path, text string) error {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w, err := age.Encrypt(f, id.Recipient())
	if err != nil {
		return err
	}
	if _, err := w.Write([]byte(text)); err != nil {
		return err
	}
	return w.Close()
}

// Foreign files in the directory are not names.
func TestVaultList(t *testing.T) {
	dir := t.TempDir()
	for _, file := range []string{"a.age", "=a.age", "%identity.age", "=i=dentity.age", "x,y.age", "identity.age", "A.age", "a.age.prev", "%a.age",
		"=.age", "a=.age", "==a.age", ",a.age", "a b.age", ".ward-1.age", "notes.txt", ".age", "x,,y.age", "..age"} {
		if err := os.WriteFile(filepath.Join(dir, file), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"A", "Identity", "a", "identity", "x/y"}
	if names, err := (&Vault{Dir: dir}).List(context.Background()); err != nil || !slices.Equal(names, want) {
		t.Errorf("%q, %v; want %q", names, err, want)
	}
}

func TestVaultLongNames(t *testing.T) {
	v, _ := testVault(t, t.TempDir(), "a passphrase")
	for name, want := range map[string]string{
		strings.Repeat("n", 246): "", strings.Repeat("n", 247): "the name is too long for a file",
		strings.Repeat("nN", 123) + "n": "the name is too long for a file",
	} {
		err := v.Put(context.Background(), name, bufferOf(t, []byte("v")))
		if want == "" && err != nil || want != "" && !strings.HasSuffix(fmt.Sprint(err), want) {
			t.Errorf("%d bytes: %v, want %q", len(name), err, want)
		}
	}
}

// Writers of one secret: each reader gets a whole value that one of them put.
func TestVaultManyWriters(t *testing.T) {
	ctx := context.Background()
	v, _ := testVault(t, filepath.Join(t.TempDir(), "vault"), "a passphrase")
	if err := v.Put(ctx, "x", bufferOf(t, bytes.Repeat([]byte("a"), 5000))); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			value := bufferOf(t, bytes.Repeat([]byte{'a' + byte(i)}, 5000))
			for range 10 {
				if err := v.Put(ctx, "x", value); err != nil {
					t.Error(err)
				}
				b, err := v.Fetch(ctx, "x")
				if err != nil {
					t.Error(err)
					continue
				}
				if got := plain(t, b); len(got) != 5000 || !bytes.Equal(got, bytes.Repeat(got[:1], 5000)) {
					t.Error("a mixture came out")
				}
				b.Destroy()
			}
		})
	}
	all.Wait()
	if left, _ := filepath.Glob(v.Dir + "/.ward-*"); left != nil {
		t.Errorf("left behind: %q", left)
	}
}
