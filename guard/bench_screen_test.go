package guard

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/creack/pty"
)

// onTerminal gives a guard that has a screen from now on.
func onTerminal(tb testing.TB, cols, rows int, values ...string) *Guard {
	g := guardOf(tb, Options{Cols: cols, Rows: rows}, values...)
	g.Process([]byte("\x1b[H"))
	if g.screen == nil {
		tb.Fatal("no screen")
	}
	return g
}

// BenchmarkTerminal compares what a guard reads in a second, in pieces as a terminal gives them, with how fast cat goes
// through a cooked terminal, each at its best: x/cat is the ratio, which should be 4 without a screen and 1 with one.
func BenchmarkTerminal(b *testing.B) {
	r := newRand(9)
	const size = 4 << 20
	for _, text := range []struct {
		name string
		data []byte
	}{{"log", buildLog(r, size)}, {"screen", screenful(r, size)}, {"programs", programs(b, size)}} {
		cat := throughTerminal(b, text.data)
		for _, kind := range []struct {
			name  string
			guard *Guard
		}{
			{"stream", guardOf(b, Options{}, benchValues(20)...)},
			{"with screen", onTerminal(b, 80, 24, benchValues(20)...)},
			{"with a large screen", onTerminal(b, 200, 60, benchValues(20)...)},
		} {
			b.Run(text.name+"/"+kind.name, func(b *testing.B) {
				buf := make([]byte, 4<<10)
				b.SetBytes(size)
				best := time.Hour
				for b.Loop() {
					start := time.Now()
					for rest := text.data; len(rest) > 0; {
						n := copy(buf, rest)
						rest = rest[n:]
						kind.guard.Process(buf[:n])
					}
					best = min(best, time.Since(start))
				}
				b.ReportMetric(float64(len(text.data))/best.Seconds()/cat, "x/cat")
			})
		}
	}
}

// programs is what full-screen programs print, over and over.
func programs(b *testing.B, size int) (data []byte) {
	b.Helper()
	for len(data) < size {
		for _, c := range programCaptures() {
			data = append(data, c.read(b)...)
		}
	}
	return data[:size]
}

// throughTerminal gives how many bytes a second cat sends through a terminal that edits its output.
func throughTerminal(b *testing.B, data []byte) float64 {
	b.Helper()
	file := filepath.Join(b.TempDir(), "data")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		b.Fatal(err)
	}
	var best float64
	for range 3 {
		start := time.Now()
		master, err := pty.Start(exec.Command("cat", file))
		if err != nil {
			b.Fatal(err)
		}
		n, _ := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{master}, make([]byte, 64<<10)) // ends with EIO
		best = max(best, float64(n)/time.Since(start).Seconds())
		master.Close()
		if n < int64(len(data)) {
			b.Fatalf("%d of %d bytes came through", n, len(data))
		}
	}
	return best
}

// BenchmarkKeystrokeOnScreen is what one echoed key costs between other text; p50-ns should be under 1,000.
func BenchmarkKeystrokeOnScreen(b *testing.B) {
	g := onTerminal(b, 80, 24, benchValues(20)...)
	full := bytes.Repeat([]byte("text of words between the one and the other, on each row, to its very end now "), 24)
	g.Process(full)
	g.Process([]byte("\x1b[12;10H"))
	text := buildLog(newRand(9), 4096)
	var took []time.Duration
	buf := []byte{0}
	for i := 0; b.Loop(); i++ {
		if i%60 == 59 {
			g.Process([]byte("\x1b[12;10H"))
		}
		buf[0] = text[i%len(text)]
		if buf[0] < ' ' {
			continue
		}
		start := time.Now()
		g.Process(buf)
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "p50-ns")
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds()), "p99-ns")
}
