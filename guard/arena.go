package guard

import "unsafe"

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

func bytesOf(words []uint64) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), len(words)*8)
}

func wordsOf(mem []byte) []uint64 {
	return unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(mem))), len(mem)/8)
}
