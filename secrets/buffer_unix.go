//go:build unix

package secrets

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mlocked is private anonymous memory under mlock(2). It stays out of swap and
// (see undumped) out of core dumps; /proc/PID/mem of a dumpable process shows it.
func mlocked(size uintptr) (unsafe.Pointer, error) {
	addr, err := unix.MmapPtr(-1, 0, nil, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, &Error{Where: "locked memory", Err: fmt.Errorf("cannot map %d bytes: %w", size, err)}
	}
	if err := unix.Mlock(unsafe.Slice((*byte)(addr), size)); err != nil {
		unmap(addr, size)
		e := &Error{Where: "locked memory", Err: fmt.Errorf("cannot lock %d bytes: %w", size, err)}
		// Linux says EPERM for a limit of 0, ENOMEM (EAGAIN on other systems) for one that is reached.
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOMEM) || errors.Is(err, unix.EAGAIN) {
			e.Fix = "raise the limit of locked memory: `ulimit -l 8192`, or --ulimit memlock=8388608 for a container"
		}
		return nil, e
	}
	undumped(addr, size)
	return addr, nil
}

// unmap cannot fail on a mapping of ours; were it to, the pages are wiped already.
func unmap(addr unsafe.Pointer, size uintptr) { _ = unix.MunmapPtr(addr, size) }
