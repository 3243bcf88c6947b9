package guard

// draw brings the screen up to date with the bytes of buf from the one of that index on, as they were printed. The bytes
// before are held ones, which it has seen.
func (g *Guard) draw(buf []byte, from int) {
	if g.screen == nil {
		g.past.add(buf[from:])
		return
	}
	if g.screen.now > 1<<30 {
		g.screen.forget(g.screen.now - int32(from))
	}
	g.screen.write(buf[from:])
}

// drawPast makes the screen when the cursor was moved for the first time, from what is known of the stream.
func (g *Guard) drawPast() {
	g.screen = newScreen(g.hasher(), g.size[0], g.size[1])
	if g.screen == nil {
		g.size = [2]int{}
		return
	}
	g.past.each(g.screen.write)
	g.past = past{}
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
// stream, what belongs to a value. counted is how often each value was met before buf.
func (g *Guard) look(buf []byte, counted []int) {
	s := g.screen
	base := s.now - int32(len(buf))
	for y := range s.rows {
		r := s.row(y)
		if r.lo >= r.hi {
			continue
		}
		lo, hi := r.lo, r.hi
		r.lo, r.hi = s.cols, 0
		for x := lo; x < hi; {
			a, b := s.part(y, x)
			if a < b {
				g.lookAt(y, [4]int{a, max(a, lo), min(b, hi), b}, buf, base, counted)
			}
			x = b + 1
		}
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
func (g *Guard) lookAt(y int, c [4]int, buf []byte, base int32, counted []int) {
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
				g.conceal(first, i+1, buf, base, counted)
			}
		}
	}
	clear(l.text[:l.n+1])
	clear(l.gap[:l.n+1])
	clear(l.hit[:l.n+1])
	l.n, l.seen, l.trail = 0, 0, 0
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

// conceal masks the bytes of buf that painted the cells of the characters i to j of the lane, and symbols between them.
// It is a new sighting unless the stream was one just now or some of these cells had been found before.
func (g *Guard) conceal(i, j int, buf []byte, base int32, counted []int) {
	s := g.screen
	owner := int(s.lane.hit[i]) - 1
	known, fresh := g.counts[owner] != counted[owner], false
	for k := i; k < j; k++ {
		p := int(s.at[k])
		x := p % s.cols
		if cell := s.grid.text[p] ^ s.pad[x]; cell&cellHidden != 0 {
			known = true
		} else if s.grid.text[p] ^= cellHidden; s.grid.from[p] >= base {
			at := s.grid.from[p] - base
			if buf[at] != cell {
				known = true
			} else {
				fresh = true
				if g.mode != Warn {
					mask(buf, int(at))
				}
			}
		}
		if k > i && g.mode != Warn {
			s.fill(int(s.at[k-1])+1, p, buf, base)
		}
	}
	if fresh && !known {
		g.counts[owner]++
	}
}

// fill masks the symbols of keys in the cells from p to q, if they are all such.
func (s *screen) fill(p, q int, buf []byte, base int32) {
	if p > q || p/s.cols != q/s.cols {
		return
	}
	for i := p; i < q; i++ {
		if !isFiller(s.code(i, i%s.cols)) {
			return
		}
	}
	for i := p; i < q; i++ {
		if from := s.grid.from[i]; from >= base && isFiller(buf[from-base]) {
			buf[from-base] = fillByte
		}
	}
}
