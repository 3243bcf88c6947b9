package sandbox

import "golang.org/x/sys/unix"

const (
	auditArch = unix.AUDIT_ARCH_AARCH64
	// x32Bit: there is no such ABI here; no call has this number.
	x32Bit = 0x40000000
)

func refusedHere() []uint32 { return nil }
