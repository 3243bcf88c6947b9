//go:build unix && !linux

package secrets

import "unsafe"

func lockedMemory(size uintptr) (unsafe.Pointer, error) { return mlocked(size) }

// undumped has nothing to call here: macOS has no such advice. Core dumps are
// off by default there, and HideProcess sets RLIMIT_CORE to 0.
func undumped(unsafe.Pointer, uintptr) {}
