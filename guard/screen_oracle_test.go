package guard

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/hinshun/vt10x"
)

// oracle is a terminal by somebody else, beside ours.
type oracle struct {
	vt    vt10x.Terminal
	s     *screen
	fixed bool // the size does not change: if it does, vt10x has lost its tab stops
}

func newOracle(t testing.TB, cols, rows int) *oracle {
	t.Helper()
	h := newHasher(testKey)
	o := &oracle{vt10x.New(vt10x.WithSize(cols, rows)), newScreen(&h, cols, rows), true}
	o.s.y = 0 // as vt10x begins
	t.Cleanup(func() { o.s.arena.free() })
	return o
}

// differ tells the first cell in which the two show something else, or "". What is not ASCII counts as one.
func (o *oracle) differ() string {
	cols, rows := o.vt.Size()
	if cols != o.s.cols || rows != o.s.rows {
		return fmt.Sprintf("%d columns and %d rows, want %d and %d", o.s.cols, o.s.rows, cols, rows)
	}
	for y := range rows {
		for x := range cols {
			want, got := o.vt.Cell(x, y).Char, o.s.code(o.s.index(y)+x, x)
			switch {
			case want >= 0x80 && (got == cellOther || got == cellBorder):
			case want >= 0x80 && got >= 'A' && got <= 'G': // arrows, says vt10x with rxvt; letters, say DEC and xterm
			case want == rune(got), want == ' ' && got == cellBlank, want == 0xa0 && got == cellBlank, want == 0 && (got == cellBlank || got == ' '):
			default:
				return fmt.Sprintf("row %d column %d shows %q, want %q\n%s", y, x, got, want, o.vt.String())
			}
		}
		if r := o.s.row(y); strings.TrimRight(o.line(y)[r.end:], "\x00") != "" {
			return fmt.Sprintf("row %d ends at %d and has more: %q", y, r.end, o.line(y))
		}
	}
	if c := o.vt.Cursor(); c.X != o.s.x || c.Y != o.s.y {
		return fmt.Sprintf("cursor at row %d column %d, want %d and %d", o.s.y, o.s.x, c.Y, c.X)
	}
	return ""
}

// tabs is 1 if there are tab stops.
func (o *oracle) tabs() int {
	if o.fixed {
		return 1
	}
	return 0
}

func (o *oracle) line(y int) string {
	b := make([]byte, o.s.cols)
	for x := range b {
		b[x] = o.s.code(o.s.index(y)+x, x)
	}
	return string(b)
}

// sequence makes one thing that a program may print, of those in which vt10x does as terminals do. Left out: scrolling
// regions together with up and down (it leaves the region), what it takes a 0 for, ED 1 in the second row, IRM, REP, SO.
func sequence(r *rand.Rand, o *oracle) string {
	n := func(most int) int { return 1 + r.IntN(most) }
	whole := o.s.top == 0 && o.s.bottom == o.s.rows-1
	switch k := r.IntN(40); {
	case k < 12:
		return random(r, base62+"  -_|", n(o.s.cols+10))
	case k < 15:
		return "\r\n"
	case k < 17:
		return []string{"\b", "\r", "\n", "\v", "\x00", "\a", "\t"}[r.IntN(6+o.tabs())]
	case k < 18:
		return []string{"é", "─", "│", "…", "ß▌"}[r.IntN(5)]
	case k < 22:
		return fmt.Sprintf("\x1b[%d;%dH", n(o.s.rows+2), n(o.s.cols+2))
	case k < 24 && whole:
		return fmt.Sprintf("\x1b[%d%c", n(5), "ABEF"[r.IntN(4)])
	case k < 27:
		return fmt.Sprintf("\x1b[%d%c", n(o.s.cols), "CDG`XP@IZ"[r.IntN(7+2*o.tabs())])
	case k < 29:
		return fmt.Sprintf("\x1b[%d%c", n(o.s.rows), "LMSTd"[r.IntN(5)])
	case k < 31:
		if c := r.IntN(6); c != 1 || o.s.y != 1 {
			return fmt.Sprintf("\x1b[%d%c", c%3, "JJJKKK"[c])
		}
		return "\x1b[K"
	case k < 32 && o.s.grid == &o.s.main && !o.s.full: // the other has a saved cursor of its own; and vt10x forgets a full row
		return []string{"\x1b7", "\x1b8", "\x1b[s", "\x1b[u"}[r.IntN(4)]
	case k < 34 && !o.s.full:
		return []string{"\x1bM", "\x1bD", "\x1bE", "\x1bH", "\x1b[g"}[r.IntN(3+2*o.tabs())]
	case k < 35:
		return fmt.Sprintf("\x1b[%d;%d;%dm", r.IntN(50), r.IntN(50), r.IntN(50))
	case k < 36:
		top := n(o.s.rows - 1)
		return fmt.Sprintf("\x1b[%d;%dr", top, top+n(o.s.rows-top))
	case k < 37:
		return []string{"\x1b[r", "\x1b[?7l", "\x1b[?7h", "\x1b[?25l", "\x1b[?6h", "\x1b[?6l"}[r.IntN(6)]
	case k < 38 && o.s.grid == &o.s.main && !o.s.full:
		return "\x1b[?1049h"
	case k < 38 && o.s.grid == &o.s.alt:
		return "\x1b[?1049l"
	case k < 39:
		return []string{"\x1b(0", "\x1b(B", "\x1b(B", "\x1b]0;a title\x07", "\x1b]8;;x:y\x1b\\", "\x1b[?2026h"}[r.IntN(6)]
	}
	return "words "
}

// drawBoth draws the same for some seed and says where the two screens part.
func drawBoth(t testing.TB, seed uint64, steps int) {
	t.Helper()
	r := newRand(seed)
	o := newOracle(t, 2+r.IntN(60), 2+r.IntN(20))
	o.fixed = seed%2 == 0
	var drawn []string
	for range steps {
		if !o.fixed && r.IntN(60) == 0 && o.s.top == 0 && o.s.bottom == o.s.rows-1 && !o.s.origin {
			cols, rows := 2+r.IntN(60), 2+r.IntN(20)
			o.vt.Resize(cols, rows)
			h := newHasher(testKey)
			if o.s.cols != cols || o.s.rows != rows {
				o.s = o.s.resized(&h, cols, rows)
			}
			drawn = append(drawn, fmt.Sprintf("resize to %d columns, %d rows", cols, rows))
		}
		seq := sequence(r, o)
		drawn = append(drawn, fmt.Sprintf("%q", seq))
		o.vt.Write([]byte(seq))
		for rest := []byte(seq); len(rest) > 0; {
			n := 1 + r.IntN(len(rest))
			o.s.write(rest[:n])
			rest = rest[n:]
		}
		if what := o.differ(); what != "" {
			t.Fatalf("seed %d, after %s:\n%s", seed, strings.Join(drawn[max(0, len(drawn)-12):], " "), what)
		}
	}
}

// The screen shows what another terminal shows, whatever is drawn.
func TestScreenAsOracle(t *testing.T) {
	for seed := range uint64(300) {
		drawBoth(t, seed, 200)
	}
}

func FuzzScreenAsOracle(f *testing.F) {
	f.Add(uint64(1), uint16(20))
	f.Fuzz(func(t *testing.T, seed uint64, steps uint16) { drawBoth(t, seed, int(steps%1000)) })
}
