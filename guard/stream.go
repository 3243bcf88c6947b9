package guard

const (
	blockSize = 2048 // read at a time, so that the tables below stay in the nearest cache
	context   = 64   // characters that stay known after they went out; maxWidth at most is needed
	laneSize  = context + blockSize + 8

	gapEdge  = 1 << 15 // in a gap: something that ends a word for sure, whatever its width
	gapKnown = 1 << 14 // in lane.gap: not to be told from lane.pos
	gapCells = 1<<14 - 1
)

// lane is a squeezed shadow of the stream: its letters and digits in order.
// There is one of what is shown and one of what is said to the terminal in
// strings (titles, links, the clipboard), which interrupts the first.
type lane struct {
	text  *[laneSize]byte  // in the arena
	pos   [laneSize]int32  // where in the buffer the character is, from live on
	gap   [laneSize]gap    // what stands before the character, or 0: see before; 0 from n on
	hit   [laneSize]uint16 // 1 + index of the value that the character belongs to; 0 from n on
	n     int              // characters
	seen  int              // windows that end here or before were looked at
	live  int              // first character that is still in the buffer
	high  int              // bytes of text that may be other than zero
	owed  int              // characters still to come that belong to the last window met
	owing uint32           // whose they are
	trail gap              // gap after the last character: cells passed over, and gapEdge
}

// state of the escape sequence parser. A sequence may be cut anywhere; none is
// ever held back.
type state uint8

const (
	ground    state = iota
	escape          // after ESC
	escapeMid       // ESC and intermediates, a final byte to come
	control         // CSI
	str             // OSC, DCS, SOS, PM, APC
)

// What a byte is in text.
const (
	kindPass    = iota // passed over
	kindKeep           // letter or digit
	kindControl        // leaves the fast path
)

// kinds gives the table of what each byte is. Carriage return, line feed and
// tab count as a place like a space: a word ends there, and a value goes on.
func kinds() (table [256]byte) {
	for c := range table {
		switch b := byte(c); {
		case class(b) < classSymbol:
			table[c] = kindKeep
		case b == '\t' || b == '\n' || b == '\r':
		case b < ' ' || b == 0x7f:
			table[c] = kindControl
		}
	}
	return table
}

// parse reads buf[i:end], at most a block, into the lanes.
func (g *Guard) parse(buf []byte, i, end int) {
	for i < end {
		switch g.state {
		case ground:
			i = g.lanes[shown].plain(&g.kinds, buf, i, end)
			if i < end {
				g.controlByte(buf, buf[i])
				i++
			}
		case str:
			i = g.lanes[said].plain(&g.kinds, buf, i, end)
			if i < end {
				g.stringByte(buf[i])
				i++
			}
		case control:
			for i < end && buf[i]-' ' < 0x20 { // parameters and intermediates
				i++
			}
			fallthrough
		default:
			if i < end {
				g.escapeByte(buf, buf[i])
				i++
			}
		}
	}
}

// plain reads up to the first control byte or end, and tells where that is.
// Each byte is stored and then kept or not, without a branch.
func (l *lane) plain(kinds *[256]byte, buf []byte, i, end int) int {
	first, from, n := l.n, i, l.n
	for ; i < end; i++ {
		c := buf[i]
		kind := kinds[c]
		if kind >= kindControl {
			break
		}
		l.text[n], l.pos[n] = c, int32(i)
		n += int(kind & kindKeep)
	}
	if n > first {
		l.gap[first] = l.trail.plus(buf[from:l.pos[first]]) | gapKnown
		l.trail, from = 0, int(l.pos[n-1])+1
	}
	l.trail = l.trail.plus(buf[from:i])
	l.n, l.high = n, max(l.high, n+1)
	return i
}

// gap is what stands between two characters of a lane: a number of cells, and flags.
type gap uint16

// plus adds the cells of passed-over text; half a UTF-8 character is none.
func (g gap) plus(text []byte) gap {
	cells := int(g & gapCells)
	for _, c := range text {
		if c&0xc0 != 0x80 {
			cells++
		}
	}
	return g&gapEdge | gap(min(cells, gapCells))
}

// before is the gap before character i. Within a run of text it is the distance
// of the two characters, so that it need not be stored.
func (l *lane) before(i int) gap {
	if g := l.gap[i]; g != 0 {
		return g &^ gapKnown
	}
	return gap(min(l.pos[i]-l.pos[i-1]-1, gapCells))
}

// controlByte acts on a control byte in text, or inside a control sequence,
// where terminals act on it just so.
func (g *Guard) controlByte(buf []byte, c byte) {
	switch c {
	case 0x1b:
		g.state = escape
		g.lanes[shown].trail |= gapEdge
	case '\b':
		g.backspace(buf)
	}
}

// backspace steps back over a place that was passed over, or takes back the
// last character: what is written next takes its place. What ends with that
// character was printed all the same and is looked at first.
func (g *Guard) backspace(buf []byte) {
	l := &g.lanes[shown]
	switch {
	case l.trail&gapCells > 0:
		l.trail--
	case l.n > 0:
		if l.seen < l.n {
			g.match(l, buf, true)
		}
		l.n--
		l.seen, l.live = min(l.seen, l.n), min(l.live, l.n)
		l.trail = l.before(l.n)
		l.gap[l.n], l.hit[l.n] = 0, 0
	}
}

// stringByte acts on a control byte in a string: BEL, ESC (which begins ST),
// CAN and SUB end it.
func (g *Guard) stringByte(c byte) {
	switch c {
	case 0x07, 0x18, 0x1a:
		g.state = ground
	case 0x1b:
		g.state = escape
	}
	g.lanes[said].trail |= gapEdge
}

// escapeByte goes on with an escape sequence (ECMA-48, and DEC's parser as
// xterm has it). The single-byte forms of C1 are left out: in UTF-8 they are
// halves of characters.
func (g *Guard) escapeByte(buf []byte, c byte) {
	switch {
	case c == 0x18 || c == 0x1a:
		g.state = ground
	case c < ' ':
		g.controlByte(buf, c)
	case c == 0x7f:
	case g.state == escape && c == '[':
		g.state = control
	case g.state == escape && (c == ']' || c == 'P' || c == 'X' || c == '^' || c == '_'):
		g.state = str
		g.lanes[said].trail |= gapEdge
	case g.state != control && c < 0x30:
		g.state = escapeMid
	default:
		g.state = ground
	}
}

// slide keeps the last characters as context and makes room for a block.
func (l *lane) slide() {
	d := l.n - context
	if d <= 0 {
		return
	}
	l.gap[d] = l.before(d) | gapKnown // what it is measured from goes
	copy(l.text[:context], l.text[d:l.n])
	copy(l.pos[:context], l.pos[d:l.n])
	copy(l.gap[:context], l.gap[d:l.n])
	copy(l.hit[:context], l.hit[d:l.n])
	clear(l.gap[context:l.n])
	clear(l.hit[context:l.n])
	l.n, l.seen, l.live = context, max(0, l.seen-d), max(0, l.live-d)
}

// cover hides what is left of the stream between two calls: the context is
// combined with random bytes, all else wiped. Nobody who searches this
// process finds there what the command printed.
func (l *lane) cover(pad []uint64) {
	clear(l.text[min(l.n, context):max(l.high, l.n)])
	l.high = context
	l.uncover(pad)
}

func (l *lane) uncover(pad []uint64) {
	for i, word := range wordsOf(l.text[:context]) {
		wordsOf(l.text[:context])[i] = word ^ pad[i]
	}
}
