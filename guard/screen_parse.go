package guard

import (
	"encoding/binary"
	"unicode/utf8"
)

// parser is where the screen is in the stream. It goes through control sequences with their parameters, which the lanes
// do not ask for.
type parser struct {
	state    state
	marker   byte // '?', '<', '=' or '>' at the beginning of a control sequence
	middle   byte // the last intermediate
	params   [maxParams]int
	n        int // parameters begun; 0: none
	char     [utf8.UTFMax]byte
	have     int   // bytes of a character that is not complete
	lastCode byte  // of the last cell painted, for REP
	lastFrom int32 // and its byte
}

const (
	maxParams = 16
	maxParam  = 1 << 14
)

// write draws the next bytes of the stream.
func (s *screen) write(text []byte) {
	p := &s.parser
	for i := 0; i < len(text); {
		if p.state == ground && p.have == 0 {
			if n := printable(text[i:]); n > 0 {
				s.print(text[i:i+n], s.now+int32(i))
				i += n
				continue
			}
			if c := text[i]; c >= 0xc2 {
				if r, size := utf8.DecodeRune(text[i:]); size > 1 {
					n := 1
					if r >= 0xa0 { // others are controls
						n = repeated(text[i:], size)
					}
					s.runes(r, size, n, s.now+int32(i))
					i += n * size
					continue
				}
			} else if c == 0x1b && i+1 < len(text) && text[i+1] == '[' {
				i += 2
				if n := colours(text[i:]); n > 0 {
					i += n
					continue
				}
				s.beginControl()
			}
		}
		if p.state == control {
			if i = s.parameters(text, i); i == len(text) {
				break
			}
			if c := text[i]; c >= '@' && c < 0x7f {
				p.state = ground
				s.dispatch(c)
				i++
				continue
			}
		}
		s.step(text[i], s.now+int32(i))
		i++
	}
	s.now += int32(len(text))
}

// colours tells how long the rest of a control sequence is that sets colours, which are of no matter: 0 if it is another,
// or cut.
func colours(text []byte) int {
	for i, c := range text {
		if c-'0' > ';'-'0' {
			if c == 'm' {
				return i + 1
			}
			break
		}
	}
	return 0
}

// repeated tells how often a character of that size stands at the beginning of text: lines are drawn with many.
func repeated(text []byte, size int) (n int) {
	for n = 1; len(text) >= 2*size && string(text[size:2*size]) == string(text[:size]); n++ {
		text = text[size:]
	}
	return n
}

// printable tells how many bytes of ASCII text come first.
func printable(text []byte) int {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	n := 0
	for len(text)-n >= 8 {
		x := binary.LittleEndian.Uint64(text[n:])
		if ((x-' '*ones)|x|(x+ones))&high != 0 {
			break
		}
		n += 8
	}
	for n < len(text) && text[n]-' ' < 0x7f-' ' {
		n++
	}
	return n
}

// print puts ASCII text where the cursor stands.
func (s *screen) print(text []byte, at int32) {
	last := len(text) - 1
	s.parser.lastCode, s.parser.lastFrom = text[last], at+int32(last)
	if s.sets.shifted() != 0 || s.insert {
		for i := range text {
			code := text[i]
			if s.sets.shifted() != 0 {
				code = graphic(code)
			}
			s.put(code, 1, at+int32(i))
		}
		return
	}
	for len(text) > 0 {
		s.wrap()
		n := min(len(text), s.cols-s.x)
		if s.still && n < len(text) { // all that follow go into the last cell
			s.paint(text[:n], at)
			text, at, n = text[len(text)-1:], at+int32(len(text)-1), 1
			s.x = s.cols - 1
		}
		s.paint(text[:n], at)
		s.advance(n)
		text, at = text[n:], at+int32(n)
	}
}

// put puts one character of one or two cells where the cursor stands.
func (s *screen) put(code byte, width int, at int32) {
	s.wrap()
	if width == 2 && s.x == s.cols-1 && s.cols > 1 && !s.still {
		s.full = true
		s.wrap()
	}
	width = min(width, s.cols-s.x)
	if s.insert && s.x+width < s.cols {
		s.shift(s.x+width, s.x)
	}
	if isUpright(code) {
		s.row(s.y).parted = true
	}
	for i := range width {
		p := s.index(s.y) + s.x + i
		s.grid.text[p] = code ^ s.pad[s.x+i]
		s.grid.from[p] = at
	}
	s.touch(s.x, s.x+width)
	s.advance(width)
	s.parser.lastCode, s.parser.lastFrom = code, at
}

// wrap goes into the next row if this one is full.
func (s *screen) wrap() {
	if s.full && !s.still {
		s.row(s.y).wraps = true
		s.feed()
		s.x = 0
	}
	s.full = false
}

func (s *screen) advance(n int) {
	if s.x += n; s.x >= s.cols {
		s.x, s.full = s.cols-1, true
	}
}

// feed goes to the next row, and scrolls at the last one.
func (s *screen) feed() {
	if s.y == s.bottom {
		s.scroll(s.top, s.bottom, 1)
	} else if s.y < s.rows-1 {
		s.y++
	}
	s.full = false
}

// graphic is what a character of ASCII becomes while letters are shown as lines: 'x' is the upright one, and the
// others stand where boxes have corners and crossings.
func graphic(c byte) byte {
	switch {
	case c >= 'j' && c <= 'n' || c >= 't' && c <= 'x':
		return cellBorder
	case c == '_':
		return cellBlank
	case c > '_' && c < 0x7f:
		return cellOther
	}
	return c
}

// step takes one byte that is no run of text.
func (s *screen) step(c byte, at int32) {
	p := &s.parser
	switch p.state {
	case ground:
		s.character(c, at)
	case escape:
		s.escape(c)
	case escapeMid:
		switch {
		case s.control(c):
		case c < 0x30:
			p.middle = c
		default:
			s.sets.designate(p.middle, c)
			p.state = ground
		}
	case control:
		s.parameter(c)
	case str:
		switch c {
		case 0x07, 0x18, 0x1a, 0x9c: // continued UTF-8 has 0x9c too, but what is in a string is not shown
			p.state = ground
			if c == 0x9c && p.have > 0 {
				p.state = str
			}
		case 0x1b:
			p.state = escape
		}
		p.have = max(0, p.have-1)
		if c >= 0xc2 {
			p.have = continued(c)
		}
		if p.state != str {
			p.have = 0
		}
	}
}

// continued is how many bytes follow the first of a character of UTF-8.
func continued(c byte) int {
	switch {
	case c >= 0xf0 && c < 0xf5:
		return 3
	case c >= 0xe0:
		return 2
	case c >= 0xc2:
		return 1
	}
	return 0
}

// character takes what is no ASCII text: controls, and UTF-8 byte by byte.
func (s *screen) character(c byte, at int32) {
	p := &s.parser
	if c < utf8.RuneSelf {
		p.have = 0
		if c >= ' ' && c != 0x7f {
			s.print([]byte{c}, at)
			return
		}
		s.control(c)
		return
	}
	if p.have == 0 && eightBit(c) != 0 {
		s.escape(eightBit(c))
		return
	}
	p.char[p.have] = c
	p.have++
	if !utf8.FullRune(p.char[:p.have]) && p.have < utf8.UTFMax {
		return
	}
	r, size := utf8.DecodeRune(p.char[:p.have])
	p.have = 0
	if r == utf8.RuneError && size < 2 {
		return // terminals show a mark or nothing
	}
	s.rune(r, at)
}

// rune takes one character beyond ASCII.
func (s *screen) rune(r rune, at int32) { s.runes(r, 0, 1, at) }

// runes takes n characters of so many bytes in a row, all the same.
func (s *screen) runes(r rune, size, n int, at int32) {
	code, width := codeOf(r), cells(r)
	switch {
	case r < 0xa0:
		s.escape(byte(r - 0x40))
	case width == 1:
		s.line(code, size, n, at)
	case width > 0:
		for i := range n {
			s.put(code, width, at+int32(i*size))
		}
	}
}

// line puts n times the same character of one cell and so many bytes where the cursor stands.
func (s *screen) line(code byte, size, n int, at int32) {
	if n == 1 || s.insert || s.still {
		for range n {
			s.put(code, 1, at)
			at += int32(size)
		}
		return
	}
	for n > 0 {
		s.wrap()
		width := min(n, s.cols-s.x)
		p := s.index(s.y) + s.x
		cells, from, pad := s.grid.text[p:p+width], s.grid.from[p:p+width], s.pad[s.x:s.x+width]
		for i := range cells {
			cells[i], from[i] = code^pad[i], at
			at += int32(size)
		}
		r := s.touch(s.x, s.x+width)
		r.parted = r.parted || isUpright(code)
		s.advance(width)
		n -= width
	}
	s.parser.lastCode, s.parser.lastFrom = code, at-int32(size)
}

// codeOf tells upright lines, which part the text on a row, from all else beyond ASCII (Unicode's block of box drawing,
// and the blocks that edges are made of).
func codeOf(r rune) byte {
	switch {
	case r == 0xa0 || r == 0x3000:
		return cellBlank
	case r >= 0x2500 && r <= 0x257f && r != '─' && r != '━' && r != '═' && r != '┄' && r != '┅' && r != '┈' && r != '┉' && r != '╌' && r != '╍',
		r == '▌', r == '▐', r == '▏', r == '▕', r == '█':
		return cellBorder
	}
	return cellOther
}

// control acts on a control of C0, which may stand inside a sequence too, and says whether c is one.
func (s *screen) control(c byte) bool {
	p := &s.parser
	switch c {
	case 0x1b:
		p.state, p.have = escape, 0
	case 0x18, 0x1a:
		p.state = ground
	case '\b':
		s.move(s.x-1, s.y)
	case '\t':
		s.tab(1)
	case '\n', '\v', '\f':
		s.feed()
		if s.newline {
			s.x = 0
		}
	case '\r':
		s.x, s.full = 0, false
	case 0x0e, 0x0f:
		s.sets.second = c == 0x0e
	}
	return c < ' ' || c == 0x7f
}

// tab goes n tab stops to the right, or to the left if n is negative.
func (s *screen) tab(n int) {
	x := s.x
	for ; n > 0 && x < s.cols-1; n-- {
		for x++; x < s.cols-1 && !s.tabs[x]; x++ {
		}
	}
	for ; n < 0 && x > 0; n++ {
		for x--; x > 0 && !s.tabs[x]; x-- {
		}
	}
	s.move(x, s.y)
}

// move puts the cursor at a place, or at the nearest that there is.
func (s *screen) move(x, y int) {
	if y != s.y || x < s.x {
		s.turn++
	}
	first, last := 0, s.rows-1
	if s.origin {
		first, last = s.top, s.bottom
	}
	s.x, s.y, s.full = max(0, min(x, s.cols-1)), max(first, min(y, last)), false
}
