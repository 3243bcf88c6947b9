package guard

import (
	"encoding/binary"
	"math"
)

// A mark is the tag of one island: a window of a stored value, far from the
// next one. Marks lie on a disk for as long as the value is stored, so what
// they tell must not be enough to find it: whoever has them and their key, and
// the time to try all texts for each island, still misses spareBits of it.
const (
	maxMarks  = 16
	spareBits = 128

	marksVersion = 1
)

// MakeMarks gives the marks of value under key, which must be the same for all
// values that are looked for together: ReadMarks and Options.Stored take them.
// There are at most 16, each of 8 characters (12 of a value of few different
// ones), the first where the random part begins. They leave 128 bits of the
// value uncovered by any of them. It gives nil where that is not possible: for
// 24 letters and digits and less.
func MakeMarks(key Key, value []byte) []byte {
	h := newHasher(key)
	var places []island
	total := 0.0
	for _, part := range parts(value) {
		s := squeeze(part.text)
		defer s.wipe()
		found, bits := s.islands()
		total += bits
		for i := range found {
			found[i].before = part.inner && found[i].at == 0
		}
		places = append(places, found...)
	}
	chosen := spread(places, total)
	if len(chosen) == 0 {
		return nil
	}
	marks := []byte{marksVersion, byte(len(chosen))}
	for _, c := range chosen {
		w := h.window(c.text, false)
		marks = append(marks, w.width, w.kinds)
		marks = binary.LittleEndian.AppendUint32(marks, w.filter)
		marks = binary.LittleEndian.AppendUint64(marks, w.tag)
	}
	first := chosen[0]
	inner := byte(0)
	if first.before {
		inner = 1
	}
	return append(binary.LittleEndian.AppendUint16(marks, h.head(first.text)), inner)
}

// ReadMarks gives a print of what MakeMarks made, for Options.Stored. Where
// there are no marks it is the print of a value that is not looked for. Marks
// of another form than MakeMarks gives are an error.
func ReadMarks(name string, marks []byte) (Print, error) {
	p := Print{Name: name, cover: unmarked}
	if err := checkName(name); err != nil || len(marks) == 0 {
		return p, err
	}
	d := decoder{rest: marks}
	b := d.take(2)
	d.bad = d.bad || b[0] != marksVersion || b[1] == 0
	p.cover = byMarks
	for range d.count(int(b[1]), maxMarks, windowSize) {
		p.windows = append(p.windows, d.window())
	}
	b = d.take(3)
	if d.bad = d.bad || b[2] > 1 || len(d.rest) > 0; d.bad {
		return Print{}, errFrame
	}
	p.heads = []head{{tag: binary.LittleEndian.Uint16(b), width: p.windows[0].width, inner: b[2] == 1}}
	return p, nil
}

// island is a window that may be marked.
type island struct {
	text   []byte
	at     int     // place in its part
	bits   float64 // of the value that it covers
	before bool    // a letter or digit of the value stands right before it
}

// islands gives all windows of s of the narrowest width that has any, and how
// many bits the value holds where it is random.
func (s *squeezed) islands() (found []island, bits float64) {
	for _, w := range widths[:2] {
		for i := 0; i+w <= len(s.text); i++ {
			if s.eligible(i, w, strict) {
				found = append(found, island{text: s.text[i : i+w], at: i})
			}
		}
		if len(found) == 0 {
			continue
		}
		each := math.Log2(float64(alphabet(kindsOf(s.text))))
		for i := range found {
			found[i].bits = each * float64(w)
		}
		return found, each * float64(len(s.text))
	}
	return nil, 0
}

// spread takes as many of the places as the bits of the value allow, the first
// of them and then others at even distances: a leak of any part of the value
// that is wider than the distance holds one.
func spread(places []island, total float64) (chosen []island) {
	if len(places) == 0 {
		return nil
	}
	widest := 0.0
	for _, p := range places {
		widest = max(widest, p.bits)
	}
	count := min(maxMarks, int(max(0, total-spareBits)/widest))
	for i := range count {
		chosen = append(chosen, places[i*len(places)/count])
	}
	return chosen
}
