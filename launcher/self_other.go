//go:build !linux

package launcher

import "os"

// selfPath is this binary, as far as the system tells.
func selfPath() string {
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return path
}

// Inside is never so where ward cannot confine.
func Inside() bool { return false }

// nested is never so where ward cannot confine.
func nested() bool { return false }
