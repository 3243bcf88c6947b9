package sandbox

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rootKeeps are the capabilities that a command started by root keeps: Docker's default set without NET_RAW, MKNOD,
// SYS_CHROOT, AUDIT_WRITE and SETFCAP. Package managers need them; none of them reads another process or mounts.
// CAP_PERFMON and CAP_SYS_ADMIN must go: since Linux 6.14 either one opens /proc/PID/environ of processes outside a
// Landlock domain.
const rootKeeps = 1<<unix.CAP_CHOWN | 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_FOWNER | 1<<unix.CAP_FSETID |
	1<<unix.CAP_KILL | 1<<unix.CAP_SETGID | 1<<unix.CAP_SETUID | 1<<unix.CAP_SETPCAP | 1<<unix.CAP_NET_BIND_SERVICE

// dropCapabilities leaves keep (a bit per capability) in every set of the calling thread, and drops the rest from its
// bounding set: it is the one that the command inherits.
func dropCapabilities(keep uint64) error {
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil && err != unix.EINVAL {
		return fmt.Errorf("ambient capabilities: %w", err)
	}
	for c := uintptr(0); c <= unix.CAP_LAST_CAP+8; c++ {
		if keep&(1<<c) != 0 {
			continue
		}
		// EINVAL: the kernel has no such capability. EPERM: without CAP_SETPCAP the set cannot shrink, and need not:
		// no_new_privs keeps execve from giving out of it.
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && err != unix.EINVAL && err != unix.EPERM {
			return fmt.Errorf("bounding set: %w", err)
		}
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	want, err := kept(&header, keep)
	if err != nil {
		return err
	}
	return os.NewSyscallError("capset", unix.Capset(&header, &want[0]))
}

// dropElsewhere takes the same capabilities from the runtime's other threads. None of them runs anything of the command,
// which is forked from the one that has none already, so that this is done beside it: each thread has to be woken.
//
// In a binary that was linked with cgo they cannot be reached, and keep what they have. (libcap's psx reaches them by
// listing /proc/PID/task, and turns for ever where /proc is another namespace's.)
func dropElsewhere(keep uint64) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	want, err := kept(&header, keep)
	if err != nil {
		return err
	}
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&want[0])), 0)
	if errno != 0 && errno != syscall.ENOTSUP {
		return fmt.Errorf("capset of all threads: %w", errno)
	}
	return nil
}

// kept is what the calling thread has of keep.
func kept(header *unix.CapUserHeader, keep uint64) (want [2]unix.CapUserData, err error) {
	var have [2]unix.CapUserData
	if err := unix.Capget(header, &have[0]); err != nil {
		return want, fmt.Errorf("capget: %w", err)
	}
	for i := range want {
		k := uint32(keep >> (32 * i))
		want[i].Permitted = have[i].Permitted & k
		want[i].Effective = have[i].Permitted & k
	}
	return want, nil
}

// keeps are the capabilities that the command keeps.
func keeps() uint64 {
	if os.Getuid() == 0 {
		return rootKeeps
	}
	return 0
}
