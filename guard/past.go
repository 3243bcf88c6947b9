package guard

import (
	"bytes"
	"crypto/subtle"
)

// pastSize is how much of the stream a screen is drawn from when the first program moves the cursor.
const pastSize = 8 << 10

// past is the end of the stream as it was printed, combined with random bytes, in a ring. The zero past keeps nothing.
type past struct {
	ring, pad []byte // pastSize each
	n         int    // bytes since the beginning of the stream
}

func newPast(a *arena, h *hasher) past {
	p := past{ring: carve[byte](a, pastSize), pad: carve[byte](a, pastSize)}
	for i, words := 0, wordsOf(p.pad); i < len(words); i++ {
		words[i] = h.tag([]byte{'p', 'a', 's', 't', byte(i), byte(i >> 8)})
	}
	return p
}

func (p *past) add(text []byte) {
	if len(p.ring) == 0 {
		return
	}
	if drop := len(text) - pastSize; drop > 0 {
		p.n += drop
		text = text[drop:]
	}
	for len(text) > 0 {
		at := p.n % pastSize
		n := subtle.XORBytes(p.ring[at:], text[:min(len(text), pastSize-at)], p.pad[at:])
		p.n += n
		text = text[n:]
	}
}

// each gives what is kept, in its order, to f in pieces, and overwrites it.
func (p *past) each(f func(text []byte)) {
	at := p.n % pastSize
	for _, part := range [][2]int{{at, pastSize}, {0, at}} {
		if part[0] == at && p.n < pastSize {
			continue
		}
		piece := p.ring[part[0]:part[1]]
		subtle.XORBytes(piece, piece, p.pad[part[0]:part[1]])
		f(piece)
		clear(piece)
	}
}

// addressing says whether buf, from the byte of that index on, moves the cursor to where its text does not follow on.
func (g *Guard) addressing(buf []byte, from int) bool {
	text := buf[from:]
	if g.state == escape && escapeAddresses(text) || g.state == control && controlAddresses(text) { // it was cut
		return true
	}
	for i := bytes.IndexByte(text, 0x1b); i >= 0; i = bytes.IndexByte(text, 0x1b) {
		if text = text[i+1:]; escapeAddresses(text) {
			return true
		}
	}
	for i := from; ; i++ { // CSI in one byte
		next := bytes.IndexByte(buf[i:], 0x9b)
		if next < 0 {
			return false
		}
		if i += next; !g.partOf(buf, i) && controlAddresses(buf[i+1:]) {
			return true
		}
	}
}

func escapeAddresses(text []byte) bool {
	return len(text) > 0 && (text[0] == 'M' || text[0] == '8' || text[0] == '[' && controlAddresses(text[1:]))
}

func controlAddresses(text []byte) bool {
	for len(text) > 0 && text[0] < '@' && text[0] != 0x1b {
		text = text[1:]
	}
	return len(text) > 0 && addresses(text[0])
}

// drawPast makes the screen, from what is known of the stream.
func (g *Guard) drawPast() {
	g.screen = newScreen(g.hasher(), g.size[0], g.size[1])
	if g.screen == nil {
		g.size = [2]int{}
		return
	}
	g.past.each(g.screen.write)
	g.past = past{}
	g.screen.leaving = g.lookAtRows
	for y := range g.screen.rows { // all of it is written and gone
		r := g.screen.row(y)
		r.lo, r.hi = g.screen.cols, 0
	}
}
