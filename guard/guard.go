// Package guard reads along what a command prints and masks the secrets in it.
//
// It knows secrets by fingerprint only: keyed tags of their windows, made by
// Fingerprint in the process that has the values, and sent to the one that
// guards. A Guard takes bytes and gives bytes. It starts nothing, waits for
// nothing, and keeps no value.
//
//  1. The stream is squeezed to a shadow: letters and digits in order, without
//     escape sequences, spaces, line ends, punctuation (stream.go). On a
//     terminal the cells of the screen are a second one (screen.go).
//  2. Each window of the shadow is looked up among the fingerprints (scan.go).
//     Those are of the value, and of what it is in the usual encodings
//     (encode.go), wherever it is unlike ordinary text (eligible.go).
//  3. What is found is overwritten with stars where it stands: the same number
//     of bytes and columns, every escape sequence intact.
//  4. An end that may be the beginning of a value is held back until more
//     comes or the caller, some milliseconds later, calls Flush. The matcher
//     goes on from there, so that nothing is gained by printing slowly.
//
// What it does not see: a value in an encoding that is not listed, and of those
// listed what is encoded once more (but base64); fewer than 8 characters of it
// (12 of a hexadecimal one, and 12 of any behind 48 letters and digits that
// hold hardly a symbol, which is what a file of base64 is made of); a value of
// symbols or of letters beyond ASCII only; a value known only whole that comes
// letter by letter; of a stored value, a piece that holds none of its marks,
// and all but the value itself. It stops accidents. Who wants to carry a secret
// out is stopped by the sandbox.
package guard

import (
	"cmp"
	"slices"
)

// Options of one guarded stream. The zero value is the default.
type Options struct {
	Mode Mode
	// Cols and Rows are the size of the terminal that the stream goes to. 0: it goes to none, and there is no screen on
	// which text could be put together from pieces.
	Cols, Rows int

	// Stored are prints of values that the command was not given, as ReadMarks
	// gives them, all made under StoredKey: a second table.
	Stored    []Print
	StoredKey Key
}

// Report tells before the start what the guard can do.
type Report struct {
	Whole     []string    // names of values matched only whole and standing by themselves
	Unguarded []Unguarded // values that are not looked for
	Unlocked  error       // why the guard's memory could not be locked; nil if it is
}

// Unguarded is a value that is not looked for.
type Unguarded struct {
	Name string
	Why  string // as in "NAME has fewer than 8 letters and digits"
}

// Hit is how often one value was met. A value that stands twice with nothing
// between is met once.
type Hit struct {
	Name   string
	Count  int
	Stored bool // by its marks: it is one of Options.Stored
}

const (
	shown  = 0 // index of the lane of what is shown
	said   = 1 // of strings to the terminal
	copied = 2 // and of what these strings put on the clipboard, decoded

	padWords = context / 8
	holdSize = 2048 // bytes; more than the longest head in true colour needs
)

// Guard guards one stream: standard output and error need one each. It is not
// for use by several goroutines at once.
type Guard struct {
	mode    Mode
	names   []string
	given   int // that many of names are of prints, the others of Options.Stored
	counts  []int
	counted []int    // counts before this call of Process
	known   *known   // nil: nothing to look for
	tables  []*table // those of known
	arena   *arena   // of all that is read
	pad     []uint64
	kinds   [2][256]byte // the second while letters are shown as lines
	state   state
	middle  byte // of the escape sequence: its last intermediate
	sets    charsets
	last    [3]byte // before the buffer
	lanes   [3]lane

	payload   payload
	size      [2]int  // columns and rows; 0 without a terminal
	addressed bool    // the cursor was moved somewhere else
	past      past    // of a terminal's stream, as long as there is no screen
	screen    *screen // nil before the cursor was moved
	sights    []sight // on the screen, in this buffer
	reach     int     // characters of the widest window
	hold      []byte  // holdSize bytes in the arena
	held      int     // that many are held
	spans     []span  // of the last match
	out       []byte  // held bytes and the next chunk in a row
}

// New makes a guard for the values of prints, all of which were made under key.
func New(key Key, prints []Print, opt Options) (*Guard, Report) {
	g := &Guard{mode: opt.Mode, given: len(prints)}
	var report Report
	for _, p := range slices.Concat(prints, opt.Stored) {
		report.add(p)
		g.names = append(g.names, p.Name)
	}
	if opt.Mode == Off {
		return g, report
	}
	if g.known, report.Unlocked = newKnown(key, prints, opt); g.known != nil {
		g.allot(opt.Cols, opt.Rows)
		if report.Unlocked == nil {
			report.Unlocked = g.arena.err
		}
	}
	return g, report
}

// allot gives the guard what it reads with, on a terminal of that size.
func (g *Guard) allot(cols, rows int) {
	g.tables = g.known.tables
	for _, t := range g.tables {
		g.reach = max(g.reach, t.widest())
	}
	memory := len(g.lanes)*(padWords*8+laneSize) + holdSize
	if cols > 0 && rows > 0 {
		memory += 2 * pastSize
	}
	g.arena = newArena(memory)
	if cols > 0 && rows > 0 {
		g.size = [2]int{cols, rows}
		g.past = newPast(g.arena, g.hasher())
	}
	g.counts, g.counted = make([]int, len(g.names)), make([]int, len(g.names))
	g.kinds = [2][256]byte{kinds(false), kinds(true)}
	g.hold = carve[byte](g.arena, holdSize)
	g.pad = carve[uint64](g.arena, len(g.lanes)*padWords)
	for i := range g.pad {
		g.pad[i] = g.hasher().tag([]byte{'p', 'a', 'd', byte(i)})
	}
	for i := range g.lanes {
		l := &g.lanes[i]
		l.text = (*[laneSize]byte)(carve[byte](g.arena, laneSize))
		l.trail = gapEdge
		l.cover(g.pad[i*padWords:])
		if i != shown {
			l.phase = new([laneSize]uint8)
		}
		l.decoded = i == copied
	}
}

func (r *Report) add(p Print) {
	switch p.cover {
	case byWindows, byMarks:
	case asWhole:
		r.Whole = append(r.Whole, p.Name)
	default:
		r.Unguarded = append(r.Unguarded, Unguarded{p.Name, p.cover.String()})
	}
}

// hasher gives what random bytes are made with that need not be the same twice.
func (g *Guard) hasher() *hasher { return g.tables[0].hash }

// Process takes the next bytes of the stream and gives those that may be
// written now. It masks in buf itself; the result is a part of buf or of the
// guard's own memory, and good until the next call.
func (g *Guard) Process(buf []byte) []byte {
	if g.arena == nil || len(buf) == 0 {
		return buf
	}
	from := g.held
	buf = g.join(buf)
	g.uncover()
	g.lanes[shown].cut = from == 0 && g.state != ground // what is held begins with a character
	if g.size[0] > 0 {
		copy(g.counted, g.counts)
		g.draw(buf, from)
	}
	for from < len(buf) {
		end := min(from+blockSize, len(buf))
		g.parse(buf, from, end)
		for i := range g.lanes {
			if l := &g.lanes[i]; l.seen < l.n || g.known.bound {
				g.match(l, buf, false)
			}
			g.lanes[i].slide()
		}
		from = end
	}
	if g.screen != nil {
		g.look(buf)
	}
	keep := len(buf)
	if g.mode != Warn {
		if at := g.holdFrom(buf); len(buf)-at <= holdSize {
			keep = at
		}
	}
	g.remember(buf[:keep])
	g.held = copy(g.hold, buf[keep:])
	clear(buf[keep:])
	for i := range g.lanes {
		g.lanes[i].leave(keep)
	}
	g.cover()
	return buf[:keep]
}

// remember keeps the last bytes that went out, of which a character of UTF-8 may need more.
func (g *Guard) remember(out []byte) {
	n := min(len(out), len(g.last))
	copy(g.last[:], g.last[n:])
	copy(g.last[len(g.last)-n:], out[len(out)-n:])
}

// join puts the held bytes before buf.
func (g *Guard) join(buf []byte) []byte {
	if g.held == 0 {
		return buf
	}
	clear(g.out)
	if n := g.held + len(buf); cap(g.out) < n {
		g.out = make([]byte, n, max(n, holdSize+1<<15))
	} else {
		g.out = g.out[:n]
	}
	copy(g.out, g.hold[:g.held])
	copy(g.out[g.held:], buf)
	clear(buf)
	g.held = 0
	return g.out
}

// leave counts places from keep on, as all before is written and gone.
func (l *lane) leave(keep int) {
	for l.live < l.n && int(l.pos[l.live]) < keep {
		l.live++
	}
	for i := range l.n { // all: distances count
		l.pos[i] -= int32(keep)
	}
}

// Held reports whether bytes are held back. If no more come within some
// milliseconds the caller should Flush, as a person may be waiting for them.
func (g *Guard) Held() bool { return g.held > 0 }

// Flush gives the bytes that were held back, also at the end of the stream.
// They are good until the next call.
func (g *Guard) Flush() []byte {
	if g.held == 0 {
		return nil
	}
	buf := g.hold[:g.held]
	g.uncover()
	g.lanes[shown].cut = false
	for i := range g.lanes {
		g.match(&g.lanes[i], buf, true)
		g.maskHead(&g.lanes[i], buf)
		g.lanes[i].leave(len(buf))
	}
	g.remember(buf)
	g.cover()
	g.held = 0
	return buf
}

func (g *Guard) uncover() {
	for i := range g.lanes {
		g.lanes[i].uncover(g.pad[i*padWords:])
	}
}

func (g *Guard) cover() {
	for i := range g.lanes {
		g.lanes[i].cover(g.pad[i*padWords:])
	}
}

// Leaks is how many times a value was met so far.
func (g *Guard) Leaks() int {
	sum := 0
	for _, n := range g.counts {
		sum += n
	}
	return sum
}

// Stats tells which values were met, by name, in the order of their names; of two of the same name the stored one comes
// second.
func (g *Guard) Stats() []Hit {
	var hits []Hit
	for i, n := range g.counts {
		if n == 0 {
			continue
		}
		hit := Hit{Name: g.names[i], Stored: i >= g.given}
		at := slices.IndexFunc(hits, func(h Hit) bool { return h.Name == hit.Name && h.Stored == hit.Stored })
		if at < 0 {
			at = len(hits)
			hits = append(hits, hit)
		}
		hits[at].Count += n
	}
	slices.SortStableFunc(hits, func(a, b Hit) int { return cmp.Compare(a.Name, b.Name) })
	return hits
}

// Wipe overwrites all that the guard knew and the last it read. Only Stats,
// Leaks and Held may be called afterwards; Process on a wiped guard panics
// rather than let anything pass unread.
func (g *Guard) Wipe() {
	if g.arena == nil {
		return
	}
	clear(g.out[:cap(g.out)])
	if g.screen != nil {
		g.screen.arena.free()
	}
	g.arena.free()
	if g.known != nil && g.known.users.Add(-1) == 0 {
		g.known.arena.free()
	}
	g.known = nil
	g.screen, g.past = nil, past{}
	g.tables, g.pad, g.hold, g.held = nil, nil, nil, 0
	for i := range g.lanes {
		g.lanes[i].text = nil
	}
}
