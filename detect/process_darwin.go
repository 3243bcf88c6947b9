package detect

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// readProcess asks sysctl: kern.proc.pid for what ps shows of everybody, and
// kern.procargs2 for the file and the words, which the kernel gives of own
// processes only.
func readProcess(pid int) (Process, error) {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if errors.Is(err, unix.EIO) || err == nil && int(info.Proc.P_pid) != pid {
		// The answer for a number that nobody has is empty, not an error.
		return Process{}, fmt.Errorf("process %d: %w", pid, fs.ErrNotExist)
	}
	if err != nil {
		return Process{}, fmt.Errorf("process %d: sysctl kern.proc.pid: %w", pid, err)
	}
	start := info.Proc.P_starttime
	p := Process{
		PID:   pid,
		PPID:  int(info.Eproc.Ppid),
		Start: uint64(start.Sec)*1_000_000 + uint64(start.Usec),
		Name:  unix.ByteSliceToString(info.Proc.P_comm[:]),
		UID:   int(info.Eproc.Ucred.Uid),
		// NODEV is -1.
		Terminal: info.Eproc.Tdev != -1,
	}
	if session, err := unix.Getsid(pid); err == nil {
		p.Session = session
	}
	if raw, err := unix.SysctlRaw("kern.procargs2", pid); err == nil {
		p.Exe, p.Argv = parseProcargs(raw)
	}
	// Where a process stands is not told without cgo, so a relative script
	// stays unresolved.
	p.Script = p.script(func(script string) string {
		if !filepath.IsAbs(script) {
			return ""
		}
		if resolved, err := filepath.EvalSymlinks(script); err == nil {
			return resolved
		}
		return ""
	})
	return p, nil
}

// parseProcargs takes what KERN_PROCARGS2 gives apart: the number of words,
// the file that was executed, zeros up to an aligned address, the words, and
// then the environment, which is left alone.
func parseProcargs(raw []byte) (exe string, argv []string) {
	if len(raw) < 4 {
		return "", nil
	}
	words := int(int32(binary.NativeEndian.Uint32(raw)))
	path, rest, _ := bytes.Cut(raw[4:], []byte{0})
	rest = bytes.TrimLeft(rest, "\x00")
	for range words {
		word, more, found := bytes.Cut(rest, []byte{0})
		if !found {
			break
		}
		argv, rest = append(argv, string(word)), more
	}
	// A title overwrites the words and leaves zeros.
	for len(argv) > 0 && argv[len(argv)-1] == "" {
		argv = argv[:len(argv)-1]
	}
	return strings.Clone(string(path)), argv
}
