package guard

import "bytes"

// A mark is the tag of one island: a window of a stored value, far from the
// next one. Marks lie on a disk for as long as the value is stored, so what
// they tell must not be enough to find it: whoever has them and their key, and
// the time to try all texts for each island, still misses spareBits of it.
const (
	maxMarks  = 16
	spareBits = 128
)

// MakeMarks gives the marks of value under key, which must be the same for all
// values that are looked for together: ReadMarks and Options.Stored take them.
// There are at most 16, each of 8 characters (12 of a value of few different
// ones), the first where the random part begins. They leave 128 bits of the
// value uncovered by any of them. It gives nil where that is not possible: for
// 24 letters and digits and less.
func MakeMarks(key Key, value []byte) []byte {
	split := parts(value)
	var places []island
	total := 0.0
	for _, part := range split {
		s := squeeze(part.text)
		defer s.wipe()
		found, bits := s.islands()
		total += bits
		for i := range found {
			found[i].inner = part.inner && found[i].at == 0
		}
		places = append(places, found...)
	}
	m := maker{hash: newHasher(key), p: Print{cover: byMarks}}
	for i, c := range spread(places, total) {
		m.window(m.group(nil, c.width), c.text[c.at:c.at+c.width], uint32(min(c.at, 0xffff))<<16|uint32(min(len(c.text)-c.at-c.width, 0xffff)))
		m.anchors(c.text, []place{{int32(c.at), int32(c.width)}})
		if i == 0 {
			h := m.hash.newHead(c.text[c.at:], c.width)
			h.inner = c.inner
			m.p.heads = []head{h}
		}
	}
	for _, part := range split {
		part.wipe()
	}
	if m.count == 0 {
		return nil
	}
	marks, _ := m.p.AppendBinary(nil) // only a name can be wrong
	return marks
}

// ReadMarks gives a print of what MakeMarks made, for Options.Stored. Where
// there are no marks it is the print of a value that is not looked for. Marks
// of another form than MakeMarks gives are an error.
func ReadMarks(name string, marks []byte) (Print, error) {
	if len(marks) == 0 {
		return Print{Name: name, cover: unmarked}, checkName(name)
	}
	r := bytes.NewReader(marks)
	p, err := ReadPrint(r)
	windows := 0
	for _, g := range p.groups {
		windows += len(g.windows)
		if g.whole {
			return Print{}, errFrame
		}
	}
	if err != nil || r.Len() > 0 || p.cover != byMarks || p.Name != "" || windows > maxMarks || len(p.heads) > 1 {
		return Print{}, errFrame
	}
	p.Name = name
	return p, checkName(name)
}

// island is a window that may be marked.
type island struct {
	text      []byte // of the whole part
	at, width int
	bits      float64 // of the value that it covers
	inner     bool    // a letter or digit of the value stands right before it
}

// islands gives all windows of s of the narrowest width that has any, and how
// many bits the value holds where it is random.
func (s *squeezed) islands() (found []island, bits float64) {
	for _, w := range widths[:2] {
		for i := 0; i+w <= len(s.text); i++ {
			if s.eligible(i, w, strict) {
				found = append(found, island{text: s.text, at: i, width: w})
			}
		}
		if len(found) == 0 {
			continue
		}
		kinds, _ := kindsOf(s.text)
		each := perCharacter(kinds)
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
