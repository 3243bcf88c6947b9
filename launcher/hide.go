package launcher

import (
	"io"
	"os"

	"ward/secrets"
)

// Hide keeps other processes of the same user out of this one's memory, and its memory out of core files: for commands
// that come to hold values, before they do. What locked memory cannot promise it covers too: libraries of the stores
// (age, D-Bus) keep copies on Go's heap.
//
// environ is this process's environment block, opened before, since the kernel gives /proc/self/environ of a hidden
// process to root: it is for OpenStores, FetchStored and ReadStored. It is nil where the system has none.
func Hide() (environ io.ReaderAt, err error) {
	if f, err := os.Open("/proc/self/environ"); err == nil {
		environ = f
	}
	return environ, secrets.HideProcess()
}
