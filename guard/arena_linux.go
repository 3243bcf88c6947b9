package guard

import "golang.org/x/sys/unix"

// undumped keeps memory out of core dumps.
func undumped(mem []byte) error { return unix.Madvise(mem, unix.MADV_DONTDUMP) }
