package guard

// head knows the first characters of a form, so that the end of a chunk which
// may be the beginning of a value can be held back. Its tags are short: ones
// that told the characters apart from all others would hand whoever reads them
// the beginning of the value. As it is, the search for the first window is
// 2^24 times shorter (2^40 for one of twelve characters, whose first eight
// count too), and those behind it follow from that; the tags are not made to
// stand such a search, only never to lie where one could be made at leisure.
type head struct {
	tag   uint16 // of the first four characters
	fifth uint8  // of the first five
	eight uint16 // of the first eight, if the window is wider
	width uint8  // of the window that begins here
	inner bool   // a letter or digit of the value stands right before it
	whole bool
}

const (
	headLen  = 4
	manyHead = 200 // from here on four characters are met too often
)

func (h *hasher) newHead(text []byte, width int) head {
	made := head{tag: h.head(text), fifth: h.fifth(text), width: uint8(width)}
	if width > minWidth {
		made.eight = h.eight(text)
	}
	return made
}

func (h *hasher) head(text []byte) uint16  { return uint16(siphash(h.k0, h.k1, text[:headLen])) }
func (h *hasher) fifth(text []byte) uint8  { return uint8(siphash(h.k0, h.k1, text[:headLen+1])) }
func (h *hasher) eight(text []byte) uint16 { return uint16(siphash(h.k1, h.k0, text[:minWidth])) }

// holdFrom tells from where on buf should wait for what comes next: its last
// characters may be the head of a value, or symbols inside one. A string that
// is not at its end yet has a text of its own, and interrupts the one shown.
func (g *Guard) holdFrom(buf []byte) int {
	at, current, last := len(buf), shown, shown
	if g.state == str {
		current, last = said, copied
	}
	for i := range g.lanes[:last+1] {
		l := &g.lanes[i]
		if start, _, _ := g.headOf(l); start < l.n {
			at = min(at, int(l.pos[max(start, l.live)]))
			if l.decoded && at > 0 { // where its first bits are
				at--
			}
		}
	}
	if at < len(buf) {
		return at
	}
	l := &g.lanes[current]
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

// headOf gives the first of the last characters of l that may be the beginning
// of a value, and of which; or l.n.
func (g *Guard) headOf(l *lane) (start int, found *ownedHead, in *table) {
	start = l.n
	if start > 0 && l.hit[start-1] != 0 {
		return start, nil, nil // it is masked
	}
	l.tagHeads(g.tables)
	for i, t := range g.tables {
		if at, h := t.headFrom(l, 1<<i, g.known.many); at < start {
			start, found, in = at, h, t
		}
	}
	return start, found, in
}

// tagHeads brings l.heads up to date: of what stood there before it is known, which is nearly all when a key is echoed. Only
// the last characters are asked for, so that after a backspace it begins anew.
func (l *lane) tagHeads(tables []*table) {
	longest := 0
	for _, t := range tables {
		longest = max(longest, t.longest)
	}
	for l.headed = max(l.headed, l.n-longest); l.headed+headLen <= l.n; l.headed++ {
		l.heads[l.headed] = 0
		for i, t := range tables {
			tag := t.hash.head(l.text[l.headed:])
			l.heads[l.headed] |= uint8(t.first[tag/64]>>(tag%64)&1) << i
		}
	}
}

func (t *table) headFrom(l *lane, bit uint8, many bool) (int, *ownedHead) {
	for start := max(0, l.n-t.longest); start+headLen <= l.n; start++ {
		if l.heads[start]&bit == 0 || max(start, l.live) == l.n {
			continue
		}
		text := l.text[start:l.n]
		tag := t.hash.head(text)
		apart := l.before(start) != 0
		for i := range t.heads {
			h := &t.heads[i]
			if h.tag == tag && (apart || h.inner) && h.begins(t.hash, text, many, l.trail == 0) {
				return start, h
			}
		}
	}
	return l.n, nil
}

// begins reports whether text, whose first characters have the tag of h, may be
// the beginning of its value: of a window not yet complete, or of a value
// matched whole that only lacks its end. Where there are many heads, or they
// may stand inside a word, four characters are too few to hold anything back.
func (h *head) begins(hash *hasher, text []byte, many, open bool) bool {
	width := len(text)
	if width == headLen && (many || h.inner) || width > headLen && hash.fifth(text) != h.fifth {
		return false
	}
	return width < int(h.width) || h.whole && open && width == int(h.width)
}

// maskHead masks what is held if it is the beginning of a value for all that can
// be known of fewer characters than a window has: no more than the first seven
// of a value are ever let go because nothing follows.
func (g *Guard) maskHead(l *lane, buf []byte) {
	start, h, t := g.headOf(l)
	if start+minWidth > l.n || h.whole || int(h.width) <= minWidth || t.hash.eight(l.text[start:l.n]) != h.eight {
		return
	}
	g.mark(l, buf, start, l.n, h.owner)
}
