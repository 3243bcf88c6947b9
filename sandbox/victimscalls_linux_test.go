package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// call makes a system call by number.
func call(number uintptr, args ...uintptr) error {
	var a [6]uintptr
	copy(a[:], args)
	if _, _, e := unix.RawSyscall6(number, a[0], a[1], a[2], a[3], a[4], a[5]); e != 0 {
		return e
	}
	return nil
}

// victimCalls tries parts of the kernel that no agent needs. Their arguments are such that a kernel that lets the call
// through answers something else than the filter.
func victimCalls([]string) {
	zero := uintptr(unsafe.Pointer(&[256]byte{}))
	name := uintptr(unsafe.Pointer(unsafe.StringData("x\x00")))
	say("bpf", call(unix.SYS_BPF, 0, zero, 64))
	say("keyctl", call(unix.SYS_KEYCTL, unix.KEYCTL_GET_KEYRING_ID, ^uintptr(2), 1))
	say("add_key", call(unix.SYS_ADD_KEY, name, name, zero, 1, ^uintptr(2)))
	say("request_key", call(unix.SYS_REQUEST_KEY, name, name, 0, 0))
	say("userfaultfd", call(unix.SYS_USERFAULTFD, 1))
	say("perf_event_open", call(unix.SYS_PERF_EVENT_OPEN, zero, 0, 0, ^uintptr(0), 0))
	say("kexec_load", call(unix.SYS_KEXEC_LOAD, 0, 0, 0, 0))
	say("init_module", call(unix.SYS_INIT_MODULE, zero, 0, name))
	for _, ns := range []struct {
		name string
		flag uintptr
	}{
		{"user", unix.CLONE_NEWUSER}, {"mnt", unix.CLONE_NEWNS}, {"net", unix.CLONE_NEWNET}, {"pid", unix.CLONE_NEWPID},
		{"ipc", unix.CLONE_NEWIPC}, {"uts", unix.CLONE_NEWUTS}, {"cgroup", unix.CLONE_NEWCGROUP}, {"time", unix.CLONE_NEWTIME},
	} {
		say("unshare "+ns.name, call(unix.SYS_UNSHARE, ns.flag))
		if ns.name != "time" {
			say("clone "+ns.name, call(unix.SYS_CLONE, ns.flag|uintptr(unix.SIGCHLD), 0))
		}
	}
	say("clone3", call(unix.SYS_CLONE3, zero, 88))
	fd, _ := unix.Open("/proc/self/ns/user", unix.O_RDONLY, 0)
	say("setns", call(unix.SYS_SETNS, uintptr(fd), 0))
	say("mount", unix.Mount("none", "/tmp", "tmpfs", 0, ""))
	say("umount", unix.Unmount("/tmp", unix.MNT_DETACH))
	say("pivot_root", call(unix.SYS_PIVOT_ROOT, name, name))
	say("chroot", unix.Chroot("/tmp"))
	say("fsopen", call(unix.SYS_FSOPEN, name, 0))
	say("open_tree", call(unix.SYS_OPEN_TREE, ^uintptr(99), name, unix.OPEN_TREE_CLONE))
	say("move_mount", call(unix.SYS_MOVE_MOUNT, 0, name, 0, name, 0))
	say("mount_setattr", call(unix.SYS_MOUNT_SETATTR, ^uintptr(99), name, 0, zero, 32))
	say("open_by_handle_at", call(unix.SYS_OPEN_BY_HANDLE_AT, ^uintptr(99), zero, 0))
	say("mknod", unix.Mknod("/tmp/node", unix.S_IFBLK|0o600, int(unix.Mkdev(254, 0))))
	say("unknown", call(firstUnknown))
	say("unknown 10000", call(10000))
	say("io_uring_enter", call(unix.SYS_IO_URING_ENTER))
	say("setuid file", exec.Command("/bin/su", "-c", "true").Run())
	foreign()
}

// victimProcesses looks at processes outside, by the numbers that they have there, and at stage two, which is 1 inside
// or, without a process namespace, the parent. args: the number of a process outside, of the supervisor, of stage two.
func victimProcesses(args []string) {
	for i, label := range []string{"outside", "supervisor", "keeper"} {
		pid := portOf(args[i])
		if pid == 0 {
			pid = os.Getppid()
		}
		proc := "/proc/" + strconv.Itoa(pid)
		for _, file := range []string{"environ", "mem", "maps"} {
			data, err := readSome(filepath.Join(proc, file))
			if err == nil && len(data) == 0 {
				err = syscall.ENODATA
			}
			say(label+" "+file, err)
		}
		_, err := os.Readlink(filepath.Join(proc, "fd/0")) // their numbers are no secret
		say(label+" fd", err)
		_, err = os.ReadDir(filepath.Join(proc, "root"))
		say(label+" root", err)
		say(label+" ptrace", call(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(pid)))
		buf := make([]byte, 8)
		_, err = unix.ProcessVMReadv(pid, []unix.Iovec{{Base: &buf[0], Len: 8}}, []unix.RemoteIovec{{Base: 0x400000, Len: 8}}, 0)
		say(label+" process_vm_readv", err)
		pidfd, err := unix.PidfdOpen(pid, 0)
		if err == nil {
			_, err = unix.PidfdGetfd(pidfd, 0, 0)
		}
		say(label+" pidfd_getfd", err)
		say(label+" signal 0", unix.Kill(pid, 0))
		for _, s := range []unix.Signal{unix.SIGCONT, unix.SIGTERM, unix.SIGQUIT, unix.SIGSTOP, unix.SIGKILL} {
			say(label+" "+unix.SignalName(s), unix.Kill(pid, s))
		}
	}
	time.Sleep(50 * time.Millisecond) // were stage two gone, this process would not speak any more
	say("end", nil)
}

// victimPeek looks into the process that keeps it, and no more.
func victimPeek([]string) {
	for _, file := range []string{"mem", "environ", "maps"} {
		f, err := os.Open(fmt.Sprintf("/proc/%d/%s", os.Getppid(), file))
		say(file, err)
		f.Close()
	}
}

func readSome(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	buf := make([]byte, 64)
	n, err := f.Read(buf)
	return buf[:n], err
}

// victimShared uses shared memory that is not a file. args: a System V key and a message queue of the outside.
func victimShared(args []string) {
	say("outer segment", call(unix.SYS_SHMGET, uintptr(portOf(args[0])), 1, 0))
	name, _ := unix.BytePtrFromString(args[1])
	say("outer queue", call(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(name)), unix.O_RDONLY, 0, 0))
	_, err := os.ReadFile("/dev/shm/" + args[2])
	say("outer shm file", err)
	say("own segment", call(unix.SYS_SHMGET, 4711, 4096, 0o1600))
	say("own shm file", os.WriteFile("/dev/shm/own", nil, 0o600))
}

// victimDaemon leaves processes behind in every way that there is, and then ends or waits as it is told. Each makes the
// file "alive" grow while it lives, which is 20 seconds at most. args: a directory, "end" or "wait".
func victimDaemon(args []string) {
	script := `echo $$ >> "$1/pids"; i=0; while [ $i -lt 1000 ]; do i=$((i+1)); echo >> "$1/alive"; sleep 0.02; done`
	start := func(attr *syscall.SysProcAttr, args ...string) {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.SysProcAttr = attr
		if err := cmd.Start(); err != nil {
			fmt.Println(err)
		}
	}
	start(nil, "/bin/sh", "-c", script, "sh", args[0])
	start(&syscall.SysProcAttr{Setsid: true}, "/bin/sh", "-c", script, "sh", args[0])
	start(&syscall.SysProcAttr{Setsid: true}, "/bin/sh", "-c", `(trap "" TERM HUP; `+script+`) & exit 0`, "sh", args[0])
	start(&syscall.SysProcAttr{Setpgid: true}, "/bin/sh", "-c", `((`+script+`) & ) ; exit 0`, "sh", args[0])
	for until := time.Now().Add(10 * time.Second); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		if data, _ := os.ReadFile(filepath.Join(args[0], "pids")); strings.Count(string(data), "\n") == 4 {
			break
		}
	}
	fmt.Println("started: ok")
	if args[1] == "wait" {
		time.Sleep(20 * time.Second)
	}
}

// victimHopper forks and ends in its child, again and again, so that its number is never the one that was just seen.
func victimHopper(args []string) {
	script := `import os,sys,time
if os.fork(): os._exit(0)
os.setsid()
end=time.time()+20
n=0
while time.time()<end:
    if os.fork(): os._exit(0)
    n+=1
    if n%20==0: open(sys.argv[1]+"/alive","a").write("x")
`
	fmt.Println("started: ok")
	if err := exec.Command("/usr/bin/python3", "-c", script, args[0]).Start(); err != nil {
		fmt.Println(err)
	}
	time.Sleep(20 * time.Second)
}

// victimKeeper kills the process that keeps it, as victimProcesses does, and lives on.
func victimKeeper(args []string) {
	say("kill", unix.Kill(os.Getppid(), unix.SIGKILL))
	victimDaemon(args)
}

// victimNested makes a launch inside a launch: this binary is ward there. args: a directory that the outer launch may
// write, and one that the inner may.
func victimNested(args []string) {
	tmp, err := os.MkdirTemp("", "inner-")
	if err != nil {
		fmt.Println(err)
		return
	}
	script := fmt.Sprintf("echo x > %s/a; echo x > %s/b; echo done; kill -STOP $PPID", args[0], args[1])
	c := Cmd{
		Path: "/bin/sh", Argv: []string{"sh", "-c", script}, Env: []string{"PATH=/usr/bin:/bin"}, Dir: "/",
		Stdio:  [3]*os.File{nil, os.Stdout, os.Stdout},
		Policy: Policy{Rules: append(system(), Rule{args[1], Read | Write, "test"}), Scratch: tmp, Nested: true},
	}
	if err := c.Start(); err != nil {
		fmt.Println(err)
		return
	}
	if err := c.Go(); err != nil {
		fmt.Println(err)
		return
	}
	for e := range c.Events() {
		if e.Exited != nil {
			fmt.Println("status", *e.Exited)
		}
	}
	for _, g := range c.Gaps {
		fmt.Println(g)
	}
	c.Close()
}
