package guard

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// painted writes the cells of text from a column of a row on, in an order, each followed by something else.
func painted(text string, row, col, width int, order []int) (list []stroke) {
	for n, i := range order {
		place := fmt.Sprintf("\x1b[%d;%dH", row+i/width, col+i%width)
		list = append(list, stroke{place + fmt.Sprintf("%c\x1b[20;1H%d", text[i], n), i, len(place)})
	}
	return list
}

// stroke is one write: at a place of it stands the character of that number of a value.
type stroke struct {
	text   string
	number int
	at     int // 0: it has none
}

func inOrder(n, step int) (order []int) {
	for first := range step {
		for i := first; i < n; i += step {
			order = append(order, i)
		}
	}
	return order
}

// showing gives the screen of a guard as text.
func showing(s *screen) string {
	var b strings.Builder
	for y := range s.rows {
		for x := range s.cols {
			if c := s.code(s.index(y)+x, x); c > ' ' {
				b.WriteByte(c)
			} else {
				b.WriteByte(' ')
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// There is a screen from the first sequence on that moves the cursor, and it shows what was printed before; what only
// comes one after the other needs none.
func TestScreenBegins(t *testing.T) {
	v := random(newRand(1), base62, 40)
	for _, c := range []struct {
		in   string
		want bool
	}{
		{"text\r\nand\x1b[1;31m colour\x1b[0m\x1b[K and\ttabs\b \x1b]0;title\x07\x1b[?25l", false},
		{"text\x1b[5;5H", true},
		{"text\x1b[2Aup", true},
		{"text\x1bM", true},
		{"text\x1b[?1049htext", false},
	} {
		g := guardOf(t, Options{Cols: 80, Rows: 24}, v)
		feed(g, c.in, false, byOne)
		feed(g, " ", false, byOne)
		if got := g.screen != nil; got != c.want {
			t.Errorf("%q: a screen is %v, want %v", c.in, got, c.want)
		}
		if g.screen != nil && !strings.Contains(showing(g.screen), "text") {
			t.Errorf("%q: it shows\n%s", c.in, showing(g.screen))
		}
	}
	g := guardOf(t, Options{}, v)
	if feed(g, "\x1b[5;5H", false, atOnce); g.screen != nil {
		t.Error("a pipe has a screen")
	}
	g = guardOf(t, Options{Cols: 1 << 15, Rows: 1 << 15}, v)
	if out := feed(g, "\x1b[5;5H"+v, false, atOnce); g.screen != nil || !strings.Contains(out, strings.Repeat("*", 40)) {
		t.Errorf("a screen of a million rows: %v, %q", g.screen != nil, out)
	}
}

// The first sequence that moves the cursor is known whatever its form, and the value with it that it puts together.
func TestScreenBeginsInTime(t *testing.T) {
	v := random(newRand(1), base62, 40)
	for _, c := range []struct {
		back string
		cut  int // after so many bytes of it, if any
	}{
		{"\x1b[1G", 0}, {"\x1b[1G", 2}, {"\x1b[1G", 1}, {"\x1b[1\x00G", 3}, {"\x1b[1\x00G", 0}, {"\x9b1G", 0}, {"\x9b1G", 1}, {"\xc2\x9b1G", 0}, {"\xc2\x9b1G", 1},
		{"\x1b[u", 0}, {"\x1b[2Z", 0},
	} {
		g := guardOf(t, Options{Cols: 80, Rows: 24}, v)
		before, hidden := "\x1b[s\x1b[7C", v[7:14]
		if c.cut == 0 {
			hidden = strings.Repeat("*", 7)
		}
		in := before + v[7:14] + c.back + v[:7] + "\r\n"
		got := feed(g, in, true, func(rest int) int {
			if rest == len(in) && c.cut > 0 {
				return len(before) + 7 + c.cut
			}
			return rest
		})
		if want := before + hidden + c.back + strings.Repeat("*", 7) + "\r\n"; got != want {
			t.Errorf("%q, cut after %d:\n got %q\nwant %q", c.back, c.cut, got, want)
		}
	}
}

// A value that is painted in any order is found, counted once, and masked from the eighth of its neighbours on; also
// after the size of the terminal changed, in a pane, and beside a row that goes on.
func TestScreenFinds(t *testing.T) {
	v := random(newRand(1), base62, 40)
	twice := append(painted(v, 3, 2, 80, inOrder(40, 2)), painted(v, 9, 2, 80, inOrder(40, 3))...)
	var pane []stroke
	for row := range 10 {
		pane = append(pane, stroke{text: fmt.Sprintf("\x1b[%d;1Hother text here   │\x1b[%d;30H│\x1b[%d;32Hmore", 1+row, 1+row, 1+row)})
	}
	pane = append(pane, painted(v, 1, 22, 5, inOrder(40, 1))...)
	var double []stroke
	for row := range 10 {
		double = append(double, stroke{text: fmt.Sprintf("\x1b[%d;1Hother text here    ││\x1b[%d;30H││ \x1b[%d;33Hmore", 1+row, 1+row, 1+row)})
	}
	double = append(double, painted(v, 1, 22, 5, inOrder(40, 1))...)
	for _, c := range []struct {
		name    string
		strokes []stroke
		resize  int
		leaks   int
	}{
		{"every second cell", painted(v, 3, 2, 80, inOrder(40, 2)), 0, 1},
		{"every fifth cell", painted(v, 3, 2, 80, inOrder(40, 5)), 0, 1},
		{"twice", twice, 0, 2},
		{"another size half way", painted(v, 3, 2, 80, inOrder(40, 2)), 30, 1},
		{"a pane", pane, 0, 1},
		{"a pane between double lines", double, 0, 1},
	} {
		for _, mode := range []Mode{Redact, Warn} {
			g := guardOf(t, Options{Mode: mode, Cols: 80, Rows: 24}, v)
			shown := bytes.Repeat([]byte{fillByte}, 40)
			for n, w := range c.strokes {
				if c.resize > 0 && n == c.resize {
					g.Resize(60, 22)
				}
				if c.leaks == 2 && n == 40 { // another place
					shown = bytes.Repeat([]byte{fillByte}, 40)
				}
				out := string(g.Process([]byte(w.text))) + string(g.Flush())
				if len(out) != len(w.text) || mode == Warn && out != w.text {
					t.Fatalf("%s: %q became %q", c.name, w.text, out)
				}
				if w.at > 0 && shown[w.number] == fillByte {
					shown[w.number] = out[w.at]
				}
			}
			run := 0
			for i := 0; i < 40 && mode == Redact; i++ {
				if run++; shown[i] == fillByte {
					run = 0
				}
				if run > 7 {
					t.Fatalf("%s: 8 characters in a row are clear: %q", c.name, shown)
				}
			}
			if g.Leaks() != c.leaks {
				t.Errorf("%s, %v: counted %d times, want %d", c.name, mode, g.Leaks(), c.leaks)
			}
		}
	}
}

// What was painted before is context, as far as the longest form needs it: the last character of one is masked when it
// comes, however late.
func TestScreenKnowsWhatStandsBefore(t *testing.T) {
	v := random(newRand(1), hexa, 60)
	for name, form := range map[string]string{
		"plain": v, "base64": base64Of(v), "base64 twice": lettersAndDigits(base64Of(base64Of(v))),
		"numbers": list(v, "%d", ""), "spelled": list(v, "u00%02x", ""),
	} {
		for _, from := range []int{5, 45} { // all in one row, or begun in the one before
			g := onTerminal(t, 80, 24, v)
			form := form[:min(len(form), 70)]
			last := from + len(form) - 1
			place := func(at int) string { return fmt.Sprintf("\x1b[%d;%dH", 3+at/80, 1+at%80) }
			g.Process([]byte(place(from) + form[:len(form)-1] + "\x1b[20;1Hother text"))
			g.Flush()
			before := place(last)
			out := string(g.Process([]byte(before+form[len(form)-1:]))) + string(g.Flush())
			stream := feed(guardOf(t, Options{}, v), form, false, atOnce)
			if want := before + stream[len(form)-1:]; out != want {
				t.Errorf("%s, from %d to %d: %q, want %q", name, from, last, out, want)
			}
		}
	}
}

// A value that goes on in the next row of a pane is known where only one of the two has something beside it, whichever is
// painted last.
func TestScreenPaneBesideNothing(t *testing.T) {
	v := random(newRand(1), base62, 40)
	first, second := "\x1b[5;31H        "+v[:7], "\x1b[6;31H"+v[7:14]+" and"
	lines := "\x1b[5;30H|\x1b[5;46H|\x1b[6;30H|\x1b[6;46H|"
	for name, c := range map[string][3]string{
		"first with text behind it":   {lines + "\x1b[5;47Htext", first, second},
		"second with text before it":  {lines + "\x1b[6;20Htext", first, second},
		"the same, the second first":  {lines + "\x1b[6;20Htext", second, first},
		"the same with text behind":   {lines + "\x1b[5;47Htext", second, first},
		"first with text on its left": {lines + "\x1b[5;20Htext", second, first},
	} {
		g := onTerminal(t, 80, 24, v)
		feed(g, c[0], true, atOnce)
		feed(g, c[1], true, atOnce)
		out := feed(g, "\x1b[20;1Hother"+c[2], true, atOnce)
		if !strings.Contains(out, strings.Repeat("*", 7)) {
			t.Errorf("%s: %q", name, out)
		}
	}
}

// Behind the mark of a stored value the rest of it is masked, as long as the word goes on: words behind a piece of it are
// not the rest.
func TestScreenEndsWithWord(t *testing.T) {
	v := random(newRand(1), base62, 90)
	stored, err := ReadMarks("STORED", MakeMarks(testKey, []byte(v)))
	if err != nil {
		t.Fatal(err)
	}
	for row, want := range map[string]string{
		v[:30] + " more words":                  strings.Repeat("*", 30) + " more words",
		v[:30] + "-" + v[30:40] + " more words": strings.Repeat("*", 41) + " more words",
		v + " more words":                       strings.Repeat("*", 90) + " more words",
	} {
		g, _ := New(testKey, nil, Options{Stored: []Print{stored}, StoredKey: testKey, Cols: 80, Rows: 24})
		place := "\x1b[5;60Hbehind\x1b[5;1H"
		if out := feed(g, place+row, false, atOnce); out != place+want {
			t.Errorf("%q, want %q", out, place+want)
		}
		g.Wipe()
	}
}

// The same characters many times in a row are put on the screen at one go, as if they came one by one.
func TestScreenLines(t *testing.T) {
	for _, text := range []string{
		"─────", "│││", "││─│", "━─━─", "日日日日日日", "éééé", "e\u0301\u0301\u0301", "\u009b\u009b5C│││", "\u008d\u008d││", "\u009d\u009dtitle\a││", "────\x1b[3b│││\x1b[5b", "x|\x1b[30by",
		strings.Repeat("─", 33) + "x", strings.Repeat("│", 20), "\x1b[?7l" + strings.Repeat("│", 15), "abcdef\r\x1b[4h│││\x1b[4l",
		"\x1b[2;18H│││││", "\x1b[5;18H│││││",
	} {
		one, many := newOracle(t, 20, 5).s, newOracle(t, 20, 5).s
		for _, c := range text {
			one.write([]byte(string(c)))
		}
		many.write([]byte(text))
		if a, b := fmt.Sprint(one.main.rows, one.cursor, one.main.from), fmt.Sprint(many.main.rows, many.cursor, many.main.from); a != b || !bytes.Equal(one.main.text, many.main.text) {
			t.Errorf("%q: at one go\n%s\n%q\none by one\n%s\n%q", text, b, showing(many), a, showing(one))
		}
	}
}

// Eight characters are enough on a screen, whatever stands before them: in a stream of base64 they would be met by chance.
func TestScreenLongRun(t *testing.T) {
	v := random(newRand(1), base62, 40)
	g := onTerminal(t, 80, 24, v)
	g.Process([]byte("\x1b[3;1H" + random(newRand(2), base62, 60)))
	out := ""
	for _, w := range painted(v[10:18], 3, 61, 80, inOrder(8, 1)) {
		out = string(g.Process([]byte(w.text))) + string(g.Flush())
		out = out[w.at : w.at+1]
	}
	if out != "*" || g.Leaks() != 1 {
		t.Errorf("the eighth character is %q, counted %d times", out, g.Leaks())
	}
}

// What is held back is on the screen too, and can be masked there when the rest comes.
func TestScreenMasksHeld(t *testing.T) {
	v := random(newRand(1), base62, 40)
	g := onTerminal(t, 80, 24, v)
	out := string(g.Process([]byte("\x1b[5;10H" + v[7:30] + "\x1b[5;3H" + v[:5])))
	if !g.Held() {
		t.Fatal("not held: the test is weaker than it looks")
	}
	out += string(g.Process([]byte(v[5:7]))) + string(g.Flush())
	if want := "\x1b[5;10H" + strings.Repeat("*", 23) + "\x1b[5;3H" + strings.Repeat("*", 7); out != want {
		t.Errorf("got %q\nwant %q", out, want)
	}
}

// After a gigabyte places are counted anew, that of the character which can be repeated too.
func TestScreenCountsAnew(t *testing.T) {
	v := random(newRand(1), base62, 40)
	g := onTerminal(t, 80, 24, v)
	g.screen.now = 1 << 30
	g.Process([]byte("\x1b[9;1H" + v[:1]))
	again := "\x1b[b\x1b[20;1H.\x1b[9;3H"
	if got, want := feed(g, again+v[1:20], false, atOnce), again+strings.Repeat("*", 19); got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

// Between two calls nothing that could be read as a piece of what the screen shows lies in its memory.
func TestNothingStaysOnScreen(t *testing.T) {
	v := random(newRand(41), base62, 40)
	g, _ := New(testKey, []Print{Fingerprint(testKey, "TOKEN", []byte(v))}, Options{Cols: 80, Rows: 24})
	for _, c := range []string{"no screen yet: " + v, "\x1b[3;3H" + v, "\x1b[2;3H\x1b[L", v[:20], "\x1b[4P", "\x1b[?1049h" + v} {
		g.Process([]byte(c))
		memory := map[string][]byte{"arena": bytesOf(g.arena.mem), "output": g.out[:cap(g.out)]}
		if g.screen != nil {
			memory["screen"] = bytesOf(g.screen.arena.mem)
			memory["lane"] = g.screen.lane.text[:]
		}
		for where, mem := range memory {
			for j := 0; j+8 <= len(v); j++ {
				if bytes.Contains(mem, []byte(v[j:j+8])) {
					t.Errorf("after %q: %q in the %s", c, v[j:j+8], where)
				}
			}
		}
	}
	g.Wipe()
	if g.screen != nil {
		t.Error("a screen is left")
	}
}

// Nor does anything of a screen that is too big for the lane.
func TestNothingStaysOfBigScreen(t *testing.T) {
	v := random(newRand(41), base62, 40)
	g := onTerminal(t, 250, 60, v)
	var text strings.Builder
	for y := 59; y > 0; y-- { // upwards, as then it is read on the screen
		fmt.Fprintf(&text, "\x1b[%d;1H%s", y, v+strings.Repeat("word", 40))
	}
	g.Process([]byte(text.String()))
	if g.Leaks() != 59 {
		t.Errorf("met %d times: the test is weaker than it looks", g.Leaks())
	}
	for j := 0; j+8 <= len(v); j++ {
		if bytes.Contains(bytesOf(g.screen.arena.mem), []byte(v[j:j+8])) {
			t.Errorf("%q is left", v[j:j+8])
		}
	}
}

// Nor does a list of what was found on the screen, which the garbage collector has.
func TestNothingStaysInSights(t *testing.T) {
	v := random(newRand(41), base62, 40)
	g := onTerminal(t, 80, 24, v)
	g.screen.base = g.screen.now
	g.screen.write([]byte("\x1b[5;9H" + v[8:] + "\x1b[5;1H" + v[:8]))
	g.lookAtRows(0, 24)
	var kept []byte
	for _, s := range g.sights {
		kept = append(kept, s.char)
	}
	if len(kept) != len(v) {
		t.Fatalf("%d characters noted, want %d", len(kept), len(v))
	}
	for j := 0; j+8 <= len(v); j++ {
		if bytes.Contains(kept, []byte(v[j:j+8])) {
			t.Errorf("%q is in the list", v[j:j+8])
		}
	}
}

// Where hardly a letter stands, no more than some rows are looked at for what is before a cell, each time that one is painted.
func TestScreenLooksNotFar(t *testing.T) {
	s := newOracle(t, 300, 100).s
	s.write([]byte(strings.Repeat(strings.Repeat("-", 298)+"\r\n", 99) + "ab"))
	if row, _ := s.before(99, 2, 0, 300, context+farthest); row < 99-scattered/300-1 {
		t.Errorf("from row %d on, for one in row 99", row)
	}
	s = newOracle(t, 8, 100).s
	s.write([]byte(strings.Repeat("word -\r\n", 99) + "ab"))
	if row, column := s.before(99, 2, 0, 8, context+farthest); row != 79 || column != 2 {
		t.Errorf("from row %d, column %d on, want the last of 80 letters", row, column)
	}
}
