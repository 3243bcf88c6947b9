package secrets

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// lockedMemory takes memfd_secret(2) where the kernel has it (5.14, not
// disabled at boot, not filtered by a container) and mlock(2) elsewhere. Both
// count against RLIMIT_MEMLOCK, so being over the limit ends in mlocked's error.
func lockedMemory(size uintptr) (unsafe.Pointer, error) {
	if addr, err := secretMemory(size); err == nil {
		return addr, nil
	}
	return mlocked(size)
}

// secretMemory is taken out of the kernel's own direct map: /proc/PID/mem,
// process_vm_readv and ptrace reads fail on it even for root. While such
// memory exists the machine does not hibernate (kernel/power/hibernate.c asks
// secretmem_active), one more reason to Destroy early.
func secretMemory(size uintptr) (unsafe.Pointer, error) {
	fd, err := unix.MemfdSecret(unix.O_CLOEXEC)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	if err := unix.Ftruncate(fd, int64(size)); err != nil {
		return nil, err
	}
	addr, err := unix.MmapPtr(fd, 0, nil, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	undumped(addr, size)
	return addr, nil
}

// undumped keeps the mapping out of core dumps and out of forked children.
// Neither advice fails on a mapping of ours.
func undumped(addr unsafe.Pointer, size uintptr) {
	mem := unsafe.Slice((*byte)(addr), size)
	_ = unix.Madvise(mem, unix.MADV_DONTDUMP)
	_ = unix.Madvise(mem, unix.MADV_DONTFORK)
}
