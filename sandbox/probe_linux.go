package sandbox

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Probe tries every layer on a stage two that runs nothing: what a kernel says that it has, a container around ward or
// a security module may still refuse.
func Probe() (Machine, error) {
	var m Machine
	var name unix.Utsname
	if err := unix.Uname(&name); err == nil {
		m.Kernel = unix.ByteSliceToString(name.Release[:])
	}
	m.Landlock, _ = landlockABI()
	dir, err := os.MkdirTemp("", "ward-probe-")
	if err != nil {
		return m, fmt.Errorf("probe: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := os.Mkdir(filepath.Join(dir, "tmp"), 0o700); err != nil {
		return m, fmt.Errorf("probe: %w", err)
	}
	c := Cmd{Policy: Policy{Scratch: dir, Accept: []string{"all"}}}
	if err := c.start(true); err != nil {
		return m, fmt.Errorf("probe: %w", err)
	}
	if err := c.Prepared(); err != nil {
		return m, fmt.Errorf("probe: %w", err)
	}
	c.Kill()
	c.Close()
	m.Layers = statuses(c.Gaps)
	return m, nil
}
