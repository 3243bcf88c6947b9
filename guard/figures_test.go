package guard

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// rival is something that takes time, and the least it took.
type rival struct {
	name string
	run  func()
	best time.Duration
	near bool // a text without values
}

// race runs rivals in turn, so that whatever else the machine does meets them
// all, and keeps the best time of each.
func race(rounds int, rivals []*rival) {
	for _, r := range rivals {
		r.best = time.Hour
	}
	for range rounds {
		for _, r := range rivals {
			start := time.Now()
			r.run()
			r.best = min(r.best, time.Since(start))
		}
	}
}

// reading makes a rival of what g does with data in pieces of 4 KB.
func reading(name string, g *Guard, data []byte) *rival {
	buf := make([]byte, 4<<10)
	return &rival{name: name, run: func() {
		for rest := data; len(rest) > 0; {
			n := copy(buf, rest)
			rest = rest[n:]
			g.Process(buf[:n])
		}
	}}
}

// allBut gives texts that hold nothing of the values and would cost a matcher more than others if it had a worst case:
// pieces of values all but long enough, their beginnings, their ends, values without an end.
func allBut(values []string, n int) map[string][]byte {
	r := newRand(74)
	// unlike gives pieces of which none goes on as the value of its neighbour does.
	unlike := func(piece func(v string) (before byte, text string, after byte)) func() string {
		last, next := byte(' '), byte(' ')
		return func() string {
			for {
				before, text, after := piece(values[r.IntN(len(values))])
				if before != last && text[0] != next {
					last, next = text[len(text)-1], after
					return text + " "
				}
			}
		}
	}
	period := random(r, base62, 9)
	return map[string][]byte{
		"inner pieces of 7": nearMisses(r, values, n),
		"beginnings of 7":   repeat(n, unlike(func(v string) (byte, string, byte) { return 0, v[:7], v[7] })),
		"ends of 7":         repeat(n, unlike(func(v string) (byte, string, byte) { at := len(v) - 7; return v[at-1], v[at:], 0 })),
		"beginnings in base64": repeat(n, unlike(func(v string) (byte, string, byte) {
			v = base64Of(v)
			return 0, v[:11], v[11]
		})),
		"a period":   repeat(n, func() string { return period }),
		"zero bytes": make([]byte, n),
		"colours":    repeat(n, func() string { return "\x1b[31ma\x1b[0m" }),
	}
}

// full gives texts that hold something of the values everywhere.
func full(values []string, n int) map[string][]byte {
	r := newRand(71)
	pick := func() string { return values[r.IntN(len(values))] }
	return map[string][]byte{
		"inner pieces of 11":      repeat(n, func() string { v := pick(); i := r.IntN(len(v) - 11); return v[i:i+11] + "Z" }),
		"values":                  repeat(n, func() string { return pick() + "\n" }),
		"one value":               repeat(n, func() string { return values[0] + "\n" }),
		"one hexadecimal value":   repeat(n, func() string { return values[3] + "\n" }),
		"one value in base64":     repeat(n, func() string { return base64Of(values[0]) + "\n" }),
		"one value as numbers":    repeat(n, func() string { return fmt.Sprintf("%x\n", values[0]) }),
		"values without line end": repeat(n, pick),
	}
}

// repeat gives n bytes of pieces.
func repeat(n int, piece func() string) []byte {
	var b bytes.Buffer
	for b.Len() < n {
		b.WriteString(piece())
	}
	return b.Bytes()[:n]
}

// wholeValues are values that are matched whole.
func wholeValues(n int) []string {
	r := newRand(72)
	values := make([]string, n)
	for i := range values {
		values[i] = nouns[i%20] + nouns[i/20%20] + random(r, digits, 4)
	}
	return values
}

// How much text the test reads, and the benchmark.
const (
	figureSize = 1 << 17
	benchSize  = 1 << 18
)

// adversaries gives the log that all are compared with first.
func adversaries(tb testing.TB, size int) []*rival {
	values := benchValues(20)
	log := buildLog(newRand(9), size)
	g := guardOf(tb, Options{}, values...)
	rivals := []*rival{reading("log", g, log)}
	for name, text := range allBut(values, size) {
		miss := reading(name, g, text)
		miss.near = true
		rivals = append(rivals, miss)
	}
	for name, text := range full(values, size) {
		rivals = append(rivals, reading(name, g, text))
	}
	wholes := wholeValues(370)
	many := guardOf(tb, Options{}, append(wholes, values...)...)
	near := strings.Repeat(wholes[0][2:]+" "+wholes[1]+"x ", size/40)
	return append(rivals, reading("370 values matched whole", many, log), reading("370 values matched whole, their ends", many, []byte(near)))
}

// storedGuards are guards that know 20 values and the marks of so many more.
func storedGuards(tb testing.TB, counts ...int) []*Guard {
	var prints []Print
	for _, v := range benchValues(20) {
		prints = append(prints, Fingerprint(testKey, "GIVEN", []byte(v)))
	}
	var guards []*Guard
	for _, n := range counts {
		r := newRand(73)
		var stored []Print
		for i := range n {
			value := random(r, base62, 95)
			if i%4 == 3 {
				value = random(r, hexa, 64)
			}
			p, err := ReadMarks(fmt.Sprintf("STORED_%d", i), MakeMarks(storedKey, []byte(value)))
			if err != nil {
				tb.Fatal(err)
			}
			stored = append(stored, p)
		}
		g, _ := New(testKey, prints, Options{Stored: stored, StoredKey: storedKey})
		tb.Cleanup(g.Wipe)
		guards = append(guards, g)
	}
	return guards
}

// arming is what a launch with 20 secrets waits for: fingerprints, their way
// through a pipe, tables and the guards of three streams.
func arming(tb testing.TB) func() {
	values := benchValues(20)
	return func() {
		r, w, err := os.Pipe()
		if err != nil {
			tb.Fatal(err)
		}
		go func() {
			var frames []byte
			for _, v := range values {
				frames, _ = Fingerprint(testKey, "NAME", []byte(v)).AppendBinary(frames)
			}
			w.Write(frames)
			w.Close()
		}()
		var prints []Print
		for {
			p, err := ReadPrint(r)
			if err == io.EOF {
				break
			}
			if err != nil {
				tb.Fatal(err)
			}
			prints = append(prints, p)
		}
		r.Close()
		g, _ := New(testKey, prints, Options{})
		for _, g := range []*Guard{g, g.Another(), g.Another()} {
			g.Wipe()
		}
	}
}

// What is to cost a matcher much holds nothing of the values.
func TestAllBut(t *testing.T) {
	values := benchValues(20)
	for _, size := range []int{figureSize, benchSize} {
		for name, text := range allBut(values, size) {
			g := guardOf(t, Options{}, values...)
			all := string(text) + strings.Repeat(" and so on", 5) // what may begin a value is masked at the end
			if got := feed(g, all, false, atOnce); got != all || g.Leaks() > 0 {
				t.Errorf("%s: %d sightings", name, g.Leaks())
			}
		}
	}
}

// No text costs much more than another, a thousand stored values hardly more
// than ten, and a launch does not wait. What is wanted is half of the limits
// and less (the benchmarks below tell): this machine may be doing other things.
// Text that is nothing but pieces of values, each of which is masked by itself,
// costs most.
func TestFigures(t *testing.T) {
	rivals := adversaries(t, figureSize)
	race(15, rivals)
	for _, r := range rivals[1:] {
		limit := 6.0
		switch {
		case r.near:
			limit = 3
		case r.name == "inner pieces of 11":
			limit = 12
		}
		x := float64(r.best) / float64(rivals[0].best)
		t.Logf("%-40s %.2f x the log", r.name, x)
		if x > limit {
			t.Errorf("%s takes %.2f times as long as a log", r.name, x)
		}
	}
	guards := storedGuards(t, 10, 1000)
	log := buildLog(newRand(9), 1<<18)
	stored := []*rival{reading("10", guards[0], log), reading("1000", guards[1], log)}
	race(15, stored)
	if x := float64(stored[1].best) / float64(stored[0].best); x > 1.5*1.2 {
		t.Errorf("1,000 stored values take %.2f times as long as 10", x)
	}
	few, many := len(guards[0].known.arena.mem)*8, len(guards[1].known.arena.mem)*8
	t.Logf("1,000 stored values: %.2f x 10, %d KB", float64(stored[1].best)/float64(stored[0].best), (many-few)>>10)
	if many-few > 4<<20 {
		t.Errorf("1,000 stored values take %d KB, want 4 MB at most", (many-few)>>10)
	}
	arm := []*rival{{name: "arming", run: arming(t)}, reading("a megabyte", guards[0], buildLog(newRand(9), 1<<20))}
	race(15, arm)
	t.Logf("20 secrets: %v, a megabyte of log: %v", arm[0].best, arm[1].best)
	if arm[0].best > 5*arm[1].best {
		t.Errorf("20 secrets take %v, a megabyte of log %v", arm[0].best, arm[1].best)
	}
}

// BenchmarkAdversaries gives how many times as long as a log each takes (want 1.5 at most).
func BenchmarkAdversaries(b *testing.B) {
	rivals := adversaries(b, benchSize)
	for b.Loop() {
		race(8, rivals)
	}
	slices.SortFunc(rivals[1:], func(a, b *rival) int { return strings.Compare(a.name, b.name) })
	for _, r := range rivals[1:] {
		b.ReportMetric(float64(r.best)/float64(rivals[0].best), "x-"+strings.ReplaceAll(r.name, " ", "-"))
	}
}

// BenchmarkStored gives how many times as long 1,000 stored values take as 10 (want 1.5 at most), and none.
func BenchmarkStored(b *testing.B) {
	guards := storedGuards(b, 0, 10, 1000)
	log := buildLog(newRand(9), 1<<18)
	rivals := []*rival{reading("0", guards[0], log), reading("10", guards[1], log), reading("1000", guards[2], log)}
	for b.Loop() {
		race(8, rivals)
	}
	b.ReportMetric(float64(rivals[2].best)/float64(rivals[1].best), "x-10")
	b.ReportMetric(float64(rivals[2].best)/float64(rivals[0].best), "x-none")
	b.ReportMetric(float64(len(guards[2].known.arena.mem)-len(guards[0].known.arena.mem))*8/1024, "KB")
}

// BenchmarkArm is what a launch with 20 secrets waits for (want 5 ms at most).
func BenchmarkArm(b *testing.B) {
	arm := arming(b)
	for b.Loop() {
		arm()
	}
}

// BenchmarkPipe gives which part of io.Copy's speed between two pipes is left
// with the guard between (want 0.2 at least).
func BenchmarkPipe(b *testing.B) {
	g := guardOf(b, Options{}, benchValues(20)...)
	log := buildLog(newRand(9), 1<<20)
	plain := func(w io.Writer, r io.Reader) {
		io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, make([]byte, 64<<10))
	}
	guarded := func(w io.Writer, r io.Reader) {
		buf := make([]byte, 64<<10)
		for {
			n, err := r.Read(buf)
			w.Write(g.Process(buf[:n]))
			if err != nil {
				w.Write(g.Flush())
				return
			}
		}
	}
	var rivals []*rival
	for _, through := range []func(io.Writer, io.Reader){plain, guarded} {
		rivals = append(rivals, &rival{run: func() { throughPipes(b, log, through) }})
	}
	for b.Loop() {
		race(8, rivals)
	}
	b.ReportMetric(float64(rivals[0].best)/float64(rivals[1].best), "x-copy")
}

// throughPipes sends data through a pipe, through, and another pipe.
func throughPipes(tb testing.TB, data []byte, through func(io.Writer, io.Reader)) {
	inR, inW, err := os.Pipe()
	if err != nil {
		tb.Fatal(err)
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		tb.Fatal(err)
	}
	go func() { inW.Write(data); inW.Close() }()
	go func() { through(outW, inR); outW.Close() }()
	n, _ := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{outR}, make([]byte, 64<<10))
	inR.Close()
	outR.Close()
	if n != int64(len(data)) {
		tb.Fatalf("%d of %d bytes came through", n, len(data))
	}
}
