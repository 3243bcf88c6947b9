package sandbox

import (
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Net says what a launch may reach. The zero value is an open network whose loopback and link-local parts are closed.
type Net struct {
	// Blocked refuses every address that is not on loopback.
	Blocked bool
	// Ports are loopback ports that may be connected to although this launch did not open them, and ports that may be
	// bound on every address.
	Ports []uint16
	// UnixSockets are patterns (path.Match, where a trailing "/**" is everything below) of socket files that may be
	// connected to although this launch did not make them.
	UnixSockets []string
	// Broker is a name in the abstract namespace of unix sockets at which [Cmd.Broker] answers processes inside. Nobody
	// has to listen there. Empty: there is none.
	Broker string
	// Resolvers are the addresses of the DNS servers of this machine. Port 53 is open there, since a resolver on
	// loopback (systemd-resolved, dnsmasq) is how most machines find names.
	Resolvers []netip.Addr
}

// refusal is why a connection or a bind is not made, with the flag that would allow it.
type refusal struct {
	what string // for the summary: "connect 127.0.0.1:5432"
	hint string // "--allow-port 5432"; empty: no flag does
	// nobody: nothing listens there. The command learns what it would learn without ward, so that a test that waits for
	// its server goes on waiting, and the summary has no line.
	nobody bool
}

// answerer says who would answer a connection to an address of this machine.
type answerer int

const (
	byNobody answerer = iota
	byLaunch
	byOutside
)

// metadata are the addresses at which clouds hand out the machine's credentials outside the link-local ranges.
func metadata() []netip.Addr {
	return []netip.Addr{netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("fd20:ce::254"), netip.MustParseAddr("100.100.100.200")}
}

// plain takes an IPv4 address out of the forms in which IPv6 carries one: mapped, and the well-known prefix of NAT64
// (RFC 6052), behind which a translator would reach the same metadata service.
func plain(addr netip.Addr) netip.Addr {
	if netip.MustParsePrefix("64:ff9b::/96").Contains(addr) {
		raw := addr.As16()
		return netip.AddrFrom4([4]byte(raw[12:]))
	}
	return addr.Unmap()
}

// connect decides about an address. own says whether an address that is not loopback belongs to this machine: a
// service that listens on every address answers there too. who says who answers at an address of this machine.
func (n *Net) connect(to netip.AddrPort, own func(netip.Addr) bool, who func(netip.AddrPort) answerer) *refusal {
	addr, port := plain(to.Addr()), to.Port()
	no := &refusal{what: "connect " + to.String()}
	switch {
	case port == 53 && slices.Contains(n.Resolvers, addr):
		return nil
	case addr.IsLinkLocalUnicast(), addr.IsLinkLocalMulticast(), slices.Contains(metadata(), addr):
		return no
	case addr.IsLoopback(), addr.IsUnspecified(), own(addr):
		if slices.Contains(n.Ports, port) {
			return nil
		}
		switch who(netip.AddrPortFrom(answering(addr), port)) {
		case byLaunch:
			return nil
		case byNobody:
			no.nobody = true
		}
		no.hint = allowPort(port)
		return no
	case n.Blocked:
		no.hint = "--allow-net"
		return no
	}
	return nil
}

// answering is where a connection to addr ends: one to 0.0.0.0 or :: goes to loopback.
func answering(addr netip.Addr) netip.Addr {
	switch addr {
	case netip.IPv4Unspecified():
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	case netip.IPv6Unspecified():
		return netip.IPv6Loopback()
	}
	return addr
}

func allowPort(port uint16) string { return "--allow-port " + strconv.Itoa(int(port)) }

// firstUnprivileged is the first port that an ordinary user may bind.
const firstUnprivileged = 1024

// socketKind is what a bind has to know of a socket beside the address.
type socketKind struct {
	v6only   bool
	datagram bool
}

// bind decides where a socket is really bound. A wildcard is narrowed to loopback: servers of tests and of
// development bind it by habit, and nobody outside this machine is meant. A dual-stack wildcard becomes the IPv4
// loopback in its mapped form, because that is where the clients of such servers look. Clients of UDP bind the
// wildcard without a port before they send: narrowed they would reach nobody, so they stay.
func (n *Net) bind(at netip.AddrPort, kind socketKind) (netip.AddrPort, *refusal) {
	addr, port := at.Addr(), at.Port()
	no := &refusal{what: "bind " + at.String()}
	if port != 0 {
		no.hint = allowPort(port)
		if slices.Contains(n.Ports, port) {
			return at, nil
		}
		if port < firstUnprivileged {
			return at, no
		}
	}
	switch {
	case addr.Unmap().IsLoopback():
		return at, nil
	case kind.datagram && port == 0 && addr.Unmap().IsUnspecified():
		return at, nil
	case addr == netip.IPv4Unspecified():
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port), nil
	case addr == netip.IPv6Unspecified() && kind.v6only:
		return netip.AddrPortFrom(netip.IPv6Loopback(), port), nil
	case addr.Unmap().IsUnspecified():
		return netip.AddrPortFrom(netip.MustParseAddr("::ffff:127.0.0.1"), port), nil
	}
	return at, no
}

// unixSocket decides about a socket file that this launch did not make itself, by the path that the command sees. A
// writable rule around it is no consent: below a wide grant lie docker's socket, password managers and editors.
func (n *Net) unixSocket(path string) *refusal {
	for _, pattern := range n.UnixSockets {
		if matchPath(pattern, path) {
			return nil
		}
	}
	return &refusal{what: "connect " + shown(path), hint: flag("--allow-unix-socket", path)}
}

func matchPath(pattern, path string) bool {
	if dir, deep := strings.CutSuffix(pattern, "/**"); deep {
		return Within(path, dir) && path != dir
	}
	ok, err := filepath.Match(pattern, path)
	return err == nil && ok
}
