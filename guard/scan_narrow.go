package guard

import "math/bits"

// scanNarrow looks for windows of eight characters, and values matched whole.
//
// It goes on in batches, of which it takes one step after the other: where may a piece stand, which of those places may
// have a window, what is that. A text that is full of pieces, and of nothing else, costs little more than one without: no
// branch depends on single places of it. Where values were found batches are short, as what follows in a value is passed
// over.
func (t *table) scanNarrow(text []byte, seen int, found []span) []span {
	next := max(0, seen-minWidth) // no window that begins before need be looked at
	known := skipper{found}
	var b batch
	most := shortBatch
	for p := aligned(next, stride); p+pieceLen <= len(text); p = max(p, aligned(next, stride)) {
		if end := known.past(p, stride); end != 0 {
			next = max(next, end-minWidth)
			p = max(p, aligned(next, stride))
		}
		var n int
		n, p = t.candidates(text, p, most, &b)
		most = len(b)
		for _, c := range b[:n] {
			for windows := c.windows; windows != 0; windows &= windows - 1 {
				s := c.at - stride + 1 + bits.TrailingZeros64(windows)
				if s < next {
					continue
				}
				if len(t.tails) > 0 {
					found = t.wholes(text, s+minWidth, found)
				}
				if hit, ok := t.known(text, s, minWidth); ok {
					hit = t.follow(text, hit)
					found = append(found, hit)
					next, most = hit.end-minWidth+1, shortBatch
				}
			}
		}
	}
	return found
}

// candidate is a place that may have windows of eight characters, and a bit for each of those around it, the first one's the
// lowest.
type candidate struct {
	at      int
	windows uint64
}

// batch are candidates, in their order.
type batch [16]candidate

const shortBatch = 4 // at least as many as are looked at together

// add appends a place, of which one bit says whether it counts.
func (b *batch) add(n int, c candidate, bit uint64) int {
	b[n&(len(b)-1)] = c
	return n + int(bit)
}

// candidates gives the next ones from p on, most at most, and the place up to which it looked. There may be none.
func (t *table) candidates(text []byte, p, most int, found *batch) (n, next int) {
	if t.dense {
		for ; p+pieceLen <= len(text) && n < most; p += stride {
			windows := t.eightsAt(text, p)
			n = found.add(n, candidate{p, windows}, (windows+15)>>4)
		}
		return n, p
	}
	pieces, next := t.piecesAt(text, p, most, found)
	for _, c := range found[:pieces] {
		c.windows = t.eightsAt(text, c.at)
		n = found.add(n, c, (c.windows+15)>>4)
	}
	return n, next
}

// piecesAt gives the next places from p on where a piece may stand, most at most, and how far it looked. Nearly all of a
// text is passed over here.
func (t *table) piecesAt(text []byte, p, most int, found *batch) (n, next int) {
	memory, k, words := text[:len(text)+slack], t.hash.p, t.pieces.bits
	const high = 64 - 8*pieceLen
	shift := 32 + t.pieces.shift&31 // see hasher.piece and filter.bit
	for ; p+3*stride+pieceLen <= len(text); p += 4 * stride {
		b := memory[p : p+3*stride+8]
		x0, x1 := le64(b)<<high*k>>shift, le64(b[stride:])<<high*k>>shift
		x2, x3 := le64(b[2*stride:])<<high*k>>shift, le64(b[3*stride:])<<high*k>>shift
		b0, b1, b2, b3 := words[x0/64]>>(x0%64)&1, words[x1/64]>>(x1%64)&1, words[x2/64]>>(x2%64)&1, words[x3/64]>>(x3%64)&1
		if b0|b1|b2|b3 == 0 {
			continue
		}
		n = found.add(n, candidate{at: p}, b0)
		n = found.add(n, candidate{at: p + stride}, b1)
		n = found.add(n, candidate{at: p + 2*stride}, b2)
		n = found.add(n, candidate{at: p + 3*stride}, b3)
		if n > most-4 {
			return n, p + 4*stride
		}
	}
	for ; p+pieceLen <= len(text) && n < most; p += stride {
		n = found.add(n, candidate{at: p}, t.pieces.bit(t.hash.piece(le64(memory[p:]))))
	}
	return n, p
}

// eightsAt gives a bit for each window of eight characters that may be known and has the piece at p, the first one's the
// lowest.
func (t *table) eightsAt(text []byte, p int) uint64 {
	if p < stride {
		return uint64(oneIf(len(text) >= p+minWidth && t.narrow.has(t.hash.filter(text[p:p+minWidth])))) << (stride - 1)
	}
	f0, f1, filter := t.hash.f0, t.hash.f1, t.narrow
	b := text[:len(text)+slack][p-stride+1 : p+minWidth]
	x0, x1, x2, x3 := le64(b), le64(b[1:]), le64(b[2:]), le64(b[3:])
	b0, b1 := filter.bit(fold(x0^f0, x0^f1)), filter.bit(fold(x1^f0, x1^f1))
	b2, b3 := filter.bit(fold(x2^f0, x2^f1)), filter.bit(fold(x3^f0, x3^f1))
	return (b0 | b1<<1 | b2<<2 | b3<<3) & (1<<min(stride, len(text)-p-pieceLen+1) - 1)
}

// wholes appends the values that end at end and are matched whole.
func (t *table) wholes(text []byte, end int, found []span) []span {
	if end > len(text) {
		return found
	}
	key := max(1, t.hash.filter(text[end-minWidth:end]))
	for i := slot(key, len(t.tails)); t.tails[i].key != 0; i = after(i, len(t.tails)) {
		if t.tails[i].key != key {
			continue
		}
		for widths := t.tails[i].widths; widths != 0; widths &= widths - 1 {
			start := end - bits.TrailingZeros64(widths) - 1
			if start < 0 {
				break
			}
			if e := t.others.find(t.hash, text[start:end]); e != nil && e.owner&flagBound != 0 {
				found = append(found, span{start: start, end: end, owner: e.owner})
			}
		}
		break
	}
	return found
}
