package guard

import (
	"math"
	"math/bits"
)

// squeezed is a text reduced to its letters and digits.
type squeezed struct {
	text     []byte
	surprise []int32 // of each character: sum up to and with it, over all that stands between, too
	steps    []int32 // its place in the raw text: how many transitions that sum counts
}

func squeeze(raw []byte) squeezed {
	s := squeezed{text: make([]byte, 0, len(raw)+slack), surprise: make([]int32, 0, len(raw)), steps: make([]int32, 0, len(raw))}
	sum := int32(0)
	for i, c := range raw {
		if i > 0 {
			sum += int32(surprisal(raw[i-1], c))
		}
		if class(c) < classSymbol {
			s.text = append(s.text, c)
			s.surprise = append(s.surprise, sum)
			s.steps = append(s.steps, int32(i))
		}
	}
	return s
}

func (s *squeezed) wipe() { clear(s.text[:cap(s.text)]) }

// widths that windows grow through.
var widths = [...]int{8, 12, 16, 24}

// bar is what a window must pass: how many bits it holds by the kinds of its
// characters, and the mean surprisal of its text in sixteenths of a bit. What
// passes the strict one was met nowhere by chance in gigabytes of text. The
// other serves between windows that do, as a random text has a spot here and
// there that looks less so.
type bar struct {
	bits     float64
	surprise int32
}

// English and code have a mean surprisal of 3 to 6 bits, random hexadecimal 8.5,
// random letters and digits 10.
var strict, lenient = bar{44, 7 * 16}, bar{36, 5 * 16}

// lapse is how many windows in a row, between two that pass the strict bar,
// may pass only the other.
const lapse = 8

// place is where a window is in a text.
type place struct{ at, width int32 }

// pick gives the windows that are worth knowing: at each place the narrowest
// kind that passes. There should be one that ends at each character, so that
// all from the eighth on are masked however slowly they come. Those of one
// width follow each other in order.
func (s *squeezed) pick() (picked []place) {
	picked = make([]place, 0, len(s.text))
	covered := make([]bool, len(s.text))
	for _, w := range widths {
		if w > len(s.text) {
			break
		}
		for _, i := range s.windows(w, covered) {
			picked = append(picked, place{i, int32(w)})
			for j := int(i); j < int(i)+w; j++ {
				covered[j] = true
			}
		}
	}
	return picked
}

// beginning is the stretch whose first characters are the head of the value:
// the first window, or all from the first character on if no word is there.
func (s *squeezed) beginning(first place) place {
	if first.at <= lapse && s.eligible(0, minWidth, bar{surprise: lenient.surprise}) {
		return place{0, first.at + first.width}
	}
	return first
}

// windows gives in order the starts of the windows of width w that are worth
// knowing where narrower ones have covered so much already.
func (s *squeezed) windows(w int, covered []bool) (starts []int32) {
	next := 0 // the first start after those taken
	most := lapse / 2
	fill := func(end int) {
		if end-next <= most {
			for i := next; i < end; i++ {
				if s.eligible(i, w, lenient) {
					starts = append(starts, int32(i))
				}
			}
		}
	}
	free := 0
	for _, yes := range covered[:w-1] {
		free += oneIf(!yes)
	}
	for i := 0; i+w <= len(s.text); i++ {
		free += oneIf(!covered[i+w-1])
		enough := free >= w/2
		free -= oneIf(!covered[i])
		if !enough || !s.eligible(i, w, strict) {
			continue
		}
		fill(i)
		starts = append(starts, int32(i))
		next, most = i+1, lapse
	}
	if next > 0 {
		most = lapse / 2
		fill(len(s.text) - w + 1)
	}
	return starts
}

func oneIf(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// eligible reports whether the w characters from i on are so unlike ordinary
// text, and so many of their kind, that they are met nowhere but in the value.
func (s *squeezed) eligible(i, w int, b bar) bool {
	last := i + w - 1
	if s.surprise[last]-s.surprise[i] < b.surprise*(s.steps[last]-s.steps[i]) {
		return false
	}
	kinds, variety := kindsOf(s.text[i : i+w])
	return float64(w)*perCharacter(kinds) >= b.bits && variety >= needKinds
}

// Kinds of characters in a squeezed text, as a set.
const (
	kindDigit = 1 << iota
	kindUpper
	kindLower
	kindBeyondF // letters that no hexadecimal number has
)

// kindsOf gives the kinds of text and how many different characters it has.
func kindsOf(text []byte) (kinds uint8, variety int) {
	var seen uint64
	for _, c := range text {
		seen |= 1 << class(c)
	}
	const ten, twentySix = 1<<10 - 1, 1<<26 - 1
	if seen&ten != 0 {
		kinds |= kindDigit
	}
	upper, lower := seen>>10&twentySix, seen>>36&twentySix
	if upper != 0 {
		kinds |= kindUpper
	}
	if lower != 0 {
		kinds |= kindLower
	}
	if (upper|lower)>>6 != 0 {
		kinds |= kindBeyondF
	}
	return kinds, bits.OnesCount64(seen)
}

// perCharacter is how many bits a character holds at most of the smallest
// alphabet that has all these kinds.
func perCharacter(kinds uint8) float64 {
	if one := kinds & (kindUpper | kindLower); kinds&kindBeyondF == 0 && (one == kindUpper || one == kindLower) {
		return 4
	}
	size := 0
	for kind, n := range [...]int{10, 26, 26} {
		if kinds>>kind&1 != 0 {
			size += n
		}
	}
	return math.Log2(float64(size))
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
