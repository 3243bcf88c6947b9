package sandbox

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// status reads fields of /proc/PID/status (proc_pid_status(5)); the PID may be a thread's. A field that cannot be read
// is empty.
func status(pid int, fields ...string) []string {
	values := make([]string, len(fields))
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return values
	}
	for line := range strings.Lines(string(data)) {
		for i, field := range fields {
			if rest, ok := strings.CutPrefix(line, field+":"); ok {
				values[i] = strings.TrimSpace(rest)
			}
		}
	}
	return values
}

// stat gives the fields of /proc/PID/stat (proc_pid_stat(5)) from the third on, none if the process is gone. The name, the
// second, is in brackets and may hold anything.
func stat(pid int) []string {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return nil
	}
	return strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
}

// leader is the process that a thread belongs to.
func leader(tid int) int {
	tgid, err := strconv.Atoi(status(tid, "Tgid")[0])
	if err != nil {
		return tid
	}
	return tgid
}

func name(pid int) string { return shown(status(pid, "Name")[0]) }

// signalled says whether a signal waits that would interrupt a thread in a system call. One that was sent to the process
// the kernel gives to its first thread, unless that blocks it or has ended; the others go on, and would see
// ERESTARTSYS itself, which the kernel turns into something else only where a signal is delivered. Where the first one
// does not take it, and several others are in a connect, it is not known which of them does.
func signalled(tid int) bool {
	var sets [3]uint64
	left := ^uint64(0) // by the first thread
	// It is looked at first: while it handles a signal it blocks that, which does not wait any more then.
	if first := leader(tid); first != tid {
		of := status(first, "SigBlk", "State")
		if blocked, err := strconv.ParseUint(of[0], 16, 64); err == nil && !strings.HasPrefix(of[1], "Z") {
			left = blocked
		}
	}
	for i, hex := range status(tid, "SigPnd", "ShdPnd", "SigBlk") {
		set, err := strconv.ParseUint(hex, 16, 64)
		if err != nil {
			return false
		}
		sets[i] = set
	}
	return (sets[0]|sets[1]&left)&^sets[2] != 0
}

// readMemory copies from the memory of the command. process_vm_readv is one call; /proc/PID/mem works where a
// container's filter has no place for it.
func readMemory(pid int, at uintptr, buf []byte) error {
	local := []unix.Iovec{{Base: &buf[0], Len: uint64(len(buf))}}
	remote := []unix.RemoteIovec{{Base: at, Len: len(buf)}}
	if n, err := unix.ProcessVMReadv(pid, local, remote, 0); err == nil && n == len(buf) {
		return nil
	} else if err != nil && !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.ENOSYS) {
		return err
	}
	mem, err := os.Open("/proc/" + strconv.Itoa(pid) + "/mem")
	if err != nil {
		return err
	}
	defer mem.Close()
	_, err = mem.ReadAt(buf, int64(at))
	return err
}

// withinReach says why the supervisor could not take a socket out of a process of the launch: by pidfd_getfd (Linux
// 5.6), which container filters lack, and by a right of ptrace, which Yama can keep from parents.
func withinReach(userNamespace bool) error {
	pidfd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return errors.New("pidfd_open: " + err.Error())
	}
	defer unix.Close(pidfd)
	fd, err := unix.PidfdGetfd(pidfd, pidfd, 0)
	if err != nil {
		return errors.New("pidfd_getfd: " + err.Error())
	}
	unix.Close(fd)
	scope, err := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope")
	if err != nil {
		return nil // no Yama
	}
	switch strings.TrimSpace(string(scope)) {
	case "3":
		return errors.New("kernel.yama.ptrace_scope is 3: no process may look into another")
	case "2":
		// Within a user namespace of its own making a process has every capability.
		if !userNamespace && os.Geteuid() != 0 {
			return errors.New("kernel.yama.ptrace_scope is 2: only root may look into another process")
		}
	}
	return nil
}
