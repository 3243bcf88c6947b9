package launcher

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// Pieces of any size come out in their order and whole, though the caller's buffer is another's by then, and all of them
// before settle returns.
func TestBeside(t *testing.T) {
	var out, want []byte
	var ended sync.WaitGroup
	b := beside{
		write: func(data []byte) {
			if rand.IntN(4) == 0 {
				time.Sleep(time.Duration(rand.IntN(300)) * time.Microsecond)
			}
			out = append(out, data...)
		},
		start: ended.Go,
	}
	buf := make([]byte, 4*large)
	for i := range 2000 {
		piece := buf[:rand.IntN(len(buf))]
		if i%3 == 0 {
			piece = buf[:rand.IntN(20)]
		}
		for j := range piece {
			piece[j] = byte(rand.Uint32())
		}
		want = append(want, piece...)
		b.put(piece)
		if i%50 == 0 {
			b.settle()
			if !bytes.Equal(out, want) {
				t.Fatalf("%d of %d bytes are written, or others", len(out), len(want))
			}
		}
		clear(buf)
	}
	b.close()
	ended.Wait()
	if !bytes.Equal(out, want) {
		t.Fatalf("%d of %d bytes came out, or others", len(out), len(want))
	}
}
