package guard

import (
	"fmt"

	"golang.org/x/sys/unix"
)

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
	if dump := unix.Madvise(mem, unix.MADV_DONTDUMP); dump != nil && err == nil {
		err = fmt.Errorf("guard: madvise: %w", dump)
	}
	return wordsOf(mem), err
}

// unmap ignores what was not mapped: Munmap knows its own.
func unmap(words []uint64) { unix.Munmap(bytesOf(words)) }
