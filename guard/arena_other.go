//go:build !linux && !darwin

package guard

import "errors"

func mapLocked(words int) ([]uint64, error) {
	return make([]uint64, words), errors.New("guard: memory cannot be locked on this system")
}

func unmap([]uint64) {}
