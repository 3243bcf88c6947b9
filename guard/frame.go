package guard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// A frame is a Print on a pipe: the length of the rest in four bytes, then
// version, cover, name, heads and groups, each list with its count ahead.
// Numbers are little-endian.
const (
	frameVersion = 2
	maxName      = 1024
	maxHeads     = 1 << 10
	maxGroups    = maxWidth + 8
	headSize     = 7
	groupSize    = 10
	windowSize   = 12
	reachSize    = 4
	anchorSize   = 4
	maxFrame     = 2 + 2 + maxName + 2 + maxHeads*headSize + 2 + maxGroups*groupSize + maxPieces*(windowSize+reachSize+2*anchorSize)

	flagInner = 1 << 0
	flagReach = 1 << 1
	flagWhole = 1 << 7
)

var errFrame = errors.New("guard: malformed fingerprint")

// AppendBinary appends the frame of p to b, for ReadPrint. A name that no
// terminal should be sent, or of more than 1,024 bytes, is an error, as is a
// frame that ReadPrint would refuse: of a value of more than about 40 kB.
func (p Print) AppendBinary(b []byte) ([]byte, error) {
	if err := checkName(p.Name); err != nil {
		return b, err
	}
	start := len(b)
	b = append(b, 0, 0, 0, 0, frameVersion, byte(p.cover))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(p.Name)))
	b = append(b, p.Name...)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(p.heads)))
	for _, h := range p.heads {
		b = h.append(b)
	}
	b = binary.LittleEndian.AppendUint16(b, uint16(len(p.groups)))
	for _, g := range p.groups {
		b = g.append(b)
	}
	if size := len(b) - start - 4; size > maxFrame {
		return b[:start], fmt.Errorf("guard: %s is too large to be looked for", p.Name)
	}
	binary.LittleEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	return b, nil
}

func bitIf(yes bool, bit byte) byte { return bit * byte(oneIf(yes)) }

func (h *head) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint16(b, h.tag)
	b = binary.LittleEndian.AppendUint16(b, h.eight)
	return append(b, h.fifth, h.width, bitIf(h.inner, flagInner)|bitIf(h.whole, flagWhole))
}

func (g *group) append(b []byte) []byte {
	reach := slices.ContainsFunc(g.windows, func(w window) bool { return w.reach != 0 })
	b = append(b, g.width, bitIf(reach, flagReach)|bitIf(g.whole, flagWhole))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(g.windows)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(g.anchors)))
	b = slices.Grow(b, len(g.windows)*(windowSize+reachSize)+len(g.anchors)*anchorSize)
	for i := range g.windows {
		w := &g.windows[i]
		b = binary.LittleEndian.AppendUint32(b, w.key)
		b = binary.LittleEndian.AppendUint64(b, w.tag)
		if reach {
			b = binary.LittleEndian.AppendUint32(b, w.reach)
		}
	}
	for _, key := range g.anchors {
		b = binary.LittleEndian.AppendUint32(b, key)
	}
	return b
}

// ReadPrint reads one frame and not a byte more. It gives io.EOF where r ends
// before the frame, io.ErrUnexpectedEOF where r ends inside it.
func ReadPrint(r io.Reader) (Print, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return Print{}, err
	}
	n := binary.LittleEndian.Uint32(size[:])
	if n > maxFrame {
		return Print{}, fmt.Errorf("%w: %d bytes", errFrame, n)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return Print{}, err
	}
	d := decoder{rest: body}
	p := d.print()
	if d.bad || len(d.rest) > 0 {
		return Print{}, errFrame
	}
	return p, checkName(p.Name)
}

// decoder takes fields off the front; bad stays set once one was missing or
// out of range.
type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) take(n int) []byte {
	if n > len(d.rest) {
		d.bad, d.rest = true, nil
		return make([]byte, n)
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

// count checks that so many items of size bytes can follow.
func (d *decoder) count(n, most, size int) int {
	if n > most || n*size > len(d.rest) {
		d.bad = true
		return 0
	}
	return n
}

func (d *decoder) print() Print {
	b := d.take(4)
	p := Print{cover: cover(b[1])}
	d.bad = d.bad || b[0] != frameVersion || p.cover >= covers
	p.Name = string(d.take(d.count(int(binary.LittleEndian.Uint16(b[2:])), maxName, 1)))
	for range d.count(int(binary.LittleEndian.Uint16(d.take(2))), maxHeads, headSize) {
		p.heads = append(p.heads, d.head())
	}
	for range d.count(int(binary.LittleEndian.Uint16(d.take(2))), maxGroups, groupSize) {
		p.groups = append(p.groups, d.group())
	}
	return p
}

func (d *decoder) head() head {
	b := d.take(headSize)
	flags := b[6]
	h := head{tag: binary.LittleEndian.Uint16(b), eight: binary.LittleEndian.Uint16(b[2:]), fifth: b[4], width: b[5],
		inner: flags&flagInner != 0, whole: flags&flagWhole != 0}
	d.bad = d.bad || h.width < minWidth || h.width > maxWidth || flags&^(flagInner|flagWhole) != 0
	return h
}

func (d *decoder) group() group {
	b := d.take(groupSize)
	g := group{width: b[0], whole: b[1]&flagWhole != 0}
	reach := b[1]&flagReach != 0
	d.bad = d.bad || g.width < minWidth || g.width > maxWidth || b[1]&^(flagReach|flagWhole) != 0
	size := windowSize
	if reach {
		size += reachSize
	}
	g.windows = make([]window, d.count(int(binary.LittleEndian.Uint32(b[2:])), maxPieces, size))
	any := uint32(0)
	for i := range g.windows {
		b := d.take(size)
		w := window{key: binary.LittleEndian.Uint32(b), tag: binary.LittleEndian.Uint64(b[4:])}
		if reach {
			w.reach = binary.LittleEndian.Uint32(b[windowSize:])
		}
		any |= w.reach
		g.windows[i] = w
	}
	d.bad = d.bad || reach != (any != 0) || g.whole && len(g.windows) != 1
	g.anchors = make([]uint32, d.count(int(binary.LittleEndian.Uint32(b[6:])), 2*maxPieces, anchorSize))
	for i := range g.anchors {
		g.anchors[i] = binary.LittleEndian.Uint32(d.take(anchorSize))
	}
	return g
}

// checkName refuses what could steer the terminal that the name is shown on.
func checkName(name string) error {
	if len(name) > maxName {
		return fmt.Errorf("guard: name of %d bytes, at most %d", len(name), maxName)
	}
	for _, c := range []byte(name) {
		if c < ' ' || c == 0x7f {
			return fmt.Errorf("guard: name %q holds a control character", name)
		}
	}
	return nil
}
