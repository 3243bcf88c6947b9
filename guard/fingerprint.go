package guard

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"slices"
)

// Key makes the fingerprints of one launch its own: without it a fingerprint
// says nothing, with it each value can only be searched for.
type Key [16]byte

// NewKey gives a random key.
func NewKey() (Key, error) {
	var k Key
	_, err := rand.Read(k[:])
	return k, err
}

// Format prints a placeholder whatever the verb.
func (Key) Format(s fmt.State, _ rune) { io.WriteString(s, "[key]") }

// MarshalText gives the same placeholder to encoders.
func (Key) MarshalText() ([]byte, error) { return []byte("[key]"), nil }

// Print is the fingerprint of one named value: tags of the value's windows
// under a Key, from which a Guard knows the value when it meets it. It holds
// no part of the value in clear.
type Print struct {
	Name   string // a variable or a reference, for people; never part of the value
	cover  cover
	groups []group
	heads  []head
}

// cover says how far a value can be guarded.
type cover uint8

const (
	byWindows cover = iota // any piece of it that is long enough is known
	asWhole                // only all of it is known, standing by itself
	byMarks                // pieces of it are known that a mark is in
	tooShort
	tooLong
	tooCommon
	unmarked
	covers // their number
)

func (c cover) String() string {
	switch c {
	case byWindows:
		return "in pieces"
	case asWhole:
		return "only whole"
	case byMarks:
		return "in long pieces"
	case unmarked:
		return "has too few letters and digits for marks: it is masked only where it is handed over"
	case tooShort:
		return "has fewer than 8 letters and digits"
	case tooLong:
		return "has no part that is random enough, and is too long to be matched whole"
	}
	return "is an ordinary word or number"
}

// group is windows of one width.
type group struct {
	width   uint8
	whole   bool // they count only between token boundaries
	windows []window
	// anchors are filter values of the blocks that wide windows are found by (table.scanWide), those of the pieces that
	// windows of eight characters are found by (table.scanNarrow), or one of a whole value's tail and those of its pieces.
	anchors []uint32
}

// window is the fingerprint of one stretch of a squeezed text.
type window struct {
	key   uint32 // hasher.filter of the stretch: where it is in the tables
	reach uint32 // how many characters of the value precede and follow it that no window tells of, 16 bits each
	tag   uint64 // hasher.tag of the stretch
}

const (
	minWidth  = 8
	maxWidth  = 64      // a lane keeps as much context
	maxPieces = 1 << 20 // windows of one print: an environment string has at most 128 KiB (MAX_ARG_STRLEN)
	needKinds = 5       // different characters in a window: runs of one are everywhere
)

// Fingerprint makes the print of value under key. Only letters and digits
// count: a value is recognized however it is wrapped, quoted or coloured, and
// in the encodings of encodings. It leaves no copy of value behind.
func Fingerprint(key Key, name string, value []byte) Print {
	m := maker{hash: newHasher(key), p: Print{Name: name}}
	split := parts(value)
	for _, part := range split {
		before := m.count
		if m.add(part); m.count == before && part.claim == claimPassword && len(m.p.groups) < maxWidth && m.whole(part.text) == asWhole {
			m.p.cover = asWhole
		}
	}
	if m.count > 0 {
		m.p.cover = byWindows
	} else if m.p.cover != asWhole {
		m.addWhole(value, split)
	}
	for _, part := range split {
		part.wipe()
	}
	return m.p
}

// maker makes one print.
type maker struct {
	hash   hasher
	p      Print
	count  int     // windows
	picked []place // of the form at hand
	edges  []bool  // of its windows: where they begin, and where they end
}

// group gives the group of a width, which may be the one that is at hand.
func (m *maker) group(at *group, width int) *group {
	if at != nil && int(at.width) == width {
		return at
	}
	for i := range m.p.groups {
		if int(m.p.groups[i].width) == width && !m.p.groups[i].whole {
			return &m.p.groups[i]
		}
	}
	const some = 256 // most have that many and more
	m.p.groups = append(m.p.groups, group{width: uint8(width), windows: make([]window, 0, some), anchors: make([]uint32, 0, some)})
	return &m.p.groups[len(m.p.groups)-1]
}

// add takes the windows of one stretch, plain and encoded.
func (m *maker) add(part stretch) {
	s := squeeze(part.text)
	defer s.wipe()
	picked := s.pick()
	if len(picked) == 0 {
		return
	}
	m.windows(s.text, picked, 0)
	first := picked[0]
	for _, w := range picked {
		if w.at < first.at {
			first = w
		}
	}
	first = s.beginning(first)
	if len(m.p.heads) < maxHeads {
		h := m.hash.newHead(s.text[first.at:], int(first.width))
		h.inner = part.inner && s.steps[first.at] == 0 || first.at > 0 && s.steps[first.at]-s.steps[first.at-1] == 1
		m.p.heads = append(m.p.heads, h)
	}
	m.encode(part, &s, picked, first.at == 0)
}

// windows takes the windows picked of a text. Where no window ends or begins
// for more than some places, the one before or behind tells how many
// characters belong to it that no other tells of.
func (m *maker) windows(text []byte, picked []place, some int) {
	m.edges = slices.Grow(m.edges[:0], 2*len(text)+2)[:2*len(text)+2]
	clear(m.edges)
	ends, starts := m.edges[:len(text)+1], m.edges[len(text)+1:]
	for _, w := range picked {
		ends[w.at+w.width], starts[w.at] = true, true
	}
	var g *group
	for _, w := range picked {
		after, before := 0, 0
		for i := int(w.at+w.width) + 1; i <= len(text) && !ends[i]; i++ {
			after++
		}
		for i := int(w.at) - 1; i >= 0 && !starts[i]; i-- {
			before++
		}
		if after <= some {
			after = 0
		}
		if before <= some {
			before = 0
		}
		g = m.group(g, int(w.width))
		m.window(g, text[w.at:w.at+w.width], uint32(min(before, farthest))<<16|uint32(min(after, farthest)))
	}
	m.anchors(text, picked)
	m.pieces(text, picked)
}

// farthest is how many characters next to a window are masked with it.
const farthest = 16

func (m *maker) window(g *group, text []byte, reach uint32) {
	if m.count < maxPieces {
		g.windows = append(g.windows, window{m.hash.filter(text), reach, m.hash.tag(text)})
		m.count++
	}
}

// anchors takes the blocks that the wide windows among picked are found by,
// each once where windows are next to each other.
func (m *maker) anchors(text []byte, picked []place) {
	var next [maxWidth + 1]int32 // by width: the first block that was not taken
	var g *group
	for _, w := range picked {
		if w.width == minWidth {
			continue
		}
		l := &lengths[lengthOf(int(w.width))]
		g = m.group(g, int(w.width))
		at := w.at
		if n := next[w.width]; n > at && n <= at+int32(l.stride) {
			at = n
		}
		for ; at < w.at+int32(l.stride); at++ {
			g.anchors = append(g.anchors, m.hash.filter(text[at:at+int32(l.block)]))
		}
		next[w.width] = at
	}
}

// pieces takes the pieces that the windows of eight characters among picked are found by, each once where windows are
// next to each other.
func (m *maker) pieces(text []byte, picked []place) {
	next := int32(0)
	var g *group
	for _, w := range picked {
		if w.width != minWidth {
			continue
		}
		g = m.group(g, minWidth)
		eight := le64(text[w.at:])
		for at := max(next, w.at); at < w.at+stride; at++ {
			g.anchors = append(g.anchors, m.hash.piece(eight>>(8*(at-w.at))))
		}
		next = w.at + stride
	}
}

// addWhole takes the one window that is the whole value, or that part of it
// which is said to be secret, or tells why not.
func (m *maker) addWhole(value []byte, split []stretch) {
	m.p.cover = m.whole(value)
	for _, part := range split {
		if part.claim > claimNothing && m.p.cover != asWhole {
			m.p.cover = m.whole(part.text)
		}
	}
}

func (m *maker) whole(text []byte) cover {
	s := squeeze(text)
	defer s.wipe()
	switch n := len(s.text); {
	case n < minWidth:
		return tooShort
	case n > maxWidth:
		return tooLong
	case s.common():
		return tooCommon
	default:
		w := window{key: m.hash.filter(s.text), tag: m.hash.tag(s.text)}
		anchors := []uint32{m.hash.filter(s.text[n-minWidth:])}
		for i := range stride {
			anchors = append(anchors, m.hash.piece(le64(s.text[n-minWidth:])>>(8*i)))
		}
		m.p.groups = append(m.p.groups, group{uint8(n), true, []window{w}, anchors})
		if len(m.p.heads) < maxHeads {
			h := m.hash.newHead(s.text, n)
			h.whole = true
			m.p.heads = append(m.p.heads, h)
		}
		return asWhole
	}
}

// hasher holds what a Key gives.
type hasher struct{ k0, k1, f0, f1, p uint64 }

func newHasher(key Key) hasher {
	k0, k1 := binary.LittleEndian.Uint64(key[:]), binary.LittleEndian.Uint64(key[8:])
	filter := func(n byte) uint64 {
		return siphash(k0, k1, []byte{'w', 'a', 'r', 'd', ' ', 'f', 'i', 'l', 't', 'e', 'r', ' ', n})
	}
	return hasher{k0, k1, filter('0'), filter('1'), filter('2') | 1}
}

func (h *hasher) tag(text []byte) uint64 { return siphash(h.k0, h.k1, text) }

// filter is a quick keyed hash of the first and the last eight characters:
// half of a product with two unknown factors, folded. It is taken over the
// whole window (of 16 and less), as eight characters of a hexadecimal value
// are found by trying all.
func (h *hasher) filter(text []byte) uint32 {
	return fold(binary.LittleEndian.Uint64(text)^h.f0, binary.LittleEndian.Uint64(text[len(text)-8:])^h.f1)
}

// piece is a quicker keyed hash of pieceLen characters, the first of those in x. It is good for a filter only.
func (h *hasher) piece(x uint64) uint32 { return uint32(x << (64 - 8*pieceLen) * h.p >> 32) }

func fold(a, b uint64) uint32 {
	hi, lo := bits.Mul64(a, b)
	return uint32((hi ^ lo) >> 32)
}
