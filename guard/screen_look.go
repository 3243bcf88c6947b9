package guard

import "bytes"

// draw brings the screen up to date with the bytes of buf from the one of that index on, as they were printed. The bytes
// before are held ones, which it has seen. There is a screen from the first byte on that moves the cursor.
func (g *Guard) draw(buf []byte, from int) {
	if g.screen == nil {
		if !g.addressed && !addressing(buf[from:]) {
			g.past.add(buf[from:])
			return
		}
		if g.drawPast(); g.screen == nil {
			return
		}
	}
	s := g.screen
	if s.now > 1<<30 {
		s.forget(s.now - int32(from))
	}
	s.base = s.now - int32(from)
	s.write(buf[from:])
}

// addressing says whether text moves the cursor to where its text does not follow on. A sequence that is cut is found by
// the parser, with the next bytes.
func addressing(text []byte) bool {
	for {
		i := bytes.IndexByte(text, 0x1b)
		if i < 0 || i+1 >= len(text) {
			return false
		}
		first := text[i+1]
		text = text[i+2:]
		switch first {
		case 'M', '8':
			return true
		case '[':
			for len(text) > 0 && text[0]-' ' < 0x20 {
				text = text[1:]
			}
			if len(text) > 0 && addresses(text[0]) {
				return true
			}
		}
	}
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
	g.screen.leaving = g.lookAtRow
	for y := range g.screen.rows { // all of it is written and gone
		r := g.screen.row(y)
		r.lo, r.hi = g.screen.cols, 0
	}
}

// Resize tells that the terminal has another size from now on.
func (g *Guard) Resize(cols, rows int) {
	if g.arena == nil || g.size == [2]int{} || g.size == [2]int{cols, rows} {
		return
	}
	g.size = [2]int{cols, rows}
	if g.screen != nil {
		g.screen = g.screen.resized(g.hasher(), cols, rows)
	}
	if g.screen == nil && g.past.ring == nil {
		g.size = [2]int{}
	}
}

// look matches what the screen shows where it was painted since the last time, and masks in buf, the last bytes of the
// stream, what belongs to a value.
func (g *Guard) look(buf []byte) {
	for y := range g.screen.rows {
		g.lookAtRow(y)
	}
	for len(g.sights) > 0 {
		n := 1
		for n < len(g.sights) && !g.sights[n].first {
			n++
		}
		g.conceal(buf, g.sights[:n])
		g.sights = g.sights[n:]
	}
	g.sights = nil
}

// lookAtRow looks at what was painted in a row. It is called too when a row is about to go from the screen: what was
// shown for a moment between two reads can be read in the stream.
func (g *Guard) lookAtRow(y int) {
	s := g.screen
	r := s.row(y)
	lo, hi := r.lo, r.hi
	r.lo, r.hi = s.cols, 0
	for x := lo; x < hi; {
		a, b := s.part(y, x)
		if a < b {
			g.lookAt(y, [4]int{a, max(a, lo), min(b, hi), b})
		}
		x = b + 1
	}
}

// part gives the columns around x between two upright lines; none if there is one at x.
func (s *screen) part(y, x int) (a, b int) {
	p := s.index(y)
	border := func(x int) bool { return s.code(p+x, x) == cellBorder || s.code(p+x, x) == '|' }
	if border(x) {
		return x, x
	}
	for a = x; a > 0 && !border(a-1); a-- {
	}
	for b = x + 1; b < s.cols && !border(b); b++ {
	}
	return a, b
}

// code gives what stands in a cell, in the column x.
func (s *screen) code(p, x int) byte { return (s.grid.text[p] ^ s.pad[x]) & cellCode }

// lookAt looks at the cells of a row from column c[1] to c[2], with what stands before and behind them between the
// columns c[0] and c[3], in this row and in those above and below.
func (g *Guard) lookAt(y int, c [4]int) {
	s := g.screen
	top, left := s.back(y, c)
	l := &s.lane
	l.trail = gapEdge
	enough := -1 // characters; not known yet
	for row := top; row < s.rows && (enough < 0 || l.n < enough); row++ {
		a, b := c[0], c[3]
		if row == top {
			a = left
		}
		if row == y {
			s.take(row, a, c[1], laneSize)
			l.seen = l.n
			s.take(row, c[1], c[2], laneSize)
			if l.n == l.seen {
				break // only blanks and symbols were painted
			}
			a, enough = c[2], l.n+context
		}
		limit := laneSize
		if enough >= 0 {
			limit = enough
		}
		s.take(row, a, b, limit)
		if !s.row(row).wraps {
			l.trail++
		}
	}
	if l.n >= minWidth && l.seen < l.n {
		l.trail |= gapEdge
		g.match(l, nil, true)
		for i := 0; i < l.n; i++ {
			first := i
			for id := l.hit[first]; id != 0 && i+1 < l.n && l.hit[i+1] == id; i++ {
			}
			if l.hit[first] != 0 {
				g.sighted(first, i+1)
			}
		}
	}
	clear(l.text[:l.n+1])
	clear(l.gap[:l.n+1])
	clear(l.hit[:l.n+1])
	l.n, l.seen, l.trail, l.owed = 0, 0, 0, 0
}

// back gives the place from where on text is looked at, so that there is context before column c[1] of row y.
func (s *screen) back(y int, c [4]int) (row, col int) {
	need := context
	row, col = y, c[1]
	for {
		p := s.index(row)
		for ; col > c[0]; col-- {
			if class(s.code(p+col-1, col-1)) < classSymbol {
				if need--; need == 0 {
					return row, col - 1
				}
			}
		}
		if row == 0 {
			return row, col
		}
		row--
		col = max(c[0], min(c[3], s.row(row).end))
	}
}

// take puts the letters and digits of a row between two columns into the lane, until it holds so many.
func (s *screen) take(y, a, b, limit int) {
	l, p := &s.lane, s.index(y)
	end := max(a, min(b, s.row(y).end))
	limit = min(limit, laneSize-16)
	for x := a; x < end && l.n < limit; x++ {
		c := s.code(p+x, x)
		if class(c) >= classSymbol {
			l.trail++
			continue
		}
		l.text[l.n], l.gap[l.n] = c, l.trail|gapKnown
		s.at[l.n] = int32(p + x)
		l.trail = 0
		l.n++
	}
	l.trail += gap(b - end)
}

// sight is a byte of the stream that painted a cell of a value.
type sight struct {
	at    int32 // in the buffer
	owner uint16
	char  byte // what it painted
	first bool // of its sighting
	old   bool // the sighting: some cells of it had been found before
}

// sighted notes the bytes that painted the cells of the characters i to j of the lane, and symbols between them, as far
// as they are in the buffer.
func (g *Guard) sighted(i, j int) {
	s := g.screen
	first := len(g.sights)
	old := false
	note := func(p int) {
		x := p % s.cols
		cell := s.grid.text[p] ^ s.pad[x]
		if cell&cellHidden != 0 {
			old = true
			return
		}
		s.grid.text[p] ^= cellHidden
		if from := s.grid.from[p]; from >= s.base {
			g.sights = append(g.sights, sight{at: from - s.base, owner: s.lane.hit[i] - 1, char: cell})
		}
	}
	for k := i; k < j; k++ {
		p := int(s.at[k])
		if k > i {
			for q := int(s.at[k-1]) + 1; q < p && s.fillers(q, p); q++ {
				note(q)
			}
		}
		note(p)
	}
	if len(g.sights) > first {
		g.sights[first].first, g.sights[first].old = true, old
	}
}

// fillers says whether the cells from p to q are of one row, and all symbols of keys.
func (s *screen) fillers(p, q int) bool {
	if p/s.cols != q/s.cols {
		return false
	}
	for i := p; i < q; i++ {
		if !isFiller(s.code(i, i%s.cols)) {
			return false
		}
	}
	return true
}

// conceal masks one sighting. It is a new one unless the stream was one just now, or it goes on with an older one.
func (g *Guard) conceal(buf []byte, list []sight) {
	owner := list[0].owner
	known, fresh := list[0].old || g.counts[owner] != g.counted[owner], false
	for _, s := range list {
		switch {
		case buf[s.at] == s.char:
			fresh = true
			if g.mode != Warn {
				mask(buf, int(s.at))
			}
		case class(s.char) < classSymbol:
			known = true
		}
	}
	if fresh && !known {
		g.counts[owner]++
	}
}
