package guard

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// arena is the memory for what must not reach a disk: keys, tags, and the
// last characters of the stream. It is not the garbage collector's.
type arena struct {
	mem  []uint64
	used int
	err  error // why it is not locked in memory
}

// newArena gives n bytes, zeroed, and a little for rounding up.
func newArena(n int) *arena {
	a := &arena{}
	a.mem, a.err = mapLocked((n + 256 + 7) / 8)
	return a
}

// carve takes the next n elements out of a.
func carve[T byte | uint32 | uint64 | tail | entry | ownedHead | hasher](a *arena, n int) []T {
	var one T
	words := (n*int(unsafe.Sizeof(one)) + 7) / 8
	at := a.mem[a.used : a.used+words]
	a.used += words
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(at))), n)
}

// free wipes the memory and gives it back: nothing carved out may be used
// afterwards.
func (a *arena) free() {
	clear(a.mem)
	unmap(a.mem)
	a.mem = nil
}

// mapLocked gives words of zeroed memory that is neither swapped nor dumped.
// Locking is refused past RLIMIT_MEMLOCK: the error says so, the memory serves
// all the same.
func mapLocked(words int) ([]uint64, error) {
	mem, err := unix.Mmap(-1, 0, words*8, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return make([]uint64, words), fmt.Errorf("guard: mmap: %w", err)
	}
	err = unix.Mlock(mem)
	if err != nil {
		err = fmt.Errorf("guard: mlock: %w", err)
	}
	if dump := undumped(mem); dump != nil && err == nil {
		err = fmt.Errorf("guard: madvise: %w", dump)
	}
	return wordsOf(mem), err
}

// unmap ignores what was not mapped: Munmap knows its own.
func unmap(words []uint64) { unix.Munmap(bytesOf(words)) }

func bytesOf(words []uint64) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), len(words)*8)
}

func wordsOf(mem []byte) []uint64 {
	return unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(mem))), len(mem)/8)
}
