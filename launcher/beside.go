package launcher

// large is a piece of output that is worth handing to another thread.
const large = 8 << 10

// beside writes large pieces in a goroutine of its own, while the next one is read and looked through: a terminal takes
// longer for a piece than the guard does. A small one, such as the echo of a key, is written at once. Whoever holds the
// buffer is the one that writes.
type beside struct {
	write func(data []byte)
	start func(func()) // a goroutine

	buffer chan []byte // the buffer, while nothing is being written; nil before the first large piece
	pieces chan []byte
}

// put takes data, which the caller may change afterwards.
func (b *beside) put(data []byte) {
	if len(data) < large {
		b.settle()
		b.write(data)
		return
	}
	if b.buffer == nil {
		b.buffer, b.pieces = make(chan []byte, 1), make(chan []byte, 1)
		b.buffer <- nil
		b.start(func() {
			for piece := range b.pieces {
				b.write(piece)
				clear(piece)
				b.buffer <- piece
			}
		})
	}
	b.pieces <- append((<-b.buffer)[:0], data...)
}

// settle returns when all that was put is written.
func (b *beside) settle() {
	if b.buffer != nil {
		b.buffer <- <-b.buffer
	}
}

// close ends the goroutine when all is written.
func (b *beside) close() {
	b.settle()
	if b.buffer != nil {
		close(b.pieces)
	}
}
