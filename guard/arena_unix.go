//go:build linux || darwin

package guard

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// dontDump is MADV_DONTDUMP of Linux. macOS has no such advice: there the memory would be in a core dump, and the
// launcher allows none.
const dontDump = 16

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
	if runtime.GOOS == "linux" {
		if dump := unix.Madvise(mem, dontDump); dump != nil && err == nil {
			err = fmt.Errorf("guard: madvise: %w", dump)
		}
	}
	return wordsOf(mem), err
}

// unmap ignores what was not mapped: Munmap knows its own.
func unmap(words []uint64) { unix.Munmap(bytesOf(words)) }
