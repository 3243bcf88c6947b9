package guard

import "math/bits"

// scanWide looks for the blocks of one length. Nearly all of a text is passed over here.
func (t *table) scanWide(text []byte, seen int, l *length, found []span) []span {
	f0, f1, filter, n := t.hash.f0, t.hash.f1, &l.filter, l.block
	done := seen // windows that end here or before are known
	known := skipper{found}
	for p := aligned(max(0, seen+1-l.widest), l.stride); p+n <= len(text); p += l.stride {
		key := fold(le64(text[p:])^f0, le64(text[p+n-8:])^f1)
		if !filter.has(key) {
			if l.stride == stride {
				p = l.pass(t.hash, text, p+stride) - stride
			}
			continue
		}
		if end := known.past(p, l.stride); end > p+l.widest+l.stride {
			p = aligned(end-l.widest-2*l.stride+1, l.stride)
			continue
		}
		if p < done && !l.beyond(key, done-p) {
			continue
		}
		for starts := l.starts(t.hash, text, p); starts != 0; starts &= starts - 1 {
			s := p - l.stride + 1 + bits.TrailingZeros64(starts)
			for _, w := range l.widths {
				if s+w <= done || !l.of.has(filterOf(key, w)) {
					continue
				}
				if hit, ok := t.known(text, s, w); ok {
					hit = t.follow(text, hit)
					found = append(found, hit)
					done = max(done, hit.end)
				}
			}
		}
		p = max(p, aligned(done-l.widest-l.stride+1, l.stride)) // windows that end before are known
	}
	return found
}

// beyond reports whether a window with the block of that filter value may end more than so many characters behind its
// beginning.
func (l *length) beyond(key uint32, many int) bool {
	for _, w := range l.widths {
		if w > many && l.of.has(filterOf(key, w)) {
			return true
		}
	}
	return false
}

// pass passes over places where no block may stand, four at a time, as long as there are so many.
func (l *length) pass(h *hasher, text []byte, p int) int {
	f0, f1, filter, n := h.f0, h.f1, l.filter, l.block
	for ; p+3*stride+n <= len(text); p += 4 * stride {
		b, e := text[p:p+3*stride+8], text[p+n-8:p+n+3*stride]
		b0, b1 := filter.bit(fold(le64(b)^f0, le64(e)^f1)), filter.bit(fold(le64(b[stride:])^f0, le64(e[stride:])^f1))
		b, e = b[2*stride:], e[2*stride:]
		b2, b3 := filter.bit(fold(le64(b)^f0, le64(e)^f1)), filter.bit(fold(le64(b[stride:])^f0, le64(e[stride:])^f1))
		if hits := b0 | b1<<1 | b2<<2 | b3<<3; hits != 0 {
			return p + stride*bits.TrailingZeros64(hits)
		}
	}
	return p
}

// starts gives a bit for each window that may have the block at p, the first one's the lowest: of a window the blocks at its
// first places are known, as many as the stride has. Of four it takes no branch that depends on one.
func (l *length) starts(h *hasher, text []byte, p int) (starts uint64) {
	n := l.block
	if l.stride == stride && p >= stride && p+stride-1+n <= len(text) {
		b, e := text[p-stride+1:p+stride-1+8], text[p-stride+1+n-8:p+stride-1+n]
		f0, f1, filter := h.f0, h.f1, l.filter
		b0, b1 := filter.bit(fold(le64(b)^f0, le64(e)^f1)), filter.bit(fold(le64(b[1:])^f0, le64(e[1:])^f1))
		b2, b4 := filter.bit(fold(le64(b[2:])^f0, le64(e[2:])^f1)), filter.bit(fold(le64(b[4:])^f0, le64(e[4:])^f1))
		b5, b6 := filter.bit(fold(le64(b[5:])^f0, le64(e[5:])^f1)), filter.bit(fold(le64(b[6:])^f0, le64(e[6:])^f1))
		starts = b0 | b1<<1 | b2<<2 | 1<<3 | b4<<4 | b5<<5 | b6<<6
		starts &= starts >> 1
		return starts & (starts >> 2)
	}
	from, to := p, p
	for from > max(0, p-l.stride+1) && l.filter.has(h.filter(text[from-1:from-1+n])) {
		from--
	}
	for to < p+l.stride-1 && to+1+n <= len(text) && l.filter.has(h.filter(text[to+1:to+1+n])) {
		to++
	}
	if many := to - l.stride + 2 - from; many > 0 {
		starts = (1<<many - 1) << (from - p + l.stride - 1)
	}
	return starts
}
