package sandbox

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// wrapperName is argv[0] of the test binary where it is a container around ward: it installs a filter that refuses parts
// of the kernel, as the kernels and container managers of other machines do, and then starts a launch.
const wrapperName = "wrapper"

// refusal sets of the wrapper, by name.
func refusals() map[string]func(*assembler, uint32) {
	call := func(numbers ...uint32) func(*assembler, uint32) {
		return func(a *assembler, errno uint32) {
			a.load(dataNumber)
			for _, nr := range numbers {
				a.equal(nr, fmt.Sprint(errno))
			}
		}
	}
	flags := func(number uint32, argument uint32, bits uint32) func(*assembler, uint32) {
		return func(a *assembler, errno uint32) {
			a.load(dataNumber)
			skip := fmt.Sprint("skip", len(a.code))
			a.equal(number, skip+"this")
			a.always(skip)
			a.label(skip + "this")
			a.load(argLow(argument))
			a.anyBit(bits, fmt.Sprint(errno))
			a.label(skip)
		}
	}
	return map[string]func(*assembler, uint32){
		"landlock":   call(unix.SYS_LANDLOCK_CREATE_RULESET, unix.SYS_LANDLOCK_ADD_RULE, unix.SYS_LANDLOCK_RESTRICT_SELF),
		"restrict":   call(unix.SYS_LANDLOCK_RESTRICT_SELF),
		"mount":      call(unix.SYS_MOUNT),
		"newmount":   call(unix.SYS_OPEN_TREE, unix.SYS_MOVE_MOUNT, unix.SYS_MOUNT_SETATTR, unix.SYS_FSOPEN),
		"namespaces": flags(unix.SYS_CLONE, 0, newNamespaces),
		"userns":     flags(unix.SYS_CLONE, 0, unix.CLONE_NEWUSER),
		"clone3": func(a *assembler, _ uint32) { // with EPERM glibc could not make a thread, and nobody refuses it so
			a.load(dataNumber)
			a.equal(unix.SYS_CLONE3, "ENOSYS")
		},
		"listener":   flags(unix.SYS_SECCOMP, 1, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER),
		"getfd":      call(unix.SYS_PIDFD_GETFD),
		"readv":      call(unix.SYS_PROCESS_VM_READV),
		"memfd":      call(unix.SYS_MEMFD_CREATE, unix.SYS_MEMFD_SECRET),
		"closerange": call(unix.SYS_CLOSE_RANGE),
		"diag":       flags(unix.SYS_SOCKET, 2, 4), // NETLINK_SOCK_DIAG is 4, the other protocols in use here have no such bit
	}
}

// install puts the wrapper's filter on every thread: names are separated by commas, errno is EPERM or ENOSYS.
func installRefusals(names, errno string) error {
	number := map[string]uint32{"EPERM": uint32(unix.EPERM), "ENOSYS": uint32(unix.ENOSYS)}[errno]
	a := &assembler{}
	for name := range strings.SplitSeq(names, ",") {
		refusals()[name](a, number)
	}
	a.ret(actAllow)
	a.label(fmt.Sprint(number))
	a.ret(actErrno | number)
	a.label("ENOSYS")
	a.ret(actErrno | uint32(unix.ENOSYS))
	code, err := a.assemble()
	if err != nil {
		return err
	}
	program := make([]unix.SockFilter, len(code))
	for i, in := range code {
		program[i] = unix.SockFilter{Code: in.code, Jt: in.jt, Jf: in.jf, K: in.k}
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if os.Getuid() != 0 {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return err
		}
	}
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	_, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	if e != 0 {
		return e
	}
	return nil
}

// wrap starts a launch behind the refusals: args are names, errno, what the user accepts, a directory of its own, the
// command. Output: the gaps, the error with its hint, or the command's output. With names and errno alone it probes.
func wrap(args []string) int {
	if err := installRefusals(args[0], args[1]); err != nil {
		fmt.Println("wrapper:", err)
		return 1
	}
	if len(args) == 2 {
		m, err := Probe()
		fmt.Println("probe:", m.Kernel != "", err)
		for _, s := range m.Layers {
			fmt.Printf("%s: %v %v\n", s.Layer, s.Enforced(), s.Instead != "")
		}
		return 0
	}
	exe, err := os.Executable()
	if err != nil {
		fmt.Println("wrapper:", err)
		return 1
	}
	dir := args[3]
	c := Cmd{
		Path: exe, Argv: append([]string{victimName}, args[4:]...), Env: []string{"PATH=/usr/bin:/bin", "TMPDIR=/nowhere"}, Dir: "/",
		Stdio: [3]*os.File{nil, os.Stdout, os.Stdout},
		Policy: Policy{
			Scratch: filepath.Join(dir, "scratch"),
			Rules:   append(system(), Rule{exe, Read, ""}, Rule{filepath.Join(dir, "own"), Read | Write, ""}),
		},
	}
	if args[2] != "" {
		c.Policy.Accept = strings.Split(args[2], ",")
	}
	if err = c.Start(); err == nil {
		err = c.Go()
	}
	if err != nil {
		fmt.Println("error:", err)
		if h, ok := err.(interface{ Hint() string }); ok {
			fmt.Println("hint:", h.Hint())
		}
		return 1
	}
	for _, g := range c.Gaps {
		fmt.Println("gap:", g)
	}
	for e := range c.Events() {
		if e.Exited != nil {
			fmt.Println("ended:", ending(*e.Exited))
		}
		if e.Lost != nil {
			fmt.Println("lost:", e.Lost)
		}
	}
	c.Close()
	return 0
}

// wrapped runs a victim behind refusals and gives what was said.
func wrapped(t testing.TB, refused, errno, accept string, victim ...string) string {
	t.Helper()
	dir := outdoors(t)
	for _, d := range []string{"own", "scratch/tmp", "scratch/void.d"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "scratch/void.f"), "")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, testBinary(t))
	cmd.Args = append([]string{wrapperName, refused, errno, accept, dir}, victim...)
	cmd.WaitDelay = time.Second
	raw, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		t.Fatalf("behind %s %s: not within 30 s\n%s", refused, errno, raw)
	}
	if err != nil && len(raw) == 0 {
		t.Fatal(err)
	}
	return string(raw)
}
