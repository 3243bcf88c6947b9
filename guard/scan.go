package guard

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

// aligned is the first place from p on that is looked at for blocks or pieces.
func aligned(p, stride int) int { return (p + stride - 1) &^ (stride - 1) }

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

// mayKnow reports whether a window may be one of an owner's.
func (t *table) mayKnow(in *places, window []byte, owner uint32) bool {
	key := t.hash.filter(window)
	return (len(window) != minWidth || t.narrow.has(key)) && in.has(key, owner)
}

// follow goes on from a window that is known as far as the value does: the
// windows between two that are known lie inside them and need not be looked
// at. Of those that follow each other the filter values are enough, but for the
// last one: a value printed over and over costs a tag or two.
func (t *table) follow(text []byte, hit span) span {
	w := hit.end - hit.start
	in, last := t.windows(w), hit.start
	for step := w; step > 0; {
		if at := last + step; at+w <= len(text) && t.mayKnow(in, text[at:at+w], hit.owner) {
			last = at
		} else {
			step /= 2
		}
	}
	end, ok := t.known(text, last, w)
	if !ok || last == hit.start || end.owner != hit.owner {
		return hit
	}
	if end.reach != 0 || hit.reach != 0 {
		end.reach = hit.reach&^0xffff | end.reach&0xffff
	}
	end.start = hit.start
	return end
}
