package guard

import (
	"encoding/binary"
	"slices"
)

// minLong is how many characters of a value must be met in a row where what
// stands before them is one long run of letters and digits, as in a file of
// base64: eight known ones are met there by chance once in a terabyte for each
// value.
const minLong = 12

// match looks at what ends in l at characters not looked at before, and masks
// what is known. closed says that the last token ends here. It reports whether
// there was anything.
func (g *Guard) match(l *lane, buf []byte, closed bool) (met bool) {
	if met = l.owed > 0; met {
		g.pay(l, buf, l.seen)
	}
	if l.n < minWidth {
		l.seen = l.n
		return met
	}
	for _, t := range g.tables {
		g.spans = t.scan(l.text[:l.n], l.seen, g.spans[:0])
		slices.SortFunc(g.spans, func(a, b span) int { return a.start - b.start }) // so that neighbours are one sighting
		for _, s := range g.spans {
			g.judge(l, buf, t, s, closed)
			met = true
		}
	}
	l.seen = l.n
	return met
}

// judge masks a span, if it counts where it stands.
func (g *Guard) judge(l *lane, buf []byte, t *table, s span, closed bool) {
	switch {
	case s.owner&flagBound != 0:
		ends := s.end < l.n && l.apart(buf, s.end, s.end-2) || s.end == l.n && (l.trail != 0 || closed)
		if !ends || !l.apart(buf, s.start, s.start) {
			return
		}
		s.owner &^= flagBound
	case !t.marks && !l.cells && s.end-s.start < minLong && l.dense(s.start): // nobody is shown a terabyte
		for back := 1; back <= minLong-minWidth; back++ {
			if before, ok := t.known(l.text[:l.n], s.start-back, minWidth); ok && before.owner == s.owner {
				before.end = s.end
				s = before
				back = 0
			}
			if s.end-s.start >= minLong {
				break
			}
		}
		if s.end-s.start < minLong {
			for s.start++; s.end-s.start >= minWidth && l.staysDense(s.start); s.start++ { // what is behind the run stands by itself
			}
			if s.end-s.start < minWidth {
				return
			}
			s.reach &= 0xffff
		}
	}
	g.mark(l, buf, s.start, s.end, s.owner)
	if s.reach != 0 {
		g.extend(l, buf, s)
	}
}

// apart reports whether a word may end before character i: something stands there, or a control that takes no place, as
// the NUL between variables does. It is not so where such a control is behind each character, as in UTF-16: behind next, too.
func (l *lane) apart(buf []byte, i, next int) bool {
	if i == 0 || l.before(i) != 0 {
		return true
	}
	at := int(l.pos[i]) - 1
	return !l.cells && !l.decoded && at > int(l.pos[i-1]) && l.pos[next+1]-l.pos[next] == 1 && (at < 0 || inert>>buf[at]&1 != 0)
}

// dense reports whether the text before character i is one long run of letters
// and digits: lines of base64, with a symbol now and then. What is a known
// value breaks it, as do colours and more than a line end.
func (l *lane) dense(i int) bool {
	const far, most = 48, 6
	if i < far {
		return false
	}
	if !l.decoded && l.pos[i]-l.pos[i-far] == far { // nothing stands between
		for _, id := range l.hit[i-far : i] {
			if id != 0 {
				return false
			}
		}
		return true
	}
	gaps := 0
	for j := i; j > i-far; j-- { // the nearest says most
		if l.hit[j-1] != 0 {
			return false
		}
		if gap := l.before(j); gap != 0 {
			if gaps++; gap > 2 || gaps > most {
				return false
			}
		}
	}
	return true
}

// staysDense is dense, where it is known that the text before character i-1 is.
func (l *lane) staysDense(i int) bool { return l.hit[i-1] == 0 && l.before(i) == 0 || l.dense(i) }

// extend masks the neighbours of a window of which it is known how many more
// characters of the value precede and follow, as far as the word goes.
func (g *Guard) extend(l *lane, buf []byte, s span) {
	first := s.start
	for n := int(s.reach >> 16); n > 0 && first > 0 && g.joins(l, buf, first, n <= farthest); n-- {
		first--
	}
	if first < s.start {
		g.mark(l, buf, first, s.end, s.owner)
	}
	l.owed, l.owing = int(s.reach&0xffff), s.owner
	g.pay(l, buf, s.end)
}

// pay masks from a character on what is owed to a window before it.
func (g *Guard) pay(l *lane, buf []byte, from int) {
	end := from
	for ; l.owed > 0 && end < l.n; end++ {
		if end > 0 && !g.joins(l, buf, end, l.owed <= farthest) {
			l.owed = 0
			break
		}
		l.owed--
	}
	if end > from {
		g.mark(l, buf, from, end, l.owing)
	}
}

// joins reports whether characters i-1 and i are of one word: nothing stands
// between, or symbols that keys are made of, and escape sequences if apart says
// so: they may colour each character, and as well lead to another place. Of
// what is not in the buffer any more only the width is known.
func (g *Guard) joins(l *lane, buf []byte, i int, apart bool) bool {
	gap := l.before(i)
	if apart {
		gap &^= gapEdge
	}
	switch {
	case gap == 0:
		return true
	case gap > 2:
		return false
	case l.cells:
		return gap == 1 && g.screen.joined(int(l.pos[i-1]), int(l.pos[i]))
	case l.decoded || i-1 < l.live || i < l.live:
		return gap == 1
	}
	for _, c := range buf[l.pos[i-1]+1 : l.pos[i]] {
		if !isFiller(c) {
			return false
		}
	}
	return true
}

// mark masks what belongs to a window: its characters as far as they are still
// in the buffer, and what stands between two of them. A window that touches
// another of the same value is the same sighting. In a lane of the screen it
// only notes what was found: which byte painted a cell is the screen's business.
func (g *Guard) mark(l *lane, buf []byte, start, end int, owner uint32) {
	id := uint16(owner) + 1
	joined := start > 0 && l.hit[start-1] == id
	i := end
	if g.mode != Warn && !l.cells {
		i = min(max(start, l.live), end)
	}
	joined = l.note(start, i, id, joined)
	solid := 0 // from here on no character of the word that i is in can be a part of something spelled
	for n := 0; i < end; i += n {
		if n == 0 || l.pos[i]-l.pos[i-1] != 1 {
			solid = l.solidFrom(buf, i)
			if i > 0 && l.hit[i-1] == id && l.before(i) != 0 {
				l.fill(buf, i)
			}
		}
		if i >= solid {
			n = l.piece(i, end)
			joined = l.note(i, i+n, id, joined)
			copy(buf[l.pos[i]:], stars[:n])
			continue
		}
		n = 1
		if l.hit[i] == id {
			joined = true
		} else {
			l.hit[i] = id
			l.mask(buf, i)
		}
	}
	if end < l.n && end > l.live && l.hit[end] == id && l.before(end) != 0 && g.mode != Warn && !l.cells {
		l.fill(buf, end)
	}
	if !joined && !l.cells && !g.copies(l, start, owner) {
		g.counts[owner]++
	}
}

const stars = "****************************************************************"

// piece tells how many characters from i on stand next to each other, about: it
// is all up to end, or a quarter of that, and so on, but no more than stars has.
func (l *lane) piece(i, end int) int {
	for n := min(end-i, len(stars)); n > 1; n /= 4 {
		if int(l.pos[i+n-1]-l.pos[i]) == n-1 {
			return n
		}
	}
	return 1
}

// solidFrom tells from where on the characters of a word that i is in can be
// masked without looking at what stands before: at once, unless the word begins
// behind something that spells characters in letters or digits.
func (l *lane) solidFrom(buf []byte, i int) int {
	if l.phase != nil {
		return l.n
	}
	first := i
	for first > l.live && i-first < longestSpelling && l.pos[first]-l.pos[first-1] == 1 {
		first--
	}
	if i-first < longestSpelling {
		at := l.pos[first]
		if at == 0 {
			return first + longestSpelling
		}
		switch buf[at-1] {
		case '\\', '%', '#', '[', ',', ' ', '\b':
			return first + longestSpelling
		}
	}
	return i
}

// note gives characters to a value, and tells whether it had one of them or the
// answer is known to be yes.
func (l *lane) note(start, end int, id uint16, had bool) bool {
	hits := l.hit[start:max(start, end)]
	for i, other := range hits {
		if other == id {
			had = true
		}
		hits[i] = id
	}
	return had
}

func le64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }
