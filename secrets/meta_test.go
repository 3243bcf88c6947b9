package secrets

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestPeekOf(t *testing.T) {
	for value, want := range map[string]string{
		"":                                 "",
		"short":                            "",
		strings.Repeat("a", 15):            "",
		"0123456789abcdef":                 "0123",
		"0123456789abcdefXYZ":              "0123",
		"0123456789abcdefWXYZ":             "01234",
		strings.Repeat("0123456789", 3):    "0123456",
		strings.Repeat("0123456789", 4):    "01234567",
		strings.Repeat("0123456789", 400):  "01234567",
		" ~ printable ASCII, all of it ~ ": " ~ print",
		"sk-" + "1234567890123456\n":       "",
		"-----BEGIN " + "PRIVATE KEY-----\n" + strings.Repeat("A", 64): "",
		"pässword-of-some-length":                                      "",
		"\x00123456789abcdef":                                          "",
		"0123456789abcdef\x7f":                                         "",
		"0123456789\t0123456789":                                       "",
		strings.Repeat("\xff\xd8\xfe", 9):                              "",
	} {
		got := peekOf([]byte(value))
		if got != want || len(got) > 8 || len(got) > len(value)/4 {
			t.Errorf("of %d bytes, %q is shown, want %q", len(value), got, want)
		}
	}
}

// everything is a Meta with nothing zero in it.
func everything() Meta {
	return Meta{Type: "token", Peek: "ab12", Expires: time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC), Strict: true,
		Rotate: "https://example.com/keys?tab=1", Bundle: "deploy", Place: "vault", Desc: "for größere Dinge", Marks: []byte{0, 1, 254, 255},
		Changed: time.Date(2026, 11, 2, 9, 30, 0, 7, time.UTC)}
}

func TestIndexMeta(t *testing.T) {
	ctx := context.Background()
	x := &Index{Path: filepath.Join(t.TempDir(), "index.json")}
	want := everything()
	for v, i := reflect.ValueOf(want), 0; i < v.NumField(); i++ {
		if v.Field(i).IsZero() {
			t.Fatalf("%s is zero: this test would not see it get lost", v.Type().Field(i).Name)
		}
	}
	if _, there, err := x.Get("org/a"); there || err != nil {
		t.Errorf("before: %v, %v", there, err)
	}
	if err := x.Update(ctx, "org/a", func(m *Meta) error { *m = want; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := x.Update(ctx, "b", func(m *Meta) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if got, there, err := x.Get("org/a"); !reflect.DeepEqual(got, want) || !there || err != nil {
		t.Errorf("%+v, %v, %v; want %+v", got, there, err, want)
	}
	all, err := x.All()
	if err != nil || !reflect.DeepEqual(all, map[string]Meta{"org/a": want, "b": {}}) {
		t.Errorf("all: %+v, %v", all, err)
	}
	// A field that is emptied is gone, and what f kept of the old marks does not reach into the index.
	if err := x.Update(ctx, "org/a", func(m *Meta) error { clear(m.Marks); *m = Meta{Desc: "x"}; return nil }); err != nil {
		t.Fatal(err)
	}
	if got, _, err := x.Get("org/a"); !reflect.DeepEqual(got, Meta{Desc: "x"}) || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
	// What f refuses is not written.
	refusal := errors.New("no")
	before, _ := os.ReadFile(x.Path)
	if err := x.Update(ctx, "c", func(m *Meta) error { m.Desc = "y"; return refusal }); err != refusal {
		t.Error(err)
	}
	if after, _ := os.ReadFile(x.Path); !bytes.Equal(before, after) {
		t.Errorf("a refused change left %s", after)
	}
}

// What is refused, each in its own words, and all at once.
func TestMetaRefused(t *testing.T) {
	ctx := context.Background()
	value := "sk-" + string(random(40))
	for want, change := range map[string]func(*Meta){
		"unknown type":                         func(m *Meta) { m.Type = "tokens" },
		"peek is more than 8 printable":        func(m *Meta) { m.Peek = "123456789" },
		"peek is more than 8 printable char":   func(m *Meta) { m.Peek = "\x1b[2J" },
		"rotate is no https URL":               func(m *Meta) { m.Rotate = "http://example.com" },
		"rotate is no https URL of":            func(m *Meta) { m.Rotate = "https://user:pw@example.com/" },
		"rotate is no https URL of a":          func(m *Meta) { m.Rotate = "https:///keys" },
		"rotate is no https URL of a web":      func(m *Meta) { m.Rotate = "https://example.com/\x1b[2J" },
		"rotate is no https URL of a web page": func(m *Meta) { m.Rotate = "https://h/" + strings.Repeat("x", 2048) },
		"bundle: reference: ":                  func(m *Meta) { m.Bundle = "../x" },
		"year outside of range":                func(m *Meta) { m.Expires = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"desc holds a line break":              func(m *Meta) { m.Desc = "a\nb" },
		"desc is longer than 1024 bytes":       func(m *Meta) { m.Desc = strings.Repeat("x ", 513) },
		"desc looks like a secret's value":     func(m *Meta) { m.Desc = "it is " + value },
		"marks are longer than 4096 bytes":     func(m *Meta) { m.Marks = make([]byte, 4097) },
	} {
		x := &Index{Path: filepath.Join(t.TempDir(), "index.json")}
		err := x.Update(ctx, "a", func(m *Meta) error { change(m); return nil })
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error()+hintOf(err), value) {
			t.Errorf("%v; want %s", err, want)
		}
		if names, _ := indexNames(x); len(names) > 0 {
			t.Errorf("%s: it was written all the same", want)
		}
	}
	x := &Index{Path: filepath.Join(t.TempDir(), "index.json")}
	err := x.Update(ctx, "a", func(m *Meta) error { m.Type, m.Rotate = "x", "x"; return nil })
	if err == nil || !strings.Contains(err.Error(), "type") || !strings.Contains(err.Error(), "rotate") || !strings.Contains(hintOf(err), "token password key cert") {
		t.Errorf("two mistakes: %v, hint %q", err, hintOf(err))
	}
}

// What a newer ward wrote survives what this one changes, beside the entries
// and in them, and so does a type that this one does not know.
func TestIndexKeepsNewerFields(t *testing.T) {
	ctx := context.Background()
	x := &Index{Path: filepath.Join(t.TempDir(), "index.json")}
	text := `{"version":1,"order":[1,2],"entries":{"a":{"type":"passkey","later":{"deep":[1.50]},"desc":"old"},"b":null,"c":{"n":12345678901234567890}}}`
	if err := os.WriteFile(x.Path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	change := func(m *Meta) error { m.Desc = "new"; return nil }
	_, added := x.Add(ctx, "d")
	if err := errors.Join(added, x.Update(ctx, "a", change), x.Update(ctx, "b", change), x.copy(ctx, "c", "e")); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Remove(ctx, "c"); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(x.Path)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := json.Compact(&got, data); err != nil {
		t.Fatal(err)
	}
	want := `{"version":1,"order":[1,2],"entries":{"a":{"desc":"new","later":{"deep":[1.50]},"type":"passkey"},"b":{"desc":"new"},"d":{},"e":{"n":12345678901234567890}}}`
	if got.String() != want {
		t.Errorf("%s\nwant\n%s", got.String(), want)
	}
}

// metaFields are what mergeMeta takes out before it puts a Meta in.
func TestMetaFields(t *testing.T) {
	data, err := json.Marshal(everything())
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range metaFields() {
		if _, ok := fields[name]; !ok {
			t.Errorf("%s is no field", name)
		}
		delete(fields, name)
	}
	for name := range fields {
		t.Errorf("%s is not among them", name)
	}
}

// FuzzIndex: a change to an index that can be read at all changes what it was
// asked to and nothing else; and what cannot be read stays as it is.
func FuzzIndex(f *testing.F) {
	for _, seed := range append(damagedIndexes(), emptyIndex, `{"version":1,"x":[{}],"entries":{"a":{"desc":"d","Desc":"e","y":null},"b":null,"a":{"marks":"AA=="}}}`,
		`{"version":1,"Entries":{"a":{}},"entries":{"b":{}}}`, `{"version":1,"VERSION":1,"entries":{"\u0061\n":{"expires":"2026-01-01T00:00:00+23:59"}}}`) {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		x := &Index{Path: filepath.Join(t.TempDir(), "index.json")}
		if err := os.WriteFile(x.Path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		want, unreadable := x.All()
		err := x.Update(context.Background(), "new/name", func(m *Meta) error { m.Strict, m.Desc = true, "new"; return nil })
		if err != nil {
			if after, _ := os.ReadFile(x.Path); !bytes.Equal(after, data) {
				t.Errorf("%q became %q", data, after)
			}
			return
		}
		if unreadable != nil {
			t.Fatalf("%q cannot be read (%v), and was changed", data, unreadable)
		}
		meta := want["new/name"]
		meta.Strict, meta.Desc = true, "new"
		want["new/name"] = meta
		got, err := x.All()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q became %+v, %v; want %+v", data, got, err, want)
		}
	})
}
