package guard

import (
	"bytes"
	"cmp"
	"slices"
)

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
// where that is not possible: for 29 letters and digits and less.
func MakeMarks(key Key, value []byte) []byte {
	split := parts(value)
	m := maker{hash: newHasher(key), p: Print{cover: byMarks}}
	chosen, texts := chooseMarks(split)
	for i, c := range chosen {
		at, behind := c.at, len(c.run.text)-c.at-c.width
		m.window(m.group(nil, c.width), c.text(), uint32(min(at, 0xffff))<<16|uint32(min(behind, 0xffff)))
		m.anchors(c.run.text, []place{{int32(at), int32(c.width)}})
		if i == 0 {
			h := m.hash.newHead(c.run.text[at:], c.width)
			h.inner = c.run.inner && at == 0
			m.p.heads = []head{h}
		}
	}
	for _, s := range texts {
		s.wipe()
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
	run       *run
	at, width int // in the run's text
}

func (i island) text() []byte { return i.run.text[i.at : i.at+i.width] }

// chooseMarks gives the windows that marks are made of, and the texts that they are in.
func chooseMarks(split []stretch) (chosen []island, texts []*squeezed) {
	var runs []*run
	for _, part := range split {
		s := squeeze(part.text)
		texts = append(texts, &s)
		for _, r := range s.runs(part.text) {
			r.inner = part.inner
			runs = append(runs, r)
		}
	}
	var all []island
	for _, r := range once(runs) {
		all = append(all, r.islands()...)
	}
	return spread(all), texts
}

// islands gives all windows of a run that may be marked: those of the narrowest
// width that has any.
func (r *run) islands() (found []island) {
	for _, w := range widths[:2] {
		r.left, r.apart = r.mayMark(w)
		for i := r.from; r.left > 0 && i+w <= r.to; i++ {
			if r.eligible(i, w, strict) {
				found = append(found, island{r, i, w})
			}
		}
		if len(found) > 0 {
			break
		}
	}
	return found
}

// once leaves out of the runs what stands in the value before, capitals or not: it is one secret, of which nothing might be
// left between the marks here and there.
func once(runs []*run) (kept []*run) {
	type spot struct{ run, at int }
	var order []spot
	again := make([][]bool, len(runs))
	for i, r := range runs {
		again[i] = make([]bool, r.to-r.from)
		for at := r.from; at+minWidth <= r.to; at++ {
			order = append(order, spot{i, at})
		}
	}
	compare := func(a, b spot) int { return compareFolded(runs[a.run].text[a.at:], runs[b.run].text[b.at:]) }
	slices.SortFunc(order, func(a, b spot) int { return cmp.Or(compare(a, b), a.run-b.run, a.at-b.at) })
	for i := 1; i < len(order); i++ {
		if spot := order[i]; compare(order[i-1], spot) == 0 {
			for at := range minWidth {
				again[spot.run][spot.at-runs[spot.run].from+at] = true
			}
		}
	}
	for i, r := range runs {
		for from, to := r.from, r.from; to <= r.to; to++ {
			if to < r.to && !again[i][to-r.from] {
				continue
			}
			if from < to {
				part := *r
				part.from, part.to = from, to
				kept = append(kept, &part)
			}
			from = to + 1
		}
	}
	return kept
}

// compareFolded compares the first eight characters.
func compareFolded(a, b []byte) int {
	for i := range minWidth {
		if d := int(small(a[i])) - int(small(b[i])); d != 0 {
			return d
		}
	}
	return 0
}

// spread takes as many of the places as their runs allow, the first of them and
// then others at even distances: a leak of any part of the value that is wider
// than the distance holds one. None is near another, be it of the next line of
// one key. Who knows one, or what stands beside a run, would have no more than
// the rest of the next to guess.
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
	next, end := 0, 0 // where in the text that is at hand the next one may begin
	for i := range count {
		for next = max(next, i*len(places)/count); next < len(places); next++ {
			p := places[next]
			if n := len(chosen); n > 0 && chosen[n-1].run.squeezed != p.run.squeezed {
				end = 0
			}
			if p.run.left > 0 && p.at >= end {
				p.run.left--
				end = p.at + p.width + p.run.apart
				chosen = append(chosen, p)
				break
			}
		}
	}
	return chosen
}
