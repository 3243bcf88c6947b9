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

// BenchmarkTerminal gives how many times as fast as cat through a cooked terminal a guard reads, in pieces as a terminal
// gives them: without a screen, which should be 4, and with one, which should be 1. They take turns, and the best of each
// counts.
func BenchmarkTerminal(b *testing.B) {
	r := newRand(9)
	const size = 2 << 20
	for _, text := range []struct {
		name string
		data []byte
	}{{"log", buildLog(r, size)}, {"screen", screenful(r, size)}, {"programs", programs(b, size)}} {
		b.Run(text.name, func(b *testing.B) {
			rivals := []*rival{
				throughTerminal(b, text.data),
				reading("stream", guardOf(b, Options{}, benchValues(20)...), text.data),
				reading("screen", onTerminal(b, 80, 24, benchValues(20)...), text.data),
				reading("large-screen", onTerminal(b, 200, 60, benchValues(20)...), text.data),
			}
			for b.Loop() {
				race(12, rivals)
			}
			b.ReportMetric(size/rivals[0].best.Seconds()/1e6, "MB/s-cat")
			for _, r := range rivals[1:] {
				b.ReportMetric(float64(rivals[0].best)/float64(r.best), "x-cat-"+r.name)
			}
		})
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

// throughTerminal makes a rival of cat, which sends data through a terminal that edits its output.
func throughTerminal(b *testing.B, data []byte) *rival {
	b.Helper()
	file := filepath.Join(b.TempDir(), "data")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		b.Fatal(err)
	}
	return &rival{run: func() {
		master, err := pty.Start(exec.Command("cat", file))
		if err != nil {
			b.Fatal(err)
		}
		n, _ := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{master}, make([]byte, 64<<10)) // ends with EIO
		master.Close()
		if n < int64(len(data)) {
			b.Fatalf("%d of %d bytes came through", n, len(data))
		}
	}}
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
