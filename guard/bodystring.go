package guard

import (
	"bytes"
	"errors"
	"unicode/utf8"
)

// open enters an object or array.
func (b *Body) open(object bool) {
	next := level{object: object, place: b.root}
	if n := len(b.walk.levels); n > 0 {
		next.place = b.walk.levels[n-1].next()
	}
	b.walk.levels = append(b.walk.levels, next)
}

// next is the place of the value that comes next in l.
func (l *level) next() *spot {
	if l.object {
		return l.member
	}
	return l.place.member("[]")
}

// stringBegins decides what happens to a string.
func (b *Body) stringBegins() {
	b.unsure = false
	b.wants, b.noted = b.decide(), b.noted[:0]
	b.stars = starRun{}
}

func (b *Body) decide() want {
	n := len(b.walk.levels)
	at := b.root
	var around *level
	if n > 0 {
		around = &b.walk.levels[n-1]
		at = around.next()
	}
	if b.walk.key {
		switch p := around.place; {
		case p == nil:
			return leave
		case !p.deep:
			return note
		default:
			return p.wants
		}
	}
	if around != nil && around.about != nil {
		return note
	}
	if at == nil || at.wants != masks {
		if at != nil {
			return at.wants
		}
		return leave
	}
	if at.kind != "" && around.kind != "" && around.kind != at.kind {
		return leave
	}
	for i := range b.walk.levels {
		if b.walk.levels[i].modelWrote() {
			return leave
		}
	}
	b.unsure = at.kind != "" && around.kind == "" // its type comes after it, as some of the providers' own libraries write it
	return masks
}

// piece takes bytes of a string that stand for themselves.
func (b *Body) piece(text []byte) {
	if b.wants == masks {
		for _, c := range text {
			b.widths = append(b.widths, 1)
			b.means = append(b.means, c)
		}
		b.raw = append(b.raw, text...)
		if len(b.means)-b.told >= bodyChunk {
			b.tell()
		}
		return
	}
	b.out = append(b.out, text...)
	b.read(text)
}

// escape takes one that stands for r. Halves of surrogate pairs are taken apart: no value is recognized by them.
func (b *Body) escape(raw []byte, r rune) {
	var utf [utf8.UTFMax]byte
	means := utf[:utf8.EncodeRune(utf[:], r)]
	if b.wants == masks {
		b.raw = append(b.raw, raw...)
		b.means = append(b.means, means...)
		b.widths = append(b.widths, uint8(len(raw)))
		for range means[1:] {
			b.widths = append(b.widths, 0)
		}
		return
	}
	b.out = append(b.out, raw...)
	b.read(means)
}

// read looks at a string that passes as it is.
func (b *Body) read(means []byte) {
	switch b.wants {
	case note:
		b.noted = append(b.noted, means[:min(len(means), maxNoted-len(b.noted))]...)
	case watch:
		for _, c := range means {
			b.stars.add(c)
		}
	}
}

// stringEnds acts on what a string was.
func (b *Body) stringEnds() error {
	w := &b.walk
	switch b.wants {
	case masks:
		if err := b.endMasked(); err != nil {
			return err
		}
	case watch:
		if b.stars.found() {
			b.runs++
		}
	}
	var l *level
	if n := len(w.levels); n > 0 {
		l = &w.levels[n-1]
	}
	if !w.key {
		if b.wants == note {
			*l.about = string(b.noted)
		}
		b.valueEnds()
		return nil
	}
	l.member, l.about = l.place.member(string(b.noted)), nil
	if b.wants == note {
		switch string(b.noted) {
		case "type":
			l.about = &l.kind
		case "role":
			l.about = &l.role
		}
	}
	w.state = colonNext
	return nil
}

// tell gives the guard what it has not seen of the string, and writes out what comes back.
func (b *Body) tell() {
	if b.unsure && encodedFile(b.means) {
		b.out, b.wants = append(b.out, b.raw...), leave
		b.raw, b.means, b.widths = b.raw[:0], b.means[:0], b.widths[:0]
		return
	}
	b.unsure = false
	b.work = append(b.work[:0], b.means[b.told:]...)
	b.told = len(b.means)
	b.settle(b.guard.Process(b.work))
}

var errLength = errors.New("guard: a mask changed the length")

// endMasked finishes a string. What follows it in the text is another one: CAN ends an escape sequence that it may have
// left open, and the line end its last word.
func (b *Body) endMasked() error {
	b.tell()
	b.settle(b.guard.Flush())
	left := len(b.means)
	b.raw, b.means, b.widths, b.told = b.raw[:0], b.means[:0], b.widths[:0], 0
	b.guard.Process([]byte{0x18, '\n'})
	b.guard.Flush()
	if left > 0 {
		return errLength
	}
	return nil
}

// settle writes out the raw form of bytes that the guard gave back: as it was where they are what they were, else a
// mask of the same length. Of a letter beyond ASCII the mask is one character too, and takes some of its bytes from it.
func (b *Body) settle(masked []byte) {
	at := 0
	for i := 0; i < len(masked); {
		n, end := int(b.widths[i]), i+1
		for end < len(masked) && b.widths[end] == 0 {
			end++
		}
		switch {
		case bytes.Equal(masked[i:end], b.means[i:end]):
			b.out = append(b.out, b.raw[at:at+n]...)
		case n == 6: // \uXXXX
			b.out = append(b.out, `\u002a`...)
		case n == 1 && masked[i] >= utf8.RuneSelf:
			b.out = append(b.out, masked[i])
		default:
			for range n {
				b.out = append(b.out, fillByte)
			}
		}
		at, i = at+n, end
	}
	b.raw = append(b.raw[:0], b.raw[at:]...)
	b.means = append(b.means[:0], b.means[len(masked):]...)
	b.widths = append(b.widths[:0], b.widths[len(masked):]...)
	b.told -= len(masked)
}

// starRun looks for a mask in a text: eight stars or more in a row, where a value stands: after a letter, a digit, a
// quote, an equals sign or a colon, or before a letter or digit. Lines of stars, and the frames of comments, are none.
type starRun struct {
	stars  int
	before byte // what stands before them, a space passed over
	mask   bool
}

func (s *starRun) add(c byte) {
	if c == fillByte {
		s.stars++
		return
	}
	if s.stars >= minWidth && (isValueEdge(s.before) || class(c) < classSymbol) {
		s.mask = true
	}
	if s.stars > 0 || c != ' ' {
		s.before = c
	}
	s.stars = 0
}

func (s *starRun) found() bool { return s.mask || s.stars >= minWidth && isValueEdge(s.before) }

func isValueEdge(c byte) bool {
	switch c {
	case '"', '\'', '`', '=', ':', '@', '-', '_':
		return true
	}
	return c != 0 && class(c) < classSymbol
}
