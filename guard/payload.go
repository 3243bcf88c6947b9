package guard

import "slices"

// payload is what is known of the string to the terminal that is being read (OSC, DCS, APC, PM, SOS).
type payload struct {
	command bool     // an OSC, of which the number is being read
	number  int      // of the OSC
	fields  int      // semicolons so far
	phase   uint8    // of base64: 1 + the place of the next character in its group of four; 0: the string is no base64
	bits    uint32   // the last characters of base64, six bits each
	met     []uint32 // values that were met in it
}

// clipboard is the OSC by which programs set the clipboard: "52;c;" and the text in base64 (xterm's control sequences).
const clipboard = 52

const maxNumber = 1 << 16 // of an OSC; no terminal has one as high

// begin takes the beginning of a string.
func (g *Guard) begin(command bool) {
	g.payload = payload{command: command}
	g.lanes[said].trail |= gapEdge
	g.lanes[copied].trail |= gapEdge
}

// stringByte acts on a control byte in a string: BEL, ESC (which begins ST), ST of one byte, CAN and SUB end it.
func (g *Guard) stringByte(buf []byte, i int) {
	switch c := buf[i]; {
	case c == 0x07 || c == 0x18 || c == 0x1a:
		g.state = ground
	case c == 0x1b:
		g.state = escape
	case c == 0x9c && !g.partOf(buf, i):
		g.state = ground
	}
	g.lanes[said].trail |= gapEdge
	g.lanes[copied].trail |= gapEdge
}

// stringText reads a string up to its first control byte or end, and tells where that is. All of it is read as text;
// what is copied to the clipboard is decoded besides.
func (g *Guard) stringText(buf []byte, i, end int) int {
	l := &g.lanes[said]
	first := l.n
	stop := l.plain(&g.kinds[0], buf, i, end)
	p := &g.payload
	for ; p.command && i < stop; i++ {
		p.head(buf[i])
	}
	if p.phase == 0 {
		return stop
	}
	for next := first; i < stop; i++ {
		for next < l.n && int(l.pos[next]) < i {
			next++
		}
		six, ok := sixBits(buf[i])
		if !ok {
			continue
		}
		if next < l.n && int(l.pos[next]) == i {
			l.phase[next] = p.phase
		}
		p.bits = p.bits<<6 | uint32(six)
		if p.phase > 1 {
			g.lanes[copied].decode(byte(p.bits>>(8-2*p.phase)), i, p.phase)
		}
		p.phase = p.phase%4 + 1
	}
	return stop
}

// head reads the number and the semicolons of an OSC.
func (p *payload) head(c byte) {
	switch {
	case c == ';':
		p.fields++
		if p.number != clipboard {
			p.command = false
		} else if p.fields == 2 {
			p.command, p.phase = false, 1
		}
	case p.fields > 0: // which clipboard
	case isDigit(c) && p.number < maxNumber:
		p.number = p.number*10 + int(c-'0')
	default:
		p.command = false
	}
}

// copies says whether a value was met before in what is being put on the clipboard, which is matched as it is and
// decoded: that is one sighting.
func (g *Guard) copies(l *lane, at int, owner uint32) bool {
	if l.phase == nil || l.phase[at] == 0 {
		return false
	}
	if slices.Contains(g.payload.met, owner) {
		return true
	}
	g.payload.met = append(g.payload.met, owner)
	return false
}

// decode adds a byte that is complete with the character of base64 at a place, the one of its phase.
func (l *lane) decode(c byte, at int, phase uint8) {
	if class(c) >= classSymbol {
		l.trail = l.trail.plus([]byte{c})
		return
	}
	l.text[l.n], l.pos[l.n], l.phase[l.n] = c, int32(at), phase
	l.gap[l.n] = l.trail | gapKnown
	l.trail = 0
	l.n++
	l.high = max(l.high, l.n)
}

const (
	base64Text    = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	starsInBase64 = "Kioq"
)

func sixBits(c byte) (six byte, ok bool) {
	switch {
	case 'A' <= c && c <= 'Z':
		return c - 'A', true
	case 'a' <= c && c <= 'z':
		return c - 'a' + 26, true
	case isDigit(c):
		return c - '0' + 52, true
	case c == '+' || c == '-':
		return 62, true
	case c == '/' || c == '_':
		return 63, true
	}
	return 0, false
}

// maskDecoded puts a star in the place of one byte of what base64 stands for, and leaves the bits of its neighbours.
// The byte is spread over the character of the given phase (2 to 4) and the one before it.
func maskDecoded(buf []byte, at int, phase uint8) {
	before, here := 10-2*phase, 2*phase-2 // bits of the byte in each
	if at > 0 {
		if six, ok := sixBits(buf[at-1]); ok {
			buf[at-1] = base64Text[six>>before<<before|fillByte>>here]
		}
	}
	if six, ok := sixBits(buf[at]); ok {
		rest := 6 - here
		buf[at] = base64Text[fillByte&(1<<here-1)<<rest|six&(1<<rest-1)]
	}
}
