package detect

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxArgv bounds what is read of a command line: the kernel allows megabytes.
const maxArgv = 64 << 10

// readProcess reads /proc/PID. The files of one process are read one after
// the other, and meanwhile it may end and its number be given away: so the
// start time is read again at the end.
func readProcess(pid int) (Process, error) {
	dir := "/proc/" + strconv.Itoa(pid)
	p, err := readStat(dir)
	if err != nil {
		return Process{}, gone(pid, err)
	}
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return Process{}, gone(pid, err)
	}
	// The effective user, unless the process is not dumpable: then root.
	p.UID = int(st.Uid)
	// A process that is not ours keeps the link to itself; it has an owner,
	// a start and a command line all the same. Kernel threads have no link.
	if exe, err := os.Readlink(dir + "/exe"); err == nil {
		p.Exe = strings.TrimSuffix(exe, " (deleted)")
	}
	p.Argv = readArgv(dir)
	// A process in a container has another root; its file is not looked for there.
	p.Script = p.script(func() (string, error) { return os.Readlink(dir + "/cwd") })
	again, err := readStat(dir)
	if err != nil {
		return Process{}, gone(pid, err)
	}
	if again.Start != p.Start {
		return Process{}, fmt.Errorf("process %d ended while it was looked at: %w", pid, fs.ErrNotExist)
	}
	// A parent that ended meanwhile has been replaced by the reaper.
	p.PPID = again.PPID
	return p, nil
}

// gone gives the errors of a process that ended one form: ENOENT where the
// directory is no more, ESRCH where it was open.
func gone(pid int, err error) error {
	if errors.Is(err, unix.ESRCH) {
		err = fs.ErrNotExist
	}
	return fmt.Errorf("process %d: %w", pid, err)
}

// readStat reads the fields of proc_pid_stat(5).
func readStat(dir string) (Process, error) {
	data, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return Process{}, err
	}
	p, err := parseStat(data)
	if err != nil {
		return Process{}, fmt.Errorf("%s/stat: %w", dir, err)
	}
	return p, nil
}

// parseStat looks for the last parenthesis: the name stands in parentheses
// and may hold spaces and parentheses itself.
func parseStat(data []byte) (Process, error) {
	open, end := bytes.IndexByte(data, '('), bytes.LastIndexByte(data, ')')
	if open < 0 || end < open {
		return Process{}, errors.New("no name in parentheses")
	}
	// Behind the name, from field 3: state, ppid, pgrp, session, tty_nr, …
	fields := strings.Fields(string(data[end+1:]))
	const ppid, session, tty, start = 1, 3, 4, 19
	if len(fields) <= start {
		return Process{}, fmt.Errorf("%d fields behind the name, want more than %d", len(fields), start)
	}
	p := Process{Name: string(data[open+1 : end])}
	var err, e error
	p.PID, err = strconv.Atoi(strings.TrimSpace(string(data[:open])))
	p.PPID, e = strconv.Atoi(fields[ppid])
	err = errors.Join(err, e)
	p.Session, e = strconv.Atoi(fields[session])
	err = errors.Join(err, e)
	p.Terminal = fields[tty] != "0"
	p.Start, e = strconv.ParseUint(fields[start], 10, 64)
	return p, errors.Join(err, e)
}

// readArgv gives nil for kernel threads, zombies, and what may not be read.
func readArgv(dir string) []string {
	f, err := os.Open(dir + "/cmdline")
	if err != nil {
		return nil
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxArgv))
	if err != nil {
		return nil
	}
	return parseArgv(data)
}

// parseArgv takes the words apart. A program that set its title leaves the
// rest of the old command line as zeros: those are no words.
func parseArgv(data []byte) []string {
	text := strings.TrimRight(string(data), "\x00")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\x00")
}
