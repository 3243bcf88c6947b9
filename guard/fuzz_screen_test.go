package guard

import (
	"bytes"
	"strconv"
	"testing"
)

// Whatever bytes come in whatever pieces, to a terminal of whatever size that changes: a guard that looks for something
// else changes none of them, and one that finds something changes no number of them, and no control.
func FuzzTerminal(f *testing.F) {
	for i, c := range append(programCaptures(), screenCaptures()...) {
		raw := c.read(f)
		f.Add(raw[:min(len(raw), 2000)], []byte{byte(i), 3, 200, 1, 1, 1, 7}, uint8(20+i), uint8(i))
	}
	for i, seed := range fuzzSeeds {
		f.Add(compose([]byte(seed)).in, []byte{1, 2, byte(i)}, uint8(40), uint8(10))
	}
	other := random(newRand(77), base62, 60)
	f.Fuzz(func(t *testing.T, in, cuts []byte, cols, rows uint8) {
		in = in[:min(len(in), 4000)]
		for _, value := range []string{other, fuzzValue} {
			g := guardOf(t, Options{Cols: int(cols), Rows: int(rows)}, value)
			var out []byte
			rest, cuts := bytes.Clone(in), cuts
			for len(rest) > 0 {
				n := len(rest)
				if len(cuts) > 0 {
					n = min(n, 1+int(cuts[0]))
					if cuts[0]%16 == 15 {
						g.Resize(1+int(cuts[0]), 1+n)
					}
					cuts = cuts[1:]
				}
				out = append(out, g.Process(rest[:n])...)
				if n%3 == 0 {
					out = append(out, g.Flush()...)
				}
				rest = rest[n:]
			}
			out = append(out, g.Flush()...)
			if len(out) != len(in) {
				t.Fatalf("%d bytes went in, %d came out", len(in), len(out))
			}
			if value == other && !bytes.Equal(out, in) {
				t.Fatalf("output is not input\n got %q\nwant %q", out, in)
			}
			for i := range in {
				if out[i] != in[i] && (in[i] < ' ' || in[i] == 0x7f) {
					t.Fatalf("byte %d, %q, became %q", i, in[i], out[i])
				}
			}
		}
	})
}

// A secret that is shown in pieces, each with something else painted in between, shows no more than seven characters on
// the screen, in whatever order its cells come.
func FuzzCells(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x03"), uint8(80), false)
	f.Add([]byte{39, 3, 17, 200, 1, 90}, uint8(11), true)
	f.Fuzz(func(t *testing.T, order []byte, width uint8, slow bool) {
		cols := 8 + int(width%100)
		g := onTerminal(t, cols, 60, fuzzValue)
		shown := bytes.Repeat([]byte{fillByte}, len(fuzzValue))
		next := make([]int, 0, len(fuzzValue)) // which cell is painted when
		for i := range len(fuzzValue) {
			next = append(next, i)
		}
		for i := range next {
			if i < len(order) {
				j := i + int(order[i])%(len(next)-i)
				next[i], next[j] = next[j], next[i]
			}
		}
		for n, i := range next {
			text := []byte("\x1b[" + strconv.Itoa(3+i/cols) + ";" + strconv.Itoa(1+i%cols) + "H")
			at := len(text)
			text = append(text, fuzzValue[i])
			text = append(text, "\x1b[50;1H"+string(rune('a'+n%20))...)
			out := append([]byte{}, g.Process(text)...)
			if slow || g.Held() {
				out = append(out, g.Flush()...)
			}
			if len(out) != len(text) {
				t.Fatalf("%d bytes became %d", len(text), len(out))
			}
			shown[i] = out[at]
		}
		for run, i := 0, 0; i < len(shown); i++ {
			if run++; shown[i] == fillByte {
				run = 0
			}
			if run > 7 {
				t.Fatalf("8 characters in a row are shown: %q", shown)
			}
		}
	})
}
