package secrets

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// sourceTest is what every source must do; a store must do storeTest too.
type sourceTest struct {
	source Source
	path   func(name string) string                      // what Fetch wants for a name; nil: the name
	plant  func(t *testing.T, name string, value []byte) // puts a value there
	lacks  func(value []byte) bool                       // values that cannot be planted; nil: none
	hint   string                                        // in the hint for a missing secret
	names  []string                                      // nil: edgeNames
	crowd  int                                           // how many values are fetched at once; 0: 32
}

// values are made at run time: a fixture would look real to a scanner.
func values() map[string][]byte {
	everyByte := make([]byte, 256)
	for i := range everyByte {
		everyByte[i] = byte(i)
	}
	raw := make([]byte, 2400) // an RSA key of 4096 bits has 3,243 bytes of PEM
	rand.Read(raw)
	pem := []byte("-----BEGIN " + "PRIVATE KEY-----\n")
	for text := base64.StdEncoding.EncodeToString(raw); text != ""; {
		n := min(64, len(text))
		pem = append(append(pem, text[:n]...), '\n')
		text = text[n:]
	}
	pem = append(pem, "-----END "+"PRIVATE KEY-----\n"...)
	return map[string][]byte{
		"token":            append([]byte("sk-"), random(40)...),
		"nothing":          {},
		"one byte":         []byte("x"),
		"newline":          []byte("\n"),
		"lines":            []byte("one\ntwo\r\n\n three \n\n"),
		"UTF-8":            []byte("pässwörd 密码 🔑"),
		"key file":         pem,
		"NUL":              []byte("a\x00b"),
		"every byte":       everyByte,
		"like an encoding": []byte("go-keyring-base64:" + base64.StdEncoding.EncodeToString(random(9))),
		"100 kB":           random(100_000),
	}
}

// edgeNames are apart from each other on no file system unless a store sees to it.
var edgeNames = []string{
	"token", "TOKEN", "Token", "tOKEN", "a", "A", "_", "0", "identity", "IDENTITY", "recipient.txt", "index.json",
	"org/project/KEY", "org/Project/KEY", "org.project.KEY", "token.age", "token.prev", "token.age.prev", "me@example.com",
	"a+b", "con", "a.", "org-project-KEY", strings.Repeat("n", 200), strings.Repeat("N", 200),
}

func (s sourceTest) run(t *testing.T) {
	ctx := context.Background()
	if s.path == nil {
		s.path = func(name string) string { return name }
	}
	if s.names == nil {
		s.names = edgeNames
	}
	all := values()
	maps.DeleteFunc(all, func(_ string, value []byte) bool { return s.lacks != nil && s.lacks(value) })
	named := func(what string) string { return "value_of_" + strings.NewReplacer(" ", "_", "-", "_").Replace(what) }
	for what, value := range all {
		s.plant(t, named(what), value)
	}
	for what, value := range all {
		t.Run("value/"+what, func(t *testing.T) { s.value(t, named(what), value) })
	}
	t.Run("missing", func(t *testing.T) {
		b, err := s.source.Fetch(ctx, s.path("not_there"))
		if b != nil || !errors.Is(err, ErrNotFound) || !errors.As(err, new(*Error)) {
			t.Fatalf("%v, %v", b, err)
		}
		if !strings.Contains(err.Error(), "not_there: not found") || !strings.Contains(hintOf(err), s.hint) || hintOf(err) == "" {
			t.Errorf("%v\nhint: %s\nwant the name and the hint %s", err, hintOf(err), s.hint)
		}
	})
	t.Run("names", func(t *testing.T) {
		for i, name := range s.names {
			s.plant(t, name, fmt.Appendf(nil, "value %d", i))
		}
		for i, name := range s.names {
			b, err := s.source.Fetch(ctx, s.path(name))
			if err != nil {
				t.Error(err)
			} else if got := string(plain(t, b)); got != fmt.Sprintf("value %d", i) {
				t.Errorf("%s gives the value of another: %q", name, got)
			}
		}
	})
	t.Run("at once", s.atOnce)
	t.Run("cancelled", func(t *testing.T) {
		s.plant(t, "here", []byte("v"))
		gone, cancel := context.WithCancel(ctx)
		cancel()
		started := time.Now()
		b, err := s.source.Fetch(gone, s.path("here"))
		if b != nil || !errors.Is(err, context.Canceled) || time.Since(started) > time.Second {
			t.Errorf("%v, %v after %v", b, err, time.Since(started))
		}
	})
}

func (s sourceTest) value(t *testing.T, name string, value []byte) {
	b, err := s.source.Fetch(context.Background(), s.path(name))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Destroy()
	if !bytes.Equal(plain(t, b), value) {
		t.Errorf("%d bytes went in, %d came out, or other ones", len(value), b.Len())
	}
}

// atOnce fetches values at the same time, one of them missing.
func (s sourceTest) atOnce(t *testing.T) {
	crowd := cmp.Or(s.crowd, 32)
	for i := range crowd - 1 {
		s.plant(t, fmt.Sprintf("n%d", i), fmt.Appendf(nil, "value %d", i))
	}
	var all sync.WaitGroup
	for i := range crowd {
		all.Go(func() {
			b, err := s.source.Fetch(context.Background(), s.path(fmt.Sprintf("n%d", i)))
			if i == crowd-1 {
				if !errors.Is(err, ErrNotFound) {
					t.Error(err)
				}
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
			defer b.Destroy()
			if got := string(plain(t, b)); got != fmt.Sprintf("value %d", i) {
				t.Errorf("n%d is %q", i, got)
			}
		})
	}
	all.Wait()
}

// storeTest is what every store must do; it begins with an empty one.
type storeTest struct{ Store }

func (s storeTest) run(t *testing.T) {
	if names := s.list(t); len(names) > 0 {
		t.Errorf("empty, it lists %q", names)
	}
	t.Run("replace", s.replace)
	t.Run("delete", s.remove)
	t.Run("refused names", s.refusedNames)
	t.Run("refused values", s.refusedValues)
	t.Run("as a source", sourceTest{source: s.Store, plant: s.put, hint: "ward set not_there"}.run)
	t.Run("listed", func(t *testing.T) {
		names := s.list(t)
		for _, name := range edgeNames {
			if !slices.Contains(names, name) {
				t.Errorf("%s is not listed", name)
			}
		}
		if !slices.IsSorted(names) {
			t.Errorf("not sorted: %q", names)
		}
	})
}

func (s storeTest) put(t *testing.T, name string, value []byte) {
	t.Helper()
	if err := s.Put(context.Background(), name, bufferOf(t, value)); err != nil {
		t.Fatal(err)
	}
}

func (s storeTest) list(t *testing.T) []string {
	t.Helper()
	names, err := s.List(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func (s storeTest) replace(t *testing.T) {
	for _, value := range []string{"first", "the second, longer", "3"} {
		s.put(t, "replaced", []byte(value))
		b, err := s.Fetch(context.Background(), "replaced")
		if err != nil {
			t.Fatal(err)
		}
		if got := string(plain(t, b)); got != value {
			t.Errorf("%q after %q was put", got, value)
		}
	}
	if names := s.list(t); !slices.Equal(names, []string{"replaced"}) {
		t.Errorf("lists %q", names)
	}
}

func (s storeTest) remove(t *testing.T) {
	ctx := context.Background()
	s.put(t, "kept", []byte("v"))
	s.put(t, "Replaced", []byte("another"))
	if err := s.Delete(ctx, "replaced"); err != nil {
		t.Fatal(err)
	}
	if b, err := s.Fetch(ctx, "replaced"); b != nil || !errors.Is(err, ErrNotFound) {
		t.Errorf("after Delete: %v, %v", b, err)
	}
	if err := s.Delete(ctx, "replaced"); !errors.Is(err, ErrNotFound) {
		t.Errorf("the second Delete: %v", err)
	}
	if names := s.list(t); !slices.Equal(names, []string{"Replaced", "kept"}) {
		t.Errorf("lists %q", names)
	}
	for _, name := range []string{"kept", "Replaced"} {
		if err := s.Delete(ctx, name); err != nil {
			t.Error(err)
		}
	}
}

func (s storeTest) refusedNames(t *testing.T) {
	ctx := context.Background()
	for _, name := range []string{
		"", "..", "a/../../b", "/etc/passwd", "a\x00", "a b", "a\nb", "\x1b[2J", "a\u202eb", "vault://a", "sk-" + string(random(30)),
		strings.Repeat("long/", 2000) + "x",
	} {
		_, fetched := s.Fetch(ctx, name)
		for what, err := range map[string]error{
			"Put": s.Put(ctx, name, bufferOf(t, []byte("v"))), "Fetch": fetched, "Delete": s.Delete(ctx, name),
		} {
			if !errors.As(err, new(*RefError)) || len(name) > 20 && strings.Contains(err.Error(), name) {
				t.Errorf("%s with %q: %v", what, name, err)
			}
		}
	}
	if names := s.list(t); len(names) > 0 {
		t.Errorf("lists %q", names)
	}
}

func (s storeTest) refusedValues(t *testing.T) {
	ctx := context.Background()
	big, err := NewBuffer(MaxValue + 1)
	if err != nil {
		t.Fatal(err)
	}
	defer big.Destroy()
	gone := bufferOf(t, []byte("v"))
	gone.Destroy()
	s.put(t, "x", []byte("before"))
	if err := s.Put(ctx, "x", big); err == nil || !strings.Contains(err.Error(), "larger than 1048576 bytes") {
		t.Errorf("too large: %v", err)
	}
	// The largest that is taken, for comparison.
	largest := random(MaxValue)
	if err := s.Put(ctx, "largest", bufferOf(t, largest)); err != nil {
		t.Errorf("%d bytes: %v", MaxValue, err)
	} else if b, err := s.Fetch(ctx, "largest"); err != nil || !bytes.Equal(plain(t, b), largest) {
		t.Errorf("%d bytes came out changed, or %v", MaxValue, err)
	} else if err := s.Delete(ctx, "largest"); err != nil {
		t.Error(err)
	}
	if err := s.Put(ctx, "x", gone); !errors.Is(err, errDestroyed) {
		t.Errorf("destroyed: %v", err)
	}
	if b, err := s.Fetch(ctx, "x"); err != nil || string(plain(t, b)) != "before" {
		t.Errorf("the value before: %v", err)
	}
	if err := s.Delete(ctx, "x"); err != nil {
		t.Error(err)
	}
}
