package guard

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/hinshun/vt10x"
)

// misses are the renderings in which a value is not found, and why. A miss that is found fails the test as well:
// docs/guard.md lists the same.
func misses() map[string]string {
	return map[string]string{
		"cat-n-7":     "numbers of lines stand between any eight characters",
		"gzip-base64": "the value is compressed",
	}
}

// escapes are control sequences, of which only the text of a string is a program's own.
func escapes() *regexp.Regexp {
	return regexp.MustCompile("(?s)\x1b\\[[0-?]*[ -/]*[@-~]|\x1b\\][0-9]*|\x1b[P^_X]|\x1b[ -/]*[0-~]")
}

// Each miss is named in the documentation, in a comment beside its reason.
func TestMissesAreSaid(t *testing.T) {
	text, err := os.ReadFile("../docs/guard.md")
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Join(strings.Fields(string(text)), " ")
	for name, why := range misses() {
		if !strings.Contains(said, "<!-- "+name+" -->") || !strings.Contains(said, why) {
			t.Errorf("docs/guard.md does not say that %s is missed because %s", name, why)
		}
	}
	if n := strings.Count(said, "<!-- "); n != len(misses()) {
		t.Errorf("docs/guard.md names %d misses, want %d", n, len(misses()))
	}
}

// replaced gives the capture with another value in it: each letter becomes another one, wherever the program printed
// it, and so does each digit.
func (c captured) replaced(raw []byte, r *rand.Rand) (in []byte, value string) {
	value = capturedValue()
	if c.as.fixed {
		return raw, value
	}
	var code [256]byte
	for i := range code {
		code[i] = byte(i)
	}
	for i, j := range r.Perm(26) {
		code['a'+i], code['A'+i] = 'a'+byte(j), 'A'+byte(j)
	}
	for i, j := range r.Perm(10) {
		code['0'+i] = '0' + byte(j)
	}
	with := func(text []byte) {
		for i := range text {
			text[i] = code[text[i]]
		}
	}
	in = bytes.Clone(raw)
	at := 0
	for _, span := range escapes().FindAllIndex(raw, -1) {
		with(in[at:span[0]])
		at = span[1]
	}
	with(in[at:])
	v := []byte(value)
	with(v)
	return in, string(v)
}

// viewer is a person at another terminal, who knows the value.
type viewer struct {
	vt    vt10x.Terminal
	most  int             // characters of the value that may be seen
	known map[string]bool // what tells more
	sizes []int           // lengths of it
	out   bytes.Buffer
	shown int    // bytes of out that the terminal has; it loses characters that are cut
	seen  string // the first piece
}

// viewer gives one who may see so many characters of the value.
func (c captured) viewer(value string, most int) *viewer {
	cols, rows := c.size()
	v := &viewer{vt: vt10x.New(vt10x.WithSize(cols, rows)), most: most, known: map[string]bool{}}
	pieces := c.as.pieces
	if pieces == nil {
		pieces = piecesOf(asItIs)
	}
	for _, p := range pieces(value, most+1) {
		if p = lettersAndDigits(p); len(p) <= most {
			continue // symbols of which nothing is left
		}
		v.known[p] = true
		if !slices.Contains(v.sizes, len(p)) {
			v.sizes = append(v.sizes, len(p))
		}
	}
	return v
}

// lettersAndDigits gives text as it can be read: a star ends a piece.
func lettersAndDigits(text string) string {
	b := make([]byte, 0, len(text))
	for i := range len(text) {
		if class(text[i]) < classSymbol || text[i] == fillByte {
			b = append(b, text[i])
		}
	}
	return string(b)
}

// read looks at the screen after each write.
func (v *viewer) read(chunk []byte) {
	if len(chunk) == 0 {
		return
	}
	v.out.Write(chunk)
	whole := v.out.Bytes()[v.shown:]
	for cut := 0; cut < utf8.UTFMax && cut < len(whole); cut++ {
		if end := len(whole) - cut; utf8.RuneStart(whole[end-1]) {
			if !utf8.FullRune(whole[end-1:]) {
				whole = whole[:end-1]
			}
			break
		}
	}
	v.shown += len(whole)
	v.vt.Write(whole)
	if v.seen == "" {
		v.seen = v.find(v.vt.String())
	}
}

func (v *viewer) find(text string) string {
	text = lettersAndDigits(text)
	for _, n := range v.sizes {
		for i := 0; i+n <= len(text); i++ {
			if v.known[text[i:i+n]] {
				return text[i : i+n]
			}
		}
	}
	return ""
}

// Whatever way a program prints a value, it is found, at most seven characters of it are ever to be read, and nothing
// else changes.
func TestCatch(t *testing.T) {
	all, caught := renderedCaptures(), 0
	missed := misses()
	r := newRand(5)
	for _, c := range all {
		t.Run(c.name, func(t *testing.T) {
			in, value := c.replaced(c.read(t), r)
			for raw := c.read(t); !c.as.fixed && !even(t, value); {
				in, value = c.replaced(raw, r)
			}
			if missed[c.name] == "" && c.viewer(value, 7).whole(in) == "" {
				t.Fatalf("the capture does not show the value")
			}
			leaked := c.leaks(t, in, value, r)
			reason := missed[c.name]
			delete(missed, c.name)
			switch {
			case leaked == "" && reason != "":
				t.Errorf("is caught now: take it off the misses")
			case leaked != "" && reason == "":
				t.Errorf("%s", leaked)
			case leaked == "":
				caught++
			}
		})
	}
	if len(missed) > 0 {
		t.Errorf("misses that are no captures: %v", missed)
	}
	if len(all) < 76 || caught*76 < 72*len(all) {
		t.Errorf("%d of %d caught, want 72 of 76 at least", caught, len(all))
	}
	t.Logf("%d of %d renderings caught", caught, len(all))
}

// even says whether some window of a value ends at each of its characters from the eighth on. Some random values have a
// spot that looks like ordinary text, where there are fewer windows: docs/guard.md.
func even(t *testing.T, value string) bool {
	t.Helper()
	run := 0
	for _, c := range feed(guardOf(t, Options{}, value), fold10(value, 1, "\r\n  │"), true, byOne) {
		switch {
		case c == fillByte:
			run = 0
		case class(byte(c)) < classSymbol:
			if run++; run > 7 {
				return false
			}
		}
	}
	return true
}

// whole gives a piece that can be read in what a program prints at once.
func (v *viewer) whole(in []byte) string {
	for i := range in {
		v.read(in[i : i+1])
		if v.seen != "" {
			return v.seen
		}
	}
	return v.find(v.out.String())
}

// leaks sends the capture through guards in several chunkings and tells the first leak.
func (c captured) leaks(t *testing.T, in []byte, value string, r *rand.Rand) string {
	t.Helper()
	cols, rows := c.size()
	small := len(in) < 20<<10
	few, slowly := randomly(r), byOne
	if !small { // it would take long
		few, slowly = func(int) int { return 1 + r.IntN(400) }, func(int) int { return 1 + r.IntN(50) }
	}
	for _, way := range []struct {
		name string
		cut  func(int) int
		slow bool // the timer fires after each piece
	}{
		{"at once", func(int) int { return 64 << 10 }, false},
		{"in random pieces", few, false},
		{"in larger pieces", func(int) int { return 1 + r.IntN(1000) }, false},
		{"byte by byte, no hurry", slowly, true},
	} {
		name, slow := way.name, way.slow
		g := guardOf(t, Options{Cols: cols, Rows: rows}, value)
		most := 7
		if slow {
			most = max(most, c.as.slow)
		}
		v := c.viewer(value, most)
		for rest := in; len(rest) > 0; {
			n := min(len(rest), way.cut(len(rest)))
			v.read(bytes.Clone(g.Process(bytes.Clone(rest[:n]))))
			if slow {
				v.read(g.Flush())
			}
			rest = rest[n:]
		}
		v.read(g.Flush())
		out := v.out.Bytes()
		if len(out) != len(in) {
			t.Fatalf("%s: %d bytes went in, %d came out", name, len(in), len(out))
		}
		for i, b := range in {
			if out[i] != b && class(b) >= classSymbol && !isFiller(b) {
				t.Fatalf("%s: byte %d, %q, became %q", name, i, b, out[i])
			}
		}
		if seen := v.seen + v.find(string(escapes().ReplaceAll(out, nil))); seen != "" {
			return fmt.Sprintf("%s: more than %d characters in a row can be read", name, v.most)
		}
		if g.Leaks() == 0 {
			return name + ": not counted"
		}
	}
	return ""
}

// A guard that looks for something else changes no byte of what real programs print, and so does one whose screen has
// another size than the program's.
func TestCapturesPass(t *testing.T) {
	r := newRand(8)
	values := append(benchValues(20), "Summer2024!", "correct horse battery staple")
	for _, c := range append(renderedCaptures(), programCaptures()...) {
		in := c.read(t)
		cols, rows := c.size()
		for _, size := range [][2]int{{cols, rows}, {cols / 2, rows - 1}, {0, 0}} {
			g := guardOf(t, Options{Cols: size[0], Rows: size[1]}, values...)
			if got := feed(g, string(in), false, func(int) int { return 1 + r.IntN(5000) }); got != string(in) {
				t.Errorf("%s, %v: output is not input (met: %v)", c.name, size, g.Stats())
			}
		}
	}
}

// The tree has no capture of something that is not recorded any more, and little of the others.
func TestCapturesSize(t *testing.T) {
	files, err := os.ReadDir("testdata/captures")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, c := range append(renderedCaptures(), programCaptures()...) {
		known[c.name+".gz"] = true
	}
	var size int64
	for _, f := range files {
		info, err := f.Info()
		if err != nil || !known[f.Name()] {
			t.Errorf("%s: no such capture (%v)", f.Name(), err)
			continue
		}
		size += info.Size()
	}
	if size > 1<<20 {
		t.Errorf("%d bytes of captures, want at most a megabyte", size)
	}
}
