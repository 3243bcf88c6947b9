package broker

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"ward/secrets"
)

func request(op Op, body string) []byte {
	var b bytes.Buffer
	if err := writeRequest(&b, op, []byte(body)); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func TestRequest(t *testing.T) {
	for _, c := range []struct {
		op   Op
		body string
	}{
		{Get, "acme/api/token"}, {Get, ""}, {Status, ""}, {Mask, strings.Repeat("x", 3*step+1)}, {Get, strings.Repeat("n", maxName)},
	} {
		sent := request(c.op, c.body)
		rest := bytes.NewReader(append(sent, "more"...))
		op, body, err := ReadRequest(rest)
		if op != c.op || string(body) != c.body || err != nil {
			t.Errorf("%q with %d bytes comes back as %q with %d bytes, %v", c.op, len(c.body), op, len(body), err)
		}
		if rest.Len() != len("more") {
			t.Errorf("%q: %d bytes are left, want those of the next request", c.op, rest.Len())
		}
		// Cut anywhere, it is no request; cut before it begins, there is none.
		for cut := range min(len(sent), 64) {
			want := ErrFrame
			if cut == 0 {
				want = io.EOF
			}
			if _, _, err := ReadRequest(bytes.NewReader(sent[:cut])); !errors.Is(err, want) {
				t.Errorf("%q cut after %d bytes: %v, want %v", c.op, cut, err, want)
			}
		}
	}
}

func TestRequestRefused(t *testing.T) {
	good := request(Get, "name")
	changed := func(at int, to byte) []byte {
		b := bytes.Clone(good)
		b[at] = to
		return b
	}
	for what, sent := range map[string][]byte{
		"another program":       []byte("GET / HTTP/1.1\r\n\r\n"),
		"another version":       changed(4, 2),
		"more than a name":      changed(requestHead-2, 0xff),
		"more than fits at all": changed(requestHead-4, 0xff),
	} {
		if _, _, err := ReadRequest(bytes.NewReader(sent)); !errors.Is(err, ErrFrame) {
			t.Errorf("%s: %v, want %v", what, err, ErrFrame)
		}
	}
	var none bytes.Buffer
	if err := writeRequest(&none, Get, make([]byte, maxName+1)); err == nil || none.Len() > 0 {
		t.Errorf("a name that is too long: %v, and %d bytes were sent", err, none.Len())
	}
	if err := writeRequest(&none, Mask, make([]byte, MaxPayload+1)); err == nil || none.Len() > 0 {
		t.Errorf("a payload that is too long: %v, and %d bytes were sent", err, none.Len())
	}
}

// What is announced and does not come must not cost memory.
func TestRequestAnnounced(t *testing.T) {
	head := request(Mask, strings.Repeat("x", MaxPayload))[:requestHead+10]
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const times = 20
	for range times {
		if _, _, err := ReadRequest(bytes.NewReader(head)); !errors.Is(err, ErrFrame) {
			t.Fatalf("10 bytes of %d that were announced: %v", MaxPayload, err)
		}
	}
	runtime.ReadMemStats(&after)
	allocated := (after.TotalAlloc - before.TotalAlloc) / times
	if allocated > 2*step {
		t.Errorf("10 bytes of %d that were announced cost %d bytes", MaxPayload, allocated)
	}
}

func TestRefusal(t *testing.T) {
	for _, c := range []struct{ sent, want Refusal }{
		{Refusal{Text: "no", Policy: true}, Refusal{Text: "no", Policy: true}},
		{Refusal{Text: "no\nway", Fix: "try\nagain"}, Refusal{Text: "no way", Fix: "try again"}},
		{Refusal{Text: strings.Repeat("n", 2*maxWords)}, Refusal{Text: strings.Repeat("n", maxWords)}},
	} {
		var b bytes.Buffer
		if err := WriteRefusal(&b, &c.sent); err != nil {
			t.Fatal(err)
		}
		for _, read := range []func() error{
			func() error { _, err := readReply(bytes.NewReader(b.Bytes()), 0); return err },
			func() error { _, err := readSecret(bytes.NewReader(b.Bytes())); return err },
		} {
			got, ok := read().(*Refusal)
			if !ok || *got != c.want {
				t.Errorf("%.20q comes back as %.40v", c.sent.Text, got)
			}
		}
	}
}

func TestReplyRefused(t *testing.T) {
	for what, sent := range map[string][]byte{
		"more than was asked for": append(headOf(given, 11), "0123456789x"...),
		"another status":          {9, 0, 0, 0, 0},
		"cut":                     headOf(given, 5),
	} {
		if got, err := readReply(bytes.NewReader(sent), 10); err == nil {
			t.Errorf("%s: read as %q", what, got)
		}
	}
	if _, err := readSecret(bytes.NewReader(headOf(given, secrets.MaxValue+1))); !errors.Is(err, ErrFrame) {
		t.Errorf("a value that is too long: %v, want %v", err, ErrFrame)
	}
}

func buffer(t *testing.T, value string) *secrets.Buffer {
	t.Helper()
	b, err := secrets.ReadBuffer(strings.NewReader(value), secrets.MaxValue)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Destroy)
	return b
}

func text(t *testing.T, b *secrets.Buffer) (s string) {
	t.Helper()
	if err := b.Use(func(v []byte) error { s = string(v); return nil }); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSeal(t *testing.T) {
	key, other := newKey(t), newKey(t)
	for _, size := range []int{0, 1, 15, 16, 17, 4096, 100_000} {
		value := strings.Repeat(rand.Text(), size/26+1)[:size]
		sealed, err := Seal(key, "TOKEN", buffer(t, value))
		if err != nil {
			t.Fatal(err)
		}
		if size > 15 && bytes.Contains(sealed, []byte(value[:8])) {
			t.Errorf("%d bytes: the sealed text holds a part of the value", size)
		}
		if got, err := Unseal(key, "TOKEN", sealed); err != nil || text(t, got) != value {
			t.Errorf("%d bytes do not come back: %v", size, err)
		}
		for what, open := range map[string]func() (*secrets.Buffer, error){
			"another name":  func() (*secrets.Buffer, error) { return Unseal(key, "TOKEM", sealed) },
			"another key":   func() (*secrets.Buffer, error) { return Unseal(other, "TOKEN", sealed) },
			"a byte less":   func() (*secrets.Buffer, error) { return Unseal(key, "TOKEN", sealed[:len(sealed)-1]) },
			"nothing":       func() (*secrets.Buffer, error) { return Unseal(key, "TOKEN", nil) },
			"the last byte": func() (*secrets.Buffer, error) { return Unseal(key, "TOKEN", flipped(sealed, len(sealed)-1)) },
			"the nonce":     func() (*secrets.Buffer, error) { return Unseal(key, "TOKEN", flipped(sealed, 0)) },
		} {
			if _, err := open(); err != ErrSealed {
				t.Errorf("%d bytes with %s changed: %v, want %v", size, what, err, ErrSealed)
			}
		}
	}
}

func flipped(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1
	return b
}

func newKey(t *testing.T) *secrets.Buffer {
	t.Helper()
	key, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(key.Destroy)
	return key
}

func TestReadKey(t *testing.T) {
	key := newKey(t)
	written := string(AppendKey(nil, []byte(text(t, key))))
	if got, err := readKey(written); err != nil || text(t, got) != text(t, key) {
		t.Errorf("a key does not come back: %v", err)
	}
	for what, bad := range map[string]string{"none": "", "short": written[1:], "long": written + "A", "odd": "?" + written[1:]} {
		if _, err := readKey(bad); err == nil || strings.Contains(err.Error(), written[4:]) {
			t.Errorf("a key that is %s: %v", what, err)
		}
	}
}

// FuzzReadRequest: what is read as a request is exactly the bytes that writing it gives.
func FuzzReadRequest(f *testing.F) {
	f.Add(request(Get, "name"))
	f.Add(append(request(Mask, "payload"), request(Status, "")...))
	f.Add([]byte("ward\x01g\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, sent []byte) {
		in := bytes.NewReader(sent)
		op, body, err := ReadRequest(in)
		if err != nil {
			return
		}
		if taken := sent[:len(sent)-in.Len()]; !bytes.Equal(taken, request(op, string(body))) {
			t.Errorf("%q was read as %q %q", taken, op, body)
		}
	})
}
