package launcher

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"ward/guard"
)

func filterGuard(t *testing.T, value string) *guard.Guard {
	t.Helper()
	key, err := guard.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	g, _ := guard.New(key, []guard.Print{guard.Fingerprint(key, "TOKEN", []byte(value))}, guard.Options{})
	t.Cleanup(g.Wipe)
	return g
}

func TestFilter(t *testing.T) {
	value := "7q" + rand.Text() + rand.Text() // no vendor begins a token so: what does is not masked
	stars := strings.Repeat("*", len(value))
	junk := make([]byte, 200_000)
	rand.Read(junk)
	for name, c := range map[string]struct{ in, want string }{
		"empty":                       {"", ""},
		"nothing":                     {string(junk), string(junk)},
		"one":                         {"a " + value + " b\n", "a " + stars + " b\n"},
		"at the very end":             {"a\n" + value, "a\n" + stars},
		"over a buffer":               {strings.Repeat(" ", 32<<10-9) + value, strings.Repeat(" ", 32<<10-9) + stars},
		"an end that might begin one": {"a " + value[:7], "a " + value[:7]},
	} {
		var out bytes.Buffer
		if err := Filter(strings.NewReader(c.in), &out, filterGuard(t, value)); err != nil || out.String() != c.want {
			t.Errorf("%s: %v, %d bytes, want %d", name, err, out.Len(), len(c.want))
		}
	}
	broken := errors.New("broken")
	if err := Filter(io.MultiReader(strings.NewReader("a"), iotest.ErrReader(broken)), io.Discard, filterGuard(t, value)); !errors.Is(err, broken) {
		t.Errorf("reading ends with %v, want its error", err)
	}
	closed, w := io.Pipe()
	closed.CloseWithError(broken)
	if err := Filter(strings.NewReader("a"), w, filterGuard(t, value)); !errors.Is(err, broken) {
		t.Errorf("writing ends with %v, want its error", err)
	}
}

// What might begin a value comes out after a while even if nothing follows, and the rest is masked all the same.
func TestFilterHolds(t *testing.T) {
	value := "7q" + rand.Text() + rand.Text() // no vendor begins a token so: what does is not masked
	in, type1 := io.Pipe()
	shown, out := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- Filter(in, out, filterGuard(t, value))
		out.Close()
	}()
	go io.WriteString(type1, "key: "+value[:6])
	buf := make([]byte, 100)
	got := ""
	for deadline := time.Now().Add(10 * time.Second); got != "key: "+value[:6] && time.Now().Before(deadline); {
		n, err := shown.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		got += string(buf[:n])
	}
	if got != "key: "+value[:6] {
		t.Fatalf("after the hold %d bytes are shown, want the 11 that were written", len(got))
	}
	go func() {
		io.WriteString(type1, value[6:])
		type1.Close()
	}()
	rest, err := io.ReadAll(shown)
	if err != nil || string(rest) != strings.Repeat("*", len(value)-6) {
		t.Errorf("%v: the rest is not %d stars, but %d bytes", err, len(value)-6, len(rest))
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
