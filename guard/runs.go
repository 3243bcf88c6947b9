package guard

import (
	"math"
	"math/bits"
	"slices"
)

// run is a stretch of a value that is one secret, as far as can be seen: all of
// it is random. What stands around it everybody may know: the names in a .env,
// the words of a note, a vendor's prefix.
type run struct {
	*squeezed      // the whole part
	from, to  int  // in its text
	inner     bool // a letter or digit of the value stands right before the part
	left      int  // how many of its windows may be marked
	apart     int  // how many characters stand between two of them
}

// secret is what of the text is random.
func (r *run) secret() []byte { return r.text[r.from:r.to] }

// mayMark is how many of its windows of width w may be marked, and how many characters must be between two of them: half
// of what is to be left, so that of any 256 bits in a row 128 are, too. A run may hold a key among what everybody knows, as
// the DER form of one holds its public half.
func (r *run) mayMark(w int) (windows, apart int) {
	each, all := r.each(), r.to-r.from
	apart = int(math.Ceil(spareBits / 2 / each))
	windows = int((each*float64(all) - spareBits) / (each * float64(w)))
	return min(windows, 1+(all-w)/(w+apart)), apart
}

// each is how many bits a character of the run holds. Letters of a kind that is
// rare in it may all be known: the x of 0x, or a name that was not left out.
func (r *run) each() float64 {
	text := r.secret()
	kinds, _ := kindsOf(text)
	upper, lower, beyondF := 0, 0, 0
	for _, c := range text {
		k := class(c)
		if k >= 10 {
			upper += oneIf(k < 36)
			lower += oneIf(k >= 36)
			beyondF += oneIf((k-10)%26 >= 6)
		}
	}
	for kind, n := range map[uint8]int{kindUpper: upper, kindLower: lower, kindBeyondF: beyondF} {
		if n*8 < len(text) {
			kinds &^= kind
		}
	}
	switch kinds &^ kindBeyondF { // base32 and base58 lack what looks alike
	case kindDigit | kindUpper, kindDigit | kindLower:
		return min(perCharacter(kinds), 5)
	case kindDigit | kindUpper | kindLower:
		return math.Log2(58)
	}
	return perCharacter(kinds)
}

// runs gives the stretches of raw, whose squeezed form s is, that are random
// each by itself. First what is written apart is taken apart, then what is
// ordinary text is left out.
func (s *squeezed) runs(raw []byte) (found []*run) {
	for from, to := 0, 0; from < len(s.text); from = to {
		to = s.next(raw, from, len(s.text), isBlank)
		if s.manySymbols(raw, from, to) {
			found = append(found, s.random(from, to)...)
			continue
		}
		for first := from; first < to; {
			end := s.next(raw, first, to, isApart)
			known := s.steps[first] + int32(prefixLen(raw[s.steps[first]:]))
			for first < end && s.steps[first] < known {
				first++
			}
			for _, part := range s.unread(raw, first, end) {
				for _, last := range s.divide(part[0], part[1]) {
					found = append(found, s.random(part[0], last)...)
					part[0] = last
				}
			}
			first = end
		}
	}
	return found
}

func isBlank(c byte) bool { return c <= ' ' || c == 0x7f }

// isApart reports whether c may stand between two secrets that one value holds, whatever they are: base64 has it not.
func isApart(c byte) bool {
	switch c {
	case '-', '_', '+', '/':
		return false
	}
	return class(c) >= classSymbol
}

// next is the first character after from, and up to to, before which something stands that divides.
func (s *squeezed) next(raw []byte, from, to int, divides func(byte) bool) int {
	for i := from + 1; i < to; i++ {
		if s.gap(i) && slices.ContainsFunc(raw[s.steps[i-1]+1:s.steps[i]], divides) {
			return i
		}
	}
	return to
}

// gap reports whether something stands between characters i-1 and i.
func (s *squeezed) gap(i int) bool { return s.steps[i]-s.steps[i-1] > 1 }

// otherKinds is how many bits shorter a stretch must be to write in the characters that it has than in all letters and
// digits, to be taken for something by itself. At a symbol in random text that is so by chance once in 2^9 at most.
const otherKinds = 9

// divide gives where the stretches end that symbols of base64 divide. They do where the characters are of fewer kinds than
// base64's, or more of them stand there than base64 would have: a number or a name ahead of a key, a UUID, a list of codes.
func (s *squeezed) divide(from, to int) (ends []int) {
	symbols := 0
	for i := from + 1; i < to; i++ {
		symbols += oneIf(s.gap(i))
	}
	many := symbols > 5+(to-from)/16
	cut := make([]bool, to-from) // before the character there
	for _, size := range []float64{10, 16, 26, 36} {
		s.cutKinds(from, to, math.Log2(size), cut)
	}
	for i := from + 1; i < to; i++ {
		if s.gap(i) && (many || cut[i-from]) {
			ends = append(ends, i)
		}
	}
	return append(ends, to)
}

// cutKinds cuts out of the text the stretches between symbols, and cuts them at those inside, of which a character holds so
// many bits at most.
func (s *squeezed) cutKinds(from, to int, bits float64, cut []bool) {
	first, kinds := from, uint8(0) // of the stretch
	stretch := func(last int) {
		if float64(last-first)*(math.Log2(62)-perCharacter(kinds)) >= otherKinds && kinds != 0 {
			for i := first; i <= min(last, to-1); i++ {
				cut[i-from] = true
			}
		}
	}
	for i, end := from, from; i < to; i = end {
		for end++; end < to && !s.gap(end); end++ {
		}
		here, _ := kindsOf(s.text[i:end])
		if perCharacter(kinds|here) > bits {
			stretch(i)
			first, kinds = i, 0
		}
		if perCharacter(here) > bits {
			first = end
		} else {
			kinds |= here
		}
	}
	stretch(to)
}

// manySymbols reports whether a text is a password with symbols, not something that symbols divide: it has four different
// ones, nowhere more than 20 characters without any, and between them not words and numbers.
func (s *squeezed) manySymbols(raw []byte, from, to int) bool {
	var seen [256 / 64]uint64
	odds := 0.0 // bits by which it is likelier made of words, numbers and others than of any letters and digits
	for first := from; first < to; {
		end := s.next(raw, first, to, isApart)
		if end-first > 20 {
			return false
		}
		odds += asWord(s.text[first:end])
		if end < to {
			for _, c := range raw[s.steps[end-1]+1 : s.steps[end]] {
				if isApart(c) {
					seen[c>>6] |= 1 << (c & 63)
				}
			}
		}
		first = end
	}
	different := 0
	for _, some := range seen {
		different += bits.OnesCount64(some)
	}
	return different >= 4 && odds*16 < wordBits
}

// asWord is by how many bits a text is likelier where one in four is a small word and one a number than by chance.
func asWord(text []byte) float64 {
	likelier := 0.0
	switch kinds, _ := kindsOf(text); kinds &^ kindBeyondF {
	case kindDigit:
		likelier = math.Pow(62./10, float64(len(text)))
	case kindLower:
		likelier = math.Pow(62./26, float64(len(text)))
	}
	return math.Log2((2 + likelier) / 4)
}

// What a text must be likelier by as ordinary text than as a random one to be
// taken for that, in sixteenths of a bit. At the end of what is random, where a
// symbol divides the two, any difference will do. Random text reaches the others
// so rarely that of a thousand values one loses all marks by it.
const (
	wordBits = 6 * 16 // between two symbols
	edgeBits = 8 * 16 // at an end, where nothing divides it from what is random
)

// random gives what is random of the characters from from to to: not words
// between symbols, and not what is ordinary at the ends.
func (s *squeezed) random(from, to int) (found []*run) {
	odds := s.odds(from, to)
	first := from // of the run
	for i := from; i < to; {
		end, sum := i+1, int32(0)
		for ; end < to && !s.gap(end); end++ {
			sum += odds[end-from]
		}
		if sum <= -wordBits {
			found = append(found, s.trim(first, i, odds[first-from:])...)
			first = end
		}
		i = end
	}
	return append(found, s.trim(first, to, odds[first-from:])...)
}

// odds tells of each character how much likelier it is, after the one before,
// in random text than in ordinary text. Capitals count as small letters, as
// names are written in them alone.
func (s *squeezed) odds(from, to int) []int32 {
	kinds, _ := kindsOf(s.text[from:to])
	even := int32(83) // 16 * log2(36): a letter or a digit
	if kinds&kindBeyondF == 0 {
		even = 16 * 4
	}
	odds := make([]int32, to-from)
	for i := from + 1; i < to; i++ {
		if !s.gap(i) {
			odds[i-from] = int32(surprisal(small(s.text[i-1]), small(s.text[i]))) - even
		}
	}
	return odds
}

// trim leaves out what is ordinary at the ends of a stretch.
func (s *squeezed) trim(from, to int, odds []int32) []*run {
	least, sum, first := int32(0), int32(0), from
	for i := from + 1; i < to; i++ {
		if here := sum + s.needs(i); here < least {
			least, first = here, i
		}
		sum += odds[i-from]
	}
	least, sum = 0, 0
	last := to
	for i := to - 1; i > first; i-- {
		if here := sum + s.needs(i); here < least {
			least, last = here, i
		}
		sum += odds[i-from]
	}
	if first == last {
		return nil
	}
	return []*run{{squeezed: s, from: first, to: last}}
}

// needs is what a text must have to be left out that ends, or begins, before character i.
func (s *squeezed) needs(i int) int32 {
	if s.gap(i) {
		return 0
	}
	return edgeBits
}

func small(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
