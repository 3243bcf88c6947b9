package secrets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestEnvSource(t *testing.T) {
	block := []byte("PATH=/bin\x00")
	sourceTest{
		source: blockSource{&block},
		plant: func(t *testing.T, name string, value []byte) {
			block = append(append(append(append(block, name...), '='), value...), 0)
		},
		lacks: func(value []byte) bool { return bytes.IndexByte(value, 0) >= 0 },
		names: []string{"TOKEN", "token", "TOKEN_2", "TO", "_", "A", "x.y", "n-m", "TOKE"},
		hint:  "export not_there",
	}.run(t)
}

// blockSource reads the block as it is when asked.
type blockSource struct{ block *[]byte }

func (b blockSource) Fetch(ctx context.Context, name string) (*Buffer, error) {
	return Env{Block: bytes.NewReader(*b.block)}.Fetch(ctx, name)
}

func TestEnvBlocks(t *testing.T) {
	long := string(random(9000))
	for _, c := range []struct{ what, block, want string }{
		{"first of two", "A=1\x00X=one\x00X=two\x00", "one"},
		{"without the last NUL", "A=1\x00X=one", "one"},
		{"empty and last", "A=1\x00X=", ""},
		{"name inside another", "AX=no\x00XX=no\x00X=yes\x00", "yes"},
		{"name inside a value", "A=X=no\x00B=\nX=no\x00X=yes\x00", "yes"},
		{"equals signs", "X=a=b==\x00", "a=b=="},
		{"an entry without =", "X\x00XY\x00\x00X=yes\x00", "yes"},
		{"longer than the window", "A=" + long + "\x00X=" + long + "\x00B=1\x00", long},
		{"across the window's edge", strings.Repeat("A", 4093) + "\x00X=yes\x00", "yes"},
		{"value across the edge", strings.Repeat("A", 4090) + "\x00X=yesyes\x00", "yesyes"},
	} {
		b, err := Env{Block: strings.NewReader(c.block)}.Fetch(context.Background(), "X")
		if err != nil {
			t.Errorf("%s: %v", c.what, err)
		} else if got := string(plain(t, b)); got != c.want {
			t.Errorf("%s: %.20q, want %.20q", c.what, got, c.want)
		}
	}
	for _, block := range []string{"", "\x00", "Y=X=1\x00", "XX=1\x00", "X\x00", "x=1\x00"} {
		if _, err := (Env{Block: strings.NewReader(block)}).Fetch(context.Background(), "X"); !errors.Is(err, ErrNotFound) {
			t.Errorf("in %q: %v", block, err)
		}
	}
}

func FuzzEnv(f *testing.F) {
	f.Add([]byte("A=1\x00X=one\x00"), "X", 0)
	f.Add([]byte("AX=\x00XX=X=\x00X=a"), "X", 4090)
	f.Fuzz(func(t *testing.T, block []byte, name string, pad int) {
		if name == "" || strings.ContainsAny(name, "=\x00") {
			return
		}
		block = append(append(bytes.Repeat([]byte("p"), min(max(pad, 0), 9000)), 0), block...)
		want, found := []byte(nil), false
		for entry := range bytes.SplitSeq(block, []byte{0}) {
			if rest, ok := bytes.CutPrefix(entry, []byte(name+"=")); ok && !found {
				want, found = rest, true
			}
		}
		b, err := Env{Block: bytes.NewReader(block)}.Fetch(context.Background(), name)
		if !found {
			if !errors.Is(err, ErrNotFound) {
				t.Fatalf("%v, want not found", err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		defer b.Destroy()
		if got := plain(t, b); !bytes.Equal(got, want) {
			t.Fatalf("%q, want %q", got, want)
		}
	})
}

// Env{} reads what the process was started with, and sees the caller's wiping
// of it: the value is not copied before it is asked for.
func TestEnvOfThisProcess(t *testing.T) {
	b, err := Env{}.Fetch(context.Background(), "PATH")
	if err != nil || string(plain(t, b)) != os.Getenv("PATH") {
		t.Errorf("PATH: %v", err)
	}
	if b, err := fromRuntime("PATH"); err != nil || string(plain(t, b)) != os.Getenv("PATH") {
		t.Errorf("PATH by the runtime: %v", err)
	}
	if _, err := fromRuntime("not_there"); err != ErrNotFound {
		t.Errorf("by the runtime: %v", err)
	}
	t.Setenv("WARD_SET_LATER", "x")
	if _, err := (Env{}).Fetch(context.Background(), "WARD_SET_LATER"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a variable set after the start: %v", err)
	}
}

func TestFileSource(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	sourceTest{
		source: File{},
		path:   at,
		plant: func(t *testing.T, name string, value []byte) {
			if err := os.MkdirAll(filepath.Dir(at(name)), 0o700); err != nil {
				t.Fatal(err)
			}
			// The newline that is trimmed is one more than the value's own.
			if err := os.WriteFile(at(name), append(bytes.Clone(value), '\n'), 0o644); err != nil {
				t.Fatal(err)
			}
		},
		names: []string{"token", "TOKEN", "with space", "ä", ".hidden", "sub/dir/x"},
		hint:  "no such file",
	}.run(t)
}

func TestFileTrimsOneNewline(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	for content, want := range map[string]string{
		"": "", "v": "v", "v\n": "v", "v\n\n": "v\n", "v\r\n": "v", "v\r": "v\r", "\n": "", "\r\n": "", "v \n": "v ", "\nv": "\nv",
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		b, err := File{}.Fetch(context.Background(), path)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(plain(t, b)); got != want {
			t.Errorf("%q gives %q, want %q", content, got, want)
		}
	}
}

func TestFileRefuses(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := syscall.Mkfifo(in("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string]int64{"largest": MaxValue, "larger": MaxValue + 1} {
		f, err := os.Create(in(name))
		if err == nil {
			err = f.Truncate(size)
		}
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	if err := os.Symlink(in("largest"), in("link")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, want string }{
		{in("fifo"), "secret " + in("fifo") + ": not a regular file"},
		{dir, "secret " + dir + ": not a regular file"},
		{"/dev/zero", "secret /dev/zero: not a regular file"},
		{in("larger"), "secret " + in("larger") + ": larger than 1048576 bytes"},
		{in("largest/x"), "secret " + in("largest/x") + ": not a directory"},
		{"relative", "secret relative: the path must be absolute"},
		{in("largest"), ""},
		{in("link"), ""},
	} {
		b, err := File{}.Fetch(context.Background(), c.path)
		if got := fmt.Sprint(err); c.want != "" && got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		} else if c.want == "" && (err != nil || b.Len() != MaxValue) {
			t.Errorf("%s: %v", c.path, err)
		}
		b.Destroy()
	}
}

// fake counts its calls and gives the path back as the value.
type fake struct {
	calls *atomic.Int32
	given chan *Buffer
	err   error
	wait  bool
}

func (f fake) Fetch(ctx context.Context, path string) (*Buffer, error) {
	f.calls.Add(1)
	if f.wait {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if strings.HasPrefix(path, "bad") {
		return nil, f.err
	}
	b, err := ReadBuffer(strings.NewReader(path), 100)
	f.given <- b
	return b, err
}

func TestResolve(t *testing.T) {
	ctx := context.Background()
	calls := new(atomic.Int32)
	given := make(chan *Buffer, 100)
	r := Resolver{"": fake{calls, given, &Error{Name: "bad", Where: "the shelf", Err: ErrNotFound, Fix: "look again"}, false},
		"env": fake{calls, given, errors.New("broken"), false}}
	a, x := Ref{"", "a"}, Ref{"env", "a"}

	got, err := r.Resolve(ctx, []Ref{a, x, a, a, x})
	if err != nil || len(got) != 2 || calls.Load() != 2 {
		t.Fatalf("%v, %v after %d calls", got, err, calls.Load())
	}
	if string(plain(t, got[a])) != "a" || string(plain(t, got[x])) != "a" {
		t.Error("other values")
	}
	if got, err := r.Resolve(ctx, nil); err != nil || got == nil {
		t.Errorf("nothing to resolve: %v, %v", got, err)
	}

	// All failures, in order, under the names people wrote, and nothing kept.
	for len(given) > 0 {
		(<-given).Destroy()
	}
	got, err = r.Resolve(ctx, []Ref{a, {"", "bad"}, {"env", "bad2"}, x, {"op", "v/i/f"}})
	want := "secret bad: not found in the shelf\nsecret env://bad2: broken\nsecret op://v/i/f: no source for \"op\" references here"
	if got != nil || fmt.Sprint(err) != want || !errors.Is(err, ErrNotFound) {
		t.Errorf("%v, %v; want\n%s", got, err, want)
	}
	if hint := hintOf(err); hint != "look again\n\n" {
		t.Errorf("hints %q", hint)
	}
	if len(given) != 2 {
		t.Fatalf("%d values were fetched", len(given))
	}
	for range 2 {
		b := <-given
		if err := b.Use(func([]byte) error { return nil }); err != errDestroyed {
			t.Error("a value outlived the failure of another")
		}
	}
}

func TestResolveAtOnce(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	calls := new(atomic.Int32)
	r := Resolver{"": fake{calls, nil, nil, true}}
	started := time.Now()
	_, err := r.Resolve(ctx, []Ref{{"", "a"}, {"", "b"}, {"", "c"}})
	if !errors.Is(err, context.DeadlineExceeded) || calls.Load() != 3 || time.Since(started) > 2*time.Second {
		t.Errorf("%v after %d calls and %v", err, calls.Load(), time.Since(started))
	}
}

// Whoever comes while a person is being asked shares a no; whoever comes
// later asks again; a yes is shared too.
func TestGate(t *testing.T) {
	var g gate
	var asked atomic.Int32
	no := errors.New("no")
	open := make(chan bool)
	results := make(chan error)
	ask := func() error { asked.Add(1); <-open; return no }
	for range 4 {
		go func() { results <- g.do(ask) }()
	}
	for asked.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond) // for the other three to come to the gate
	close(open)
	for range 4 {
		if err := <-results; err != no {
			t.Error(err)
		}
	}
	if asked.Load() != 1 {
		t.Errorf("asked %d times", asked.Load())
	}
	if err := g.do(func() error { return nil }); err != nil {
		t.Errorf("asked later: %v", err)
	}
}
