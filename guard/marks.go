package guard

import "bytes"

// A mark is the tag of one island: a window of a stored value, far from the
// next one. Marks lie on a disk for as long as the value is stored, so what
// they tell must not be enough to find it: whoever has them and their key, and
// the time to try all texts for each island, still misses spareBits of it, and of
// each random stretch in it.
const (
	maxMarks  = 16
	spareBits = 128
)

// MakeMarks gives the marks of value under key, which must be the same for all
// values that are looked for together: ReadMarks and Options.Stored take them.
// There are at most 16, each of 8 characters (12 of a value of few different
// ones), the first where the random part begins. They leave 128 bits of the
// value, and of each of its random parts, uncovered by any of them. It gives nil
// where that is not possible: for 24 letters and digits and less.
func MakeMarks(key Key, value []byte) []byte {
	split := parts(value)
	var places []island
	for _, part := range split {
		s := squeeze(part.text)
		defer s.wipe()
		found := s.islands()
		for i := range found {
			found[i].inner = part.inner && found[i].at == 0
		}
		places = append(places, found...)
	}
	m := maker{hash: newHasher(key), p: Print{cover: byMarks}}
	for i, c := range spread(places) {
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
	run       *run
	inner     bool // a letter or digit of the value stands right before it
}

// run is a stretch of a value that is random as a whole. What stands around it
// everybody may know: the names in a .env, the words of a note.
type run struct {
	from, to int
	left     int // how many of its windows may be marked
	end      int // of the last one that is
}

// islands gives all windows of the narrowest width that may be marked.
func (s *squeezed) islands() (found []island) {
	for _, w := range widths[:2] {
		for _, r := range s.runs(w) {
			kinds, _ := kindsOf(s.text[r.from:r.to])
			each := perCharacter(kinds)
			r.left = int((each*float64(r.to-r.from) - spareBits) / (each * float64(w)))
			for i := r.from; r.left > 0 && i+w <= r.to; i++ {
				if s.eligible(i, w, strict) {
					found = append(found, island{text: s.text, at: i, width: w, run: r})
				}
			}
		}
		if len(found) > 0 {
			return found
		}
	}
	return nil
}

// runs gives the stretches that windows of width w find random. A window may
// hold all but two characters of what stands beside the random ones, and still
// look so: as many are left out there, but not for a few characters at an end,
// which random text now and then has that look like ordinary text.
func (s *squeezed) runs(w int) (runs []*run) {
	for i := 0; i+w <= len(s.text); i++ {
		switch {
		case !s.eligible(i, w, strict):
		case len(runs) > 0 && i <= runs[len(runs)-1].to:
			runs[len(runs)-1].to = i + w
		default:
			runs = append(runs, &run{from: i, to: i + w})
		}
	}
	for _, r := range runs {
		if r.from >= w/2 {
			r.from += w - 2
		}
		if r.to <= len(s.text)-w/2 {
			r.to = max(r.from, r.to-w+2)
		}
	}
	return runs
}

// spread takes as many of the places as their runs allow, the first of them and
// then others at even distances: a leak of any part of the value that is wider
// than the distance holds one. None overlaps another. Who knows one, or what
// stands beside a run, would have no more than the rest of the next to guess.
func spread(places []island) (chosen []island) {
	count := 0
	var last *run
	for _, p := range places {
		if p.run != last {
			count += p.run.left
		}
		last = p.run
	}
	count = min(count, maxMarks)
	next := 0
	for i := range count {
		for next = max(next, i*len(places)/count); next < len(places); next++ {
			if p := places[next]; p.run.left > 0 && p.at >= p.run.end {
				p.run.left, p.run.end = p.run.left-1, p.at+p.width
				chosen = append(chosen, p)
				break
			}
		}
	}
	return chosen
}
