package guard

import "math/bits"

// known tells whether the window of w characters at s is known, wherever it
// may stand, and whose it is.
func (t *table) known(text []byte, s, w int) (span, bool) {
	if s < 0 || s+w > len(text) {
		return span{}, false
	}
	in := &t.others
	if w == minWidth {
		in = &t.eights
	}
	e := in.find(t.hash, text[s:s+w])
	if e == nil || e.owner&flagBound != 0 {
		return span{}, false
	}
	return span{s, s + w, e.owner, e.reach}, true
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
	first := max(0, seen+1-l.widest)
	done := 0 // windows that end here or before are known
	known := skipper{found}
	for p := (first + stride - 1) &^ (stride - 1); p+l.block <= len(text); p += stride {
		if end := known.past(p); end > p+l.widest+stride {
			p = (end - l.widest) &^ (stride - 1)
		}
		if p+l.block > len(text) {
			break
		}
		if p = t.nextBlock(text, p, l.block); p+l.block > len(text) {
			break
		}
		from, to := t.around(text, p, l.block)
		if from > to {
			continue
		}
		key := t.hash.filter(text[p : p+l.block])
		for widths := t.widthsOf(max(1, key)); widths != 0; widths &= widths - 1 {
			w := t.widths[bits.TrailingZeros32(widths)]
			for s := max(from, max(seen, done)+1-w); s <= to; s++ {
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

// nextBlock gives the first place from p on, in steps of four, where a block of n characters may stand, or one where
// none fits any more; at p one does. Nearly all of a text is passed over here, four places at a time.
func (t *table) nextBlock(text []byte, p, n int) int {
	f0, f1, shift, filter := t.hash.f0, t.hash.f1, t.wide.shift&31, t.wide.bits
	// One place by itself: where blocks follow each other, the other three would be looked at in vain.
	if b := fold(le64(text[p:])^f0, le64(text[p+n-8:])^f1) >> shift; filter[b/64]>>(b%64)&1 != 0 {
		return p
	}
	for p += stride; p+3*stride+n <= len(text); p += 4 * stride {
		b := text[p : p+3*stride+8]
		e := text[p+n-8 : p+n+3*stride]
		b0, b1 := fold(le64(b)^f0, le64(e)^f1)>>shift, fold(le64(b[stride:])^f0, le64(e[stride:])^f1)>>shift
		b2, b3 := fold(le64(b[2*stride:])^f0, le64(e[2*stride:])^f1)>>shift, fold(le64(b[3*stride:])^f0, le64(e[3*stride:])^f1)>>shift
		if (filter[b0/64]>>(b0%64)|filter[b1/64]>>(b1%64)|filter[b2/64]>>(b2%64)|filter[b3/64]>>(b3%64))&1 != 0 {
			break
		}
	}
	for ; p+n <= len(text); p += stride {
		if b := fold(le64(text[p:])^f0, le64(text[p+n-8:])^f1) >> shift; filter[b/64]>>(b%64)&1 != 0 {
			break
		}
	}
	return p
}

// around tells where windows may begin that have the block of n characters at p:
// of each window the blocks at its first four places are known.
func (t *table) around(text []byte, p, n int) (from, to int) {
	from, to = max(0, p-stride+1), p
	if p == 0 || !t.wide.has(t.hash.filter(text[p-1:p-1+n])) {
		from = p
	}
	if p+1+n > len(text) || !t.wide.has(t.hash.filter(text[p+1:p+1+n])) {
		to = p - stride + 1
	}
	return from, to
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
		at := hit.end - w + step
		if w == minWidth && at+w <= len(text) && !t.narrow.has(t.hash.filter(text[at:at+w])) {
			step /= 2
			continue
		}
		next, ok := t.known(text, at, w)
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
			if e := t.others.find(t.hash, text[start:end]); e != nil && e.owner&flagBound != 0 {
				found = append(found, span{start: start, end: end, owner: e.owner})
			}
		}
		break
	}
	return found
}
