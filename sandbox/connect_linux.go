package sandbox

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rawCall is connect or bind with the address as bytes, as the command wrote it.
func rawCall(nr uintptr, sock int, address []byte) error {
	var at unsafe.Pointer
	if len(address) > 0 {
		at = unsafe.Pointer(&address[0])
	}
	if _, _, errno := unix.Syscall(nr, uintptr(sock), uintptr(at), uintptr(len(address))); errno != 0 {
		return errno
	}
	return nil
}

const (
	// slice is how long a connect that blocks is left to the kernel before it is looked at again.
	slice = 100 * time.Millisecond
	// patience is how long it keeps its place among the calls in progress, and a thread of the supervisor. After that it
	// is only looked at now and then, which costs it a little time and makes room for others.
	patience = 10 * slice
)

// restart is ERESTARTSYS of include/linux/errno.h: the kernel turns it into EINTR, or into the call made again, as the
// command's handler of the signal that waits asks for.
const restart = unix.Errno(512)

// dial makes a connect. One that the command blocks in must not hold the supervisor beyond the command's end, and the
// command would not see a signal meanwhile: the filter lets only fatal ones through to a call that was taken
// (WAIT_KILLABLE_RECV). O_NONBLOCK belongs to the command's own description of the socket, but the time limit of a
// blocking connect belongs to the socket too and disturbs nobody: so the call is made in slices, and goes on in the
// kernel between them.
func (m *mediator) dial(n *request, sock int, address []byte) error {
	flags, err := unix.FcntlInt(uintptr(sock), unix.F_GETFL, 0)
	if err != nil {
		return err
	}
	if flags&unix.O_NONBLOCK != 0 {
		return rawCall(unix.SYS_CONNECT, sock, address)
	}
	limit, err := unix.GetsockoptTimeval(sock, unix.SOL_SOCKET, unix.SO_SNDTIMEO)
	if err != nil {
		return err
	}
	defer unix.SetsockoptTimeval(sock, unix.SOL_SOCKET, unix.SO_SNDTIMEO, limit)
	own := time.Duration(limit.Nano())
	step := slice
	if own > 0 {
		step = min(step, own)
	}
	for start := time.Now(); ; {
		short := unix.NsecToTimeval(step.Nanoseconds())
		if err := unix.SetsockoptTimeval(sock, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &short); err != nil {
			return err
		}
		err := rawCall(unix.SYS_CONNECT, sock, address)
		switch err {
		// TCP says that it goes on, a unix socket that its peer's queue is full; EINTR is a signal to the supervisor.
		case unix.EINPROGRESS, unix.EALREADY, unix.EAGAIN, unix.EINTR:
		default:
			return err
		}
		passed := time.Since(start)
		switch {
		case !m.valid(n):
			return unix.EINTR // nobody waits for the answer
		case own > 0 && passed >= own:
			return err
		case signalled(int(n.pid)):
			return restart
		case passed > patience:
			n.release()
			step = time.Millisecond
			time.Sleep(slice / 2)
		}
	}
}

// inet reads struct sockaddr_in and sockaddr_in6.
func inet(raw []byte) (netip.AddrPort, error) {
	if len(raw) < 16 {
		return netip.AddrPort{}, unix.EINVAL
	}
	port := binary.BigEndian.Uint16(raw[2:])
	if *(*uint16)(unsafe.Pointer(&raw[0])) == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(raw[4:8])), port), nil
	}
	if len(raw) < 24 {
		return netip.AddrPort{}, unix.EINVAL
	}
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte(raw[8:24])), port), nil
}

// writeInet puts another address of the same family into raw.
func writeInet(raw []byte, to netip.AddrPort) {
	if *(*uint16)(unsafe.Pointer(&raw[0])) == unix.AF_INET {
		a := to.Addr().As4()
		copy(raw[4:8], a[:])
		return
	}
	a := to.Addr().As16()
	copy(raw[8:24], a[:])
}

func (m *mediator) connectInet(n *request, sock int, raw []byte) error {
	to, err := inet(raw)
	if err != nil {
		return err
	}
	datagram := isDatagram(sock)
	no := m.policy.Net.connect(to, m.own, func(at netip.AddrPort) answerer { return m.ours.who(at, datagram) })
	switch {
	case no == nil:
	case no.nobody && !datagram:
		return unix.ECONNREFUSED
	case no.nobody:
		// It sends nothing. getaddrinfo connects a datagram socket to every address that it found, to put them in order.
	default:
		m.refuse(*no)
		return unix.EACCES
	}
	return m.dial(n, sock, raw)
}

func isDatagram(sock int) bool {
	kind, err := unix.GetsockoptInt(sock, unix.SOL_SOCKET, unix.SO_TYPE)
	return err == nil && kind == unix.SOCK_DGRAM
}

// unixName takes the name out of struct sockaddr_un. A pathname ends at its first NUL: glibc's name service client
// leaves garbage behind it. An abstract name begins with a NUL and has all the bytes.
func unixName(raw []byte) (name string, abstract bool) {
	name = string(raw[2:])
	if strings.HasPrefix(name, "\x00") {
		return name[1:], true
	}
	name, _, _ = strings.Cut(name, "\x00")
	return name, false
}

func (m *mediator) connectUnix(n *request, sock int, raw []byte) error {
	name, abstract := unixName(raw)
	if abstract {
		if m.broker != nil && name == m.policy.Net.Broker {
			return m.connectBroker(n, sock)
		}
		switch m.ours.whoAbstract(name) {
		case byNobody:
			return unix.ECONNREFUSED
		case byOutside:
			m.refuse(refusal{what: "connect @" + shown(name)})
			return unix.EACCES
		}
		return m.dial(n, sock, raw)
	}
	if name == "" {
		return unix.EINVAL
	}
	// The path means what it means to the command: its root has other mounts than ours. The inode found there is
	// what is decided on and what is connected to, so nothing can be exchanged in between.
	fd, err := m.open(n, name, unix.O_PATH)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	path, err := os.Readlink(descriptor(fd))
	if err != nil {
		return unix.EACCES
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if no := m.policy.Net.unixSocket(path); no != nil && !m.ours.made(&st) {
		m.refuse(*no)
		return unix.EACCES
	}
	return m.dial(n, sock, unixAddress(descriptor(fd)))
}

func unixAddress(path string) []byte {
	raw := binary.NativeEndian.AppendUint16(nil, unix.AF_UNIX)
	return append(append(raw, path...), 0)
}

// open resolves a path in the command's root, relative ones from its working directory.
func (m *mediator) open(n *request, path string, flags uint64) (int, error) {
	proc := fmt.Sprintf("/proc/%d", n.pid)
	root, err := unix.Open(proc+"/root", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, unix.EACCES
	}
	defer unix.Close(root)
	if !filepath.IsAbs(path) {
		// RESOLVE_IN_ROOT keeps ".." and absolute links below the descriptor that it starts from, so the working
		// directory is spelled out, as the command sees it, and the walk starts at the command's root.
		cwd, err := os.Readlink(proc + "/cwd")
		if err != nil || !filepath.IsAbs(cwd) {
			return -1, unix.EACCES
		}
		path = cwd + "/" + path
	}
	if !m.valid(n) {
		return -1, unix.ESRCH
	}
	fd, err := unix.Openat2(root, path, &unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS})
	if err != nil {
		return -1, err
	}
	return fd, nil
}
