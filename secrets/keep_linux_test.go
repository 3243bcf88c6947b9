package secrets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The same promises hold for both stores.
func TestKeepVault(t *testing.T) {
	dir := t.TempDir()
	vault, _ := testVault(t, filepath.Join(dir, "vault"), "correct-horse")
	keepPromises(t, Keep{Choice: Choice{Store: vault, Name: "vault"}, Index: &Index{Path: filepath.Join(dir, "index.json")}})
}

func TestKeepKeyring(t *testing.T) {
	if !onBus(t, "") {
		return
	}
	ring := startKeyring(t, "pw")
	keepPromises(t, Keep{Choice: Choice{Store: ring, Name: "keyring"}, Index: ring.Index})
}

func keepPromises(t *testing.T, k Keep) {
	ctx := context.Background()
	k.Marks = func(_ context.Context, v []byte) []byte { return []byte{byte(len(v))} }
	first, second := random(40), random(44)
	put := func(name string, value []byte, over bool, change func(*Meta) error) error {
		return k.Put(ctx, name, bufferOf(t, value), over, change)
	}
	expires := time.Date(2040, 2, 3, 0, 0, 0, 0, time.UTC)
	if err := put("acme/api/TOKEN", first, false, func(m *Meta) error { m.Strict, m.Expires = true, expires; return nil }); err != nil {
		t.Fatal(err)
	}
	wantEntry(t, k, "acme/api/TOKEN", first, Meta{Strict: true, Expires: expires})

	if err := put("acme/api/TOKEN", second, false, nil); !errors.Is(err, ErrExists) {
		t.Errorf("put over what is there, unasked: %v", err)
	}
	wantEntry(t, k, "acme/api/TOKEN", first, Meta{Strict: true, Expires: expires})
	if err := put("acme/api/TOKEN", second, true, nil); err != nil {
		t.Fatal(err)
	}
	wantEntry(t, k, "acme/api/TOKEN", second, Meta{Strict: true, Expires: expires})

	// What is refused changes nothing.
	if err := put("acme/api/TOKEN", first, true, func(m *Meta) error { m.Rotate = "http://plain"; return nil }); err == nil {
		t.Error("a rotate URL without TLS is taken")
	}
	if err := put("acme/api/TOKEN", make([]byte, MaxValue+1), true, nil); err == nil {
		t.Error("a value of more than 1 MB is taken")
	}
	wantEntry(t, k, "acme/api/TOKEN", second, Meta{Strict: true, Expires: expires})

	keepRenamed(t, k, first, second)
}

// keepRenamed goes on with acme/api/TOKEN, which holds second.
func keepRenamed(t *testing.T, k Keep, first, second []byte) {
	ctx := context.Background()
	if err := k.Rotate(ctx, "acme/api/TOKEN", bufferOf(t, first), func(m *Meta) error { m.Expires = time.Time{}; return nil }); err != nil {
		t.Fatal(err)
	}
	wantEntry(t, k, "acme/api/TOKEN", first, Meta{Strict: true})
	if err := k.Rotate(ctx, "none", bufferOf(t, first), nil); !errors.Is(err, ErrNotFound) {
		t.Errorf("rotate what is not there: %v", err)
	}
	if err := k.Rotate(ctx, "acme/api/TOKEN", bufferOf(t, first), nil); err == nil {
		t.Error("rotate to the same value is taken")
	}
	wantNames(t, k, "acme/api/TOKEN")

	if err := k.Put(ctx, "other", bufferOf(t, second), false, nil); err != nil {
		t.Fatal(err)
	}
	if err := k.Rename(ctx, "acme/api/TOKEN", "other"); !errors.Is(err, ErrExists) {
		t.Errorf("rename onto what is there: %v", err)
	}
	if err := k.Rename(ctx, "none", "new"); !errors.Is(err, ErrNotFound) {
		t.Errorf("rename what is not there: %v", err)
	}
	if err := k.Rename(ctx, "acme/api/TOKEN", "acme/web/TOKEN"); err != nil {
		t.Fatal(err)
	}
	wantEntry(t, k, "acme/web/TOKEN", first, Meta{Strict: true})
	wantNames(t, k, "acme/web/TOKEN other")
	keepOwn(t, k)
	for _, name := range []string{"acme/web/TOKEN", "other"} {
		if err := k.Delete(ctx, name); err != nil {
			t.Fatal(err)
		}
		if _, err := k.Store.Fetch(ctx, name); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s is still there: %v", name, err)
		}
	}
	wantNames(t, k, "")
	if err := k.Delete(ctx, "other"); !errors.Is(err, ErrNotFound) {
		t.Errorf("delete what is not there: %v", err)
	}
}

// keepOwn looks at what ward keeps for itself, and at names that are refused.
func keepOwn(t *testing.T, k Keep) {
	ctx := context.Background()
	own, err := k.Own(ctx, "marks", 16)
	again, err2 := k.Own(ctx, "marks", 16)
	if err := errors.Join(err, err2); err != nil || len(own) != 16 || !bytes.Equal(own, again) || bytes.Equal(own, make([]byte, 16)) {
		t.Errorf("own values %d and %d bytes, equal %v: %v", len(own), len(again), bytes.Equal(own, again), err)
	}
	wantNames(t, k, "acme/web/TOKEN other")
	for _, name := range []string{"_ward/marks", "../up", "a//b", "a\nb", strings.Repeat("k", 10_000), ""} {
		for what, err := range map[string]error{
			"put": k.Put(ctx, name, bufferOf(t, []byte("x")), true, nil), "delete": k.Delete(ctx, name),
			"rename": k.Rename(ctx, "other", name), "rename from": k.Rename(ctx, name, "new"), "rotate": k.Rotate(ctx, name, bufferOf(t, []byte("x")), nil),
		} {
			if err == nil || strings.Contains(err.Error(), "\n") || len(err.Error()) > 300 {
				t.Errorf("%s %.20q: %.300v", what, name, err)
			}
		}
	}
	wantNames(t, k, "acme/web/TOKEN other")

	// One entry cannot tell about two values.
	other := k
	other.Name = map[string]string{"vault": "keyring", "keyring": "vault"}[k.Name]
	for what, err := range map[string]error{"put": other.Put(ctx, "other", bufferOf(t, []byte("x")), true, nil), "delete": other.Delete(ctx, "other")} {
		if !errors.Is(err, errOtherPlace) || hintOf(err) == "" {
			t.Errorf("%s what the other store has: %v", what, err)
		}
	}
}

func wantNames(t *testing.T, k Keep, want string) {
	t.Helper()
	entries, err := k.Entries(context.Background())
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name)
	}
	if got := strings.Join(names, " "); err != nil || got != want {
		t.Errorf("entries %q, %v, want %q", got, err, want)
	}
}

// wantEntry compares a value and what is known about it; want lacks what the value itself tells.
func wantEntry(t *testing.T, k Keep, name string, value []byte, want Meta) {
	t.Helper()
	b, err := k.Store.Fetch(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Destroy()
	if !bytes.Equal(plain(t, b), value) {
		t.Errorf("%s holds another value", name)
	}
	got, _, err := k.Index.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	if age := time.Since(got.Changed); age < -time.Second || age > time.Minute {
		t.Errorf("%s: changed %v ago", name, age)
	}
	want.Peek, want.Marks, want.Changed, want.Place = peekOf(value), []byte{byte(len(value))}, got.Changed, k.place()
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("%s: the index says\n%+v\nwant\n%+v", name, got, want)
	}
}

// mortal is a store whose process is killed at a call, before or after it was done.
type mortal struct {
	Store
	left  *int
	after bool
}

func (m mortal) die() { syscall.Kill(os.Getpid(), syscall.SIGKILL); select {} }

func (m mortal) call(f func() error) error {
	*m.left--
	if *m.left == 0 && !m.after {
		m.die()
	}
	err := f()
	if *m.left == 0 {
		m.die()
	}
	return err
}

func (m mortal) Put(ctx context.Context, name string, value *Buffer) error {
	return m.call(func() error { return m.Store.Put(ctx, name, value) })
}

func (m mortal) Delete(ctx context.Context, name string) error {
	return m.call(func() error { return m.Store.Delete(ctx, name) })
}

func (m mortal) Fetch(ctx context.Context, name string) (b *Buffer, err error) {
	m.call(func() error { b, err = m.Store.Fetch(ctx, name); return err })
	return b, err
}

// mortalKeep is the helper: one change in a vault, and a death at the call that WARD_TEST_AT says.
func mortalKeep() int {
	var left, after int
	fmt.Sscanf(os.Getenv("WARD_TEST_AT"), "%d %d", &left, &after)
	vault := &Vault{Dir: os.Getenv("WARD_TEST_DIR") + "/vault", Passphrase: func(context.Context, string, bool) (*Buffer, error) {
		return ReadBuffer(strings.NewReader("correct-horse"), 100)
	}}
	k := Keep{Choice: Choice{Store: mortal{vault, &left, after == 1}, Name: "vault"}, Index: &Index{Path: os.Getenv("WARD_TEST_DIR") + "/index.json"}}
	value, err := ReadBuffer(os.Stdin, 100)
	if err != nil {
		return 3
	}
	ctx := context.Background()
	switch os.Getenv("WARD_TEST_DO") {
	case "put":
		err = k.Put(ctx, "name", value, true, nil)
	case "rotate":
		err = k.Rotate(ctx, "name", value, nil)
	case "rename":
		err = k.Rename(ctx, "name", "new")
	case "delete":
		err = k.Delete(ctx, "name")
	}
	if err != nil {
		return 1
	}
	return 0
}

// Whoever is killed at any call of the store leaves the old value or the new one, under a name that is listed, and an
// index that tells nothing wrong about it; the next change of the same kind gets through.
func TestKeepKilled(t *testing.T) {
	begun, value := t.TempDir(), random(40)
	vault, _ := testVault(t, filepath.Join(begun, "vault"), "correct-horse")
	k := Keep{Choice: Choice{Store: vault, Name: "vault"}, Index: &Index{Path: filepath.Join(begun, "index.json")}}
	if err := k.Put(context.Background(), "name", bufferOf(t, value), false, nil); err != nil {
		t.Fatal(err)
	}
	for _, do := range []string{"put", "rotate", "rename", "delete"} {
		deaths := 0
		for at := 1; at < 20; at++ {
			done := 0
			for after := range 2 {
				if killedAt(t, begun, value, do, fmt.Sprint(at, " ", after)) {
					deaths++
				} else {
					done++
				}
			}
			if done == 2 {
				break
			}
		}
		if want := map[string]int{"put": 2, "rotate": 10, "rename": 8, "delete": 2}[do]; deaths != want {
			t.Errorf("%s: killed at %d places, want %d: a call of the store is not counted, or new", do, deaths, want)
		}
	}
}

func killedAt(t *testing.T, begun string, before []byte, do, at string) (died bool) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(dir, os.DirFS(begun)); err != nil {
		t.Fatal(err)
	}
	vault, _ := testVault(t, filepath.Join(dir, "vault"), "correct-horse")
	k := Keep{Choice: Choice{Store: vault, Name: "vault"}, Index: &Index{Path: filepath.Join(dir, "index.json")}}
	after := random(44)
	run := func(at string) error {
		cmd := helper(t, "keep", "WARD_TEST_DIR="+dir, "WARD_TEST_AT="+at, "WARD_TEST_DO="+do)
		cmd.Stdin = bytes.NewReader(after)
		return cmd.Run()
	}
	died = run(at) != nil
	entries, err := k.Entries(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	kept := do == "delete"
	for _, e := range entries {
		value, err := k.Store.Fetch(context.Background(), e.Name)
		if err != nil {
			t.Errorf("%s at %s: %s is listed, but %v", do, at, e.Name, err)
			continue
		}
		got := plain(t, value)
		value.Destroy()
		kept = kept || bytes.Equal(got, before) || bytes.Equal(got, after)
		if !e.Changed.IsZero() && e.Peek != peekOf(got) {
			t.Errorf("%s at %s: the index tells of another value under %s", do, at, e.Name)
		}
	}
	if !kept {
		t.Errorf("%s at %s: neither the old value nor the new one is there", do, at)
	}
	if died && (do == "put" || do == "rotate") {
		if err := run("0 0"); err != nil {
			t.Errorf("%s at %s: the next one fails: %v", do, at, err)
		}
	}
	return died
}
