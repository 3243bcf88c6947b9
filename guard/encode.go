package guard

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// form is a squeezed text that stands for a value in some encoding.
type form struct {
	text  []byte
	cells []cell // of each character of text
	mixed bool   // what has no letters of its own is the value itself
	n     int    // characters
}

// cell is the first byte of the value that a window covers which begins at a
// character, and the end of what one covers which ends there.
type cell struct {
	lo, hi int32
	own    int32 // how many characters up to this one are not the value's
	mute   bool  // it tells nothing of the value: no window need end there
}

// longestForm is how many letters an encoding may need for a byte: "u0041".
const longestForm = 5

func newForm(bytes int) *form {
	size := longestForm * bytes
	return &form{text: make([]byte, size+slack), cells: make([]cell, size)}
}

func (f *form) reset() { f.n, f.mixed = 0, false }

func (f *form) put(c byte, lo, hi int, mute bool) {
	f.text[f.n], f.cells[f.n] = c, cell{lo: int32(lo), hi: int32(hi), mute: mute}
	f.n++
}

func (f *form) wipe() { clear(f.text) }

// encoding is a way in which programs write a value out that changes its
// letters and digits.
type encoding struct {
	name   string
	widths []int
	every  int  // only windows at every so many places; their neighbours are masked unseen
	head   bool // what may be its beginning is held back
	inner  bool // something else may be encoded before it
	write  func(f, spare *form, raw []byte)
}

// encodings are all that a print knows, besides the value turned round. What
// differs in symbols only is one: the base64 of addresses and that of mail,
// percent signs and spaced hexadecimal numbers, lists of JSON and of Python.
func encodings() []encoding {
	list := []encoding{
		{"upper case", []int{12, 16, 24}, 1, true, false, func(f, _ *form, raw []byte) { f.cased(raw, 'a', 'z') }},
		{"lower case", []int{12, 16, 24}, 1, true, false, func(f, _ *form, raw []byte) { f.cased(raw, 'A', 'Z') }},
		{"hexadecimal, od -t x1, xxd", []int{16, 24}, 1, false, false, func(f, _ *form, raw []byte) { f.hex(raw, "", "0123456789abcdef") }},
		{"hexadecimal in capitals, %XX", []int{16, 24}, 1, false, false, func(f, _ *form, raw []byte) { f.hex(raw, "", "0123456789ABCDEF") }},
		{`\xXX, &#xXX;`, []int{24, 40}, 1, false, false, func(f, _ *form, raw []byte) { f.hex(raw, "x", "0123456789abcdef") }},
		{"0xXX lists", []int{40, 64}, 1, false, false, func(f, _ *form, raw []byte) { f.hex(raw, "0x", "0123456789abcdef") }},
		{`\u00XX`, []int{40, 64}, 1, false, false, func(f, _ *form, raw []byte) { f.hex(raw, "u00", "0123456789abcdef") }},
		{"decimal lists, &#DD;", []int{24, 40}, 1, false, false, func(f, _ *form, raw []byte) { f.decimal(raw) }},
	}
	for _, write := range spellings() {
		list = append(list, encoding{"some characters", []int{8, 12, 16, 24}, 1, false, false, func(f, _ *form, raw []byte) { f.escape(raw, write) }})
	}
	for at := range 3 {
		list = append(list, encoding{"base64", []int{12, 16, 24}, 1, true, at > 0, func(f, _ *form, raw []byte) { f.base64(raw, at, false) }})
		for outer := range 3 {
			list = append(list, encoding{"base64 twice", []int{16, 24, 40}, 8, at+outer == 0, false, func(f, spare *form, raw []byte) {
				spare.reset()
				spare.base64(raw, at, true)
				f.base64(spare.text[:spare.n], outer, false)
				f.through(spare, len(raw))
			}})
		}
	}
	return list
}

// encode takes the windows of all encodings. A window of an encoding is worth
// knowing where it covers one of the value itself that is.
func (m *maker) encode(part stretch, s *squeezed, picked []place, fromStart bool) {
	need := needs(len(part.text), s, picked)
	f, spare := newForm(len(part.text)), newForm(len(part.text))
	defer f.wipe()
	defer spare.wipe()
	var taken []uint64
	for _, e := range encodings() {
		f.reset()
		e.write(f, spare, part.text)
		if tag := m.hash.tag(f.text[:f.n]); !slices.Contains(taken, tag) {
			taken = append(taken, tag)
			m.take(f, e, need, part, fromStart)
		}
	}
	m.turned(s, picked)
}

// needs tells for each byte of a value the smallest end of a window picked
// that begins there or later.
func needs(n int, s *squeezed, picked []place) []int32 {
	need := make([]int32, n+1)
	for i := range need {
		need[i] = int32(n + 1)
	}
	for _, w := range picked {
		at, end := s.steps[w.at], s.steps[w.at+w.width-1]+1
		need[at] = min(need[at], end)
	}
	for i := n - 1; i >= 0; i-- {
		need[i] = min(need[i], need[i+1])
	}
	return need
}

// take takes the windows of one form, at each place the narrowest that covers
// a window picked.
func (m *maker) take(f *form, e encoding, need []int32, part stretch, fromStart bool) {
	n := f.n
	if n < e.widths[0] {
		return
	}
	picked := m.picked[:0]
	for j := 0; j < n; j += e.every {
		for _, w := range e.widths {
			if j+w > n {
				break
			}
			first, last := f.cells[j], f.cells[j+w-1]
			if need[first.lo] <= last.hi {
				if !last.mute && (!f.mixed || last.own > f.ownBefore(j)) {
					picked = append(picked, place{int32(j), int32(w)})
				}
				break
			}
		}
	}
	m.picked = picked
	m.windows(f.text[:f.n], picked, oneIf(e.every == 1)*longestForm)
	if e.head && len(picked) > 0 && len(m.p.heads) < maxHeads {
		first := picked[0]
		if fromStart && first.at <= 2*lapse {
			first = place{0, first.at + first.width}
		}
		h := m.hash.newHead(f.text[first.at:], int(first.width))
		h.inner = part.inner || e.inner || first.at > 0
		m.p.heads = append(m.p.heads, h)
	}
}

func (f *form) ownBefore(j int) int32 {
	if j == 0 {
		return 0
	}
	return f.cells[j-1].own
}

// turned takes the windows of the value turned round.
func (m *maker) turned(s *squeezed, picked []place) {
	n := len(s.text)
	back := make([]byte, n, n+slack)
	defer func() { clear(back) }()
	for i, c := range s.text {
		back[n-1-i] = c
	}
	mirrored := make([]place, 0, len(picked))
	for i := len(picked) - 1; i >= 0; i-- {
		w := place{int32(n) - picked[i].at - picked[i].width, picked[i].width}
		mirrored = append(mirrored, w)
	}
	m.windows(back, mirrored, 0)
}

// cased writes raw with the letters from first to last in the other case, if
// there are any.
func (f *form) cased(raw []byte, first, last byte) {
	changed := false
	for i, c := range raw {
		if first <= c && c <= last {
			c ^= 0x20
			changed = true
		}
		if class(c) < classSymbol {
			f.put(c, i, i+1, false)
		}
	}
	if !changed {
		f.reset()
	}
}

func (f *form) hex(raw []byte, ahead, digits string) {
	for i, c := range raw {
		unit := len(ahead) + 2
		for k := range len(ahead) {
			f.put(ahead[k], (i*unit+k+1)/unit, i, true)
		}
		f.put(digits[c>>4], i, i, false)
		f.put(digits[c&15], i+1, i+1, false)
	}
}

func (f *form) decimal(raw []byte) {
	for i, c := range raw {
		lo := i
		for _, unit := range [...]byte{100, 10, 1} {
			if c < unit && unit > 1 {
				continue
			}
			hi := i
			if unit == 1 {
				hi = i + 1
			}
			f.put('0'+c/unit%10, lo, hi, false)
			lo = i + 1
		}
	}
}

const base64Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

// base64 writes what is the same of raw in base64 whatever stands before it,
// so many bytes past a multiple of three: characters that hold six bits of it.
// Its two symbols are left out, as they are where it is looked for, unless all
// is asked for.
func (f *form) base64(raw []byte, past int, all bool) {
	end := 8 * len(raw)
	for bit := (6 - 8*past%6) % 6; bit+6 <= end; bit += 6 {
		pair := uint(raw[bit/8]) << 8
		if bit/8+1 < len(raw) {
			pair |= uint(raw[bit/8+1])
		}
		c := pair >> (10 - bit%8) & 63
		if c < 62 || all {
			f.put(base64Digits[c], (bit+7)/8, (bit+6)/8, false)
		}
	}
}

// through makes what f covers of the text of inner what it covers of the n
// bytes that inner stands for.
func (f *form) through(inner *form, n int) {
	for j := range f.n {
		c := &f.cells[j]
		if int(c.lo) < inner.n {
			c.lo = inner.cells[c.lo].lo
		} else {
			c.lo = int32(n)
		}
		if c.hi > 0 {
			c.hi = inner.cells[c.hi-1].hi
		}
	}
}

// spelling gives the letters that stand for the first character of a text, none if it stands for itself, and its size.
type spelling func(rest []byte) (letters string, size int)

// spellings are how programs write what cannot stand everywhere. They do not agree on what that is.
func spellings() (list []spelling) {
	for _, c := range [...]struct{ digits, more string }{
		{lowerHex, "<>&"},      // Go
		{lowerHex, "<>&'="},    // Gson
		{upperHex, "<>&'\""},   // PHP
		{upperHex, "<>&'\"+`"}, // .NET
	} {
		list = append(list, jsonEscape(c.digits, c.more))
	}
	for _, c := range [...]struct{ digits, safe string }{
		{upperHex, ""},               // curl
		{upperHex, "/"},              // Python
		{upperHex, "!*'()"},          // JavaScript
		{upperHex, "$&+,;="},         // Go, in the password of an address
		{upperHex, "!*'()$&+,;=:@/"}, // all that may stand in a path (RFC 3986 §3.3)
		{lowerHex, ""},
		{lowerHex, "!*()"}, // .NET
	} {
		list = append(list, percentEscape(c.digits, c.safe))
	}
	for _, quotes := range [...][2]string{{"quot", "apos"}, {"quot", "39"}, {"quot", "x27"}, {"34", "39"}} {
		list = append(list, htmlEscape(quotes[0], quotes[1]))
	}
	return list
}

// escape writes raw with what escape gives for its bytes.
func (f *form) escape(raw []byte, escape spelling) {
	own := 0
	for i := 0; i < len(raw); {
		letters, size := escape(raw[i:])
		own += len(letters)
		for k := range len(letters) {
			hi := i
			if k == len(letters)-1 {
				hi = i + size
			}
			f.put(letters[k], i+oneIf(k > 0), hi, false)
			f.cells[f.n-1].own = int32(own)
		}
		if letters == "" && class(raw[i]) < classSymbol {
			f.put(raw[i], i, i+1, false)
			f.cells[f.n-1].own = int32(own)
		}
		i += size
	}
	if f.mixed = true; own == 0 {
		f.reset()
	}
}

const upperHex, lowerHex = "0123456789ABCDEF", "0123456789abcdef"

// jsonEscape writes control characters, some others and what is not ASCII as JSON does, and the languages that it comes from.
func jsonEscape(digits, more string) spelling {
	return func(rest []byte) (string, int) {
		switch c := rest[0]; {
		case c == '\n':
			return "n", 1
		case c == '\r':
			return "r", 1
		case c == '\t':
			return "t", 1
		case c < ' ' || strings.IndexByte(more, c) >= 0:
			return "u00" + string([]byte{digits[c>>4], digits[c&15]}), 1
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRune(rest)
			if size > 1 && r < 0x10000 {
				return "u" + string([]byte{digits[r>>12], digits[r>>8&15], digits[r>>4&15], digits[r&15]}), size
			}
		}
		return "", 1
	}
}

// percentEscape writes all as %XX but letters, digits, -_.~ and what is said to be safe.
func percentEscape(digits, safe string) spelling {
	return func(rest []byte) (string, int) {
		c := rest[0]
		if class(c) < classSymbol || strings.IndexByte("-_.~", c) >= 0 || strings.IndexByte(safe, c) >= 0 {
			return "", 1
		}
		return string([]byte{digits[c>>4], digits[c&15]}), 1
	}
}

func htmlEscape(quote, apostrophe string) spelling {
	return func(rest []byte) (string, int) {
		switch rest[0] {
		case '&':
			return "amp", 1
		case '<':
			return "lt", 1
		case '>':
			return "gt", 1
		case '"':
			return quote, 1
		case '\'':
			return apostrophe, 1
		}
		return "", 1
	}
}
