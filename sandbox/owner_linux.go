package sandbox

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// sockets knows which sockets of this machine the launch has bound. It knows them by inode and asks the kernel each
// time who listens: a port or a name can be given up and taken by somebody else, and 127.0.0.2:5432 is not
// 127.0.0.1:5432.
type sockets struct {
	mu sync.Mutex
	// Two generations bound what a command can make the supervisor remember: what was not asked for while maxSockets
	// others were bound is forgotten, and then counts as somebody else's.
	young, old map[uint64]bool
	// files are the socket files that the launch made, each with a descriptor, which keeps its inode number from being
	// given to somebody else's file.
	files map[file]int
}

// file names an inode, whatever path leads to it.
type file struct{ dev, ino uint64 }

const (
	maxSockets = 1 << 15
	maxFiles   = 1 << 9
)

// keep remembers a socket file by an O_PATH descriptor, which it takes over.
func (s *sockets) keep(fd int) {
	var st unix.Stat_t
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return
	}
	if s.files == nil {
		s.files = map[file]int{}
	}
	if len(s.files) >= maxFiles {
		s.sweep()
	}
	at := file{st.Dev, st.Ino}
	if _, ok := s.files[at]; ok {
		s.forget(at)
	}
	s.files[at] = fd
}

// sweep forgets the files that have been removed, or, if none was, one of the others.
func (s *sockets) sweep() {
	var some file
	for at, fd := range s.files {
		some = at
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err == nil && st.Nlink == 0 {
			s.forget(at)
		}
	}
	if len(s.files) >= maxFiles {
		s.forget(some)
	}
}

func (s *sockets) forget(at file) {
	unix.Close(s.files[at])
	delete(s.files, at)
}

// made says whether a socket file is one that the launch made.
func (s *sockets) made(st *unix.Stat_t) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.files[file{st.Dev, st.Ino}]
	return ok
}

// close gives the descriptors back.
func (s *sockets) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for at := range s.files {
		s.forget(at)
	}
}

// add remembers a socket that the launch has bound.
func (s *sockets) add(fd int) {
	if inode, ok := inode(fd); ok {
		s.mu.Lock()
		s.remember(inode)
		s.mu.Unlock()
	}
}

func (s *sockets) remember(inode uint64) {
	if s.young == nil || len(s.young) >= maxSockets {
		s.young, s.old = map[uint64]bool{}, s.young
	}
	s.young[inode] = true
}

// has says whether the launch bound the socket.
func (s *sockets) has(inode uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.old[inode] && !s.young[inode] {
		s.remember(inode)
	}
	return s.young[inode]
}

// inode is the number under which a socket appears in /proc/net.
func inode(fd int) (uint64, bool) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, false
	}
	return st.Ino, true
}

// who says who answers at an address: the launch only if every socket there is the launch's. datagram asks for UDP.
// What cannot be found out counts as somebody else.
func (s *sockets) who(at netip.AddrPort, datagram bool) answerer {
	found := byNobody
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		list, err := endpoints(family, at.Port(), datagram)
		if err != nil {
			return byOutside
		}
		for _, e := range list {
			switch {
			case e.at.Port() != at.Port() || !e.at.Addr().IsUnspecified() && e.at.Addr() != at.Addr():
			case !s.has(e.inode):
				return byOutside
			default:
				found = byLaunch
			}
		}
	}
	return found
}

// endpoints lists the sockets on a port, and perhaps more, that take connections or datagrams from everyone.
func endpoints(family uint8, port uint16, datagram bool) ([]endpoint, error) {
	path, state := "/proc/net/tcp", byte(tcpListen)
	if datagram {
		path, state = "/proc/net/udp", udpOpen
	} else if list, err := diagnose(family, port); err == nil {
		return list, nil
	}
	if family == unix.AF_INET6 {
		path += "6"
	}
	f, err := os.Open(path)
	if family == unix.AF_INET6 && os.IsNotExist(err) {
		return nil, nil // no IPv6
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readEndpoints(f, state)
}

// States of include/net/tcp_states.h. A datagram socket without a peer is "closed".
const (
	tcpListen = 10
	udpOpen   = 7
)

// readEndpoints reads the sockets in a state from a table of /proc/net.
func readEndpoints(table io.Reader, state byte) ([]endpoint, error) {
	var list []endpoint
	lines := bufio.NewScanner(table)
	lines.Scan() // the heading
	for lines.Scan() {
		e, ok := parseEndpoint(lines.Text())
		if !ok {
			return nil, fmt.Errorf("socket table: line %q", lines.Text())
		}
		if e.state == state {
			list = append(list, e)
		} else if state == tcpListen {
			break // the kernel lists the sockets that listen before all others (tcp_seq_start)
		}
	}
	return list, lines.Err()
}

// endpoint is a socket of this machine.
type endpoint struct {
	at    netip.AddrPort // unmapped
	state byte
	inode uint64
}

// parseEndpoint reads a line: number, local and remote address, state, queues, timer, retransmits, user, timeout, inode.
// The kernel prints an address as 32-bit words in the machine's byte order.
func parseEndpoint(line string) (endpoint, bool) {
	fields := strings.Fields(line)
	if len(fields) < 10 {
		return endpoint{}, false
	}
	host, port, ok := strings.Cut(fields[1], ":")
	raw, err := hex.DecodeString(host)
	if !ok || err != nil || len(raw) != 4 && len(raw) != 16 {
		return endpoint{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	addr, _ := netip.AddrFromSlice(raw)
	number, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return endpoint{}, false
	}
	state, err := strconv.ParseUint(fields[3], 16, 8)
	if err != nil {
		return endpoint{}, false
	}
	inode, err := strconv.ParseUint(fields[9], 10, 64)
	if err != nil {
		return endpoint{}, false
	}
	return endpoint{netip.AddrPortFrom(addr.Unmap(), uint16(number)), byte(state), inode}, true
}

// whoAbstract says who listens at a name in the abstract namespace of unix sockets.
func (s *sockets) whoAbstract(name string) answerer {
	f, err := os.Open("/proc/net/unix")
	if err != nil {
		return byOutside
	}
	defer f.Close()
	return s.answersAbstract(f, name)
}

// listening is __SO_ACCEPTCON in the flags of /proc/net/unix.
const listening = 0x10000

// answersAbstract reads the table: address, references, protocol, flags, type, state, inode, name. The kernel prints an
// abstract name behind an @, and each NUL in it as another @; so two names may look alike, and then both have to be the
// launch's. A name with a line break cannot be found; none is bound (see bindUnix).
func (s *sockets) answersAbstract(table io.Reader, name string) answerer {
	printed := "@" + strings.ReplaceAll(name, "\x00", "@")
	found := byNobody
	lines := bufio.NewScanner(table)
	for lines.Scan() {
		columns, bound, ok := strings.Cut(lines.Text(), " @")
		if !ok || "@"+bound != printed {
			continue
		}
		head := strings.Fields(columns)
		if len(head) != 7 {
			return byOutside
		}
		flags, err := strconv.ParseUint(head[3], 16, 32)
		inode, err2 := strconv.ParseUint(head[6], 10, 64)
		if err != nil || err2 != nil {
			return byOutside
		}
		if flags&listening == 0 {
			continue
		}
		if !s.has(inode) {
			return byOutside
		}
		found = byLaunch
	}
	if lines.Err() != nil {
		return byOutside
	}
	return found
}
