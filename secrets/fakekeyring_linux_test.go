package secrets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// fakeKeyring is a Secret Service that does what real ones do seldom or only
// with a desktop.
type fakeKeyring struct {
	mu      sync.Mutex
	conn    *dbus.Conn
	items   map[dbus.ObjectPath]fakeItem
	made    int
	locked  bool
	answer  string              // to the prompt: "yes", "no" or "" for none
	prompts int                 // shown so far
	mangle  func([]byte) []byte // what becomes of a value that is stored
	stall   chan bool           // CreateItem waits for it, if not nil
}

type fakeItem struct {
	attributes map[string]string
	value      []byte
}

type fakeSecret struct {
	Session     dbus.ObjectPath
	Parameters  []byte
	Value       []byte
	ContentType string
}

func startFake(t *testing.T) (*fakeKeyring, *Keyring) {
	t.Helper()
	conn, err := dbus.ConnectSessionBus()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	f := &fakeKeyring{conn: conn, items: map[dbus.ObjectPath]fakeItem{}, mangle: bytes.Clone}
	properties := map[string]any{"Get": f.property}
	err = errors.Join(
		conn.ExportMethodTable(map[string]any{"OpenSession": f.openSession, "Unlock": f.unlock}, ssPath, ssService),
		conn.ExportMethodTable(properties, ssPath, "org.freedesktop.DBus.Properties"),
		conn.ExportMethodTable(properties, ssLogin, "org.freedesktop.DBus.Properties"),
		conn.ExportMethodTable(map[string]any{"SearchItems": f.search, "CreateItem": f.create}, ssLogin, ssCollection),
		conn.ExportMethodTable(map[string]any{"Close": func() *dbus.Error { return nil }}, "/session", "org.freedesktop.Secret.Session"),
		conn.ExportMethodTable(map[string]any{"Prompt": f.prompt, "Dismiss": func() *dbus.Error { return nil }}, "/prompt", ssPrompt),
	)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.RequestName(ssName, dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
	return f, &Keyring{Index: &Index{Path: filepath.Join(t.TempDir(), "index.json")}, Timeout: 5 * time.Second, Patience: 300 * time.Millisecond}
}

func (f *fakeKeyring) openSession(string, dbus.Variant) (dbus.Variant, dbus.ObjectPath, *dbus.Error) {
	return dbus.MakeVariant(""), "/session", nil
}

func (f *fakeKeyring) property(_, name string) (dbus.Variant, *dbus.Error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if name == "Collections" {
		return dbus.MakeVariant([]dbus.ObjectPath{ssLogin}), nil
	}
	return dbus.MakeVariant(f.locked), nil
}

func (f *fakeKeyring) unlock(paths []dbus.ObjectPath) ([]dbus.ObjectPath, dbus.ObjectPath, *dbus.Error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.locked {
		return nil, "/prompt", nil
	}
	return paths, "/", nil
}

func (f *fakeKeyring) prompt(string) *dbus.Error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.prompts++
	answer := f.answer
	if answer == "" {
		return nil
	}
	time.AfterFunc(100*time.Millisecond, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.locked = answer != "yes"
		_ = f.conn.Emit("/prompt", ssPrompt+".Completed", answer != "yes", dbus.MakeVariant([]dbus.ObjectPath{ssLogin}))
	})
	return nil
}

func (f *fakeKeyring) search(want map[string]string) ([]dbus.ObjectPath, *dbus.Error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	found := []dbus.ObjectPath{}
	for path, item := range f.items {
		if item.attributes["service"] == want["service"] && item.attributes["username"] == want["username"] {
			found = append(found, path)
		}
	}
	return found, nil
}

func (f *fakeKeyring) create(properties map[string]dbus.Variant, secret fakeSecret, _ bool) (dbus.ObjectPath, dbus.ObjectPath, *dbus.Error) {
	if f.stall != nil {
		<-f.stall
	}
	attributes, _ := properties["org.freedesktop.Secret.Item.Attributes"].Value().(map[string]string)
	before, _ := f.search(attributes)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, path := range before {
		delete(f.items, path)
	}
	f.made++
	path := dbus.ObjectPath(fmt.Sprintf("/item/%d", f.made))
	f.items[path] = fakeItem{attributes, f.mangle(secret.Value)}
	_ = f.conn.ExportMethodTable(map[string]any{
		"GetSecret": func(session dbus.ObjectPath) (fakeSecret, *dbus.Error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			return fakeSecret{session, []byte{}, f.items[path].value, "text/plain"}, nil
		},
		"Delete": func() (dbus.ObjectPath, *dbus.Error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			delete(f.items, path)
			return "/", nil
		},
	}, path, "org.freedesktop.Secret.Item")
	return path, "/", nil
}

// A keyring that keeps text only, as KWallet does: what it would change is
// refused, and what was there before is there after.
func TestKeyringThatChangesValues(t *testing.T) {
	if !onBus(t, "") {
		return
	}
	ctx := context.Background()
	f, k := startFake(t)
	f.mangle = func(value []byte) []byte { return bytes.ToValidUTF8(value, []byte("?")) }
	if err := k.Put(ctx, "text", bufferOf(t, []byte("text\n"))); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"text", "binary"} {
		err := k.Put(ctx, name, bufferOf(t, []byte("a\xffb")))
		want := "secret " + name + ": the keyring (service ward): this keyring changes such a value: 3 bytes went in, 3 other ones came out"
		if fmt.Sprint(err) != want || hintOf(err) != "keep it in ward's vault: vault://"+name {
			t.Errorf("%v, hint %q; want %s", err, hintOf(err), want)
		}
	}
	if b, err := k.Fetch(ctx, "text"); err != nil || string(plain(t, b)) != "text\n" {
		t.Errorf("the value before: %v", err)
	}
	if err := fetchError(k, "binary"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a value that was refused: %v", err)
	}
	if names, err := k.List(ctx); err != nil || !slices.Equal(names, []string{"text"}) {
		t.Errorf("lists %q, %v", names, err)
	}
}

// A keyring that is unlocked when a person says so: one question for eight.
func TestKeyringUnlocks(t *testing.T) {
	if !onBus(t, "") {
		return
	}
	ctx := context.Background()
	f, k := startFake(t)
	if err := k.Put(ctx, "x", bufferOf(t, []byte("v"))); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		answer, want string // want: the end of the error
	}{
		{"no", "locked: its password was refused, or there is no desktop to ask for it"},
		{"", "locked: nobody entered its password in time"},
		{"yes", ""},
	} {
		f.mu.Lock()
		f.locked, f.answer, f.prompts = true, c.answer, 0
		f.mu.Unlock()
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				b, err := k.Fetch(ctx, "x")
				defer b.Destroy()
				if c.want != "" && (!errors.Is(err, ErrLocked) || !strings.HasSuffix(err.Error(), c.want)) || c.want == "" && (err != nil || b.Len() != 1) {
					t.Errorf("answer %q: %v", c.answer, err)
				}
			})
		}
		all.Wait()
		f.mu.Lock()
		if f.prompts != 1 {
			t.Errorf("answer %q: %d prompts", c.answer, f.prompts)
		}
		f.mu.Unlock()
	}
}

// A call that hangs in the keyring ends in time, holds neither the caller's
// buffer nor the next call's, and leaves no name for a value that is not there.
func TestKeyringCallHangs(t *testing.T) {
	if !onBus(t, "") {
		return
	}
	f, k := startFake(t)
	k.Timeout = 300 * time.Millisecond
	f.stall = make(chan bool)
	value := bufferOf(t, []byte("v"))
	err := k.Put(context.Background(), "x", value)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no answer in time") {
		t.Errorf("%v", err)
	}
	value.Destroy() // must not wait for the call
	if names, err := k.List(context.Background()); err != nil || len(names) > 0 {
		t.Errorf("lists %q, %v", names, err)
	}
	if err := fetchError(k, "x"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("meanwhile: %v", err)
	}
	close(f.stall)
	if err := fetchError(k, "x"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestDefaultIsTheKeyring(t *testing.T) {
	if !onBus(t, "") {
		return
	}
	ctx := context.Background()
	f, k := startFake(t)
	v, _ := testVault(t, filepath.Join(t.TempDir(), "vault"), "a passphrase")
	if c := Default(ctx, k, v); c.Store != k || c.Name != "keyring" || c.Why != "the system's keyring answers" {
		t.Errorf("%s: %s", c.Name, c.Why)
	}
	if err := makeVault(ctx, v); err != nil {
		t.Fatal(err)
	}
	// Locked, it is the keyring still: its secrets must not seem gone.
	f.mu.Lock()
	f.locked = true
	f.mu.Unlock()
	want := "the system's keyring answers; what is in the vault " + v.Dir + " is reached by vault://NAME"
	if c := Default(ctx, k, v); c.Store != k || c.Why != want {
		t.Errorf("%s: %s", c.Name, c.Why)
	}
}
