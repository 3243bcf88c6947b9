package sandbox

import (
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// addition is struct seccomp_notif_addfd of include/uapi/linux/seccomp.h.
type addition struct {
	id       uint64
	flags    uint32
	srcfd    uint32
	newfd    uint32
	newflags uint32
}

// connectBroker answers a connect to Net.Broker. Nobody listens at that name, so nobody else can: the command's socket is
// replaced, under its number, by one end of a new pair, and the supervisor keeps the other. Made as a connection it would
// carry the supervisor's own credentials to whoever accepts it; so the process that asked is told along with the end,
// read while its thread still waits. Another number for the same socket (dup) keeps the old, unconnected one.
func (m *mediator) connectBroker(n *request, sock int) error {
	kind, err := unix.GetsockoptInt(sock, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return err
	}
	domain, err := unix.GetsockoptInt(sock, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return err
	}
	if domain != unix.AF_UNIX || kind != unix.SOCK_STREAM {
		return unix.EPROTOTYPE
	}
	flags, err := unix.FcntlInt(uintptr(sock), unix.F_GETFL, 0)
	if err != nil {
		return err
	}
	who := asker(leader(int(n.pid)))
	if who.Start == 0 || !m.valid(n) {
		return unix.ESRCH
	}
	ends, err := streamPair()
	if err != nil {
		return unix.ENOBUFS
	}
	defer unix.Close(ends[0])
	add := addition{
		id: n.id, flags: unix.SECCOMP_ADDFD_FLAG_SETFD, srcfd: uint32(ends[0]),
		newfd: uint32(n.args[0]), newflags: unix.O_CLOEXEC,
	}
	_, err = unix.FcntlInt(uintptr(ends[0]), unix.F_SETFL, flags&unix.O_NONBLOCK)
	if err == nil {
		err = unix.SetNonblock(ends[1], true)
	}
	if err == nil {
		err = m.ioctl(unix.SECCOMP_IOCTL_NOTIF_ADDFD, unsafe.Pointer(&add))
	}
	if err != nil {
		unix.Close(ends[1])
		return err
	}
	go m.broker(os.NewFile(uintptr(ends[1]), "broker"), who)
	return nil
}

// asker describes a process. Start is 0 if it is gone.
func asker(pid int) Asker {
	who := Asker{PID: pid}
	who.Exe, _ = os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe")
	const start = 22 - 3
	if fields := stat(pid); len(fields) > start {
		who.Start, _ = strconv.ParseUint(fields[start], 10, 64)
	}
	return who
}
