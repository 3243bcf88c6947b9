package secrets

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"unsafe"
)

// MaxValue is the size in bytes of the largest secret that any source gives
// and any store takes.
const MaxValue = 1 << 20

const redacted = "[secret]"

var errDestroyed = errors.New("secret used after it was destroyed")

// Buffer holds one secret in memory of its own, outside Go's heap: never
// swapped, not in core dumps, and on Linux with memfd_secret(2) not readable
// through /proc/PID/mem even by root. It cannot be printed: every way to text
// gives "[secret]". There is no finalizer; who has it calls Destroy.
//
// What it does not do: a caller of Use can copy the bytes, and a process with
// ptrace rights can make this one read them.
type Buffer struct{ m *memory }

// memory is behind a pointer so that a Buffer copied by value, or met as an
// unexported field, has nothing to print but an address. The mapping itself is
// kept as an address too: printers that follow pointers by reflection
// (go-spew, and test frameworks with it) would show a []byte.
type memory struct {
	mu   sync.RWMutex
	addr unsafe.Pointer // nil: nothing mapped
	size uintptr        // mapped bytes, whole pages
	n    int            // bytes of the value
	dead bool
}

// mapper maps size bytes of zeroed memory that is locked and not dumped.
type mapper func(size uintptr) (unsafe.Pointer, error)

// NewBuffer gives a zeroed buffer of exactly size bytes; fill it inside Use.
// It fails where the system refuses to lock memory, with a hint.
func NewBuffer(size int) (*Buffer, error) { return newBuffer(size, lockedMemory) }

// FillBuffer gives a buffer of exactly size bytes that fill has written. Where
// fill fails, nothing of it is left.
func FillBuffer(size int, fill func(value []byte) error) (*Buffer, error) {
	b, err := NewBuffer(size)
	if err != nil {
		return nil, err
	}
	if err := b.Use(fill); err != nil {
		b.Destroy()
		return nil, err
	}
	return b, nil
}

// ReadBuffer reads r to its end straight into locked memory: no copy of it is
// made on the heap, except by r itself. More than max bytes are an error, as
// is whatever r returns.
func ReadBuffer(r io.Reader, max int) (*Buffer, error) { return readBuffer(r, max, lockedMemory) }

func newBuffer(size int, lock mapper) (*Buffer, error) {
	if size < 0 {
		return nil, fmt.Errorf("buffer: size %d is negative", size)
	}
	m := &memory{n: size}
	if size > 0 {
		page := uintptr(os.Getpagesize())
		m.size = (uintptr(size) + page - 1) / page * page
		var err error
		if m.addr, err = lock(m.size); err != nil {
			return nil, err
		}
	}
	return &Buffer{m}, nil
}

func readBuffer(r io.Reader, max int, lock mapper) (*Buffer, error) {
	// One byte beyond max tells "exactly max" from "more".
	b, err := newBuffer(min(os.Getpagesize(), max+1), lock)
	if err != nil {
		return nil, err
	}
	n, idle := 0, 0
	for {
		if n > max {
			b.Destroy()
			return nil, fmt.Errorf("larger than %d bytes", max)
		}
		if n == b.m.n {
			bigger, err := newBuffer(min(2*n, max+1), lock)
			if err != nil {
				b.Destroy()
				return nil, err
			}
			move(bigger.m.bytes(), b.m.bytes())
			b.Destroy()
			b = bigger
		}
		got, err := r.Read(b.m.bytes()[n:])
		n += got
		if idle++; got > 0 {
			idle = 0
		} else if idle == 100 && err == nil {
			err = io.ErrNoProgress
		}
		if err == io.EOF && n <= max {
			b.keep(0, n)
			return b, nil
		} else if err != nil && err != io.EOF {
			b.Destroy()
			return nil, err
		}
	}
}

// keep narrows the value to [from:to] in place and wipes the rest.
func (b *Buffer) keep(from, to int) {
	b.m.mu.Lock()
	defer b.m.mu.Unlock()
	value := b.m.bytes()
	if from > 0 {
		move(value, value[from:to])
	}
	clear(value[to-from:])
	b.m.n = to - from
}

// TrimNewline cuts off one newline at the end, in place: what a program or an
// editor adds to a value that it writes.
func (b *Buffer) TrimNewline() *Buffer {
	n := b.Len()
	b.Use(func(value []byte) error {
		if n > 0 && value[n-1] == '\n' {
			n--
		}
		return nil
	})
	b.keep(0, n)
	return b
}

// move copies byte by byte: copy goes through the vector registers and leaves
// up to 256 bytes of the value in them, from where the next signal brings them
// to the signal's stack. to may be an earlier part of the same buffer.
func move(to, from []byte) {
	//lint:ignore S1001 a copy is what must not be made
	for i, c := range from {
		to[i] = c
	}
}

// Use calls f with the plaintext, which it may change but not keep. Several
// calls may run at once; Destroy waits for them, so f must not call it.
func (b *Buffer) Use(f func(value []byte) error) error {
	b.m.mu.RLock()
	defer b.m.mu.RUnlock()
	if b.m.dead {
		return errDestroyed
	}
	return f(b.m.bytes())
}

// Len is the number of bytes, 0 after Destroy.
func (b *Buffer) Len() int {
	b.m.mu.RLock()
	defer b.m.mu.RUnlock()
	return b.m.n
}

// Equal says whether two buffers hold the same value.
func (b *Buffer) Equal(other *Buffer) (same bool) {
	b.Use(func(x []byte) error {
		return other.Use(func(y []byte) error { same = bytes.Equal(x, y); return nil })
	})
	return same
}

// Destroy wipes the value and gives the memory back. It waits for running
// calls of Use; a second call does nothing.
func (b *Buffer) Destroy() {
	if b == nil || b.m == nil {
		return
	}
	b.m.mu.Lock()
	defer b.m.mu.Unlock()
	if b.m.addr != nil {
		clear(unsafe.Slice((*byte)(b.m.addr), b.m.size))
		unmap(b.m.addr, b.m.size)
	}
	b.m.addr, b.m.size, b.m.n, b.m.dead = nil, 0, 0, true
}

func (m *memory) bytes() []byte {
	if m.n == 0 {
		return []byte{}
	}
	return unsafe.Slice((*byte)(m.addr), m.size)[:m.n:m.n]
}

// The methods below are on the value, so that a Buffer is as mute as a *Buffer.

// String gives "[secret]".
func (b Buffer) String() string { return redacted }

// GoString gives "[secret]".
func (b Buffer) GoString() string { return redacted }

// Format writes "[secret]" for every verb and flag.
func (b Buffer) Format(s fmt.State, _ rune) { io.WriteString(s, redacted) }

// LogValue gives "[secret]".
func (b Buffer) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText gives "[secret]".
func (b Buffer) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON gives "[secret]" as a JSON string.
func (b Buffer) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
