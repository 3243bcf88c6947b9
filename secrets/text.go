package secrets

import (
	"errors"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// text is a string in a JSON document as it stands between its quotes. It is a
// part of the document, which lies in locked memory: encoding/json would make
// copies of everything on the heap, of the values that nobody asked for too.
type text []byte

// textAt gives the string at a path of keys and indices, nil where there is
// none. Of a key that is there twice the first counts.
func textAt(doc []byte, path ...string) (found text) {
	walkText(doc, func(at []string, t text) bool {
		if slices.Equal(at, path) {
			found = t
		}
		return found == nil
	})
	return found
}

// walkText calls visit with every string value and its path, in the order of
// the document, until visit says no. It ends early where the document is no
// JSON; what came before was visited.
func walkText(doc []byte, visit func(path []string, t text) bool) {
	w := walker{doc: doc, visit: visit}
	w.value(nil)
}

type walker struct {
	doc   []byte
	visit func([]string, text) bool
}

// maxDepth bounds the nesting; an item of Bitwarden's has 4 levels.
const maxDepth = 16

func (w *walker) peek() byte {
	for len(w.doc) > 0 && (w.doc[0] == ' ' || w.doc[0] == '\n' || w.doc[0] == '\r' || w.doc[0] == '\t') {
		w.doc = w.doc[1:]
	}
	if len(w.doc) == 0 {
		return 0
	}
	return w.doc[0]
}

// take steps over c, or says that something else is there.
func (w *walker) take(c byte) bool {
	if w.peek() != c {
		return false
	}
	w.doc = w.doc[1:]
	return true
}

// value steps over one value, and says whether to go on.
func (w *walker) value(path []string) bool {
	if len(path) > maxDepth {
		return false
	}
	switch w.peek() {
	case '"':
		t, ok := w.quoted()
		return ok && w.visit(path, t)
	case '{':
		return w.members(path)
	case '[':
		return w.elements(path)
	}
	n := 0
	for n < len(w.doc) && (w.doc[n] >= 'a' && w.doc[n] <= 'z' || w.doc[n] >= '0' && w.doc[n] <= '9' ||
		w.doc[n] == '-' || w.doc[n] == '+' || w.doc[n] == '.' || w.doc[n] == 'E') {
		n++
	}
	w.doc = w.doc[n:]
	return n > 0
}

func (w *walker) members(path []string) bool {
	w.take('{')
	if w.take('}') {
		return true
	}
	for {
		if w.peek() != '"' {
			return false
		}
		key, ok := w.quoted()
		if !ok || !w.take(':') || !w.value(append(path[:len(path):len(path)], key.plain())) {
			return false
		}
		if !w.take(',') {
			return w.take('}')
		}
	}
}

func (w *walker) elements(path []string) bool {
	w.take('[')
	if w.take(']') {
		return true
	}
	for i := 0; ; i++ {
		if !w.value(append(path[:len(path):len(path)], strconv.Itoa(i))) {
			return false
		}
		if !w.take(',') {
			return w.take(']')
		}
	}
}

// quoted steps over a string.
func (w *walker) quoted() (text, bool) {
	for i := 1; i < len(w.doc); i++ {
		switch w.doc[i] {
		case '\\':
			i++
		case '"':
			t := w.doc[1:i:i]
			w.doc = w.doc[i+1:]
			return text(t), true
		}
	}
	return nil, false
}

// plain is the string itself, on the heap: for keys and names.
func (t text) plain() string {
	out := make([]byte, len(t))
	n, err := t.into(out)
	if err != nil {
		return ""
	}
	return string(out[:n])
}

func (t text) is(s string) bool { return t != nil && t.plain() == s }

// decode gives the string itself, in locked memory.
func (t text) decode() (*Buffer, error) {
	n := 0
	b, err := FillBuffer(len(t), func(out []byte) (err error) { n, err = t.into(out); return err })
	if err != nil {
		return nil, err
	}
	b.keep(0, n)
	return b, nil
}

var errEscape = errors.New("what it printed is not JSON")

// into writes the string itself, which is never longer, and says how long.
func (t text) into(out []byte) (n int, err error) {
	for i := 0; i < len(t); {
		if t[i] != '\\' {
			out[n] = t[i]
			n, i = n+1, i+1
			continue
		}
		if i+1 >= len(t) {
			return 0, errEscape
		}
		c := t[i+1]
		i += 2
		switch c {
		case '"', '\\', '/':
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			r, used := t[i:].rune()
			if used == 0 {
				return 0, errEscape
			}
			i += used
			n += utf8.EncodeRune(out[n:], r)
			continue
		default:
			return 0, errEscape
		}
		out[n] = c
		n++
	}
	return n, nil
}

// rune reads what follows \u: four hex digits, or two times four for what lies
// beyond them. A half of a pair alone is U+FFFD.
func (t text) rune() (r rune, used int) {
	high, ok := t.hex()
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(high) {
		return high, 4
	}
	if len(t) >= 10 && t[4] == '\\' && t[5] == 'u' {
		if low, ok := t[6:].hex(); ok {
			if r := utf16.DecodeRune(high, low); r != utf8.RuneError {
				return r, 10
			}
		}
	}
	return utf8.RuneError, 4
}

func (t text) hex() (r rune, ok bool) {
	if len(t) < 4 {
		return 0, false
	}
	for _, c := range t[:4] {
		d, ok := nibble(c)
		if !ok {
			return 0, false
		}
		r = r<<4 | rune(d)
	}
	return r, true
}

func nibble(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}
