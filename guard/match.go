package guard

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// table finds windows by their end. Three steps, each met more seldom:
//
//  1. a bit per filter value, at most a 128th of them set
//  2. the tag of the whole window, in an open table
//  3. for a value matched whole: a token boundary on both sides
//
// No step depends on how much of a window agrees: text made of halves of
// values costs what other text costs.
type table struct {
	hash   *hasher
	filter []uint64
	shift  uint8 // of a filter value, to the index of its bit
	tags   []uint64
	owner  []uint32 // of each tag: index of the print, and flagBound
	widths []width  // of windows that count anywhere
	wholes []int    // of those that count between boundaries
	heads  []head
	reach  int  // widest head
	inner  bool // some head may follow a letter or digit
}

const flagBound = 1 << 31

// width of windows, and of which kinds of letters none of them holds one: bit 6
// of each byte is set where the kind is foreign. Most wide windows are
// hexadecimal, most text is not.
type width struct {
	n                           int
	noUpper, noLower, noBeyondF uint64
}

func newWidth(n int, kinds uint8) width {
	w := width{n: n}
	if n < 11 {
		return w // scan looks at eight characters that four windows share
	}
	foreign := func(kind uint8) uint64 {
		if kinds&kind == 0 {
			return 0x4040404040404040
		}
		return 0
	}
	w.noUpper, w.noLower, w.noBeyondF = foreign(kindUpper), foreign(kindLower), foreign(kindBeyondF)
	return w
}

// tableSize is what the tables for n windows take.
type tableSize struct {
	filterBits uint8 // the filter's size, as a power of two
	places     int   // of tags
	heads      int
}

func sizeOf(prints []Print) (size tableSize, windows int) {
	for _, p := range prints {
		windows += len(p.windows)
		size.heads += len(p.heads)
	}
	size.filterBits = uint8(max(9, bits.Len(uint(windows*128))))
	size.places = 1 << bits.Len(uint(2*windows))
	return size, windows
}

func (s tableSize) bytes() int { return 1<<s.filterBits/8 + s.places*(8+4) + s.heads*8 + 64 }

func newTable(a *arena, key Key, prints []Print, size tableSize, first int) *table {
	t := &table{hash: &carve[hasher](a, 1)[0], shift: 32 - size.filterBits}
	*t.hash = newHasher(key)
	t.filter = carve[uint64](a, 1<<size.filterBits/64)
	t.tags = carve[uint64](a, size.places)
	t.owner = carve[uint32](a, size.places)
	t.heads = carve[head](a, size.heads)[:0]
	var bound [maxWidth + 1]bool
	var free [maxWidth + 1]uint8
	for id, p := range prints {
		id += first
		for _, w := range p.windows {
			bit := w.filter >> t.shift
			t.filter[bit/64] |= 1 << (bit % 64)
			t.insert(w, id)
			if w.whole {
				bound[w.width] = true
			} else {
				free[w.width] |= w.kinds | kindPresent
			}
		}
		for _, h := range p.heads {
			t.heads = append(t.heads, h)
			t.reach = max(t.reach, int(h.width))
			t.inner = t.inner || h.inner
		}
	}
	for w := range free {
		if free[w] != 0 {
			t.widths = append(t.widths, newWidth(w, free[w]))
		}
		if bound[w] {
			t.wholes = append(t.wholes, w)
		}
	}
	return t
}

// insert keeps the first owner of a tag, so that a value with two names has
// one in all reports; a window that counts anywhere goes before one that does not.
func (t *table) insert(w window, id int) {
	owner := uint32(id)
	if w.whole {
		owner |= flagBound
	}
	for i := t.place(w.tag); ; i = (i + 1) & (len(t.tags) - 1) {
		switch t.tags[i] {
		case 0:
			t.tags[i], t.owner[i] = w.tag, owner
			return
		case w.tag:
			if t.owner[i]&flagBound != 0 && !w.whole {
				t.owner[i] = owner
			}
			return
		}
	}
}

func (t *table) place(tag uint64) int { return int(tag) & (len(t.tags) - 1) }

// find tells whose window text is.
func (t *table) find(text []byte) (owner uint32, ok bool) {
	bit := t.hash.filter(text) >> t.shift
	if t.filter[bit/64]>>(bit%64)&1 == 0 {
		return 0, false
	}
	tag := t.hash.tag(text)
	for i := t.place(tag); ; i = (i + 1) & (len(t.tags) - 1) {
		switch t.tags[i] {
		case tag:
			return t.owner[i], true
		case 0:
			return 0, false
		}
	}
}

// match looks at the windows of l that end at characters not looked at before,
// and masks those that are known. closed says that the last token ends here.
func (g *Guard) match(l *lane, buf []byte, closed bool) {
	for _, t := range g.tables {
		for _, w := range t.widths {
			g.scan(l, buf, t, w)
		}
		if len(t.wholes) > 0 {
			g.scanWholes(l, buf, t, closed)
		}
	}
	l.seen = l.n
}

// wholes reports whether some value is matched whole.
func (g *Guard) wholes() bool {
	return slices.ContainsFunc(g.tables, func(t *table) bool { return len(t.wholes) > 0 })
}

// scan looks at all windows of one width, four at a time: the innermost loop.
func (g *Guard) scan(l *lane, buf []byte, t *table, w width) {
	n := w.n
	if l.n < n {
		return
	}
	f0, f1, shift, filter := t.hash.f0, t.hash.f1, t.shift&31, t.filter
	for start := max(0, l.seen+1-n); start <= l.n-n; start += 4 {
		first, last := l.text[start:start+11], l.text[start+n-8:start+n+3]
		x := le64(first[3:]) // all four windows hold these
		letter, lower := x&0x4040404040404040, x<<1
		beyondF := (x&0x1f1f1f1f1f1f1f1f + 0x1919191919191919) << 1
		if letter&(lower&w.noLower|^lower&w.noUpper|beyondF&w.noBeyondF) != 0 {
			continue
		}
		b0 := fold(le64(first)^f0, le64(last)^f1) >> shift
		b1 := fold(le64(first[1:])^f0, le64(last[1:])^f1) >> shift
		b2 := fold(le64(first[2:])^f0, le64(last[2:])^f1) >> shift
		b3 := fold(le64(first[3:])^f0, le64(last[3:])^f1) >> shift
		if (filter[b0/64]>>(b0%64)|filter[b1/64]>>(b1%64)|filter[b2/64]>>(b2%64)|filter[b3/64]>>(b3%64))&1 != 0 {
			start = g.confirm(l, buf, t, start, n) - 4
		}
	}
}

// confirm looks closely at the four windows from s on, and tells where to go
// on. Where the window right after a known one is known too, those between
// them lie inside the two and are passed over: a value printed over and over
// costs one tag in eight characters.
func (g *Guard) confirm(l *lane, buf []byte, t *table, s, n int) int {
	for stop := s + 4; s < stop; s++ {
		if g.known(l, buf, t, s, n) {
			for g.known(l, buf, t, s+n, n) {
				s += n
			}
		}
	}
	return s
}

// known looks up the window of n characters at s, and masks it if it is known.
func (g *Guard) known(l *lane, buf []byte, t *table, s, n int) bool {
	if s+n > l.n {
		return false
	}
	owner, ok := t.find(l.text[s : s+n])
	if !ok || owner&flagBound != 0 {
		return false
	}
	g.mark(l, buf, s, s+n, owner)
	return true
}

func le64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

// scanWholes looks at the ends of tokens for values that are matched whole.
// An end at the last character seen is looked at again: only now is it known
// to be one.
func (g *Guard) scanWholes(l *lane, buf []byte, t *table, closed bool) {
	for end := max(l.seen, minWidth); end <= l.n; end++ {
		if end < l.n && l.before(end) == 0 || end == l.n && l.trail == 0 && !closed {
			continue
		}
		for _, width := range t.wholes {
			start := end - width
			if start < 0 {
				break
			}
			if l.before(start) == 0 {
				continue
			}
			if owner, ok := t.find(l.text[start:end]); ok {
				g.mark(l, buf, start, end, owner&^flagBound)
			}
		}
	}
}

// mark masks what belongs to a window: its characters as far as they are still
// in the buffer, and what stands between two of them. A window that touches
// another of the same value is the same sighting. In a lane of the screen it
// only notes what was found: which byte painted a cell is the screen's business.
func (g *Guard) mark(l *lane, buf []byte, start, end int, owner uint32) {
	id := uint16(owner) + 1
	joined := start > 0 && l.hit[start-1] == id
	for i := start; i < end; i++ {
		fresh := l.hit[i] != id
		joined = joined || !fresh
		l.hit[i] = id
		if !fresh || i < l.live || g.mode == Warn || l.cells {
			continue
		}
		l.mask(buf, i)
		if i > 0 && l.hit[i-1] == id && l.before(i) != 0 {
			l.fill(buf, i)
		}
		if i+1 < l.n && l.hit[i+1] == id && l.before(i+1) != 0 {
			l.fill(buf, i+1)
		}
	}
	if !joined && !l.cells {
		g.counts[owner]++
	}
}

// holdFrom tells from where on buf should wait for what comes next: its last
// characters may be the head of a value, or symbols inside one.
func (g *Guard) holdFrom(buf []byte) int {
	l := &g.lanes[shown]
	if g.state == str {
		l = &g.lanes[said]
	}
	start := l.n
	for _, t := range g.tables {
		start = min(start, t.headFrom(l))
	}
	if start < l.n {
		return int(l.pos[max(start, l.live)])
	}
	from := len(buf) - int(l.trail)
	if l.n == 0 || l.hit[l.n-1] == 0 || l.trail >= gapCells || from < 0 {
		return len(buf)
	}
	for _, c := range buf[from:] {
		if !isFiller(c) {
			return len(buf)
		}
	}
	return from
}

// headFrom gives the first of the last characters of l that may be the
// beginning of a value, or l.n.
func (t *table) headFrom(l *lane) int {
	for width := min(l.n, t.reach); width >= headLen; width-- {
		start := l.n - width
		apart := l.before(start) != 0
		if !apart && !t.inner {
			continue
		}
		if max(start, l.live) < l.n && t.isHead(l.text[start:start+headLen], width, apart, l.trail == 0) {
			return start
		}
	}
	return l.n
}

// isHead reports whether the last width characters, which begin with first,
// may be the beginning of a value: of a window not yet complete, or of a value
// matched whole that only lacks its end.
func (t *table) isHead(first []byte, width int, apart, open bool) bool {
	tag := t.hash.head(first)
	for _, h := range t.heads {
		if h.tag == tag && (apart || h.inner) && (width < int(h.width) || h.whole && open && width == int(h.width)) {
			return true
		}
	}
	return false
}
