package guard

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

// What a string sets the clipboard to stays base64 with stars in the place of the value, wherever the value lies in its
// groups and wherever the stream is cut; what a chunk took along before a value is known is out, seven characters and
// some bits of one more.
func TestClipboard(t *testing.T) {
	v := random(newRand(3), base62, 40)
	stars := strings.Repeat("*", 40)
	for before := range 7 {
		text := strings.Repeat("é", before/2) + strings.Repeat(",", before%2) + "export KEY=" + v + ";\n"
		want := strings.ReplaceAll(text, v, stars)
		for _, frame := range [][2]string{{"\x1b]52;c;", "\x07"}, {"\x1b]52;;", "\x1b\\"}, {"\x9d52;c;", "\x9c"}, {"\x1bPtmux;\x1b\x1b]52;p;", "\x07\x1b\\"}} {
			in := frame[0] + base64Of(text) + frame[1]
			for _, cut := range []func(int) int{atOnce, byOne, randomly(newRand(4))} {
				g := guardOf(t, Options{}, v)
				out := feed(g, in, false, cut)
				coded, ok := strings.CutPrefix(out, frame[0])
				coded, end := strings.CutSuffix(coded, frame[1])
				decoded, err := base64.StdEncoding.DecodeString(coded)
				if !ok || !end || err != nil {
					t.Fatalf("%q became %q: %v", in, out, err)
				}
				clear := 0
				for i := range decoded {
					if decoded[i] != want[i] {
						clear++
					}
				}
				if len(decoded) != len(want) || clear > 8 || g.Leaks() != 1 {
					t.Errorf("%q: %q is copied, with %d characters in clear, and counted %d times", frame[0], decoded, clear, g.Leaks())
				}
			}
			if out := feed(guardOf(t, Options{}, v), in, false, atOnce); out != frame[0]+base64Of(want)+frame[1] {
				t.Errorf("at once: %q became %q", in, out)
			}
		}
	}
}

// A value in another spelling becomes stars in the same spelling, so that whoever reads JSON, an address, HTML or code
// still can.
func TestSpellings(t *testing.T) {
	v := random(newRand(5), base62, 40)
	for _, c := range []struct{ name, before, format, star, after string }{
		{"JSON", `{"a":"`, `\u%04x`, `\u002a`, `","n":1}`},
		{"URL", `https://example.com/?k=`, "%%%02X", "%2A", "&page=2"},
		{"C", `x = "`, `\x%02x`, `\x2a`, `"`},
		{"HTML", "<p>", "&#x%x;", "&#x2a;", "</p>"},
	} {
		in := c.before + each(v, func(_ int, char string) string { return fmt.Sprintf(c.format, char[0]) }) + c.after
		want := c.before + strings.Repeat(c.star, len(v)) + c.after
		if got := feed(guardOf(t, Options{}, v), in, false, atOnce); got != want {
			t.Errorf("%s:\n got %q\nwant %q", c.name, got, want)
		}
	}
	in := `{"data":[` + strings.Trim(strings.ReplaceAll(fmt.Sprint([]byte(v)), " ", ","), "[]") + `]}`
	got := feed(guardOf(t, Options{}, v), in, false, atOnce)
	for _, number := range strings.Split(strings.Trim(got[len(`{"data":`):], "[]}"), ",") {
		if number != " 42" && number != "42" {
			t.Errorf("list: %q in %q", number, got)
		}
	}
}

// Letters of other alphabets between masked ones are masked by as many bytes and columns.
func TestWideCharacters(t *testing.T) {
	r := newRand(6)
	v := random(r, base62, 12) + "é" + random(r, base62, 12) + "日本" + random(r, base62, 12) + "a\u0301" + random(r, base62, 12)
	out := feed(guardOf(t, Options{}, v), "<"+v+"> 日本 é", false, atOnce)
	want := "<" + strings.Repeat("*", 12) + "\u00b7" + strings.Repeat("*", 12) + "\uff0a\uff0a" + strings.Repeat("*", 13) + "\u034f" + strings.Repeat("*", 12) + "> 日本 é"
	if out != want {
		t.Errorf("got %q\nwant %q", out, want)
	}
	for bytes := 2; bytes <= 4; bytes++ {
		for columns := range 3 {
			if bytes == 2 && columns == 2 {
				continue // there is none
			}
			text := starLike(bytes, columns)
			sum := 0
			for _, c := range text {
				sum += cells(c)
			}
			if len(text) != bytes || sum != columns {
				t.Errorf("%q has %d bytes and %d columns, want %d and %d", text, len(text), sum, bytes, columns)
			}
		}
	}
}

// Controls in one byte begin and end sequences where they are no part of a character, and letters that a terminal shows
// as lines are none.
func TestControlsAndCharsets(t *testing.T) {
	v := random(newRand(8), base62, 40)
	s, w := v[:20], v[20:]
	stars := strings.Repeat("*", 20)
	for _, c := range []struct {
		name, in, want string
		terminal       bool
	}{
		{"CSI in one byte", s + "\x9b1m" + w, stars + "\x9b1m" + stars, false},
		{"CSI in UTF-8", s + "\xc2\x9b1m" + w, stars + "\xc2\x9b1m" + stars, false},
		{"half of a character", v[:6] + "\xe2\x94\x9bm" + v[6:12], v[:6] + "\xe2\x94\x9bm" + v[6:12], false},
		{"half of another", s + "│\xe2\x94\x90 " + w, stars + "│\xe2\x94\x90 " + stars, false},
		{"OSC in one byte", s + "\x9d0;title\x9c" + w, stars + "\x9d0;title\x9c" + stars, false},
		{"lines", s + " \x1b(0x\x1b(B\r\n\x1b(0x\x1b(B " + w, stars + " \x1b(0x\x1b(B\r\n\x1b(0x\x1b(B " + stars, true},
		{"lines by shift", "\x1b)0" + s + " \x0ex\x0f\r\n\x0ex\x0f " + w, "\x1b)0" + stars + " \x0ex\x0f\r\n\x0ex\x0f " + stars, true},
		{"letters again with the cursor", "\x1b7\x1b(0lqqk\x1b8\r\n\n\n" + v, "\x1b7\x1b(0lqqk\x1b8\r\n\n\n" + stars + stars, true},
		{"letters again with it, otherwise", "\x1b[s\x1b(0lqqk\x1b[u\r\n\n\n" + v, "\x1b[s\x1b(0lqqk\x1b[u\r\n\n\n" + stars + stars, true},
		{"letters shifted to, with the cursor", "\x1b7\x1b)0\x1b8\x0e\r\n\n\n" + v, "\x1b7\x1b)0\x1b8\x0e\r\n\n\n" + stars + stars, true},
		{"letters again after a reset", "\x1b(0lqqk\x1b[!p" + v, "\x1b(0lqqk\x1b[!p" + stars + stars, true},
		{"letters again on the main screen", "\x1b[?1049h\x1b(0lqqk\x1b[?1049l" + v, "\x1b[?1049h\x1b(0lqqk\x1b[?1049l" + stars + stars, true},
		{"in a file they are letters", "\x1b(0" + v, "\x1b(0" + stars + stars, false},
	} {
		opt := Options{}
		if c.terminal {
			opt.Cols, opt.Rows = 80, 24
		}
		got := feed(guardOf(t, opt, v), c.in, false, atOnce)
		if got != c.want {
			t.Errorf("%s:\n got %q\nwant %q", c.name, got, c.want)
		}
	}
}
