package secrets

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"
)

// mappers are the kinds of memory a Buffer may lie in on this system.
func mappers() map[string]mapper {
	return map[string]mapper{"as chosen": lockedMemory, "mlock": mlocked}
}

func TestBufferCannotBePrinted(t *testing.T) {
	value := random(40)
	b := bufferOf(t, value)
	type holder struct {
		Public  *Buffer
		private *Buffer
		Value   Buffer
		value   Buffer
		m       map[Ref]*Buffer
	}
	held := holder{b, b, *b, *b, map[Ref]*Buffer{{"env", "X"}: b}}
	var out strings.Builder
	for _, verb := range "vTtbcdoOqxXUeEfFgGsp" {
		for _, flags := range []string{"%", "%+", "%#", "% ", "%60.50", "%-08"} {
			for _, x := range []any{b, *b, held, &held, []*Buffer{b}, []Buffer{*b}, map[string]*Buffer{"k": b}} {
				fmt.Fprintf(&out, flags+string(verb)+"\n", x)
			}
			if verb == 'T' || verb == 'p' {
				continue // handled by fmt itself: the type and the address
			}
			if got := fmt.Sprintf(flags+string(verb)+flags+string(verb), b, *b); got != "[secret][secret]" {
				t.Errorf("%s%c gives %s", flags, verb, got)
			}
		}
	}
	for _, direct := range []string{b.String(), b.GoString(), fmt.Sprint(b), fmt.Sprintf("%s", *b), fmt.Errorf("x: %v", b).Error()} {
		if !strings.HasSuffix(direct, "[secret]") {
			t.Errorf("prints as %q", direct)
		}
		fmt.Fprintln(&out, direct)
	}
	for _, x := range []any{b, *b, held, map[string]*Buffer{"k": b}} {
		j, err := json.Marshal(x)
		if err != nil || !bytes.Contains(j, []byte(`"[secret]"`)) {
			t.Errorf("as JSON %s, %v", j, err)
		}
		out.Write(j)
	}
	if x, err := xml.Marshal(b); err != nil || !bytes.Contains(x, []byte("[secret]")) {
		t.Errorf("as XML %s, %v", x, err)
	}
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).Info("x", "b", b, "v", *b, "h", held, slog.Group("g", "b", b))
	}
	text := out.String()
	for what, form := range map[string]string{
		"value": string(value), "half": string(value[:20]), "hex": fmt.Sprintf("%x", value),
		"HEX": fmt.Sprintf("%X", value), "numbers": strings.Trim(fmt.Sprint(value), "[]"),
	} {
		if strings.Contains(text, form) {
			t.Errorf("the %s was printed", what)
		}
	}
}

func TestReadBuffer(t *testing.T) {
	page := os.Getpagesize()
	for name, lock := range mappers() {
		t.Run(name, func(t *testing.T) {
			for _, size := range []int{0, 1, 40, page - 1, page, page + 1, 3*page + 7, 100_000} {
				value := random(size)
				for how, r := range map[string]io.Reader{
					"at once": bytes.NewReader(value), "halves": iotest.HalfReader(bytes.NewReader(value)),
					"with EOF": iotest.DataErrReader(bytes.NewReader(value)),
				} {
					b, err := readBuffer(r, size, lock)
					if err != nil {
						t.Fatalf("%d bytes %s: %v", size, how, err)
					}
					if b.Len() != size || !bytes.Equal(plain(t, b), value) {
						t.Errorf("%d bytes %s: read %d bytes, or other ones", size, how, b.Len())
					}
					b.Destroy()
				}
				if size > 0 {
					if _, err := readBuffer(bytes.NewReader(value), size-1, lock); err == nil || !strings.Contains(err.Error(), "larger than") {
						t.Errorf("%d bytes where %d are allowed: %v", size, size-1, err)
					}
				}
			}
			broken := errors.New("broken")
			if _, err := readBuffer(io.MultiReader(bytes.NewReader(random(5000)), iotest.ErrReader(broken)), 1<<20, lock); !errors.Is(err, broken) {
				t.Errorf("a reader that fails: %v", err)
			}
			if _, err := readBuffer(idleReader{}, 10, lock); !errors.Is(err, io.ErrNoProgress) {
				t.Errorf("a reader that gives nothing: %v", err)
			}
		})
	}
}

type idleReader struct{}

func (idleReader) Read([]byte) (int, error) { return 0, nil }

func TestBufferUse(t *testing.T) {
	b, err := NewBuffer(5)
	if err != nil {
		t.Fatal(err)
	}
	if got := plain(t, b); !bytes.Equal(got, make([]byte, 5)) {
		t.Errorf("a new buffer holds %q", got)
	}
	_ = b.Use(func(v []byte) error {
		if copy(v, "abcde"); cap(v) != 5 {
			t.Errorf("an append would write into %d bytes of the mapping", cap(v)-5)
		}
		return nil
	})
	if got := string(plain(t, b)); got != "abcde" {
		t.Errorf("holds %q", got)
	}
	broken := errors.New("broken")
	if err := b.Use(func([]byte) error { return broken }); err != broken {
		t.Errorf("Use gives %v, not what f gave", err)
	}
	b.keep(1, 3)
	if got := string(plain(t, b)); got != "bc" || b.Len() != 2 {
		t.Errorf("kept %q", got)
	}
	b.Destroy()
	b.Destroy()
	(*Buffer)(nil).Destroy()
	if err := b.Use(func([]byte) error { t.Error("f was called"); return nil }); !errors.Is(err, errDestroyed) {
		t.Errorf("Use after Destroy: %v", err)
	}
	if b.Len() != 0 {
		t.Errorf("%d bytes after Destroy", b.Len())
	}
	if _, err := NewBuffer(-1); err == nil {
		t.Error("a buffer of -1 bytes")
	}
}

// Destroy in the middle of Use would be a fault in f, not an error.
func TestDestroyWaitsForUse(t *testing.T) {
	b := bufferOf(t, random(40))
	inside, release := make(chan bool), make(chan bool)
	var all sync.WaitGroup
	all.Go(func() {
		_ = b.Use(func(v []byte) error {
			inside <- true
			<-release
			if bytes.Equal(v, make([]byte, 40)) {
				t.Error("wiped while in use")
			}
			return nil
		})
	})
	<-inside
	destroyed := make(chan bool)
	go func() { b.Destroy(); close(destroyed) }()
	select {
	case <-destroyed:
		t.Error("Destroy did not wait")
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	all.Wait()
	<-destroyed
}

func BenchmarkBuffer(b *testing.B) {
	for name, lock := range mappers() {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				buf, err := newBuffer(40, lock)
				if err != nil {
					b.Fatal(err)
				}
				buf.Destroy()
			}
		})
	}
}
