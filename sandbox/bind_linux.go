package sandbox

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

func (m *mediator) bindInet(sock int, raw []byte) error {
	at, err := inet(raw)
	if err != nil {
		return err
	}
	only, _ := unix.GetsockoptInt(sock, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
	kind := socketKind{v6only: only != 0, datagram: isDatagram(sock)}
	where, no := m.policy.Net.bind(at, kind)
	if no != nil {
		m.refuse(*no)
		return unix.EACCES
	}
	if m.taken(where, kind.datagram) {
		return unix.EADDRINUSE
	}
	if where != at {
		writeInet(raw, where)
	}
	if err := rawCall(unix.SYS_BIND, sock, raw); err != nil {
		return err
	}
	m.ours.add(sock)
	return nil
}

// taken says whether somebody else answers there already. With SO_REUSEPORT, or SO_REUSEADDR on datagrams, the kernel
// would let the command in beside a server of the same user and give it a share of that server's clients.
func (m *mediator) taken(at netip.AddrPort, datagram bool) bool {
	if at.Port() == 0 || slices.Contains(m.policy.Net.Ports, at.Port()) {
		return false
	}
	return m.ours.who(netip.AddrPortFrom(at.Addr().Unmap(), at.Port()), datagram) == byOutside
}

// listenOn lets a socket listen that was bound here. Any other the kernel would bind by itself, to every address of the
// machine; also one that has a local address from a connection that was dissolved since. What was bound here keeps its
// address for good (SOCK_BINDADDR_LOCK in the kernel), so nothing can change between the check and the call.
func (m *mediator) listenOn(n *request, sock int) error {
	domain, err := unix.GetsockoptInt(sock, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return err
	}
	if domain == unix.AF_UNIX {
		m.adopt(n, sock)
	} else if inode, ok := inode(sock); !ok || !m.ours.has(inode) {
		m.refuse(refusal{what: "listen without an address"})
		return unix.EACCES
	}
	return unix.Listen(sock, int(int32(n.args[1])))
}

// bindUnix lets the command make a socket file itself, by errGoOn, where a rule lets it write: the only call that it makes.
// Made here, the socket would have a name that means nothing to the command, and getsockname would tell it; and the file
// would have the supervisor's owner and permissions. The address can be exchanged behind this decision, but not for
// anything: Landlock decides about the file once more, a socket of another family that takes this one's number may not
// listen (see listenOn), and an abstract name is free to be bound. What is not kept is where a datagram socket is bound that
// takes its place.
func (m *mediator) bindUnix(n *request, sock int, raw []byte) error {
	name, abstract := unixName(raw)
	if abstract || name == "" { // no name at all: the kernel picks an abstract one
		if strings.Contains(name, "\n") {
			return unix.EACCES // see sockets.answersAbstract
		}
		if err := rawCall(unix.SYS_BIND, sock, raw); err != nil {
			return err
		}
		m.ours.add(sock)
		return nil
	}
	dir, err := m.open(n, filepath.Dir(name), unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	path, err := os.Readlink(descriptor(dir))
	if err != nil {
		return unix.EACCES
	}
	if path = filepath.Join(path, filepath.Base(name)); !m.policy.Explain(path, Write).Allowed {
		m.refuse(refusal{what: "bind " + shown(path), hint: flag("--allow", filepath.Dir(path))})
		return unix.EACCES
	}
	return errGoOn
}

// adopt remembers the file of a socket that is about to listen, so that it may be connected to. Its name may lead to another
// server's socket by now: the command can have put that in its place, or have changed its working directory. So the kernel
// is asked for the file. Where it does not tell, one that somebody listens on is not adopted; of a server that starts at
// that moment, and has bound its socket already, it cannot be told apart then.
func (m *mediator) adopt(n *request, sock int) {
	local, err := unix.Getsockname(sock)
	if err != nil {
		return
	}
	at, ok := local.(*unix.SockaddrUnix)
	if !ok || at.Name == "" || at.Name[0] == '@' || at.Name[0] == 0 {
		return
	}
	fd, err := m.open(n, at.Name, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return
	}
	bound, err := boundTo(sock)
	if err == nil {
		var found vnode
		found, err = vnodeOf(int(n.pid), fd)
		ok = err == nil && found == bound
	} else {
		ok = silent(sock, fd)
	}
	if !ok {
		unix.Close(fd)
		return
	}
	m.ours.keep(fd)
}

// silent says whether a file is a socket of the same type as sock that nobody listens on.
func silent(sock, file int) bool {
	var st unix.Stat_t
	if err := unix.Fstat(file, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return false
	}
	kind, err := unix.GetsockoptInt(sock, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return false
	}
	try, err := unix.Socket(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer unix.Close(try)
	return rawCall(unix.SYS_CONNECT, try, unixAddress(descriptor(file))) == unix.ECONNREFUSED
}
