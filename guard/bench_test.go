package guard

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// buildLog is what compilers and test runners print.
func buildLog(r *rand.Rand, n int) []byte {
	var b bytes.Buffer
	for b.Len() < n {
		switch r.IntN(16) {
		case 0, 1, 2, 3, 4:
			fmt.Fprintf(&b, "[%3d/412] CC drivers/net/%s_%s.o -O2 -Wall -I./include -DNDEBUG\r\n", r.IntN(412), nouns[r.IntN(len(nouns))], nouns[r.IntN(len(nouns))])
		case 5, 6, 7, 8, 9:
			fmt.Fprintf(&b, "internal/%s/%s.go:%d:%d: declared and not used: %s\r\n", nouns[r.IntN(len(nouns))], nouns[r.IntN(len(nouns))], r.IntN(900), r.IntN(80), nouns[r.IntN(len(nouns))])
		case 10, 11, 12, 13, 14:
			fmt.Fprintf(&b, "ok  \texample.com/%s/%s\t%d.%03ds\r\n", nouns[r.IntN(len(nouns))], nouns[r.IntN(len(nouns))], r.IntN(9), r.IntN(1000))
		case 15:
			fmt.Fprintf(&b, "sha256:%s %s\r\n", random(r, hexa, 64), nouns[r.IntN(len(nouns))])
		}
	}
	return b.Bytes()[:n]
}

// screenful is what full-screen programs print: short words between cursor
// movements and colours.
func screenful(r *rand.Rand, n int) []byte {
	var b bytes.Buffer
	for b.Len() < n {
		fmt.Fprintf(&b, "\x1b[%d;%dH\x1b[38;5;%dm│ %-12s \x1b[0m\x1b[1m%5d\x1b[22m %s\x1b[K", r.IntN(50), r.IntN(80), r.IntN(256),
			nouns[r.IntN(len(nouns))], r.IntN(99999), strings.Repeat("─", r.IntN(20)))
	}
	return b.Bytes()[:n]
}

// nearMisses is made of pieces of the values that are all one character too
// short to be known, with one between them that fits neither.
func nearMisses(r *rand.Rand, values []string, n int) []byte {
	var b bytes.Buffer
	last := byte(0) // what would continue the last piece
	for b.Len() < n {
		v := values[r.IntN(len(values))]
		i := 1 + r.IntN(len(v)-8)
		c := base62[r.IntN(62)]
		for c == last || c == v[i-1] {
			c = base62[r.IntN(62)]
		}
		b.WriteString(string(c) + v[i:i+7])
		last = v[i+7]
	}
	return b.Bytes()[:n]
}

func benchValues(n int) []string {
	r := newRand(7)
	values := make([]string, n)
	for i := range values {
		values[i] = random(r, base62, 80)
		if i%4 == 3 {
			values[i] = random(r, hexa, 80)
		}
	}
	return values
}

func guardOf(tb testing.TB, opt Options, values ...string) *Guard {
	tb.Helper()
	var prints []Print
	for i, v := range values {
		prints = append(prints, Fingerprint(testKey, fmt.Sprintf("VALUE_%d", i), []byte(v)))
	}
	g, _ := New(testKey, prints, opt)
	tb.Cleanup(g.Wipe)
	return g
}

var testKey = Key{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}

func BenchmarkProcess(b *testing.B) {
	values := benchValues(20)
	r := newRand(9)
	const size = 1 << 20
	for _, text := range []struct {
		name string
		data []byte
	}{
		{"log", buildLog(r, size)},
		{"screen", screenful(r, size)},
		{"near", nearMisses(r, values, size)},
		{"backspaces", []byte(strings.Repeat("a\b", size/2))},
		{"values", []byte(strings.Repeat(values[0]+"\n", size/81))},
	} {
		for _, chunk := range []int{4 << 10, 64 << 10} {
			b.Run(fmt.Sprintf("%s/%dK", text.name, chunk>>10), func(b *testing.B) {
				g := guardOf(b, Options{}, values...)
				buf := make([]byte, chunk)
				b.SetBytes(int64(len(text.data)))
				for b.Loop() {
					for rest := text.data; len(rest) > 0; {
						n := copy(buf, rest)
						rest = rest[n:]
						g.Process(buf[:n])
					}
				}
			})
		}
	}
}

// BenchmarkCopy is the same loop without the guard.
func BenchmarkCopy(b *testing.B) {
	text, buf := buildLog(newRand(9), 1<<20), make([]byte, 4<<10)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		for rest := text; len(rest) > 0; {
			rest = rest[copy(buf, rest):]
		}
	}
}

func BenchmarkKeystroke(b *testing.B) {
	g := guardOf(b, Options{}, benchValues(20)...)
	buf := []byte{0}
	text := buildLog(newRand(9), 4096)
	for i := 0; b.Loop(); i++ {
		buf[0] = text[i%len(text)]
		g.Process(buf)
	}
}

func BenchmarkFingerprint20(b *testing.B) {
	values := benchValues(20)
	for b.Loop() {
		for _, v := range values {
			Fingerprint(testKey, "NAME", []byte(v))
		}
	}
}

func BenchmarkNew20(b *testing.B) {
	var prints []Print
	for _, v := range benchValues(20) {
		prints = append(prints, Fingerprint(testKey, "NAME", []byte(v)))
	}
	for b.Loop() {
		g, _ := New(testKey, prints, Options{})
		g.Wipe()
	}
}
