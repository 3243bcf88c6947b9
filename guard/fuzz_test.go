package guard

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
)

// fuzzValue has a window that ends at each of its characters from the eighth on.
var fuzzValue = random(newRand(3), base62, 40)

// stream is a made-up output of which is known what a terminal would show.
type stream struct {
	in   []byte
	text []int // places in it of shown letters and digits
}

func (s *stream) write(text string) {
	for i := range len(text) {
		if class(text[i]) < classSymbol {
			s.text = append(s.text, len(s.in)+i)
		}
	}
	s.in = append(s.in, text...)
}

func (s *stream) escape(text string) { s.in = append(s.in, text...) }

// squeezed gives the shown letters and digits of out, which is s.in masked;
// stars stand for the masked ones.
func (s *stream) squeezed(out []byte) string {
	var b strings.Builder
	for _, at := range s.text {
		b.WriteByte(out[at])
	}
	return b.String()
}

// compose makes a stream of what data says, two bytes for each piece.
func compose(data []byte) *stream {
	var s stream
	data = data[:min(len(data), 300)]
	for ; len(data) >= 2; data = data[2:] {
		switch n := int(data[1]); data[0] % 12 {
		case 0, 1, 2:
			s.write(fuzzValue[n%40 : min(40, n%40+1+n/40*3)])
		case 3:
			s.write(fuzzValue)
		case 4:
			s.write(string(rune(' ' + n%95)))
		case 5:
			s.escape(fmt.Sprintf("\x1b[%dm", n))
		case 6:
			s.escape(fmt.Sprintf("\x1b[%d;%dH", n%50, n%80))
		case 7:
			s.write([]string{"\r\n", " ", " │\r\n│ ", "--", "\t", `"`, `\n`, "é", "\x00", "/"}[n%10])
		case 8:
			s.escape("\x1b]0;title \x07")
		case 9:
			s.write("plain words in between ")
		case 10:
			s.write(fuzzValue[n%33 : n%33+7])
		case 11:
			for _, c := range []byte(fuzzValue[:n%41]) {
				s.write(string(c))
				s.escape("\x1b[1m")
			}
		}
	}
	return &s
}

var fuzzSeeds = []string{"", "0a", "3\x004 ", "0\x050\xf00\x20", "3\x003\x003\x00", ";\x28:\x04;\x10", "7\x003\x005\x017\x023\x00", "0\xf07\x030\xf9"}

// inRun tells of each character how many of the value's stand in a row with it.
func inRun(text string) []int {
	runs := make([]int, len(text))
	for i := 0; i+8 <= len(text); i++ {
		n := 8
		for !strings.Contains(fuzzValue, text[i:i+n]) {
			if n--; n == 0 {
				break
			}
		}
		for n >= 8 && i+n < len(text) && strings.Contains(fuzzValue, text[i:i+n+1]) {
			n++
		}
		for j := i; n >= 8 && j < i+n; j++ {
			runs[j] = max(runs[j], n)
		}
	}
	return runs
}

// maySpell reports whether byte i stands where it may be a part of an escape,
// of which a mask keeps the form.
func maySpell(in []byte, i int) bool {
	return bytes.ContainsAny(in[max(0, i-longestSpelling):i], `\%#[,`)
}

// No eight characters of a value that follow each other come out in clear (no
// twelve behind a long run of letters and digits), and what is not part of a
// value comes out as it went in.
func FuzzNoLeak(f *testing.F) {
	for _, seed := range fuzzSeeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := compose(data)
		g := guardOf(t, Options{}, fuzzValue)
		out := []byte(feed(g, string(s.in), false, atOnce))
		before, after := s.squeezed(s.in), s.squeezed(out)
		for i, run := range inRun(before) {
			masked := after[i] == fillByte
			if masked && run == 0 || !masked && (run >= minLong || run > 0 && i < 48) && !maySpell(s.in, s.text[i]) {
				t.Fatalf("character %d of %q, one of %d in a row: masked is %v\nout %q", i, before, run, masked, out)
			}
		}
		for i := range s.in {
			if out[i] != s.in[i] && s.in[i] < 0x80 && (out[i] != fillByte && !maySpell(s.in, i) || class(s.in[i]) >= classSymbol && !isFiller(s.in[i])) {
				t.Fatalf("byte %d: %q became %q", i, s.in[i], out[i])
			}
		}
		if !strings.ContainsRune(after, fillByte) && !bytes.Equal(out, s.in) {
			t.Fatalf("nothing matches, but %q became %q", s.in, out)
		}
	})
}

// Where the stream is cut does not matter, but for the last seven characters
// before a cut: they are out before the eighth is known (the twelfth, behind a
// long run of letters and digits).
func FuzzCut(f *testing.F) {
	for i, seed := range fuzzSeeds {
		f.Add([]byte(seed), []byte{byte(i), 3, 200, 1, 1, 1, 7}, i%2 == 0)
	}
	f.Fuzz(func(t *testing.T, data, cuts []byte, timer bool) {
		s := compose(data)
		whole := feed(guardOf(t, Options{}, fuzzValue), string(s.in), false, atOnce)
		at, isCut := 0, map[int]bool{len(s.in): true}
		parts := feed(guardOf(t, Options{}, fuzzValue), string(s.in), timer, func(rest int) int {
			if len(cuts) == 0 {
				return rest
			}
			n := max(1, int(cuts[0]))
			cuts = cuts[1:]
			at += n
			isCut[at] = true
			return n
		})
		passed := 0 // characters since the next cut, counted backwards
		next := len(s.text) - 1
		for i := len(s.in) - 1; i >= 0; i-- {
			if isCut[i+1] {
				passed = 0
			}
			if next >= 0 && s.text[next] == i {
				next--
				passed++
			}
			most := 7
			if next >= 48 {
				most = minLong - 1
			}
			// A symbol ahead of the last one is out with it, and a letter beyond ASCII
			// that is cut cannot be replaced.
			if whole[i] != parts[i] && (whole[i] == s.in[i] || parts[i] != s.in[i] || passed > most) && s.in[i] < 0x80 && !maySpell(s.in, i) {
				t.Fatalf("byte %d of %q\nat once  %q\nin parts %q", i, s.in, whole, parts)
			}
		}
	})
}

// Whatever the bytes: as many come out as went in, each itself or masked, and
// in parts nothing is masked that is not masked at once.
func FuzzAnyBytes(f *testing.F) {
	for _, seed := range []string{"\x1b[", "\x1b]0;" + fuzzValue, "\x1bP\x1b\\\x1b\x1b[1", "a\b\b\b" + fuzzValue[:20] + "\b\b" + fuzzValue[18:], "\x9b\xff\xc3"} {
		f.Add([]byte(seed), uint64(1))
		f.Add([]byte(strings.ReplaceAll(seed, "a", fuzzValue)), uint64(2))
	}
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		in = in[:min(len(in), 3000)]
		// The value is too long to be found by the fuzzer: '$' writes a piece of it.
		in = bytes.ReplaceAll(in, []byte("$"), []byte(fuzzValue[:seed%41]))
		whole := feed(guardOf(t, Options{}, fuzzValue, "Summer2024!"), string(in), false, atOnce)
		parts := feed(guardOf(t, Options{}, fuzzValue, "Summer2024!"), string(in), seed%2 == 0, randomly(newRand(seed)))
		if len(whole) != len(in) || len(parts) != len(in) {
			t.Fatalf("%d bytes became %d and %d", len(in), len(whole), len(parts))
		}
		for i := range in {
			// A letter beyond ASCII that stands inside a value becomes one of these.
			replaced := in[i] >= 0x80 && strings.IndexByte("\u00b7\u034f\u2060\u2217\uff0a", whole[i]) >= 0
			if (whole[i] != in[i] && whole[i] != fillByte && !replaced || parts[i] != in[i] && parts[i] != whole[i]) && !maySpell(in, i) {
				t.Fatalf("byte %d of %q\nat once  %q\nin parts %q", i, in, whole, parts)
			}
		}
	})
}

// A frame that can be read is written back the same, and nothing else is read.
func FuzzReadPrint(f *testing.F) {
	for _, v := range []string{"", "short", "Summer2024!", fuzzValue, messy(newRand(1), 8)} {
		b, err := Fingerprint(testKey, "NAME", []byte(v)).AppendBinary(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[:min(len(b), 100)])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := ReadMarks("NAME", b); err == nil && len(b) > 0 && windowsOf(p) > maxMarks {
			t.Fatalf("%d marks pass", windowsOf(p))
		}
		r := bytes.NewReader(b)
		p, err := ReadPrint(r)
		if err != nil {
			return
		}
		again, err := p.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		if read := b[:len(b)-r.Len()]; !bytes.Equal(again, read) {
			t.Fatalf("read %x\nwrote %x", read, again)
		}
		g, _ := New(testKey, []Print{p}, Options{})
		defer g.Wipe()
		g.Process(bytes.Clone(b))
	})
}

func TestFrames(t *testing.T) {
	var pipe []byte
	var prints []Print
	for i, v := range []string{"", "short", "Summer2024!", fuzzValue, "dop_v1_" + random(newRand(1), hexa, 64), messy(newRand(1), 7)} {
		p := Fingerprint(testKey, fmt.Sprintf("NAME_%d", i), []byte(v))
		var err error
		if pipe, err = p.AppendBinary(pipe); err != nil {
			t.Fatal(err)
		}
		prints = append(prints, p)
	}
	r := bytes.NewReader(pipe)
	for i, want := range prints {
		got, err := ReadPrint(r)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("print %d: got %v, %v, want %v", i, got, err, want)
		}
	}
	if _, err := ReadPrint(r); err != io.EOF {
		t.Errorf("after the last: %v, want EOF", err)
	}
	for n := 1; n < 60; n++ {
		if _, err := ReadPrint(bytes.NewReader(pipe[:n])); err == nil {
			if n < 14 {
				t.Errorf("the first %d bytes pass for a print", n)
			}
		} else if err != io.ErrUnexpectedEOF {
			t.Errorf("the first %d bytes: %v, want unexpected EOF", n, err)
		}
	}
	if _, err := ReadPrint(strings.NewReader("\xff\xff\xff\xff")); err == nil {
		t.Error("a length of 4 GB passes")
	}
	long := append(bytes.Clone(pipe[:4+int(pipe[0])]), 0)
	long[0]++
	if _, err := ReadPrint(bytes.NewReader(long)); err == nil {
		t.Error("a byte too many passes")
	}
	for _, name := range []string{"A\x1b[2J", "A\nB", strings.Repeat("A", maxName+1)} {
		if _, err := Fingerprint(testKey, name, nil).AppendBinary(nil); err == nil {
			t.Errorf("the name %.20q passes", name)
		}
	}
}
