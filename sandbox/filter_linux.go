package sandbox

import "golang.org/x/sys/unix"

// Offsets in struct seccomp_data. Both architectures are little-endian: the low word of an argument comes first.
const (
	dataNumber = 0
	dataArch   = 4
	dataArg0   = 16
)

func argLow(n uint32) uint32 { return dataArg0 + 8*n }

// Actions of include/uapi/linux/seccomp.h. An errno goes into the low 16 bits.
const (
	actAllow  = 0x7fff0000
	actErrno  = 0x00050000
	actNotify = 0x7fc00000
)

// msgFastOpen sends data together with the SYN of a connection. It never calls connect(), and Landlock's network
// rules do not see it (github.com/landlock-lsm/linux/issues/41).
const msgFastOpen = 0x20000000

// newNamespaces are the clone flags that make namespaces. CLONE_NEWTIME is one for unshare only: in clone the same bit
// belongs to the number of the signal that the child ends with.
const newNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
	unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET

// refusedCalls end in EPERM: parts of the kernel that no agent needs, most of them behind a capability anyway, some
// (bpf, keyctl, userfaultfd, perf events, file handles) open to everyone and a regular source of kernel holes.
func refusedCalls() []uint32 {
	return append([]uint32{
		unix.SYS_BPF, unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_USERFAULTFD,
		unix.SYS_PERF_EVENT_OPEN, unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD,
		unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE,
		unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_SETNS,
		unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK,
		unix.SYS_OPEN_TREE, unix.SYS_MOVE_MOUNT, unix.SYS_MOUNT_SETATTR, openTreeAttr,
		unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_QUOTACTL, unix.SYS_QUOTACTL_FD, unix.SYS_ACCT,
		unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_REBOOT, unix.SYS_SYSLOG, unix.SYS_VHANGUP,
		unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_CLOCK_ADJTIME, unix.SYS_ADJTIMEX,
		unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME, unix.SYS_FANOTIFY_INIT, unix.SYS_LOOKUP_DCOOKIE,
		unix.SYS_NFSSERVCTL, unix.SYS_KCMP,
	}, refusedHere()...)
}

const (
	// openTreeAttr (Linux 6.15) makes mounts like open_tree and has the same number everywhere.
	openTreeAttr = 467
	// firstUnknown is one above file_setattr (Linux 6.17), the last call that was looked at for this table. What comes
	// later may open, mount or connect in new ways; programs have to live with ENOSYS on today's kernels anyway.
	firstUnknown = 470
)

// sharedMemory are the calls of System V IPC and POSIX message queues. Their objects belong to no directory, so only an
// IPC namespace keeps those of other processes out of reach.
func sharedMemory() []uint32 {
	return []uint32{
		unix.SYS_SHMGET, unix.SYS_SHMAT, unix.SYS_SHMCTL, unix.SYS_SEMGET, unix.SYS_SEMOP, unix.SYS_SEMTIMEDOP,
		unix.SYS_SEMCTL, unix.SYS_MSGGET, unix.SYS_MSGSND, unix.SYS_MSGRCV, unix.SYS_MSGCTL,
		unix.SYS_MQ_OPEN, unix.SYS_MQ_UNLINK,
	}
}

// calls is what a filter lets through beyond what every launch has.
type calls struct {
	// notify sends connect, bind and listen to the supervisor; without it (nested, or accepted as missing) they go
	// through.
	notify bool
	// udp allows datagram sockets.
	udp bool
	// shared allows sharedMemory.
	shared bool
}

// filter builds the seccomp program.
func filter(c calls) ([]instruction, error) {
	a := &assembler{}
	errno := func(name string, e unix.Errno) { a.label(name); a.ret(actErrno | uint32(e)) }

	a.load(dataArch)
	a.equal(auditArch, "native")
	a.ret(actErrno | uint32(unix.ENOSYS)) // i386 on amd64, 32-bit arm: other numbers, other arguments
	a.label("native")
	a.load(dataNumber)
	a.atLeast(firstUnknown, "enosys") // and with it all of x32: the same architecture value, numbers from 1<<30 on
	if c.notify {
		for _, nr := range []uint32{unix.SYS_CONNECT, unix.SYS_BIND, unix.SYS_LISTEN} {
			a.equal(nr, "notify")
		}
	}
	a.equal(unix.SYS_SOCKET, "socket")
	a.equal(unix.SYS_SOCKETPAIR, "socketpair")
	a.equal(unix.SYS_SENDTO, "flags3")
	a.equal(unix.SYS_SENDMMSG, "flags3")
	a.equal(unix.SYS_SENDMSG, "flags2")
	a.equal(unix.SYS_IOCTL, "ioctl")
	a.equal(unix.SYS_CLONE, "clone")
	a.equal(unix.SYS_UNSHARE, "unshare")
	// clone3 keeps its flags in memory, where a filter cannot look. ENOSYS makes libc and Go fall back to clone.
	a.equal(unix.SYS_CLONE3, "enosys")
	// io_uring opens and connects without a system call that a filter would see.
	for _, nr := range []uint32{unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER} {
		a.equal(nr, "enosys")
	}
	refused := refusedCalls()
	if !c.shared {
		refused = append(refused, sharedMemory()...)
	}
	for _, nr := range refused {
		a.equal(nr, "eperm")
	}
	a.ret(actAllow)

	a.socketRules(c.udp)
	a.callRules()
	errno("eperm", unix.EPERM)
	errno("enosys", unix.ENOSYS)
	errno("eacces", unix.EACCES)
	errno("family", unix.EAFNOSUPPORT)
	a.label("notify")
	a.ret(actNotify)
	a.label("allow")
	a.ret(actAllow)
	return a.assemble()
}

// typeMask takes SOCK_CLOEXEC and SOCK_NONBLOCK out of a socket type.
const typeMask = 0xf

// socketRules decides which sockets there may be at all. Landlock's TCP rules miss MPTCP, and no rule reaches raw,
// packet, vsock or netlink families. Unix datagram sockets reach any pathname socket by sendto, past connect().
func (a *assembler) socketRules(udp bool) {
	a.label("socketpair")
	a.load(argLow(0))
	a.equal(unix.AF_UNIX, "unix")
	a.always("family")

	a.label("socket")
	a.load(argLow(0))
	a.equal(unix.AF_UNIX, "unix")
	a.equal(unix.AF_INET, "inet")
	a.equal(unix.AF_INET6, "inet")
	a.equal(unix.AF_NETLINK, "netlink")
	a.always("family")

	a.label("unix")
	a.load(argLow(1))
	a.and(typeMask)
	a.equal(unix.SOCK_STREAM, "allow")
	a.equal(unix.SOCK_SEQPACKET, "allow")
	a.always("eacces")

	a.label("inet")
	a.load(argLow(1))
	a.and(typeMask)
	a.equal(unix.SOCK_STREAM, "stream")
	if udp {
		a.equal(unix.SOCK_DGRAM, "datagram")
	}
	a.always("eacces")
	a.label("stream")
	a.load(argLow(2))
	a.equal(0, "allow")
	a.equal(unix.IPPROTO_TCP, "allow")
	a.always("eacces")
	a.label("datagram")
	a.load(argLow(2))
	a.equal(0, "allow")
	a.equal(unix.IPPROTO_UDP, "allow")
	a.always("eacces")

	a.label("netlink") // addresses and routes: getifaddrs, node's os.networkInterfaces
	a.load(argLow(2))
	a.equal(unix.NETLINK_ROUTE, "allow")
	a.always("family")
}

// callRules decides by flags: fast open in the sends, namespaces in clone, and in ioctl keystroke injection, what keeps the
// user's own programs from opening the terminal that a launch was handed (TIOCEXCL: sudo and ssh ask at /dev/tty), and line
// disciplines, for which the kernel loads modules.
func (a *assembler) callRules() {
	a.label("flags3")
	a.load(argLow(3))
	a.anyBit(msgFastOpen, "eacces")
	a.always("allow")
	a.label("flags2")
	a.load(argLow(2))
	a.anyBit(msgFastOpen, "eacces")
	a.always("allow")

	a.label("ioctl") // the kernel compares 32 bits of an ioctl's number, so the high word cannot hide one
	a.load(argLow(1))
	a.equal(unix.TIOCSTI, "eperm")
	a.equal(tiocLinux, "eperm")
	a.equal(unix.TIOCEXCL, "eperm")
	a.equal(unix.TIOCSETD, "eperm")
	a.always("allow")

	a.label("clone") // a new user namespace gives back every capability inside it
	a.load(argLow(0))
	a.anyBit(newNamespaces, "eperm")
	a.always("allow")
	a.label("unshare")
	a.load(argLow(0))
	a.anyBit(newNamespaces|unix.CLONE_NEWTIME, "eperm")
	a.always("allow")
}

// tiocLinux pastes a selection into the virtual console.
const tiocLinux = 0x541c
