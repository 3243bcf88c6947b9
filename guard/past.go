package guard

import "crypto/subtle"

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
