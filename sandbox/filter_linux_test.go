package sandbox

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// interpret runs a program as the kernel does: the part of classic BPF that a seccomp filter may use (seccomp_check_filter
// in kernel/seccomp.c), on a struct seccomp_data.
func interpret(program []instruction, data []byte) (uint32, error) {
	var acc uint32
	for at := 0; at < len(program); at++ {
		in := program[at]
		jump := func(taken bool) {
			if taken {
				at += int(in.jt)
			} else {
				at += int(in.jf)
			}
		}
		switch in.code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			if in.k%4 != 0 || int(in.k)+4 > len(data) {
				return 0, fmt.Errorf("instruction %d: load at %d", at, in.k)
			}
			acc = binary.NativeEndian.Uint32(data[in.k:])
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
			acc &= in.k
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			jump(acc == in.k)
		case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			jump(acc >= in.k)
		case unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K:
			jump(acc&in.k != 0)
		case unix.BPF_RET | unix.BPF_K:
			return in.k, nil
		default:
			return 0, fmt.Errorf("instruction %d: code %#x", at, in.code)
		}
	}
	return 0, fmt.Errorf("the program runs off its end")
}

// seccompData lays out struct seccomp_data.
func seccompData(arch, number uint32, args ...uint64) []byte {
	raw := make([]byte, 64)
	binary.NativeEndian.PutUint32(raw, number)
	binary.NativeEndian.PutUint32(raw[4:], arch)
	for i, a := range args {
		binary.NativeEndian.PutUint64(raw[16+8*i:], a)
	}
	return raw
}

func action(result uint32) string {
	switch {
	case result == unix.SECCOMP_RET_ALLOW:
		return "allow"
	case result == unix.SECCOMP_RET_USER_NOTIF:
		return "notify"
	case result&unix.SECCOMP_RET_ACTION_FULL == unix.SECCOMP_RET_ERRNO:
		return unix.ErrnoName(unix.Errno(result & unix.SECCOMP_RET_DATA))
	}
	return fmt.Sprintf("%#x", result)
}

// every combination of what a filter can let through.
func everyFilter(t testing.TB) map[calls][]instruction {
	t.Helper()
	all := map[calls][]instruction{}
	for i := range 8 {
		c := calls{notify: i&1 != 0, udp: i&2 != 0, shared: i&4 != 0}
		program, err := filter(c)
		if err != nil {
			t.Fatal(err)
		}
		all[c] = program
	}
	return all
}

// decide runs a filter that must not fail.
func decide(t testing.TB, program []instruction, data []byte) string {
	t.Helper()
	result, err := interpret(program, data)
	if err != nil {
		t.Fatal(err)
	}
	return action(result)
}

// x32Bit marks the calls of the x32 ABI; arm64 has none with such a number.
const x32Bit = 1 << 30

func TestFilter(t *testing.T) {
	const high = 0xdeadbeef00000000 // the kernel looks at 32 bits of these arguments; the filter has to as well
	for c, program := range everyFilter(t) {
		if c.notify {
			continue // TestFilterNotify
		}
		pick := func(open bool, yes, no string) string {
			if open {
				return yes
			}
			return no
		}
		for _, call := range []struct {
			number uint32
			args   []uint64
			want   string
		}{
			{unix.SYS_READ, nil, "allow"}, {unix.SYS_EXECVE, nil, "allow"}, {unix.SYS_OPENAT, nil, "allow"}, {unix.SYS_EXIT_GROUP, nil, "allow"},
			{unix.SYS_LANDLOCK_RESTRICT_SELF, nil, "allow"}, {unix.SYS_SECCOMP, nil, "allow"}, {unix.SYS_CONNECT, nil, "allow"},
			{firstUnknown - 1, nil, "allow"}, {firstUnknown, nil, "ENOSYS"}, {1 << 20, nil, "ENOSYS"}, {x32Bit, nil, "ENOSYS"},
			{x32Bit | unix.SYS_READ, nil, "ENOSYS"}, {^uint32(0), nil, "ENOSYS"},
			{unix.SYS_CLONE3, nil, "ENOSYS"}, {unix.SYS_IO_URING_SETUP, nil, "ENOSYS"}, {unix.SYS_IO_URING_ENTER, nil, "ENOSYS"},
			{unix.SYS_IO_URING_REGISTER, nil, "ENOSYS"},
			{unix.SYS_SHMGET, nil, pick(c.shared, "allow", "EPERM")}, {unix.SYS_MSGGET, nil, pick(c.shared, "allow", "EPERM")},
			{unix.SYS_SEMGET, nil, pick(c.shared, "allow", "EPERM")}, {unix.SYS_MQ_OPEN, nil, pick(c.shared, "allow", "EPERM")},
			{unix.SYS_SENDTO, []uint64{0, 0, 0, msgFastOpen}, "EACCES"}, {unix.SYS_SENDTO, []uint64{0, 0, 0, high | msgFastOpen | unix.MSG_NOSIGNAL}, "EACCES"},
			{unix.SYS_SENDTO, []uint64{0, 0, msgFastOpen, unix.MSG_NOSIGNAL}, "allow"},
			{unix.SYS_SENDMSG, []uint64{0, 0, msgFastOpen}, "EACCES"}, {unix.SYS_SENDMSG, []uint64{0, 0, 0, msgFastOpen}, "allow"},
			{unix.SYS_SENDMMSG, []uint64{0, 0, 0, msgFastOpen}, "EACCES"}, {unix.SYS_SENDMMSG, []uint64{0, 0, msgFastOpen, 0}, "allow"},
			{unix.SYS_IOCTL, []uint64{0, unix.TIOCSTI}, "EPERM"}, {unix.SYS_IOCTL, []uint64{0, high | unix.TIOCSTI}, "EPERM"},
			{unix.SYS_IOCTL, []uint64{0, unix.TIOCEXCL}, "EPERM"}, {unix.SYS_IOCTL, []uint64{0, high | unix.TIOCSETD}, "EPERM"},
			{unix.SYS_IOCTL, []uint64{0, tiocLinux}, "EPERM"}, {unix.SYS_IOCTL, []uint64{unix.TIOCSTI, unix.TIOCGWINSZ}, "allow"},
			{unix.SYS_CLONE, []uint64{uint64(unix.SIGCHLD)}, "allow"}, {unix.SYS_CLONE, []uint64{unix.CLONE_VM | unix.CLONE_VFORK | uint64(unix.SIGCHLD)}, "allow"},
			{unix.SYS_CLONE, []uint64{unix.CLONE_THREAD | unix.CLONE_VM | unix.CLONE_SIGHAND}, "allow"},
			{unix.SYS_CLONE, []uint64{0x80}, "allow"}, // a signal number there, not CLONE_NEWTIME
			{unix.SYS_UNSHARE, []uint64{unix.CLONE_FS | unix.CLONE_FILES}, "allow"}, {unix.SYS_UNSHARE, []uint64{unix.CLONE_NEWTIME}, "EPERM"},
		} {
			if got := decide(t, program, seccompData(auditArch, call.number, call.args...)); got != call.want {
				t.Errorf("%+v: call %d %#x: %s, want %s", c, call.number, call.args, got, call.want)
			}
		}
		for _, ns := range []uint64{unix.CLONE_NEWNS, unix.CLONE_NEWCGROUP, unix.CLONE_NEWUTS, unix.CLONE_NEWIPC, unix.CLONE_NEWUSER, unix.CLONE_NEWPID, unix.CLONE_NEWNET} {
			for _, number := range []uint32{unix.SYS_CLONE, unix.SYS_UNSHARE} {
				if got := decide(t, program, seccompData(auditArch, number, high|ns|uint64(unix.SIGCHLD))); got != "EPERM" {
					t.Errorf("%+v: call %d with %#x: %s", c, number, ns, got)
				}
			}
		}
		for _, number := range refusedCalls() {
			if got := decide(t, program, seccompData(auditArch, number)); got != "EPERM" {
				t.Errorf("%+v: call %d: %s, want EPERM", c, number, got)
			}
		}
	}
}

// The table of sockets, by family, type and protocol.
func TestFilterSockets(t *testing.T) {
	for c, program := range everyFilter(t) {
		for family := range uint64(50) {
			for kind := range uint64(11) {
				for _, protocol := range []uint64{0, 1, 6, 15, 17, 58, 132, 136, 255, 262} {
					want := "EAFNOSUPPORT"
					switch {
					case family == unix.AF_UNIX && (kind == unix.SOCK_STREAM || kind == unix.SOCK_SEQPACKET):
						want = "allow"
					case family == unix.AF_UNIX:
						want = "EACCES"
					case (family == unix.AF_INET || family == unix.AF_INET6) && kind == unix.SOCK_STREAM && (protocol == 0 || protocol == unix.IPPROTO_TCP):
						want = "allow"
					case (family == unix.AF_INET || family == unix.AF_INET6) && kind == unix.SOCK_DGRAM && (protocol == 0 || protocol == unix.IPPROTO_UDP) && c.udp:
						want = "allow"
					case family == unix.AF_INET || family == unix.AF_INET6:
						want = "EACCES"
					case family == unix.AF_NETLINK && protocol == unix.NETLINK_ROUTE:
						want = "allow"
					}
					for _, flags := range []uint64{0, unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK, 1 << 40} {
						data := seccompData(auditArch, unix.SYS_SOCKET, family|1<<32, kind|flags, protocol|1<<32)
						if got := decide(t, program, data); got != want {
							t.Fatalf("%+v: socket(%d, %d|%#x, %d): %s, want %s", c, family, kind, flags, protocol, got, want)
						}
					}
					pair := want
					if family != unix.AF_UNIX {
						pair = "EAFNOSUPPORT"
					}
					if got := decide(t, program, seccompData(auditArch, unix.SYS_SOCKETPAIR, family, kind, protocol)); got != pair {
						t.Fatalf("%+v: socketpair(%d, %d, %d): %s, want %s", c, family, kind, protocol, got, pair)
					}
				}
			}
		}
	}
}

func TestFilterNotify(t *testing.T) {
	for c, program := range everyFilter(t) {
		want := "allow"
		if c.notify {
			want = "notify"
		}
		for _, number := range []uint32{unix.SYS_CONNECT, unix.SYS_BIND, unix.SYS_LISTEN} {
			if got := decide(t, program, seccompData(auditArch, number)); got != want {
				t.Errorf("%+v: call %d: %s, want %s", c, number, got, want)
			}
		}
		if got := decide(t, program, seccompData(auditArch, unix.SYS_ACCEPT4)); got != "allow" {
			t.Errorf("%+v: accept4: %s", c, got)
		}
	}
}

// Another architecture's numbers mean other calls: none of them is looked at.
func TestFilterForeignArchitecture(t *testing.T) {
	foreign := []uint32{0, unix.AUDIT_ARCH_I386, unix.AUDIT_ARCH_ARM, unix.AUDIT_ARCH_X86_64, unix.AUDIT_ARCH_AARCH64, unix.AUDIT_ARCH_RISCV64}
	for c, program := range everyFilter(t) {
		for _, arch := range foreign {
			if arch == auditArch {
				continue
			}
			for number := range uint32(600) {
				if got := decide(t, program, seccompData(arch, number)); got != "ENOSYS" {
					t.Fatalf("%+v: arch %#x call %d: %s", c, arch, number, got)
				}
			}
		}
	}
}

// The kernel takes at most 4096 instructions, and every path has to end in one of the four answers.
func FuzzFilter(f *testing.F) {
	f.Add(uint32(unix.SYS_SOCKET), uint32(auditArch), uint64(2), uint64(1), uint64(6), uint64(0))
	f.Add(uint32(unix.SYS_IOCTL), uint32(auditArch), uint64(0), uint64(unix.TIOCSTI), uint64(0), uint64(0))
	programs := everyFilter(f)
	f.Fuzz(func(t *testing.T, number, arch uint32, a, b, c, d uint64) {
		for which, program := range programs {
			if len(program) > 4096 {
				t.Fatalf("%d instructions", len(program))
			}
			data := seccompData(arch, number, a, b, c, d)
			got := decide(t, program, data)
			if strings.HasPrefix(got, "0x") {
				t.Fatalf("%+v: %s", which, got)
			}
			if (arch != auditArch || number >= firstUnknown) && got != "ENOSYS" {
				t.Fatalf("%+v: arch %#x call %d: %s", which, arch, number, got)
			}
			// What the kernel does not look at does not matter: the high words of flags, types and numbers.
			low := seccompData(arch, number, a&0xffffffff, b&0xffffffff, c&0xffffffff, d&0xffffffff)
			if again := decide(t, program, low); again != got {
				t.Fatalf("%+v: call %d: %s, with high words cut %s", which, number, got, again)
			}
		}
	})
}
