package guard

import "math/bits"

const (
	blockSize = 4096 // read at a time, so that the tables below stay in the nearest cache
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
	text   *[laneSize]byte  // in the arena
	pos    [laneSize]int32  // where in the buffer the character is, from live on
	gap    [laneSize]gap    // what stands before the character, or 0: see before; 0 from n on
	hit    [laneSize]uint16 // 1 + index of the value that the character belongs to; 0 from n on
	n      int              // characters
	seen   int              // windows that end here or before were looked at
	live   int              // first character that is still in the buffer
	high   int              // bytes of text that may be other than zero
	owed   int              // characters still to come that belong to the last window met
	owing  uint32           // whose they are
	heads  [laneSize]uint8  // tables that have a head with the tag of the four characters from here on, a bit each
	headed int              // up to here that is known of all that was asked for: see tagHeads
	cut    bool             // the buffer begins inside an escape sequence
	trail  gap              // gap after the last character: cells passed over, and gapEdge

	phase   *[laneSize]uint8 // of base64: 1 + where in its group of four the character stands; 0: no base64
	decoded bool             // text is what base64 stands for, and pos the place where each byte of it is complete
	cells   bool             // text is from the screen, and matches are only noted
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
// While letters are shown as lines, small ones are passed over too.
func kinds(lines bool) (table [256]byte) {
	for c := range table {
		switch b := byte(c); {
		case lines && b >= 0x5f && b < 0x7f:
		case class(b) < classSymbol:
			table[c] = kindKeep
		case b == '\t' || b == '\n' || b == '\r':
		case b < ' ' || b == 0x7f || eightBit(b) != 0:
			table[c] = kindControl
		}
	}
	return table
}

// eightBit gives what follows ESC in the two-byte form of a control of C1, if it is one that a sequence begins or ends
// with; else 0.
func eightBit(c byte) byte {
	switch c {
	case 0x90, 0x98, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f:
		return c - 0x40
	}
	return 0
}

// parse reads buf[i:end], at most a block, into the lanes.
func (g *Guard) parse(buf []byte, i, end int) {
	for i < end {
		switch g.state {
		case ground:
			kinds := &g.kinds[g.sets.shifted()]
			if kinds[buf[i]] < kindControl {
				i = g.lanes[shown].plain(kinds, buf, i, end)
			} else if n := controlLen(buf[i:end]); n > 0 {
				i += n
				g.lanes[shown].trail |= gapEdge
				g.controlEnds(buf[i-1])
			} else if n := inertLen(buf[i:end]); n > 0 {
				i += n
			} else {
				g.controlByte(buf, i)
				i++
			}
		case str:
			i = g.stringText(buf, i, end)
			if i < end {
				g.stringByte(buf, i)
				i++
			}
		case control:
			for i < end && buf[i]-' ' < 0x20 { // parameters and intermediates
				i++
			}
			fallthrough
		default:
			if i < end {
				g.escapeByte(buf, i)
				i++
			}
		}
	}
}

// inert are the control bytes that do nothing to what is shown, as bits. Files that are no text are full of NUL.
const inert uint64 = (1<<' ' - 1) &^ (1<<'\b' | 1<<'\t' | 1<<'\n' | 1<<'\r' | 1<<0x0e | 1<<0x0f | 1<<0x1b)

func inertLen(text []byte) (n int) {
	for n < len(text) && inert>>text[n]&1 != 0 {
		n++
	}
	return n
}

// controlLen tells how long the control sequence is that text begins with; 0 if there is none, or it is cut, or something
// stands in it that it has to be read byte by byte for.
func controlLen(text []byte) int {
	if len(text) < 3 || text[0] != 0x1b || text[1] != '[' {
		return 0
	}
	for i, c := range text[2:] {
		if c-' ' >= 0x20 {
			if c >= '@' && c < 0x7f {
				return i + 3
			}
			break
		}
	}
	return 0
}

// plain reads up to the first control byte or end, and tells where that is.
func (l *lane) plain(kinds *[256]byte, buf []byte, i, end int) int {
	first, from := l.n, i
	l.n, i = pack(l.text, &l.pos, first, kinds, buf[:end], i)
	if l.n > first {
		l.gap[first] = l.trail.plus(buf[from:l.pos[first]]) | gapKnown
		l.trail, from = 0, int(l.pos[l.n-1])+1
	}
	l.trail = l.trail.plus(buf[from:i])
	l.high = max(l.high, l.n+1)
	return i
}

// pack stores the letters and digits of buf from i up to its first control byte and their places as the characters from n
// on, and tells where both end. Each byte is stored and then kept or not, without a branch. It is a function by itself so
// that all that it needs for a byte is in registers.
func pack(text *[laneSize]byte, pos *[laneSize]int32, n int, kinds *[256]byte, buf []byte, i int) (int, int) {
	for ; i < len(buf); i++ {
		c := buf[i]
		kind := kinds[c]
		if kind >= kindControl {
			break
		}
		text[n], pos[n] = c, int32(i)
		n += int(kind)
	}
	return n, i
}

// gap is what stands between two characters of a lane: a number of cells, and flags.
type gap uint16

// plus adds the cells of passed-over text; half a UTF-8 character is none.
func (g gap) plus(text []byte) gap {
	cells := int(g & gapCells)
	for ; len(text) >= 8; text = text[8:] {
		x := le64(text)
		cells += 8 - bits.OnesCount64(x&^(x<<1)&0x8080808080808080)
	}
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
func (g *Guard) controlByte(buf []byte, i int) {
	switch c := buf[i]; c {
	case 0x1b:
		g.state = escape
		g.lanes[shown].trail |= gapEdge
	case '\b':
		g.backspace(buf)
	case 0x0e, 0x0f:
		g.sets.second = c == 0x0e
	default:
		l := &g.lanes[shown]
		switch final := eightBit(c); {
		case final == 0:
		case g.partOf(buf, i):
			l.trail = l.trail.plus(buf[i : i+1])
		case g.state == ground:
			l.trail |= gapEdge
			g.state = escape
			g.finalByte(final)
		}
	}
}

// partOf says whether the byte of C1 at a place is a part of a character of UTF-8. In C2 80 to C2 9F it is the control
// itself, in two bytes.
func (g *Guard) partOf(buf []byte, i int) bool {
	for back := 1; back <= 3; back++ {
		var c byte
		if i >= back {
			c = buf[i-back]
		} else {
			c = g.last[3-(back-i)]
		}
		switch {
		case c&0xc0 == 0x80:
		case c >= 0xf0:
			return c < 0xf8
		case c >= 0xe0:
			return back <= 2
		case c >= 0xc3:
			return back == 1
		default:
			return false
		}
	}
	return false
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
		l.headed = 0 // those before the ones asked for so far may be asked for now
		l.trail = l.before(l.n)
		l.gap[l.n], l.hit[l.n] = 0, 0
	}
}

// escapeByte goes on with an escape sequence (ECMA-48, and DEC's parser as
// xterm has it). Single bytes of C1 begin one too, where they are no halves of characters.
func (g *Guard) escapeByte(buf []byte, i int) {
	switch c := buf[i]; {
	case c == 0x18 || c == 0x1a:
		g.state = ground
	case c < ' ':
		g.controlByte(buf, i)
	case c == 0x7f:
	case g.state == control:
		g.controlEnds(c)
		g.state = ground
	case c < 0x30:
		g.state, g.middle = escapeMid, c
	case g.state == escapeMid:
		if g.size[0] > 0 { // in a file they are letters
			g.sets.designate(g.middle, c)
		}
		g.state = ground
	default:
		g.finalByte(c)
	}
}

// finalByte acts on what follows ESC, or on the control of C1 that stands for it.
func (g *Guard) finalByte(c byte) {
	g.state = ground
	switch c {
	case '[':
		g.state = control
	case ']', 'P', 'X', '^', '_':
		g.state = str
		g.begin(c == ']')
	case 'c':
		g.sets = charsets{}
	case 'M':
		g.addressed = true
	case '8':
		g.addressed, g.sets = true, charsets{}
	}
}

// controlEnds acts on the final byte of a control sequence. Those that may restore the character sets with the cursor, or
// reset them (DECSTR), are taken to have done so: letters that are taken for lines would not be looked at.
func (g *Guard) controlEnds(final byte) {
	g.addressed = g.addressed || addresses(final)
	switch final {
	case 'l': // programs hide the cursor while they draw lines
		g.sets.second, g.sets.graphic[0] = false, false
	case 'p', 'u':
		g.sets = charsets{}
	}
}

// addresses says whether the final byte of a control sequence moves the cursor to where the text that follows does not
// continue the text before, or shows a character again (REP).
func addresses(c byte) bool {
	switch c {
	case '@', 'A', 'B', 'D', 'E', 'F', 'G', 'H', 'L', 'M', 'P', 'S', 'T', 'Z', '`', 'b', 'd', 'f', 'r', 'u':
		return true
	}
	return false
}

// charsets is whether letters are shown as lines of boxes (DEC Special Graphics), by the two sets that a program can
// shift between.
type charsets struct {
	graphic [2]bool
	second  bool // shifted out: the second set is shown
}

// shifted is 1 while letters are shown as lines.
func (s *charsets) shifted() int {
	if s.second && s.graphic[1] || !s.second && s.graphic[0] {
		return 1
	}
	return 0
}

// designate takes ESC ( F and ESC ) F.
func (s *charsets) designate(middle, final byte) {
	if middle == '(' || middle == ')' {
		s.graphic[middle-'('] = final == '0'
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
	copy(l.heads[:context], l.heads[d:l.n])
	clear(l.gap[context:l.n])
	clear(l.hit[context:l.n])
	if l.phase != nil {
		copy(l.phase[:context], l.phase[d:l.n])
		clear(l.phase[context:l.n])
	}
	l.n, l.seen, l.live, l.headed = context, max(0, l.seen-d), max(0, l.live-d), max(0, l.headed-d)
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
