package guard

import (
	"crypto/subtle"
	"slices"
)

// screen is what a terminal shows: its cells, and which byte of the stream painted each of them. It is there to find
// values that are put together from pieces. Not modelled are left and right margins, what a terminal keeps above the
// first row, and how some of them fold lines anew when their width changes: there the next full redraw puts it right.
// Whatever it has wrong, nothing of the stream is ever changed by it but what it takes for a value.
type screen struct {
	cols, rows int
	arena      *arena
	pad        []byte // of a row: seven random bits for each column
	main, alt  grid
	grid       *grid // the one that is shown

	cursor
	saved       [2]cursor // of the main and the alternate screen
	top, bottom int       // rows that scroll, both included
	still       bool      // no new line begins at the end of a row (DECAWM off)
	insert      bool      // characters move the rest of the row (IRM)
	newline     bool      // a line feed returns the carriage too (LNM)
	tabs        []bool

	first  int       // row that may have been painted since all were looked at
	last   int       // and the one behind the last such row
	now    int32     // bytes written, less those that nobody asks for any more
	base   int32     // the first of them that is still in the buffer
	parser parser    // screen_parse.go
	turn   int32     // of painting: text of one turn stands as it came
	lane   lane      // screen_look.go
	kinds  [256]byte // 1 for cells of letters and digits
	// leaving is called before rows of which some may have cells that nobody has looked at go from the screen: what was
	// shown for a moment between two reads can be read in the stream. It may be nil.
	leaving func(y, last int)
}

// cursor is what is saved and restored together.
type cursor struct {
	x, y   int
	full   bool // the row is full: the next character goes into the next row
	origin bool // rows count from the first that scrolls (DECOM)
	sets   charsets
}

// grid is one screen of cells, its rows in any order.
type grid struct {
	text  []byte  // a cell is a character, or one of the codes below, and cellHidden; combined with pad
	from  []int32 // byte of the stream that painted the cell
	order []int32 // the row of text that is shown there
	rows  []row
}

// row is what is known of a row of text.
type row struct {
	lo, hi int  // cells painted since they were looked at
	end    int  // all cells from here on are blank
	wraps  bool // the next row continues this one
	parted bool // there are upright lines in it
	turn   int32
}

// outOfOrder is the turn of a row whose text came in another order than it stands.
const outOfOrder = 0

const (
	cellBlank  = 0
	cellOther  = 1 // any character that no value has
	cellBorder = 2 // an upright line: text beside it belongs to something else
	cellCode   = 0x7f
	cellHidden = 0x80 // found to be a part of a value

	maxScreen = 1 << 10 // columns, and rows: nobody has more, and a screen of more is not modelled
	nowhere   = -1
)

// newScreen gives a screen, or nil if it is too big. The cursor stands in its last row: where it is in truth nobody
// says, but from there it can be moved up as programs do, and text scrolls as it does in most terminals in use.
func newScreen(h *hasher, cols, rows int) *screen {
	if cols < 1 || rows < 1 || cols > maxScreen || rows > maxScreen {
		return nil
	}
	s := &screen{cols: cols, rows: rows, bottom: rows - 1, tabs: make([]bool, cols)}
	words := (cols + 7) / 8
	s.arena = newArena(words*8 + 2*cols*rows + laneSize)
	s.pad = bytesOf(carve[uint64](s.arena, words))
	for i, pad := 0, wordsOf(s.pad); i < words; i++ {
		pad[i] = h.tag([]byte{'r', 'o', 'w', byte(i)}) &^ 0x8080808080808080
	}
	s.lane.text = (*[laneSize]byte)(carve[byte](s.arena, laneSize))
	s.lane.cells = true
	for c := range s.kinds {
		s.kinds[c] = byte(oneIf(class(byte(c&cellCode)) < classSymbol))
	}
	s.turn = 1
	for _, g := range []*grid{&s.main, &s.alt} {
		*g = grid{carve[byte](s.arena, cols*rows), make([]int32, cols*rows), make([]int32, rows), make([]row, rows)}
		for y := range rows {
			g.order[y], g.rows[y].lo = int32(y), cols
			copy(g.text[y*cols:], s.pad[:cols])
		}
	}
	s.grid = &s.main
	s.tabStops()
	s.y = rows - 1
	return s
}

func (s *screen) tabStops() {
	for x := range s.tabs {
		s.tabs[x] = x%8 == 0 && x > 0
	}
}

// index is where the cells of a row begin.
func (s *screen) index(y int) int { return int(s.grid.order[y]) * s.cols }

func (s *screen) row(y int) *row { return &s.grid.rows[s.grid.order[y]] }

// wipe blanks the cells from a to b of a row. Which byte painted them does not matter any more.
func (s *screen) wipe(y, a, b int) {
	g := s.grid
	p := int(g.order[y])
	r := &g.rows[p]
	if a == 0 && b > r.lo { // what is wiped behind the text that a row begins with was not there to be read
		s.leave(y, y+1)
	}
	if b == s.cols {
		r.wraps = false
	}
	if a >= b || a >= r.end {
		return
	}
	copy(g.text[p*s.cols+a:p*s.cols+b], s.pad[a:b])
	s.turn++
	r.turn = outOfOrder
	if b >= r.end {
		r.end = a
	}
	if r.end == 0 {
		r.lo, r.hi, r.parted = s.cols, 0, false
	}
}

// leave says that the rows from y to last are about to change or to go.
func (s *screen) leave(y, last int) {
	for y < last && s.row(y).lo >= s.row(y).hi {
		y++
	}
	if y < last && s.leaving != nil {
		s.leaving(y, last)
	}
}

// erase blanks a rectangle of whole or part rows of the screen that is shown, within its bounds.
func (s *screen) erase(x0, y0, x1, y1 int) {
	x0, x1, y0, y1 = max(x0, 0), min(x1, s.cols), max(y0, 0), min(y1, s.rows)
	if x0 == 0 && x1 == s.cols && y1 > y0+1 {
		s.leave(y0, y1)
	}
	for y := y0; y < y1; y++ {
		s.wipe(y, x0, x1)
	}
}

// paint puts characters of ASCII into the row of the cursor, from its column on, which must be there. Their bytes stand
// in the stream from at on.
func (s *screen) paint(text []byte, at int32) {
	p := s.index(s.y) + s.x
	n := len(text)
	cells, from, pad := s.grid.text[p:p+n], s.grid.from[p:p+n], s.pad[s.x:s.x+n]
	border := false
	for i, c := range text {
		cells[i], from[i] = c^pad[i], at+int32(i)
		if c == '|' {
			border = true
		}
	}
	r := s.touch(s.x, s.x+n)
	r.parted = r.parted || border
}

// touch notes that cells of the cursor's row are to be looked at.
func (s *screen) touch(a, b int) *row {
	s.first, s.last = min(s.first, s.y), max(s.last, s.y+1)
	r := s.row(s.y)
	if r.end == 0 {
		r.turn = s.turn
	} else if a < r.end || r.turn != s.turn {
		r.turn = outOfOrder
	}
	r.lo, r.hi, r.end = min(r.lo, a), max(r.hi, b), max(r.end, b)
	return r
}

// shift moves the cells of the cursor's row from column src to the end to column dst, and blanks those that come free.
func (s *screen) shift(dst, src int) {
	p := s.index(s.y)
	text, from := s.grid.text[p:p+s.cols], s.grid.from[p:p+s.cols]
	subtle.XORBytes(text, text, s.pad)
	n := s.cols - max(dst, src)
	copy(text[dst:dst+n], text[src:src+n])
	copy(from[dst:dst+n], from[src:src+n])
	if dst < src {
		clear(text[dst+n:])
	} else {
		clear(text[src:dst])
	}
	subtle.XORBytes(text, text, s.pad)
	s.turn++
	s.touch(min(src, dst), s.cols)
}

// scroll moves the rows from a to b, both included, up by n, or down by -n, and blanks those that come free.
func (s *screen) scroll(a, b, n int) {
	height := b - a + 1
	if a > b || n == 0 {
		return
	}
	n = max(-height, min(n, height))
	up := n
	if n < 0 {
		up = height + n
	}
	if n > 0 {
		s.leave(a, a+n)
	} else {
		s.leave(b+1+n, b+1)
	}
	s.first, s.last = min(s.first, a), max(s.last, b+1)
	order := s.grid.order[a : b+1]
	if up == 1 {
		first := order[0]
		copy(order, order[1:])
		order[height-1] = first
	} else {
		slices.Reverse(order[:up])
		slices.Reverse(order[up:])
		slices.Reverse(order)
	}
	turn := s.turn
	if n > 0 {
		s.erase(0, b+1-n, s.cols, b+1)
	} else {
		s.erase(0, a, s.cols, a-n)
	}
	if s.turn = turn; n < 0 || a > 0 || b < s.rows-1 || n > 1 {
		s.turn++
	}
}

// joined does for two cells with one place between them what joins does for bytes. What goes on in the next row behind one
// that is full may be one word, too: programs fold lines themselves.
func (s *screen) joined(p, q int) bool {
	last, first := p%s.cols == s.cols-1, q%s.cols == 0
	return last && first || !last && s.isFiller(p+1) || !first && s.isFiller(q-1)
}

// fillers says whether the cells from p to q are of one row, and all symbols of keys.
func (s *screen) fillers(p, q int) bool {
	if p/s.cols != q/s.cols {
		return false
	}
	for i := p; i < q; i++ {
		if !s.isFiller(i) {
			return false
		}
	}
	return true
}

func (s *screen) isFiller(p int) bool { return isFiller(s.code(p, p%s.cols)) }

// resized gives a screen of another size with what is on this one, which may not be used any more. As terminals do that
// do not fold lines anew, it keeps the cursor in sight and cuts off the rest.
func (s *screen) resized(h *hasher, cols, rows int) *screen {
	n := newScreen(h, cols, rows)
	if n == nil {
		s.arena.free()
		return nil
	}
	slide := max(0, s.y-rows+1)
	for i, g := range []*grid{&s.main, &s.alt} {
		to := []*grid{&n.main, &n.alt}[i]
		for y := range min(rows, s.rows-slide) {
			p, q := int(g.order[y+slide])*s.cols, int(to.order[y])*cols
			width := min(cols, s.cols)
			for x := range width {
				to.text[q+x] = g.text[p+x] ^ s.pad[x] ^ n.pad[x]
			}
			copy(to.from[q:q+width], g.from[p:p+width])
			r := g.rows[g.order[y+slide]]
			to.rows[to.order[y]] = row{lo: cols, end: min(r.end, width), wraps: r.wraps && cols == s.cols, parted: r.parted}
		}
	}
	if s.grid == &s.alt {
		n.grid = &n.alt
	}
	n.cursor, n.saved = s.cursor, s.saved
	n.still, n.insert, n.newline, n.leaving = s.still, s.insert, s.newline, s.leaving
	n.turn, n.first, n.last = s.turn+1, 0, n.rows
	n.now, n.base, n.parser = s.now, s.base, s.parser
	copy(n.tabs, s.tabs)
	n.move(s.x, s.y-slide)
	s.arena.free()
	return n
}

// forget counts bytes from base on, as all before are written and gone.
func (s *screen) forget(base int32) {
	for _, g := range []*grid{&s.main, &s.alt} {
		for i, from := range g.from {
			g.from[i] = max(nowhere, from-base)
		}
	}
	s.parser.lastFrom = max(nowhere, s.parser.lastFrom-base)
	s.now -= base
}
