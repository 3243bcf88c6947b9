package secrets

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Writing, listing and removing work for whoever cannot know the passphrase.
func TestVaultWithoutPassphrase(t *testing.T) {
	ctx := context.Background()
	v, _ := testVault(t, filepath.Join(t.TempDir(), "vault"), "a passphrase")
	for _, name := range []string{"a", "b"} {
		if err := v.Put(ctx, name, bufferOf(t, []byte("v"))); err != nil {
			t.Fatal(err)
		}
	}
	mute := &Vault{Dir: v.Dir}
	if err := mute.Put(ctx, "c", bufferOf(t, []byte("from the mute"))); err != nil {
		t.Error(err)
	}
	if err := mute.Delete(ctx, "b"); err != nil {
		t.Error(err)
	}
	if names, err := mute.List(ctx); err != nil || !slices.Equal(names, []string{"a", "c"}) {
		t.Errorf("%q, %v", names, err)
	}
	_, err := mute.Fetch(ctx, "c")
	if want := "secret c: the vault " + v.Dir + ": locked: nobody can be asked for the passphrase"; fmt.Sprint(err) != want || !errors.Is(err, ErrLocked) {
		t.Errorf("%v, want %s", err, want)
	}
	if !strings.Contains(hintOf(err), "WARD_VAULT_PASSPHRASE") {
		t.Errorf("hint %q", hintOf(err))
	}
	if b, err := v.Fetch(ctx, "c"); err != nil || string(plain(t, b)) != "from the mute" {
		t.Error(err)
	}
	none := &Vault{Dir: filepath.Join(t.TempDir(), "none")}
	if names, err := none.List(ctx); err != nil || len(names) != 0 {
		t.Errorf("no vault lists %q, %v", names, err)
	}
	if err := none.Put(ctx, "c", bufferOf(t, []byte("v"))); !errors.Is(err, ErrLocked) || none.Exists() {
		t.Errorf("a vault made without a passphrase: %v", err)
	}
}

func TestVaultPassphrase(t *testing.T) {
	ctx := context.Background()
	v, _ := testVault(t, filepath.Join(t.TempDir(), "vault"), "right")
	if err := v.Put(ctx, "a", bufferOf(t, []byte("v"))); err != nil {
		t.Fatal(err)
	}
	wrong, asked := testVault(t, v.Dir, "wrong")
	_, err := wrong.Fetch(ctx, "a")
	if want := "secret a: the vault " + v.Dir + ": locked: wrong passphrase"; fmt.Sprint(err) != want || !errors.Is(err, ErrLocked) {
		t.Errorf("%v, want %s", err, want)
	}
	// A missing secret is no reason to ask.
	if _, err := wrong.Fetch(ctx, "b"); !errors.Is(err, ErrNotFound) || asked.Load() != 1 {
		t.Errorf("%v, asked %d times", err, asked.Load())
	}
	// The next Fetch asks again, so a typing mistake is not final.
	right, _ := testVault(t, v.Dir, "right")
	wrong.Passphrase = right.Passphrase
	if b, err := wrong.Fetch(ctx, "a"); err != nil || string(plain(t, b)) != "v" {
		t.Error(err)
	}
	refuses := &Vault{Dir: v.Dir, Passphrase: func(context.Context, string, bool) (*Buffer, error) { return nil, errors.New("no terminal") }}
	if _, err := refuses.Fetch(ctx, "a"); !errors.Is(err, ErrLocked) || !strings.HasSuffix(err.Error(), "locked: no terminal") {
		t.Error(err)
	}
	empty, _ := testVault(t, filepath.Join(t.TempDir(), "vault"), "")
	if err := empty.Put(ctx, "a", bufferOf(t, []byte("v"))); !errors.Is(err, ErrLocked) || empty.Exists() {
		t.Errorf("a vault with an empty passphrase: %v", err)
	}
	// A cancelled Fetch does not wait for a person who is being asked.
	never := &Vault{Dir: v.Dir, Passphrase: func(context.Context, string, bool) (*Buffer, error) { select {} }}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if _, err := never.Fetch(short, "a"); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func makeVault(ctx context.Context, v *Vault) error {
	return v.gate.do(func() error { return v.create(ctx) })
}

func TestVaultCreate(t *testing.T) {
	ctx := context.Background()
	dir := filepath.Join(t.TempDir(), "vault")
	// Two vaults on one directory are two processes as far as the lock goes.
	var won, lost atomic.Int32
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			v, _ := testVault(t, dir, fmt.Sprintf("passphrase %d", i))
			switch err := makeVault(ctx, v); {
			case err != nil:
				t.Error(err)
			case v.identity != nil: // made here
				won.Add(1)
				if err := v.Put(ctx, "a", bufferOf(t, []byte("v"))); err != nil {
					t.Error(err)
				}
				if b, err := v.Fetch(ctx, "a"); err != nil || string(plain(t, b)) != "v" {
					t.Error(err)
				}
			default:
				lost.Add(1)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 || lost.Load() != 3 {
		t.Errorf("%d created it, %d found it there", won.Load(), lost.Load())
	}
}

// The figure behind workFactor; it is paid once per launch that reads the vault.
func BenchmarkVaultUnlock(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "vault")
	open := func() *Vault {
		return &Vault{Dir: dir, Passphrase: func(context.Context, string, bool) (*Buffer, error) {
			return ReadBuffer(strings.NewReader("a passphrase"), 100)
		}}
	}
	if err := makeVault(context.Background(), open()); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := open().unlock(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}
