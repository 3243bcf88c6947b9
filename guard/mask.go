package guard

import (
	"unicode"
	"unicode/utf8"
)

const fillByte = '*'

// mask hides character i of the lane.
func (l *lane) mask(buf []byte, i int) {
	at := int(l.pos[i])
	switch {
	case l.phase == nil || l.phase[i] == 0:
		mask(buf, at, l.cut)
	case l.decoded:
		maskDecoded(buf, at, l.phase[i])
	default:
		buf[at] = starsInBase64[(l.phase[i]-1)%4]
	}
}

// mask hides the character at a place, and what was struck over there: programs
// make bold text by printing a character, a backspace, and it again. A character
// that spells another one keeps the form of it, so that whoever reads JSON or an
// address after the guard still can.
func mask(buf []byte, at int, cut bool) {
	buf[at] = spelled(buf, at)
	for ; at >= 2 && buf[at-1] == '\b' && class(buf[at-2]) < classSymbol && !endsSequence(buf[:at-1], cut); at -= 2 {
		buf[at-2] = fillByte
	}
}

// endsSequence says whether the last letter of text is the final byte of an escape sequence, of which the beginning may have
// been cut off. In one of more than 64 bytes it is not looked for.
func endsSequence(text []byte, cut bool) bool {
	i := len(text) - 2
	for i >= 0 && text[i] < '@' && text[i] != 0x1b && len(text)-i < 64 { // parameters, intermediates, controls
		i--
	}
	switch {
	case i < 0 || i == 0 && text[i] == '[':
		return cut
	case text[i] == '[':
		return text[i-1] == 0x1b
	}
	return text[i] == 0x1b || text[i] == 0x9b
}

// longestSpelling is how far before one of its characters a spelling can begin: "\u0041", "&#x41;".
const longestSpelling = 6

// spelled gives what the character at a place becomes: a star, or its part in the same spelling of a star (RFC 8259 §7,
// RFC 3986 §2.1, HTML's character references, and the escapes of C).
func spelled(buf []byte, at int) byte {
	c := buf[at]
	if at == 0 {
		return fillByte
	}
	if buf[at-1] == '\\' && oddBackslashes(buf, at) {
		switch c {
		case 'u', 'x', 'b', 'f', 'n', 'r', 't':
			return c
		}
	}
	if !isHex(c) {
		if c == 'x' && at >= 2 && buf[at-1] == '#' && buf[at-2] == '&' {
			return c
		}
		return fillByte
	}
	from := at // of the digits
	for from > 0 && at-from < longestSpelling && isHex(buf[from-1]) {
		from--
	}
	if s := escapedStar(buf, from, at); s != 0 {
		return s
	}
	if c > '9' {
		return fillByte
	}
	return numberedStar(buf, from, at)
}

// escapedStar knows the spellings in hexadecimal whose digits begin at from: \u0041, \x41, %41, &#x41;.
func escapedStar(buf []byte, from, at int) byte {
	if from < 1 {
		return 0
	}
	nth := at - from
	escaped := from >= 2 && buf[from-2] == '\\' && oddBackslashes(buf, from-1)
	switch before := buf[from-1]; {
	case before == '%' && nth < 2 && (nth == 1 || at+1 == len(buf) || isHex(buf[at+1])):
		return "2A"[nth]
	case before == 'u' && escaped && nth < 4:
		return "002a"[nth]
	case before == 'x' && nth < 2 && (escaped || from >= 2 && buf[from-2] == '#'):
		return "2a"[nth]
	}
	return 0
}

// numberedStar knows the spellings in numbers: &#65; and the elements of a list. A number in JSON has no zero in
// front, so there it is a blank.
func numberedStar(buf []byte, from, at int) byte {
	end := at + 1
	for end < len(buf) && isDigit(buf[end]) {
		end++
	}
	for _, c := range buf[from:at] {
		if !isDigit(c) {
			return fillByte
		}
	}
	if from == 0 || end-from > 3 || end < len(buf) && class(buf[end]) < classSymbol {
		return fillByte
	}
	nth := 3 - (end - at) // of three digits, the last one is 2
	before := buf[from-1]
	switch {
	case before == '#' && from >= 2 && buf[from-2] == '&':
		return "042"[nth]
	case before == '[' || before == ',' || before == ' ' && from >= 2 && (buf[from-2] == ',' || buf[from-2] == '['):
		return " 42"[nth]
	}
	return fillByte
}

// oddBackslashes says whether the backslash before a place is not itself escaped.
func oddBackslashes(buf []byte, at int) bool {
	n := 0
	for at > n && buf[at-1-n] == '\\' {
		n++
	}
	return n%2 == 1
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHex(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

// fill hides the symbols between the masked characters i-1 and i, and letters of other alphabets. It stops at anything
// else, so that quotes, spaces and escape sequences stay as they are.
func (l *lane) fill(buf []byte, i int) {
	if l.decoded {
		return
	}
	from, to := 0, int(l.pos[i])
	switch {
	case i-1 >= l.live:
		from = int(l.pos[i-1]) + 1
	case int(l.before(i)) != to:
		return // more stood between than is in the buffer
	}
	for from < to {
		size := fillable(buf[from:to])
		if size == 0 {
			return
		}
		hide(buf[from : from+size])
		from += size
	}
}

// fillable gives the length of the character that text begins with if it may be a part of a value: a symbol that keys
// are made of, masked or not, or a letter beyond ASCII. Else 0.
func fillable(text []byte) int {
	if text[0] < utf8.RuneSelf {
		if isFiller(text[0]) {
			return 1
		}
		return 0
	}
	r, size := utf8.DecodeRune(text)
	if size > 1 && (unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsNumber(r)) {
		return size
	}
	return 0
}

// isFiller reports whether c is a symbol that keys are made of, itself masked
// or not.
func isFiller(c byte) bool {
	switch c {
	case '-', '_', '+', '/', '=', '.', '~', fillByte:
		return true
	}
	return false
}

// hide overwrites one character with one of as many bytes and columns. Where a star is too short, what joins
// characters and is not seen makes up for it.
func hide(char []byte) {
	if len(char) == 1 {
		char[0] = fillByte
		return
	}
	r, _ := utf8.DecodeRune(char)
	copy(char, starLike(len(char), cells(r)))
}

// starLike gives a text of 2 to 4 bytes that takes so many columns: U+00B7, U+2217 and U+FF0A look like stars or dots,
// U+034F and U+2060 like nothing.
func starLike(bytes, columns int) string {
	switch {
	case bytes == 2 && columns == 0:
		return "\u034f"
	case bytes == 2:
		return "\u00b7"
	case bytes == 3 && columns == 0:
		return "\u2060"
	case bytes == 3 && columns == 1:
		return "\u2217"
	case bytes == 3:
		return "\uff0a"
	case columns == 0:
		return "\u034f\u034f"
	case columns == 1:
		return "*\u2060"
	}
	return "**\u034f"
}
