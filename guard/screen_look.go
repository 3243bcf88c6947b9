package guard

// draw brings the screen up to date with the bytes of buf from the one of that index on, as they were printed. The bytes
// before are held ones, which it has seen. There is a screen from the first byte on that moves the cursor.
func (g *Guard) draw(buf []byte, from int) {
	if g.screen == nil {
		if !g.addressed && !g.addressing(buf, from) {
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

// widest is how many characters a match may have.
func (t *table) widest() int {
	most := minWidth
	for _, l := range t.lengths {
		most = max(most, l.widest)
	}
	if len(t.tails) > 0 {
		most = maxWidth
	}
	return most
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
	s := g.screen
	g.lookAtRows(s.first, s.last)
	s.first, s.last = s.rows, 0
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

// lookAtRows looks at what was painted in some rows, each run of them at one go.
func (g *Guard) lookAtRows(from, to int) {
	s := g.screen
	for y := from; y < to; y++ {
		first := y
		for y < to && s.unseen(y) {
			y++
		}
		if first < y {
			g.lookAt(first, y-1, s.row(first).lo, s.row(y-1).hi, 0, s.cols)
		}
	}
	for y := from; y < to; y++ {
		g.lookAtParts(y)
	}
}

// unseen says whether the stream may not have shown the text of a row, with what stands before and behind it, as the
// screen does.
func (s *screen) unseen(y int) bool {
	r := s.row(y)
	if r.lo >= r.hi {
		return false
	}
	if r.turn == outOfOrder || y > 0 && s.row(y-1).end > 0 && s.row(y-1).turn != r.turn {
		return true
	}
	return y+1 < s.rows && s.row(y+1).end > 0 && s.row(y+1).turn != r.turn
}

// lookAtParts looks at what was painted in a row between upright lines, where a part of it goes on in the row above or
// below between the same lines: beside it stands something else.
func (g *Guard) lookAtParts(y int) {
	s := g.screen
	r := s.row(y)
	lo, hi := r.lo, r.hi
	r.lo, r.hi = s.cols, 0
	if !r.parted {
		return
	}
	for x := lo; x < hi; {
		a, b := s.part(y, x)
		if b-a >= minWidth && (s.parted(y-1, a, b) || s.parted(y+1, a, b)) && s.beside(y, a, b) {
			g.lookAt(y, y, max(a, lo), min(b, hi), a, b)
		}
		x = b + 1
	}
}

// part gives the columns around x between two upright lines; none if there is one at x.
func (s *screen) part(y, x int) (a, b int) {
	cells := s.grid.text[s.index(y):][:s.cols]
	upright := func(x int) bool { return isUpright(cells[x] ^ s.pad[x]) }
	if upright(x) {
		return x, x
	}
	for a = x; a > 0 && !upright(a-1); a-- {
	}
	for b = x + 1; b < s.cols && !upright(b); b++ {
	}
	return a, b
}

func (s *screen) border(y, x int) bool { return isUpright(s.grid.text[s.index(y)+x] ^ s.pad[x]) }

// isUpright says whether a cell has an upright line.
func isUpright(cell byte) bool { return cell&cellCode == cellBorder || cell&cellCode == '|' }

// parted says whether a row has the same upright lines beside the columns from a to b.
func (s *screen) parted(y, a, b int) bool {
	return y >= 0 && y < s.rows && (a == 0 || s.border(y, a-1)) && (b == s.cols || s.border(y, b))
}

// code gives what stands in a cell, in the column x.
func (s *screen) code(p, x int) byte { return (s.grid.text[p] ^ s.pad[x]) & cellCode }

// beside says whether letters or digits stand between a part of a row and those of the rows that it may go on in: if none do,
// the rows are read on as they are.
func (s *screen) beside(y, a, b int) bool {
	return s.letters(y, 0, a)+s.letters(y, b, s.cols) > 0 || y > 0 && s.letters(y-1, b, s.cols) > 0 || y+1 < s.rows && s.letters(y+1, 0, a) > 0
}

// letters counts the letters and digits of a row between two columns.
func (s *screen) letters(y, a, b int) (n int) {
	cells, pad := s.cells(y, a, b)
	for i, c := range cells {
		n += int(s.kinds[c^pad[i]])
	}
	return n
}

// cells gives the cells of a row between two columns as far as they are not blank to the end, and what they are combined
// with.
func (s *screen) cells(y, a, b int) (cells, pad []byte) {
	p, b := s.index(y), min(b, s.row(y).end)
	if a >= b {
		return nil, nil
	}
	return s.grid.text[p+a : p+b], s.pad[a:b]
}

// lookAt looks at the cells from column lo of the first row to column hi of the last one, between the columns a and b.
// What stands before and behind them, in rows above and below, is context.
func (g *Guard) lookAt(first, last, lo, hi, a, b int) {
	s, l := g.screen, &g.screen.lane
	lo, hi = max(lo, a), min(hi, b)
	y, x := s.before(first, lo, a, b, context+farthest)
	l.trail = gapEdge
	for ; y < first; y, x = y+1, a {
		s.take(y, x, b, laneSize)
		g.lookOn()
	}
	s.take(first, x, lo, laneSize)
	l.seen = max(0, l.n-farthest) // a window may tell of so many characters behind it
	for y := first; y <= last; y++ {
		from, to := a, b
		if y == first {
			from = lo
		}
		if y == last {
			to = hi
		}
		s.take(y, from, to, laneSize)
		if y < last {
			g.lookOn()
		}
	}
	if l.n > l.seen {
		g.lookOn()
		enough := l.n + g.reach
		s.take(last, hi, b, enough)
		for y := last + 1; y < s.rows && l.n < enough && (y-last)*(b-a) <= scattered && s.goesOn(y, a, b); y++ {
			s.take(y, a, b, enough)
		}
		l.trail |= gapEdge
		g.matchCells(true)
	}
	clear(l.text[:l.n+slack])
	clear(l.gap[:l.n+1])
	clear(l.hit[:l.n+1])
	l.n, l.seen, l.trail, l.owed = 0, 0, 0, 0
}

// scattered is how many cells are looked at for what stands before or behind others. More would be looked at each time where
// hardly a letter stands.
const scattered = 2048

// before gives the row and the column to begin with, so that so many letters and digits stand before column lo of a row.
func (s *screen) before(y, lo, a, b, need int) (row, column int) {
	for first := y; ; {
		cells, pad := s.cells(y, a, lo)
		for i := len(cells) - 1; i >= 0; i-- {
			if need -= int(s.kinds[cells[i]^pad[i]]); need == 0 {
				return y, a + i
			}
		}
		if y == 0 || (first-y)*(b-a) > scattered || !s.goesOn(y-1, a, b) {
			return y, a
		}
		y, lo = y-1, b
	}
}

// goesOn says whether a row may continue, or be continued by, the one beside it.
func (s *screen) goesOn(y, a, b int) bool {
	return s.row(y).end > 0 && (a == 0 && b == s.cols || s.parted(y, a, b))
}

// lookOn makes room for one more row, with what is needed of those before as context.
func (g *Guard) lookOn() {
	s, l := g.screen, &g.screen.lane
	if l.n+2*s.cols+slack < laneSize {
		return
	}
	if l.n > l.seen {
		g.matchCells(false)
	}
	n := l.n
	l.slide()
	clear(l.text[l.n:n])
}

// take puts the letters and digits of a row between two columns into the lane, until it has so many. Their places are
// cells.
func (s *screen) take(y, a, b, most int) {
	l, p := &s.lane, s.index(y)+a
	cells, pad := s.cells(y, a, b)
	first := l.n
	n := packCells(l.text, &l.pos, first, &s.kinds, cells, pad, int32(p), most)
	rest := b - a
	if n > first {
		l.gap[first] = (l.trail&^gapEdge + gap(int(l.pos[first])-p)) | l.trail&gapEdge | gapKnown
		rest -= int(l.pos[n-1]) - p + 1
		l.trail = 0
	}
	if rest > 0 || b == s.cols && !s.row(y).wraps {
		l.trail = l.trail&gapEdge | min(l.trail&^gapEdge+gap(max(rest, 1)), gapCells)
	}
	l.n = n
}

// packCells does for cells what pack does for text, up to most characters; the first one's place is at.
func packCells(text *[laneSize]byte, pos *[laneSize]int32, n int, kinds *[256]byte, cells, pad []byte, at int32, most int) int {
	pad = pad[:len(cells)]
	for i, c := range cells {
		if n >= most {
			break
		}
		c ^= pad[i]
		text[n], pos[n] = c&cellCode, at+int32(i)
		n += int(kinds[c])
	}
	return n
}

// matchCells looks for values in the lane, and notes the bytes that painted them.
func (g *Guard) matchCells(closed bool) {
	l := &g.screen.lane
	if !g.match(l, nil, closed) {
		return
	}
	for i := 0; i < l.n; i++ {
		first := i
		for id := l.hit[first]; id != 0 && i+1 < l.n && l.hit[i+1] == id; i++ {
		}
		if l.hit[first] != 0 {
			g.sighted(first, i+1)
		}
	}
}

// sight is a byte of the stream that painted a cell of a value.
type sight struct {
	at    int32 // in the buffer
	owner uint16
	x     uint16 // column of the cell
	char  byte   // what it painted, combined with pad: a list of sights is not in the arena
	first bool   // of its sighting
	old   bool   // the sighting: some cells of it had been found before
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
			g.sights = append(g.sights, sight{at: from - s.base, owner: s.lane.hit[i] - 1, x: uint16(x), char: cell ^ s.pad[x]})
		}
	}
	for k := i; k < j; k++ {
		p := int(s.lane.pos[k])
		if k > i {
			for q := int(s.lane.pos[k-1]) + 1; q < p && s.fillers(q, p); q++ {
				note(q)
			}
		}
		note(p)
	}
	if len(g.sights) > first {
		g.sights[first].first, g.sights[first].old = true, old
	}
}

// conceal masks one sighting. It is a new one unless the stream was one just now, or it goes on with an older one.
func (g *Guard) conceal(buf []byte, list []sight) {
	owner := list[0].owner
	known, fresh := list[0].old || g.counts[owner] != g.counted[owner], false
	for _, s := range list {
		char := s.char ^ g.screen.pad[s.x]
		switch {
		case buf[s.at] == char:
			fresh = true
			if g.mode != Warn {
				mask(buf, int(s.at), g.lanes[shown].cut)
			}
		case class(char) < classSymbol:
			known = true
		}
	}
	if fresh && !known {
		g.counts[owner]++
	}
}
