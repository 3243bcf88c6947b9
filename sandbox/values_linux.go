package sandbox

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxValues bounds what the resolver may send: execve takes no more anyway.
const maxValues = 2 << 20

// readValues reads NAME=VALUE strings, each ended by a NUL, up to an empty one that says that all have arrived. They
// go from the socket into locked memory and from there by execve into the command: no copy is made.
func (s *stageTwo) readValues() error {
	arena, err := unix.Mmap(-1, 0, maxValues, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return fmt.Errorf("memory for credentials: %w", err)
	}
	unix.Madvise(arena, unix.MADV_DONTDUMP)
	s.arena = arena
	for {
		if s.used == len(arena) {
			return fmt.Errorf("credentials: more than %d bytes for one command", maxValues)
		}
		// Locking needs pages; only those that are about to be filled are locked, so that a small limit suffices.
		next := arena[s.used:min(len(arena), s.used+4096)]
		if err := unix.Mlock(pageOf(next)); err != nil {
			return fmt.Errorf("credentials: locking memory: %w", err)
		}
		n, err := unix.Read(fdValues, next)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("credentials: %w", err)
		}
		if n == 0 {
			break
		}
		s.used += n
	}
	unix.Close(fdValues)
	end := s.used - 1 // the empty string
	if end < 0 || arena[end] != 0 || end > 0 && arena[end-1] != 0 {
		return errors.New("credentials: the resolver ended before all had arrived")
	}
	s.used = end
	return nil
}

// pageOf widens b to the start of its page, which mlock on some kernels wants and all accept.
func pageOf(b []byte) []byte {
	over := uintptr(unsafe.Pointer(&b[0])) & uintptr(os.Getpagesize()-1)
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(&b[0]), -int(over))), len(b)+int(over))
}

// wipe forgets the secrets once the command has its own copy.
func (s *stageTwo) wipe() {
	clear(s.arena[:s.used])
	if s.arena != nil {
		unix.Munmap(s.arena)
	}
	s.arena, s.used = nil, 0
}
