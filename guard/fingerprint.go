package guard

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/bits"
)

// Key makes the fingerprints of one launch its own: without it a fingerprint
// says nothing, with it each value can only be searched for.
type Key [16]byte

// NewKey gives a random key.
func NewKey() (Key, error) {
	var k Key
	_, err := rand.Read(k[:])
	return k, err
}

// Format prints a placeholder whatever the verb.
func (Key) Format(s fmt.State, _ rune) { io.WriteString(s, "[key]") }

// MarshalText gives the same placeholder to encoders.
func (Key) MarshalText() ([]byte, error) { return []byte("[key]"), nil }

// Print is the fingerprint of one named value: tags of the value's windows
// under a Key, from which a Guard knows the value when it meets it. It holds
// no part of the value in clear.
type Print struct {
	Name    string // a variable or a reference, for people; never part of the value
	cover   cover
	windows []window
	heads   []head
}

// cover says how far a value can be guarded.
type cover uint8

const (
	byWindows cover = iota // any piece of it that is long enough is known
	asWhole                // only all of it is known, standing by itself
	byMarks                // pieces of it are known that a mark is in
	tooShort
	tooLong
	tooCommon
	unmarked
	covers // their number
)

func (c cover) String() string {
	switch c {
	case byWindows:
		return "in pieces"
	case asWhole:
		return "only whole"
	case byMarks:
		return "in long pieces"
	case unmarked:
		return "has too few letters and digits for marks: it is masked only where it is handed over"
	case tooShort:
		return "has fewer than 8 letters and digits"
	case tooLong:
		return "has no part that is random enough, and is too long to be matched whole"
	}
	return "is an ordinary word or number"
}

// window is the fingerprint of one stretch of a squeezed value.
type window struct {
	width  uint8
	whole  bool   // counts only between token boundaries
	kinds  uint8  // of letters in it
	filter uint32 // hasher.filter of the stretch: the index into the first table
	tag    uint64 // hasher.tag of the stretch
}

// head knows the first four characters of a form, so that the end of a chunk
// which may be the beginning of a value can be held back. Its tag has only 16
// bits: one that told the four characters apart from all others would hand
// whoever reads it a fifth of the value. As it is, the search for the first
// window is 2^16 times shorter; the windows behind it are not affected.
type head struct {
	tag   uint16
	width uint8 // of the window that begins here
	inner bool  // a letter or digit of the value stands right before it
	whole bool
}

const (
	headLen   = 4
	minWidth  = 8
	maxWidth  = 64      // of a value matched whole; a lane keeps as much context
	maxPieces = 1 << 17 // an environment string has at most 128 KiB (MAX_ARG_STRLEN)
	needKinds = 5       // different characters in a window: runs of one are everywhere
)

// widths that windows grow through.
var widths = [...]int{8, 12, 16, 24}

// Fingerprint makes the print of value under key. Only letters and digits
// count: a value is recognized however it is wrapped, quoted or coloured.
// It leaves no copy of value behind.
func Fingerprint(key Key, name string, value []byte) Print {
	h := newHasher(key)
	p := Print{Name: name}
	for _, f := range forms {
		for _, part := range f.text(value) {
			p.add(&h, part)
		}
	}
	if len(p.windows) == 0 {
		p.addWhole(&h, value)
	}
	return p
}

// form is one way in which a value may be written: text gives those stretches
// of the written value that are worth knowing.
type form struct {
	name string
	text func(value []byte) []stretch
}

// forms are the ways of writing that a Print knows.
var forms = [...]form{{"plain", parts}}

// bar is what a window must pass: how many bits it holds by the kinds of its
// characters, and the mean surprisal of its text in sixteenths of a bit. What
// passes the strict one was met nowhere by chance in gigabytes of text. The
// other serves between windows that do, as a random text has a spot here and
// there that looks less so.
type bar struct {
	bits     float64
	surprise int
}

// English and code have a mean surprisal of 3 to 6 bits, random hexadecimal 8.5,
// random letters and digits 10.
var strict, lenient = bar{44, 7 * 16}, bar{36, 5 * 16}

// lapse is how many windows in a row, between two that pass the strict bar,
// may pass only the other.
const lapse = 8

// add takes the windows of one stretch: at each place the narrowest kind that
// passes. There should be one that ends at each character, so that all from
// the eighth on are masked however slowly they come.
func (p *Print) add(h *hasher, part stretch) {
	s := squeeze(part.text)
	defer s.wipe()
	covered := make([]bool, len(s.text))
	first, firstWidth := len(s.text), 0
	for _, w := range widths {
		starts := s.windows(w, covered)
		for _, i := range starts {
			if len(p.windows) < maxPieces {
				p.windows = append(p.windows, h.window(s.text[i:i+w], false))
			}
			for j := i; j < i+w; j++ {
				covered[j] = true
			}
		}
		if len(starts) > 0 && starts[0] < first {
			first, firstWidth = starts[0], w
		}
	}
	if firstWidth > 0 && len(p.heads) < maxHeads {
		inner := part.inner && s.steps[first] == 0 || first > 0 && s.steps[first]-s.steps[first-1] == 1
		p.heads = append(p.heads, head{tag: h.head(s.text[first:]), width: uint8(firstWidth), inner: inner})
	}
}

// windows gives in order the starts of the windows of width w that are worth
// knowing where narrower ones have covered so much already.
func (s *squeezed) windows(w int, covered []bool) []int {
	var starts []int
	next := 0 // the first start after those taken
	most := lapse / 2
	fill := func(end int) {
		if end-next <= most {
			for i := next; i < end; i++ {
				if s.eligible(i, w, lenient) {
					starts = append(starts, i)
				}
			}
		}
	}
	for i := 0; i+w <= len(s.text); i++ {
		if free(covered[i:i+w]) < w/2 || !s.eligible(i, w, strict) {
			continue
		}
		fill(i)
		starts = append(starts, i)
		next, most = i+1, lapse
	}
	if next > 0 {
		most = lapse / 2
		fill(len(s.text) - w + 1)
	}
	return starts
}

func free(covered []bool) (n int) {
	for _, yes := range covered {
		if !yes {
			n++
		}
	}
	return n
}

// addWhole takes the one window that is the whole value, or says why not.
func (p *Print) addWhole(h *hasher, value []byte) {
	s := squeeze(value)
	defer s.wipe()
	switch n := len(s.text); {
	case n < minWidth:
		p.cover = tooShort
	case n > maxWidth:
		p.cover = tooLong
	case s.common():
		p.cover = tooCommon
	default:
		p.cover = asWhole
		p.windows = []window{h.window(s.text, true)}
		p.heads = []head{{tag: h.head(s.text), width: uint8(n), whole: true}}
	}
}

// squeezed is a text reduced to its letters and digits.
type squeezed struct {
	text     []byte
	surprise []int // of each character: sum up to and with it, over all that stands between, too
	steps    []int // how many transitions that sum counts: its place in the raw text
}

func squeeze(raw []byte) squeezed {
	s := squeezed{text: make([]byte, 0, len(raw)), surprise: make([]int, 0, len(raw)), steps: make([]int, 0, len(raw))}
	sum := 0
	for i, c := range raw {
		if i > 0 {
			sum += surprisal(raw[i-1], c)
		}
		if class(c) < classSymbol {
			s.text = append(s.text, c)
			s.surprise = append(s.surprise, sum)
			s.steps = append(s.steps, i)
		}
	}
	return s
}

func (s *squeezed) wipe() { clear(s.text[:cap(s.text)]) }

// eligible reports whether the w characters from i on are so unlike ordinary
// text, and so many of their kind, that they are met nowhere but in the value.
func (s *squeezed) eligible(i, w int, b bar) bool {
	last := i + w - 1
	if s.surprise[last]-s.surprise[i] < b.surprise*(s.steps[last]-s.steps[i]) {
		return false
	}
	each := math.Log2(float64(alphabet(kindsOf(s.text[i : i+w]))))
	return float64(w)*each >= b.bits && variety(s.text[i:i+w]) >= needKinds
}

// alphabet is the size of the smallest one that has all these kinds.
func alphabet(kinds uint8) (n int) {
	if one := kinds & (kindUpper | kindLower); kinds&kindBeyondF == 0 && (one == kindUpper || one == kindLower) {
		return 16
	}
	for kind, size := range [...]int{10, 26, 26} {
		if kinds>>kind&1 != 0 {
			n += size
		}
	}
	return n
}

// Kinds of characters in a squeezed text, as a set.
const (
	kindDigit = 1 << iota
	kindUpper
	kindLower
	kindBeyondF // letters that no hexadecimal number has
	kindPresent // of a table's width: there are windows of it
	allKinds    = kindPresent - 1
)

func kindsOf(text []byte) (kinds uint8) {
	for _, c := range text {
		switch k := class(c); {
		case k < 10:
			kinds |= kindDigit
		case k < 36:
			kinds |= kindUpper
		default:
			kinds |= kindLower
		}
		if c&0x1f > 6 && c > '9' {
			kinds |= kindBeyondF
		}
	}
	return kinds
}

// variety is how many different characters text has.
func variety(text []byte) int {
	var seen uint64
	for _, c := range text {
		seen |= 1 << class(c)
	}
	return bits.OnesCount64(seen)
}

// common reports whether all of it is a word or two, or a name with a number
// behind it, which programs print for reasons of their own.
func (s *squeezed) common() bool {
	n, numbers := len(s.text), 0
	for _, c := range s.text {
		if c <= '9' {
			numbers++
		}
	}
	ordinary := s.surprise[n-1]-s.surprise[0] < 6*16*(s.steps[n-1]-s.steps[0])
	return ordinary && numbers <= 1 && n <= 16
}

// hasher holds what a Key gives.
type hasher struct{ k0, k1, f0, f1 uint64 }

func newHasher(key Key) hasher {
	k0, k1 := binary.LittleEndian.Uint64(key[:]), binary.LittleEndian.Uint64(key[8:])
	return hasher{k0, k1, siphash(k0, k1, []byte("ward filter 0")), siphash(k0, k1, []byte("ward filter 1"))}
}

// tag is never 0, which marks a free place in the table.
func (h *hasher) tag(text []byte) uint64 { return max(1, siphash(h.k0, h.k1, text)) }

func (h *hasher) head(text []byte) uint16 { return uint16(siphash(h.k0, h.k1, text[:headLen])) }

// filter is a quick keyed hash of the first and the last eight characters:
// half of a product with two unknown factors, folded. It is taken over the
// whole window (of 16 and less), as eight characters of a hexadecimal value
// are found by trying all.
func (h *hasher) filter(text []byte) uint32 {
	return fold(binary.LittleEndian.Uint64(text)^h.f0, binary.LittleEndian.Uint64(text[len(text)-8:])^h.f1)
}

func fold(a, b uint64) uint32 {
	hi, lo := bits.Mul64(a, b)
	return uint32((hi ^ lo) >> 32)
}

func (h *hasher) window(text []byte, whole bool) window {
	return window{uint8(len(text)), whole, kindsOf(text), h.filter(text), h.tag(text)}
}
