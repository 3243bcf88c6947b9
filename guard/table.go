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
// Of wide windows the table knows blocks, short pieces near their beginning, and
// of those of eight characters pieces of five, of which one lies on every fourth
// place: only those places are looked at. Marks have no such pieces, as those
// would tell too much on a disk: windows of theirs are looked for at each place.
// No step depends on how much of a window agrees: text made of halves of values
// costs what other text costs.
type table struct {
	hash    *hasher
	narrow  filter // of windows of eight characters, and of tails
	pieces  filter // of pieces of these
	dense   bool   // there are windows of eight characters without
	lengths [len(lengths)]length
	eights  places // windows of eight characters
	others  places
	tails   []tail // of values matched whole, an open table
	heads   []ownedHead
	first   []uint64 // a bit per tag of a head
	longest int      // width of a head's window
	marks   bool     // its windows are marks
}

// filter is a bit per filter value.
type filter struct {
	bits  []uint64
	shift uint8 // of a filter value, to the index of its bit
}

func newFilter(a *arena, size uint8) filter { return filter{carve[uint64](a, 1<<size/64), 32 - size} }

func (f *filter) add(key uint32) { f.bits[key>>f.shift/64] |= 1 << (key >> f.shift % 64) }

func (f *filter) has(key uint32) bool { return f.bit(key) != 0 }

// bit is 1 for a filter value that may be one of those that were added, else 0.
func (f *filter) bit(key uint32) uint64 {
	key >>= f.shift & 31
	return f.bits[key/64] >> (key % 64) & 1
}

// length is one that blocks have, the places where they are looked for, and the windows that have such blocks.
type length struct {
	block, stride int
	filter        filter // of the blocks
	of            filter // of the blocks and a width that they are of: see filterOf
	widths        []int
	widest        int
}

// lengths are those that there are: in a short piece of what takes 40 characters and more, most is the same for all
// values.
var lengths = [...]length{{block: 12 - stride + 1, stride: stride}, {block: 40 - 4*stride + 1, stride: 4 * stride}}

// filterOf makes one filter value of that of a block and a width.
func filterOf(key uint32, width int) uint32 { return bits.RotateLeft32(key, width) }

// lengthOf gives which of them the blocks of windows of a width have.
func lengthOf(width int) int { return oneIf(width >= 40) }

const (
	stride   = 4                     // of the places where blocks and pieces are looked for
	pieceLen = minWidth - stride + 1 // of pieces: of eight characters, one begins at a place
)

// ownedHead is a head and whose it is.
type ownedHead struct {
	head
	owner uint32
}

const (
	flagBound = 1 << 31
	headTags  = 1 << 16
)

// places is an open table of windows.
type places struct {
	keys    []uint32 // filter values, where the entry of the same index is; 0: free
	entries []entry
}

type entry struct {
	tag   uint64
	owner uint32 // index of the print, and flagBound
	reach uint32 // window.reach
}

func newPlaces(a *arena, size int) places {
	return places{carve[uint32](a, size), carve[entry](a, size)}
}

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
	narrow         uint8
	wide           [2]uint8 // by lengthOf
	eights, others int
	tails, heads   int
}

func sizeOf(prints []Print) (size tableSize, windows int) {
	eights, wholes := 0, 0
	var blocks [len(lengths)]int
	for _, p := range prints {
		for _, g := range p.groups {
			windows += len(g.windows)
			switch {
			case g.whole:
				wholes++
			case g.width == minWidth:
				eights += len(g.windows)
			default:
				blocks[lengthOf(int(g.width))] += len(g.anchors)
			}
		}
		size.heads += len(p.heads)
	}
	size.narrow = uint8(max(9, bits.Len(uint((eights+wholes)*64))))
	for i, n := range blocks {
		size.wide[i] = uint8(max(9, bits.Len(uint(n*32))))
	}
	size.eights, size.others = roomFor(eights), roomFor(windows-eights)
	if wholes > 0 {
		size.tails = roomFor(wholes)
	}
	return size, windows
}

// roomFor is how many places an open table has for so many keys. One is free always.
func roomFor(keys int) int { return keys*3/2 + 1 }

func (s tableSize) bytes() int {
	return 2<<s.narrow/8 + 3<<s.wide[0]/16 + 3<<s.wide[1]/16 + (s.eights+s.others)*(4+16) + s.tails*16 + s.heads*20 + headTags/8 + 192
}

func newTable(a *arena, key Key, prints []Print, size tableSize, first int) *table {
	t := &table{hash: &carve[hasher](a, 1)[0], narrow: newFilter(a, size.narrow)}
	*t.hash = newHasher(key)
	t.pieces = newFilter(a, size.narrow)
	t.lengths = lengths
	for i := range t.lengths {
		t.lengths[i].filter, t.lengths[i].of = newFilter(a, size.wide[i]), newFilter(a, size.wide[i]-1)
	}
	t.eights, t.others = newPlaces(a, size.eights), newPlaces(a, size.others)
	t.tails = carve[tail](a, size.tails)
	t.heads = carve[ownedHead](a, size.heads)[:0]
	t.first = carve[uint64](a, headTags/64)
	for id, p := range prints {
		t.marks = t.marks || p.cover == byMarks
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
	into := &t.others
	switch {
	case g.whole:
		owner |= flagBound
		for _, key := range g.anchors[:min(1, len(g.anchors))] {
			t.narrow.add(key)
			t.addTail(max(1, key), g.width)
		}
		t.addPieces(g.anchors[min(1, len(g.anchors)):])
	case g.width == minWidth:
		into = &t.eights
		for i := range g.windows {
			t.narrow.add(g.windows[i].key)
		}
		t.addPieces(g.anchors)
	default:
		l := &t.lengths[lengthOf(int(g.width))]
		if !slices.Contains(l.widths, int(g.width)) {
			l.widths = append(l.widths, int(g.width))
			l.widest = slices.Max(l.widths)
		}
		for _, key := range g.anchors {
			l.filter.add(key)
			l.of.add(filterOf(key, int(g.width)))
		}
	}
	for i := range g.windows {
		into.insert(&g.windows[i], owner)
	}
}

func (t *table) addPieces(keys []uint32) {
	for _, key := range keys {
		t.pieces.add(key)
	}
	t.dense = t.dense || len(keys) == 0
}

func (t *table) addTail(key uint32, width uint8) {
	for i := slot(key, len(t.tails)); ; i = after(i, len(t.tails)) {
		if t.tails[i].key == 0 || t.tails[i].key == key {
			t.tails[i].key = key
			t.tails[i].widths |= 1 << (width - 1)
			return
		}
	}
}

// insert keeps the first owner of a tag, so that a value with two names has
// one in all reports; a window that counts anywhere goes before one that does not.
func (p *places) insert(w *window, owner uint32) {
	key := max(1, w.key)
	for i := slot(key, len(p.keys)); ; i = after(i, len(p.keys)) {
		switch e := &p.entries[i]; {
		case p.keys[i] == 0:
			p.keys[i], *e = key, entry{w.tag, owner, w.reach}
			return
		case e.tag == w.tag:
			if e.owner&flagBound != 0 && owner&flagBound == 0 {
				e.owner, e.reach = owner, w.reach
			}
			return
		}
	}
}

// slot is where in an open table of so many places a key is looked for first, and after the place that is looked at next.
func slot(key uint32, places int) int { return int(uint64(key) * uint64(places) >> 32) }

func after(i, places int) int {
	if i++; i < places {
		return i
	}
	return 0
}

// find looks for the window text, and gives its entry or nil.
func (p *places) find(h *hasher, text []byte) *entry {
	key := max(1, h.filter(text))
	for i := slot(key, len(p.keys)); p.keys[i] != 0; i = after(i, len(p.keys)) {
		if p.keys[i] == key && p.entries[i].tag == h.tag(text) {
			return &p.entries[i]
		}
	}
	return nil
}

// has tells whether there is a window of an owner with a filter value.
func (p *places) has(key, owner uint32) bool {
	key = max(1, key)
	for i := slot(key, len(p.keys)); p.keys[i] != 0; i = after(i, len(p.keys)) {
		if p.keys[i] == key && p.entries[i].owner == owner {
			return true
		}
	}
	return false
}
