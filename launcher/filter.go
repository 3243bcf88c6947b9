package launcher

import (
	"io"
	"time"

	"ward/guard"
)

// Filter copies in to out through the guard until in ends. What may be the beginning of a value is held back for 10 ms
// at most.
func Filter(in io.Reader, out io.Writer, g *guard.Guard) error {
	type chunk struct {
		data []byte
		err  error
	}
	// Two buffers: one is filled while the other is masked and written.
	empty, full := make(chan []byte, 2), make(chan chunk, 2)
	empty <- make([]byte, 32<<10)
	empty <- make([]byte, 32<<10)
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			var buf []byte
			select {
			case buf = <-empty:
			case <-stop:
				return
			}
			n, err := in.Read(buf[:cap(buf)])
			select {
			case full <- chunk{buf[:n], err}:
			case <-stop:
				return
			}
			if err != nil {
				return
			}
		}
	}()
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	for {
		select {
		case c := <-full:
			timer.Stop()
			if _, err := out.Write(g.Process(c.data)); err != nil {
				return err
			}
			if c.err != nil {
				if _, err := out.Write(g.Flush()); err != nil || c.err == io.EOF {
					return err
				}
				return c.err
			}
			empty <- c.data
			if g.Held() {
				timer.Reset(hold)
			}
		case <-timer.C:
			if _, err := out.Write(g.Flush()); err != nil {
				return err
			}
		}
	}
}
