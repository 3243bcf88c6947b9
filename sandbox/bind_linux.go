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
func (m *mediator) listenOn(sock, backlog int) error {
	if domain, err := unix.GetsockoptInt(sock, unix.SOL_SOCKET, unix.SO_DOMAIN); err != nil {
		return err
	} else if domain != unix.AF_UNIX {
		if inode, ok := inode(sock); !ok || !m.ours.has(inode) {
			m.refuse(refusal{what: "listen without an address"})
			return unix.EACCES
		}
	}
	return unix.Listen(sock, backlog)
}

// bindUnix makes the socket file in the directory that the command means, if a rule lets it write there. The file
// gets the permissions that the command's umask leaves.
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
	base := filepath.Base(name)
	if strings.HasSuffix(name, "/") || base == "." || base == ".." {
		return unix.EADDRINUSE
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
	path = filepath.Join(path, base)
	if !m.policy.Explain(path, Write).Allowed {
		m.refuse(refusal{what: "bind " + shown(path), hint: flag("--allow", filepath.Dir(path))})
		return unix.EACCES
	}
	if err := rawCall(unix.SYS_BIND, sock, unixAddress(descriptor(dir)+"/"+base)); err != nil {
		return err
	}
	return m.permit(sock, dir, base, 0o777&^umask(int(n.pid)))
}

// permit sets the mode of a socket file just made, and remembers it. The command can exchange it before this, for
// another server's socket that lies within its reach: so what is changed and remembered is the inode that was looked
// at, and only if nobody listens there. The one just made does not listen yet.
func (m *mediator) permit(sock, dir int, base string, mode uint32) error {
	fd, err := unix.Openat(dir, base, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if !silent(sock, fd) {
		unix.Close(fd)
		return unix.EACCES
	}
	err = unix.Chmod(descriptor(fd), mode)
	m.ours.keep(fd)
	return err
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
