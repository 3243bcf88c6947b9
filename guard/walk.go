package guard

import (
	"bytes"
	"errors"
	"fmt"
)

// walk reads one JSON text (RFC 8259) in pieces, byte by byte and strictly, and tells its strings apart. What it passes
// on is what it read, but for the strings that its owner takes.
type walk struct {
	levels []level
	state  walkState
	hex    uint8  // digits of \u still to come
	rune   uint16 // and what they have given so far
	rest   string // of a literal
	key    bool   // the string being read is a key
	at     int64  // bytes read, for errors
}

// level is an object or an array that is open.
type level struct {
	object bool
	place  *spot   // of the rules; nil: nothing in here is of interest
	member *spot   // of the value that comes next
	about  *string // kind or role, where the value that comes next is that; else nil
	kind   string  // what "type" said so far
	role   string  // what "role" said so far
}

type walkState uint8

const (
	valueNext walkState = iota
	valueOrEnd
	keyOrEnd
	keyNext
	colonNext
	valueDone
	inString
	inEscape
	inHexEscape
	inLiteral
	// Numbers: after the minus, a leading zero, digits, the point, digits after it, the e, its sign, its digits.
	inMinus
	inZero
	inDigits
	inPoint
	inFraction
	inE
	inSign
	inExponent
)

// maxNesting bounds the memory that a text can claim. encoding/json takes ten times as much, and no conversation a
// hundredth.
const maxNesting = 1000

// ErrJSON: what was to be masked as JSON is none, or is nested deeper than 1,000.
var ErrJSON = errors.New("not JSON")

func (w *walk) wrong(what string) error {
	return fmt.Errorf("%w: %s at byte %d", ErrJSON, what, w.at)
}

func (w *walk) wrongAt(offset int, what string) error {
	w.at += int64(offset)
	return w.wrong(what)
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// step takes one byte that is not inside a string.
func (b *Body) step(c byte) error {
	w := &b.walk
	switch {
	case w.state == inLiteral:
		if c != w.rest[0] {
			return w.wrong("misspelt literal")
		}
		if w.rest = w.rest[1:]; w.rest == "" {
			b.valueEnds()
		}
		return nil
	case w.state >= inMinus:
		if w.number(c) {
			return nil
		}
		if !w.numberEnds() {
			return w.wrong("malformed number")
		}
		b.valueEnds()
	}
	if isSpace(c) {
		return nil
	}
	switch w.state {
	case valueNext, valueOrEnd:
		if c == ']' && w.state == valueOrEnd {
			return b.close(c)
		}
		return b.value(c)
	case keyNext, keyOrEnd:
		if c == '}' && w.state == keyOrEnd {
			return b.close(c)
		}
		if c != '"' {
			return w.wrong("no key")
		}
		w.key, w.state = true, inString
		b.stringBegins()
	case colonNext:
		if c != ':' {
			return w.wrong("no colon")
		}
		w.state = valueNext
	default:
		return b.next(c)
	}
	return nil
}

// next takes what may follow a value.
func (b *Body) next(c byte) error {
	w := &b.walk
	if len(w.levels) == 0 {
		return w.wrong("more than one value")
	}
	object := w.levels[len(w.levels)-1].object
	switch {
	case c != ',':
		return b.close(c)
	case object:
		w.state = keyNext
	default:
		w.state = valueNext
	}
	return nil
}

// value takes the first byte of one.
func (b *Body) value(c byte) error {
	w := &b.walk
	switch {
	case c == '"':
		w.key, w.state = false, inString
		b.stringBegins()
	case c == '{' || c == '[':
		if len(w.levels) == maxNesting {
			return w.wrong("nested too deep")
		}
		b.open(c == '{')
		w.state = valueOrEnd
		if c == '{' {
			w.state = keyOrEnd
		}
	case c == '-':
		w.state = inMinus
	case c == '0':
		w.state = inZero
	case '1' <= c && c <= '9':
		w.state = inDigits
	default:
		for _, word := range [...]string{"true", "false", "null"} {
			if c == word[0] {
				w.state, w.rest = inLiteral, word[1:]
				return nil
			}
		}
		return w.wrong("no value")
	}
	return nil
}

func (b *Body) close(c byte) error {
	w := &b.walk
	n := len(w.levels)
	if n == 0 || c != ']' && c != '}' || w.levels[n-1].object != (c == '}') {
		return w.wrong("unexpected character")
	}
	w.levels[n-1] = level{}
	w.levels = w.levels[:n-1]
	b.valueEnds()
	return nil
}

func (b *Body) valueEnds() { b.walk.state = valueDone }

// number goes on with one, and says whether c still belongs to it.
func (w *walk) number(c byte) bool {
	digit := '0' <= c && c <= '9'
	next := w.state
	switch {
	case w.state == inMinus && c == '0':
		next = inZero
	case w.state == inMinus && digit:
		next = inDigits
	case digit && (w.state == inDigits || w.state == inFraction || w.state == inExponent):
	case digit && w.state == inPoint:
		next = inFraction
	case digit && (w.state == inE || w.state == inSign):
		next = inExponent
	case c == '.' && (w.state == inZero || w.state == inDigits):
		next = inPoint
	case (c == 'e' || c == 'E') && (w.state == inZero || w.state == inDigits || w.state == inFraction):
		next = inE
	case (c == '+' || c == '-') && w.state == inE:
		next = inSign
	default:
		return false
	}
	w.state = next
	return true
}

func (w *walk) numberEnds() bool {
	return w.state == inZero || w.state == inDigits || w.state == inFraction || w.state == inExponent
}

// ends reports whether the text may end here.
func (w *walk) ends() bool {
	return len(w.levels) == 0 && (w.state == valueDone || w.state >= inMinus && w.numberEnds())
}

// text reads a string from buf on, up to its end or that of buf, and tells how many bytes that is.
func (b *Body) text(buf []byte) (int, error) {
	w := &b.walk
	for i := 0; i < len(buf); {
		switch w.state {
		case inString:
			n := plainRun(buf[i:])
			b.piece(buf[i : i+n])
			if i += n; i == len(buf) {
				return i, nil
			}
			switch c := buf[i]; {
			case c == '"':
				return i, b.stringEnds()
			case c == '\\':
				w.state = inEscape
			default:
				return i, w.wrongAt(i, "control character in a string")
			}
			i++
		case inEscape:
			at := bytes.IndexByte([]byte(`"\/bfnrtu`), buf[i])
			if at < 0 {
				return i, w.wrongAt(i, "unknown escape")
			}
			w.state = inString
			if buf[i] == 'u' {
				w.state, w.hex, w.rune = inHexEscape, 4, 0
			} else {
				b.escape([]byte{'\\', buf[i]}, rune("\"\\/\b\f\n\r\t"[at]))
			}
			i++
		default:
			digit := bytes.IndexByte([]byte("0123456789abcdef"), lowered(buf[i]))
			if digit < 0 {
				return i, w.wrongAt(i, "malformed escape")
			}
			w.rune = w.rune<<4 | uint16(digit)
			b.digits[4-w.hex] = buf[i]
			if w.hex--; w.hex == 0 {
				w.state = inString
				b.escape(append([]byte(`\u`), b.digits[:]...), rune(w.rune))
			}
			i++
		}
	}
	return len(buf), nil
}

func lowered(c byte) byte {
	if 'A' <= c && c <= 'F' {
		return c + 'a' - 'A'
	}
	return c
}

// plainRun is how many bytes stand for themselves.
func plainRun(text []byte) int {
	for i, c := range text {
		if c == '"' || c == '\\' || c < ' ' {
			return i
		}
	}
	return len(text)
}
