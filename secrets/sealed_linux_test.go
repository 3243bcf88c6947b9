package secrets

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zalando/go-keyring"
)

// smallItems is a real keyring whose items are held as small as macOS' are large.
func smallItems(t *testing.T) *Keyring {
	k := startKeyring(t, "pw")
	k.Limit = 64
	return k
}

func sealedFiles(t *testing.T, k *Keyring) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(k.sealedDir(), "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// Everything a store must do it does with values in files too.
func TestKeyringLargeValues(t *testing.T) {
	if onBus(t, "") {
		storeTest{smallItems(t)}.run(t)
	}
}

// One file for each large value, and none for what was replaced or removed.
func TestKeyringLargeValueFiles(t *testing.T) {
	if !onBus(t, "") {
		return
	}
	ctx := context.Background()
	k := smallItems(t)
	for _, c := range []struct {
		value string
		files int
	}{
		{strings.Repeat("a", 64), 0}, {strings.Repeat("b", 65), 1}, {strings.Repeat("c", 70), 1}, {"small", 0},
		{sealedPrefix, 1}, {sealed{strings.Repeat("0", 32), make([]byte, 32)}.item(), 1}, {"", 0},
	} {
		if err := k.Put(ctx, "org/x", bufferOf(t, []byte(c.value))); err != nil {
			t.Fatal(err)
		}
		for what, source := range map[string]Source{"org/x": k, "ward/org/x": k.Services()} {
			if b, err := source.Fetch(ctx, what); err != nil || string(plain(t, b)) != c.value {
				t.Errorf("%s of %d bytes: %v", what, len(c.value), err)
			}
		}
		files := sealedFiles(t, k)
		if len(files) != c.files {
			t.Errorf("%d bytes are in %d files, want %d", len(c.value), len(files), c.files)
		}
		for _, file := range files {
			info, err := os.Stat(file)
			data, _ := os.ReadFile(file)
			if err != nil || info.Mode() != 0o600 || bytes.Contains(data, []byte(c.value)) || strings.Contains(file, "x") {
				t.Errorf("%s: %v, %v", file, info.Mode(), err)
			}
		}
	}
	if err := k.Put(ctx, "org/x", bufferOf(t, random(100))); err != nil {
		t.Fatal(err)
	}
	if err := k.Delete(ctx, "org/x"); err != nil || len(sealedFiles(t, k)) != 0 {
		t.Errorf("after Delete: %q, %v", sealedFiles(t, k), err)
	}
	none := &Keyring{Limit: 64}
	if err := none.Put(ctx, "y", bufferOf(t, random(65))); err == nil || hintOf(err) != "keep it in ward's vault: vault://y" {
		t.Errorf("without a place for files: %v, hint %q", err, hintOf(err))
	}
}

// What can happen to the file, and to the item.
func TestKeyringLargeValueDamage(t *testing.T) {
	if !onBus(t, "") {
		return
	}
	ctx := context.Background()
	k := smallItems(t)
	item := func() string {
		item, err := keyring.Get(keyringService, "a")
		if err != nil {
			t.Fatal(err)
		}
		return item
	}
	file := func() string { return sealedFiles(t, k)[0] }
	for _, c := range []struct {
		what string
		do   func() error
		want string
	}{
		{"file lost", func() error { return os.Remove(file()) }, "which is missing"},
		{"file cut", func() error { return shorten(file(), 1) }, "which is damaged or foreign"},
		{"file empty", func() error { return os.Truncate(file(), 0) }, "which is damaged or foreign"},
		{"file huge", func() error { return os.Truncate(file(), 1<<40) }, "which is damaged or foreign"},
		{"one bit off", func() error { return flip(file()) }, "which is damaged or foreign"},
		{"foreign", func() error { return os.WriteFile(file(), random(200), 0o600) }, "which is damaged or foreign"},
		{"item copied", func() error { return keyring.Set(keyringService, "b", item()) }, "which is damaged or foreign"},
		{"item cut", func() error { return keyring.Set(keyringService, "a", item()[:60]) }, "its entry stands for a file, and does not say which"},
		{"item points elsewhere", func() error { return keyring.Set(keyringService, "a", sealedPrefix+"../../x:"+item()[45:]) }, "does not say which"},
	} {
		if err := k.Put(ctx, "a", bufferOf(t, random(100))); err != nil {
			t.Fatal(err)
		}
		if err := c.do(); err != nil {
			t.Fatal(err)
		}
		name := "a"
		if c.what == "item copied" {
			name = "b"
		}
		err := fetchError(k, name)
		if err == nil || !strings.HasPrefix(err.Error(), "secret "+name+": the keyring (service ward): its ") || !strings.HasSuffix(err.Error(), c.want) {
			t.Errorf("%s: %v; want %s", c.what, err, c.want)
		}
		for _, left := range sealedFiles(t, k) {
			os.Remove(left)
		}
	}
	// No place for the file: the value before stays, and no name is added.
	if err := k.Put(ctx, "a", bufferOf(t, []byte("small"))); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(k.sealedDir()), os.WriteFile(k.sealedDir(), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "new"} {
		if err := k.Put(ctx, name, bufferOf(t, random(100))); err == nil || !strings.Contains(err.Error(), k.sealedDir()) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if b, err := k.Fetch(ctx, "a"); err != nil || string(plain(t, b)) != "small" {
		t.Errorf("the value before: %v", err)
	}
	if names, err := k.List(ctx); err != nil || strings.Join(names, " ") != "a b" && strings.Join(names, " ") != "a" {
		t.Errorf("lists %q, %v", names, err)
	}
}

// keyringWriter stores a value of one letter, again and again, small and large
// in turn, and says so each time.
func keyringWriter(t *testing.T, k *Keyring, letter byte, times int) *exec.Cmd {
	t.Helper()
	cmd := helper(t, "keyring", "WARD_TEST_PATH="+k.Index.Path, "WARD_TEST_ID="+string(letter), fmt.Sprintf("WARD_TEST_TIMES=%d", times))
	cmd.Stderr = os.Stderr
	return cmd
}

func keyringWrites() int {
	k := &Keyring{Limit: 64, Index: &Index{Path: os.Getenv("WARD_TEST_PATH")}}
	times := 0
	fmt.Sscan(os.Getenv("WARD_TEST_TIMES"), &times)
	for i := range times {
		value := bytes.Repeat([]byte(os.Getenv("WARD_TEST_ID")), 30+1500*(i%3))
		b, err := ReadBuffer(bytes.NewReader(value), len(value))
		if err == nil {
			err = k.Put(context.Background(), "shared", b)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		b.Destroy()
		fmt.Println("stored")
	}
	return 0
}

// wholeValue fails unless the value is one that some writer stored.
func wholeValue(t *testing.T, k *Keyring) {
	t.Helper()
	b, err := k.Fetch(context.Background(), "shared")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Destroy()
	got := plain(t, b)
	if n := len(got); n != 30 && n != 1530 && n != 3030 || !bytes.Equal(got, bytes.Repeat(got[:1], n)) {
		t.Errorf("a mixture of %d bytes came out", n)
	}
}

// Four processes store the same name: none takes another's value for a changed
// one, and what is there is always whole.
func TestKeyringManyWriters(t *testing.T) {
	if !onBus(t, "") {
		return
	}
	k := smallItems(t)
	var writers []*exec.Cmd
	for i := range 4 {
		writers = append(writers, keyringWriter(t, k, 'a'+byte(i), 15))
		if err := writers[i].Start(); err != nil {
			t.Fatal(err)
		}
	}
	for _, w := range writers {
		if err := w.Wait(); err != nil {
			t.Error(err)
		}
	}
	wholeValue(t, k)
	if files := sealedFiles(t, k); len(files) != 1 { // each writer's last is large
		t.Errorf("left are %q", files)
	}
}

// Killed at any moment, the value before or the new one is there, and the name
// is listed.
func TestKeyringKilled(t *testing.T) {
	if !onBus(t, "") {
		return
	}
	k := smallItems(t)
	for i := range 30 {
		cmd := keyringWriter(t, k, 'a'+byte(i%26), 1_000_000)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		stored := bufio.NewScanner(out)
		stored.Scan()
		time.AfterFunc(rand.N(120*time.Millisecond), func() { cmd.Process.Kill() })
		for stored.Scan() {
		}
		if err := cmd.Wait(); err == nil || err.Error() != "signal: killed" {
			t.Fatalf("the writer ended by itself: %v", err)
		}
		wholeValue(t, k)
	}
	if names, err := k.List(context.Background()); err != nil || strings.Join(names, " ") != "shared" {
		t.Errorf("lists %q, %v", names, err)
	}
	t.Logf("files, at most one of them in use: %d", len(sealedFiles(t, k)))
}
