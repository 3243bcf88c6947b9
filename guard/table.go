package guard

import (
	"math/bits"
	"slices"
)

// table finds windows. Three steps, each met more seldom:
//
//  1. a bit per filter value, few of them set
//  2. the filter value itself, in an open table
//  3. the tag of the whole window
//
// Windows of eight characters are looked for at each place. Of all wider ones
// the table knows blocks, short pieces near their beginning, of which one lies
// on every fourth place: those are looked at. No step depends on how much of a
// window agrees: text made of halves of values costs what other text costs.
type table struct {
	hash    *hasher
	narrow  filter   // of windows of eight characters, and of tails
	wide    filter   // of blocks
	blocks  []block  // an open table
	lengths []length // of blocks
	widths  []int    // of wide windows, as block.widths numbers them
	keys    []uint32 // filter values of windows, where the rest of them is found; 0: free
	tags    []uint64
	owner   []uint32 // index of the print, and flagBound
	reach   []uint32 // window.reach
	tails   []tail   // of values matched whole, an open table
	heads   []ownedHead
	first   []uint64 // a bit per tag of a head
	longest int      // width of a head's window
}

// filter is a bit per filter value.
type filter struct {
	bits  []uint64
	shift uint8 // of a filter value, to the index of its bit
}

func newFilter(a *arena, size uint8) filter { return filter{carve[uint64](a, 1<<size/64), 32 - size} }

func (f *filter) add(key uint32) { f.bits[key>>f.shift/64] |= 1 << (key >> f.shift % 64) }

// block is the filter value of a piece of wide windows, and a bit for each of
// their widths.
type block struct {
	key    uint32 // 0: free
	widths uint32
}

// length is one that blocks have, and the widest window that has such blocks.
type length struct{ block, widest int }

const stride = 4 // of the places where blocks are looked for

// blockLen is the length of the blocks of windows of a width: in a short piece
// of what takes 40 characters and more, most is the same for all values.
func blockLen(width int) int {
	if width < 40 {
		return 12 - stride + 1
	}
	return 40 - stride + 1
}

// ownedHead is a head and whose it is.
type ownedHead struct {
	head
	owner uint32
}

const (
	flagBound = 1 << 31
	headTags  = 1 << 16
)

// tail is how values that are matched whole end: the filter value of their
// last eight characters, and a bit for each width that they have.
type tail struct {
	key    uint32 // 0: free
	widths uint64
}

// span is a stretch of text that is known.
type span struct {
	start, end int
	owner      uint32
	reach      uint32
}

// tableSize is what the tables for some prints take: filters as powers of two,
// and places.
type tableSize struct {
	narrow, wide          uint8
	blocks, places, tails int
	heads                 int
}

func sizeOf(prints []Print) (size tableSize, windows int) {
	eights, blocks, wholes := 0, 0, 0
	for _, p := range prints {
		for _, g := range p.groups {
			windows += len(g.windows)
			switch {
			case g.whole:
				wholes++
			case g.width == minWidth:
				eights += len(g.windows)
			default:
				blocks += len(g.anchors)
			}
		}
		size.heads += len(p.heads)
	}
	size.narrow = uint8(max(9, bits.Len(uint((eights+wholes)*64))))
	size.wide = uint8(max(9, bits.Len(uint(blocks*16))))
	size.places = 1 << bits.Len(uint(windows*3/2))
	size.blocks = 1 << bits.Len(uint(blocks*3/2))
	if wholes > 0 {
		size.tails = 1 << bits.Len(uint(2*wholes))
	}
	return size, windows
}

func (s tableSize) bytes() int {
	return 1<<s.narrow/8 + 1<<s.wide/8 + s.blocks*8 + s.places*(4+8+4+4) + s.tails*16 + s.heads*20 + headTags/8 + 160
}

func newTable(a *arena, key Key, prints []Print, size tableSize, first int) *table {
	t := &table{hash: &carve[hasher](a, 1)[0], narrow: newFilter(a, size.narrow), wide: newFilter(a, size.wide)}
	*t.hash = newHasher(key)
	t.blocks = carve[block](a, size.blocks)
	t.keys = carve[uint32](a, size.places)
	t.tags = carve[uint64](a, size.places)
	t.owner = carve[uint32](a, size.places)
	t.reach = carve[uint32](a, size.places)
	t.tails = carve[tail](a, size.tails)
	t.heads = carve[ownedHead](a, size.heads)[:0]
	t.first = carve[uint64](a, headTags/64)
	for id, p := range prints {
		for _, g := range p.groups {
			t.addGroup(g, uint32(first+id))
		}
		for _, h := range p.heads {
			t.heads = append(t.heads, ownedHead{h, uint32(first + id)})
			t.first[h.tag/64] |= 1 << (h.tag % 64)
			t.longest = max(t.longest, int(h.width))
		}
	}
	return t
}

func (t *table) addGroup(g group, owner uint32) {
	switch {
	case g.whole:
		owner |= flagBound
		for _, key := range g.anchors {
			t.narrow.add(key)
			t.addTail(max(1, key), g.width)
		}
	case g.width == minWidth:
		for i := range g.windows {
			t.narrow.add(g.windows[i].key)
		}
	default:
		bit := uint32(1) << index(&t.widths, int(g.width))
		t.addLength(int(g.width))
		for _, key := range g.anchors {
			t.wide.add(key)
			t.addBlock(max(1, key), bit)
		}
	}
	for i := range g.windows {
		t.insert(&g.windows[i], owner)
	}
}

// index is the place of n in a list, to which it is added if it is not there.
func index(list *[]int, n int) int {
	i := slices.Index(*list, n)
	if i < 0 {
		i = len(*list)
		*list = append(*list, n)
	}
	return i
}

func (t *table) addLength(width int) {
	n := blockLen(width)
	for i := range t.lengths {
		if l := &t.lengths[i]; l.block == n {
			l.widest = max(l.widest, width)
			return
		}
	}
	t.lengths = append(t.lengths, length{n, width})
}

func (t *table) addBlock(key uint32, bit uint32) {
	for i := int(key) & (len(t.blocks) - 1); ; i = (i + 1) & (len(t.blocks) - 1) {
		if b := &t.blocks[i]; b.key == 0 || b.key == key {
			b.key = key
			b.widths |= bit
			return
		}
	}
}

func (t *table) addTail(key uint32, width uint8) {
	for i := int(key) & (len(t.tails) - 1); ; i = (i + 1) & (len(t.tails) - 1) {
		if t.tails[i].key == 0 || t.tails[i].key == key {
			t.tails[i].key = key
			t.tails[i].widths |= 1 << (width - 1)
			return
		}
	}
}

// widest is how many characters a match may have.
func (t *table) widest() int {
	most := minWidth
	for _, l := range t.lengths {
		most = max(most, l.widest)
	}
	if len(t.tails) > 0 {
		most = maxWidth
	}
	return most
}

// insert keeps the first owner of a tag, so that a value with two names has
// one in all reports; a window that counts anywhere goes before one that does not.
func (t *table) insert(w *window, owner uint32) {
	for i := t.place(w.key); ; i = (i + 1) & (len(t.keys) - 1) {
		switch {
		case t.keys[i] == 0:
			t.keys[i], t.tags[i], t.owner[i], t.reach[i] = max(1, w.key), w.tag, owner, w.reach
			return
		case t.tags[i] == w.tag:
			if t.owner[i]&flagBound != 0 && owner&flagBound == 0 {
				t.owner[i], t.reach[i] = owner, w.reach
			}
			return
		}
	}
}

func (t *table) place(key uint32) int { return int(key) & (len(t.keys) - 1) }

// find looks for the window text, and gives its place in the table or -1.
func (t *table) find(text []byte) int {
	key := max(1, t.hash.filter(text))
	for i := t.place(key); t.keys[i] != 0; i = (i + 1) & (len(t.keys) - 1) {
		if t.keys[i] == key && t.tags[i] == t.hash.tag(text) {
			return i
		}
	}
	return -1
}

// known tells whether the window of w characters at s is known, wherever it
// may stand, and whose it is.
func (t *table) known(text []byte, s, w int) (span, bool) {
	if s < 0 || s+w > len(text) {
		return span{}, false
	}
	at := t.find(text[s : s+w])
	if at < 0 || t.owner[at]&flagBound != 0 {
		return span{}, false
	}
	return span{s, s + w, t.owner[at], t.reach[at]}, true
}

// scan appends to found all stretches of text that windows make which end after
// seen characters, and the values matched whole that end there or at seen. What
// stands around those is not known here. Text has slack bytes of memory behind
// its end.
func (t *table) scan(text []byte, seen int, found []span) []span {
	for _, l := range t.lengths {
		found = t.scanWide(text, seen, l, found)
	}
	return t.scanNarrow(text, seen, found)
}

const slack = 8 // bytes of memory behind a text that is scanned

// scanNarrow looks at all windows of eight characters, four at a time.
func (t *table) scanNarrow(text []byte, seen int, found []span) []span {
	n := len(text)
	f0, f1, shift, filter := t.hash.f0, t.hash.f1, t.narrow.shift&31, t.narrow.bits
	memory := text[:n+slack]
	known := skipper{found}
	for s := max(0, seen-minWidth); s+minWidth <= n; s += 4 {
		if end := known.past(s); end != 0 {
			s = end - minWidth
		}
		b := memory[s : s+11]
		x0, x1, x2, x3 := le64(b), le64(b[1:]), le64(b[2:]), le64(b[3:])
		b0, b1 := fold(x0^f0, x0^f1)>>shift, fold(x1^f0, x1^f1)>>shift
		b2, b3 := fold(x2^f0, x2^f1)>>shift, fold(x3^f0, x3^f1)>>shift
		if (filter[b0/64]>>(b0%64)|filter[b1/64]>>(b1%64)|filter[b2/64]>>(b2%64)|filter[b3/64]>>(b3%64))&1 != 0 {
			for end := s + 4; s < end; s++ {
				x := le64(memory[s:])
				if b := fold(x^f0, x^f1) >> shift; filter[b/64]>>(b%64)&1 == 0 {
					continue
				}
				if len(t.tails) > 0 {
					found = t.wholes(text, s+minWidth, found)
				}
				if hit, ok := t.known(text, s, minWidth); ok {
					found = append(found, t.follow(text, &hit))
					s = max(s, hit.end-minWidth)
				}
			}
			s -= 4
		}
	}
	return found
}

// scanWide looks at every fourth place for the blocks of one length.
func (t *table) scanWide(text []byte, seen int, l length, found []span) []span {
	f0, f1, shift, filter := t.hash.f0, t.hash.f1, t.wide.shift&31, t.wide.bits
	first := max(0, seen+1-l.widest)
	done := 0 // windows that end here or before are known
	known := skipper{found}
	for p := (first + stride - 1) &^ (stride - 1); p+l.block <= len(text); p += stride {
		if end := known.past(p); end > p+l.widest+stride {
			p = (end - l.widest) &^ (stride - 1)
		}
		key := fold(le64(text[p:])^f0, le64(text[p+l.block-8:])^f1)
		if b := key >> shift; filter[b/64]>>(b%64)&1 == 0 {
			continue
		}
		for widths := t.widthsOf(max(1, key)); widths != 0; widths &= widths - 1 {
			w := t.widths[bits.TrailingZeros32(widths)]
			for s := max(0, p-stride+1, max(seen, done)+1-w); s <= p; s++ {
				if hit, ok := t.known(text, s, w); ok {
					found = append(found, t.follow(text, &hit))
					done = max(done, hit.end)
					s = hit.end - w
				}
			}
		}
		p = max(p, (done-l.widest)&^(stride-1)) // windows that end before are known
	}
	return found
}

// skipper passes over what was found before.
type skipper struct{ spans []span }

// past gives the end of what is known some way before place p and at it, or 0.
func (k *skipper) past(p int) int {
	for len(k.spans) > 0 {
		if s := &k.spans[0]; s.end > p+minLong {
			if s.start < p-stride {
				return s.end
			}
			return 0
		}
		k.spans = k.spans[1:]
	}
	return 0
}

// widthsOf gives the widths of the windows whose block has a filter value.
func (t *table) widthsOf(key uint32) uint32 {
	for i := int(key) & (len(t.blocks) - 1); t.blocks[i].key != 0; i = (i + 1) & (len(t.blocks) - 1) {
		if t.blocks[i].key == key {
			return t.blocks[i].widths
		}
	}
	return 0
}

// follow goes on from a window that is known as far as the value does: the
// windows between two that are known lie inside them and need not be looked
// at. A value printed over and over costs a tag or two in a width.
func (t *table) follow(text []byte, hit *span) span {
	w := hit.end - hit.start
	for step := w; step > 0; {
		next, ok := t.known(text, hit.end-w+step, w)
		if !ok || next.owner != hit.owner {
			step /= 2
			continue
		}
		hit.end = next.end
		if next.reach != 0 || hit.reach != 0 {
			hit.reach = hit.reach&^0xffff | next.reach&0xffff
		}
	}
	return *hit
}

// wholes appends the values that end at end and are matched whole.
func (t *table) wholes(text []byte, end int, found []span) []span {
	if end > len(text) {
		return found
	}
	key := max(1, t.hash.filter(text[end-minWidth:end]))
	for i := int(key) & (len(t.tails) - 1); t.tails[i].key != 0; i = (i + 1) & (len(t.tails) - 1) {
		if t.tails[i].key != key {
			continue
		}
		for widths := t.tails[i].widths; widths != 0; widths &= widths - 1 {
			start := end - bits.TrailingZeros64(widths) - 1
			if start < 0 {
				break
			}
			if at := t.find(text[start:end]); at >= 0 && t.owner[at]&flagBound != 0 {
				found = append(found, span{start: start, end: end, owner: t.owner[at]})
			}
		}
		break
	}
	return found
}
