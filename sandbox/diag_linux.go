package sandbox

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// diagnose lists the TCP sockets that listen on a port, of one address family, by sock_diag(7). /proc/net/tcp tells the
// same, but to find the end of the listening ones the kernel walks its table of connections, which takes milliseconds
// on a machine with much memory.
func diagnose(family uint8, port uint16) ([]endpoint, error) {
	fd, err := askDiag(diagRequest(family, port))
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var all []endpoint
	for buf := make([]byte, 16<<10); ; {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		some, done, err := diagReply(buf[:n])
		all = append(all, some...)
		if done || err != nil {
			return all, err
		}
	}
}

// askDiag sends a request; the answer comes by the descriptor.
func askDiag(request []byte) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return -1, err
	}
	if err := unix.Sendto(fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// Sizes of include/uapi/linux/inet_diag.h: struct inet_diag_req_v2 and inet_diag_msg.
const (
	diagRequestSize = 56
	diagMessageSize = 72
)

func diagRequest(family uint8, port uint16) []byte {
	raw := make([]byte, unix.SizeofNlMsghdr+diagRequestSize)
	native := binary.NativeEndian
	native.PutUint32(raw, uint32(len(raw)))
	native.PutUint16(raw[4:], unix.SOCK_DIAG_BY_FAMILY)
	native.PutUint16(raw[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	body := raw[unix.SizeofNlMsghdr:]
	body[0], body[1] = family, unix.IPPROTO_TCP
	native.PutUint32(body[4:], 1<<tcpListen)
	binary.BigEndian.PutUint16(body[8:], port)
	return raw
}

// diagReply reads one datagram of an answer. done: it was the last.
func diagReply(raw []byte) (found []endpoint, done bool, err error) {
	native := binary.NativeEndian
	for len(raw) >= unix.SizeofNlMsghdr {
		size, kind := int(native.Uint32(raw)), native.Uint16(raw[4:])
		if size < unix.SizeofNlMsghdr || size > len(raw) {
			return nil, false, unix.EBADMSG
		}
		body := raw[unix.SizeofNlMsghdr:size]
		switch {
		case kind == unix.NLMSG_DONE:
			return found, true, nil
		case kind == unix.NLMSG_ERROR && len(body) >= 4:
			return nil, true, unix.Errno(-int32(native.Uint32(body)))
		case kind != unix.SOCK_DIAG_BY_FAMILY || len(body) < diagMessageSize:
			return nil, false, unix.EBADMSG
		}
		addr := netip.AddrFrom4([4]byte(body[8:12]))
		if body[0] == unix.AF_INET6 {
			addr = netip.AddrFrom16([16]byte(body[8:24]))
		}
		found = append(found, endpoint{
			at: netip.AddrPortFrom(addr.Unmap(), binary.BigEndian.Uint16(body[4:])), state: body[1], inode: uint64(native.Uint32(body[68:])),
		})
		raw = raw[min(len(raw), (size+unix.NLMSG_ALIGNTO-1)&^(unix.NLMSG_ALIGNTO-1)):]
	}
	return found, false, nil
}
