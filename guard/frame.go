package guard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A frame is a Print on a pipe: the length of the rest in four bytes, then
// version, cover, name, heads and windows, each list with its count ahead.
// Numbers are little-endian.
const (
	frameVersion = 1
	maxName      = 1024
	maxHeads     = 1 << 10
	headSize     = 4
	windowSize   = 14
	maxFrame     = 2 + 2 + maxName + 2 + maxHeads*headSize + 4 + maxPieces*windowSize

	flagInner = 1 << 0
	flagWhole = 1 << 7 // of a head, and of a window's width
)

var errFrame = errors.New("guard: malformed fingerprint")

// AppendBinary appends the frame of p to b, for ReadPrint. A name that no
// terminal should be sent, or of more than 1,024 bytes, is an error.
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
		flags := byte(0)
		if h.inner {
			flags |= flagInner
		}
		if h.whole {
			flags |= flagWhole
		}
		b = binary.LittleEndian.AppendUint16(b, h.tag)
		b = append(b, h.width, flags)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(p.windows)))
	for _, w := range p.windows {
		width := w.width
		if w.whole {
			width |= flagWhole
		}
		b = append(b, width, w.kinds)
		b = binary.LittleEndian.AppendUint32(b, w.filter)
		b = binary.LittleEndian.AppendUint64(b, w.tag)
	}
	binary.LittleEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	return b, nil
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
		b := d.take(headSize)
		h := head{tag: binary.LittleEndian.Uint16(b), width: b[2], inner: b[3]&flagInner != 0, whole: b[3]&flagWhole != 0}
		d.bad = d.bad || h.width < minWidth || h.width > maxWidth || b[3]&^(flagInner|flagWhole) != 0
		p.heads = append(p.heads, h)
	}
	n := d.count(int(binary.LittleEndian.Uint32(d.take(4))), maxPieces, windowSize)
	if n > 0 {
		p.windows = make([]window, n)
	}
	for i := range p.windows {
		p.windows[i] = d.window()
	}
	return p
}

func (d *decoder) window() window {
	b := d.take(windowSize)
	w := window{b[0] &^ flagWhole, b[0]&flagWhole != 0, b[1], binary.LittleEndian.Uint32(b[2:]), binary.LittleEndian.Uint64(b[6:])}
	d.bad = d.bad || w.width < minWidth || w.width > maxWidth || w.tag == 0 || w.kinds > allKinds
	return w
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
