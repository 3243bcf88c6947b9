package guard

import "math/bits"

// known tells whether the window of w characters at s is known, wherever it
// may stand, and whose it is.
func (t *table) known(text []byte, s, w int) (span, bool) {
	if s < 0 || s+w > len(text) {
		return span{}, false
	}
	e := t.windows(w).find(t.hash, text[s:s+w])
	if e == nil || e.owner&flagBound != 0 {
		return span{}, false
	}
	return span{s, s + w, e.owner, e.reach}, true
}

// windows gives those of a width, among others.
func (t *table) windows(w int) *places {
	if w == minWidth {
		return &t.eights
	}
	return &t.others
}

// scan appends to found all stretches of text that windows make which end after
// seen characters, and the values matched whole that end there or at seen. What
// stands around those is not known here. Text has slack bytes of memory behind
// its end.
func (t *table) scan(text []byte, seen int, found []span) []span {
	for i := range t.lengths {
		if l := &t.lengths[i]; l.widest > 0 {
			found = t.scanWide(text, seen, l, found)
		}
	}
	return t.scanNarrow(text, seen, found)
}

const slack = 8 // bytes of memory behind a text that is scanned

// scanNarrow looks for windows of eight characters, and values matched whole.
func (t *table) scanNarrow(text []byte, seen int, found []span) []span {
	next := max(0, seen-minWidth) // no window that begins before need be looked at
	known := skipper{found}
	for p := aligned(next); p+pieceLen <= len(text); p = max(p+stride, aligned(next)) {
		if end := known.past(p, stride); end != 0 {
			next = max(next, end-minWidth)
			p = max(p, aligned(next))
		}
		if p = t.nextPiece(text, p); p+pieceLen > len(text) {
			break
		}
		for s := max(next, p-stride+1); s <= p && s+minWidth <= len(text); s++ {
			if x := le64(text[s:]); !t.narrow.has(fold(x^t.hash.f0, x^t.hash.f1)) {
				continue
			}
			if len(t.tails) > 0 {
				found = t.wholes(text, s+minWidth, found)
			}
			if hit, ok := t.known(text, s, minWidth); ok {
				found = append(found, t.follow(text, &hit))
				next = hit.end - minWidth + 1
				s = max(s, next-1)
			}
		}
	}
	return found
}

// aligned is the first place from p on that is looked at for blocks and pieces.
func aligned(p int) int { return (p + stride - 1) &^ (stride - 1) }

// nextPiece gives the first place from p on, in steps of four, where a piece may stand, or one where none fits any more.
// Nearly all of a text is passed over here.
func (t *table) nextPiece(text []byte, p int) int {
	if t.dense {
		return t.nextDense(text, p)
	}
	n, memory := len(text), text[:len(text)+slack]
	k, shift, filter := t.hash.p, 32+t.pieces.shift&31, t.pieces.bits
	const high = 64 - 8*pieceLen
	for ; p+3*stride+pieceLen <= n; p += 4 * stride {
		b := memory[p : p+3*stride+8]
		b0, b1 := le64(b)<<high*k>>shift, le64(b[stride:])<<high*k>>shift
		b2, b3 := le64(b[2*stride:])<<high*k>>shift, le64(b[3*stride:])<<high*k>>shift
		if (filter[b0/64]>>(b0%64)|filter[b1/64]>>(b1%64)|filter[b2/64]>>(b2%64)|filter[b3/64]>>(b3%64))&1 != 0 {
			break
		}
	}
	for ; p+pieceLen <= n; p += stride {
		if b := le64(memory[p:]) << high * k >> shift; filter[b/64]>>(b%64)&1 != 0 {
			break
		}
	}
	return p
}

// nextDense does as nextPiece where there are windows without pieces: it looks at all windows that a piece could be of.
func (t *table) nextDense(text []byte, p int) int {
	f0, f1, shift, filter := t.hash.f0, t.hash.f1, t.narrow.shift&31, t.narrow.bits
	memory := text[:len(text)+slack]
	for ; p >= stride && p+pieceLen <= len(text); p += stride {
		b := memory[p-stride+1 : p+8]
		x0, x1, x2, x3 := le64(b), le64(b[1:]), le64(b[2:]), le64(b[3:])
		b0, b1 := fold(x0^f0, x0^f1)>>shift, fold(x1^f0, x1^f1)>>shift
		b2, b3 := fold(x2^f0, x2^f1)>>shift, fold(x3^f0, x3^f1)>>shift
		if (filter[b0/64]>>(b0%64)|filter[b1/64]>>(b1%64)|filter[b2/64]>>(b2%64)|filter[b3/64]>>(b3%64))&1 != 0 {
			break
		}
	}
	return p
}

// scanWide looks for the blocks of one length. Nearly all of a text is passed over here.
func (t *table) scanWide(text []byte, seen int, l *length, found []span) []span {
	align := func(p int) int { return (p + l.stride - 1) &^ (l.stride - 1) }
	f0, f1, filter, n := t.hash.f0, t.hash.f1, &l.filter, l.block
	done := seen // windows that end here or before are known
	known := skipper{found}
	for p := align(max(0, seen+1-l.widest)); p+n <= len(text); p += l.stride {
		key := fold(le64(text[p:])^f0, le64(text[p+n-8:])^f1)
		if !filter.has(key) {
			if l.stride == stride {
				p = l.pass(t.hash, text, p+stride) - stride
			}
			continue
		}
		if end := known.past(p, l.stride); end > p+l.widest+l.stride {
			p = align(end - l.widest - 2*l.stride + 1)
			continue
		}
		if p < done && !l.beyond(key, done-p) {
			continue
		}
		for s, to := l.around(t.hash, text, p); s <= to; s++ {
			for _, w := range l.widths {
				if s+w <= done || !l.of.has(filterOf(key, w)) {
					continue
				}
				if hit, ok := t.known(text, s, w); ok {
					found = append(found, t.follow(text, &hit))
					done = max(done, hit.end)
				}
			}
		}
		p = max(p, align(done-l.widest-l.stride+1)) // windows that end before are known
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
	f0, f1, shift, filter, n := h.f0, h.f1, l.filter.shift&31, l.filter.bits, l.block
	for ; p+3*stride+n <= len(text); p += 4 * stride {
		b := text[p : p+3*stride+8]
		e := text[p+n-8 : p+n+3*stride]
		b0, b1 := fold(le64(b)^f0, le64(e)^f1)>>shift, fold(le64(b[stride:])^f0, le64(e[stride:])^f1)>>shift
		b2, b3 := fold(le64(b[2*stride:])^f0, le64(e[2*stride:])^f1)>>shift, fold(le64(b[3*stride:])^f0, le64(e[3*stride:])^f1)>>shift
		if hits := filter[b0/64]>>(b0%64)&1 | filter[b1/64]>>(b1%64)&1<<1 | filter[b2/64]>>(b2%64)&1<<2 | filter[b3/64]>>(b3%64)&1<<3; hits != 0 {
			return p + stride*bits.TrailingZeros64(hits)
		}
	}
	return p
}

// around tells where windows may begin that have the block at p: of each window the blocks at its first places are
// known, as many as the stride has.
func (l *length) around(h *hasher, text []byte, p int) (from, to int) {
	from, to = p, p
	for from > max(0, p-l.stride+1) && l.filter.has(h.filter(text[from-1:from-1+l.block])) {
		from--
	}
	for to < p+l.stride-1 && to+1+l.block <= len(text) && l.filter.has(h.filter(text[to+1:to+1+l.block])) {
		to++
	}
	return from, to - l.stride + 1
}

// skipper passes over what was found before.
type skipper struct{ spans []span }

// past gives the end of what is known at place p and before it for so many characters, or 0: what begins there lies in it.
func (k *skipper) past(p, before int) int {
	for len(k.spans) > 0 {
		if s := &k.spans[0]; s.end > p+minLong {
			if s.start < p-before {
				return s.end
			}
			return 0
		}
		k.spans = k.spans[1:]
	}
	return 0
}

// follow goes on from a window that is known as far as the value does: the
// windows between two that are known lie inside them and need not be looked
// at. Of those that follow each other the filter values are enough, but for the
// last one: a value printed over and over costs a tag or two in a width.
func (t *table) follow(text []byte, hit *span) span {
	w := hit.end - hit.start
	in, last := t.windows(w), hit.end-w
	for at := hit.end; at+w <= len(text); at += w {
		if key := t.hash.filter(text[at : at+w]); w == minWidth && !t.narrow.has(key) || !in.has(key, hit.owner) {
			break
		}
		last = at
	}
	t.goOn(text, hit, last, w)
	if w == minWidth { // the last one that the filter knows
		last = hit.end - w
		for at := last + 1; at < hit.end && at+w <= len(text) && t.narrow.has(t.hash.filter(text[at:at+w])); at++ {
			last = at
		}
		t.goOn(text, hit, last, w)
		return *hit
	}
	for step := w / 2; step > 0; {
		if !t.goOn(text, hit, hit.end-w+step, w) {
			step /= 2
		}
	}
	return *hit
}

// goOn makes hit end with the window of w characters at a place, if that is known to be one of the same value.
func (t *table) goOn(text []byte, hit *span, at, w int) bool {
	if at+w <= hit.end {
		return false
	}
	next, ok := t.known(text, at, w)
	if !ok || next.owner != hit.owner {
		return false
	}
	hit.end = next.end
	if next.reach != 0 || hit.reach != 0 {
		hit.reach = hit.reach&^0xffff | next.reach&0xffff
	}
	return true
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
