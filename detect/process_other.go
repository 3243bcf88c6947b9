//go:build !linux && !darwin

package detect

import (
	"errors"
	"fmt"
	"runtime"
)

// readProcess fails: who called is found out by the environment alone there.
func readProcess(pid int) (Process, error) {
	return Process{}, fmt.Errorf("process %d: no process table on %s: %w", pid, runtime.GOOS, errors.ErrUnsupported)
}
