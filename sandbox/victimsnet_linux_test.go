package sandbox

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func ioctl(fd int, request uint64, arg *byte) error {
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(unsafe.Pointer(arg))); e != 0 {
		return e
	}
	return nil
}

func socket(family, kind, protocol int) (int, error) {
	return unix.Socket(family, kind|unix.SOCK_CLOEXEC, protocol)
}

func loopback(port int) *unix.SockaddrInet4 {
	return &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}
}

// portOf reads a port from an argument.
func portOf(arg string) int {
	n, err := strconv.Atoi(arg)
	if err != nil {
		panic(err)
	}
	return n
}

// victimSockets tries every kind of socket, and ways to a listener outside (the port) that are not connect().
func victimSockets(args []string) {
	for _, s := range []struct {
		name                   string
		family, kind, protocol int
	}{
		{"inet stream", unix.AF_INET, unix.SOCK_STREAM, 0},
		{"inet tcp", unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_TCP},
		{"inet6 stream", unix.AF_INET6, unix.SOCK_STREAM, 0},
		{"mptcp", unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP},
		{"sctp", unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_SCTP},
		{"udp", unix.AF_INET, unix.SOCK_DGRAM, 0},
		{"udp6", unix.AF_INET6, unix.SOCK_DGRAM, unix.IPPROTO_UDP},
		{"udplite", unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_UDPLITE},
		{"ping", unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_ICMP},
		{"raw", unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_TCP},
		{"packet", unix.AF_PACKET, unix.SOCK_RAW, 0},
		{"vsock", unix.AF_VSOCK, unix.SOCK_STREAM, 0},
		{"alg", unix.AF_ALG, unix.SOCK_SEQPACKET, 0},
		{"bluetooth", unix.AF_BLUETOOTH, unix.SOCK_RAW, 1},
		{"netlink route", unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE},
		{"netlink uevent", unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_KOBJECT_UEVENT},
		{"netlink diag", unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_SOCK_DIAG},
		{"unix stream", unix.AF_UNIX, unix.SOCK_STREAM, 0},
		{"unix seqpacket", unix.AF_UNIX, unix.SOCK_SEQPACKET, 0},
		{"unix datagram", unix.AF_UNIX, unix.SOCK_DGRAM, 0},
		{"unix raw", unix.AF_UNIX, unix.SOCK_RAW, 0},
	} {
		fd, err := socket(s.family, s.kind, s.protocol)
		say("socket "+s.name, err)
		unix.Close(fd)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	say("socketpair stream", err)
	unix.Close(pair[0])
	_, err = unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	say("socketpair datagram", err)
	fastOpen(portOf(args[0]))
	fd, _ := socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	say("listen without bind", unix.Listen(fd, 1))
	_, _, e := unix.Syscall(unix.SYS_IO_URING_SETUP, 4, uintptr(unsafe.Pointer(&[128]byte{})), 0)
	say("io_uring_setup", e)
}

// fastOpen tries to send data with a connection's first packet.
func fastOpen(port int) {
	data := []byte("hi")
	fd, _ := socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	say("fast open by sendto", unix.Sendto(fd, data, msgFastOpen, loopback(port)))
	fd, _ = socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	say("fast open by sendmsg", unix.Sendmsg(fd, data, nil, loopback(port), msgFastOpen))
	fd, _ = socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	// In a message of sendmmsg the flags stand once for all and once, unread by the kernel, in each.
	address := unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: [4]byte{127, 0, 0, 1}}
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&address.Port))[:], uint16(port))
	part := unix.Iovec{Base: &data[0], Len: 2}
	type message struct {
		header unix.Msghdr
		length uint32
	}
	m := message{header: unix.Msghdr{Name: (*byte)(unsafe.Pointer(&address)), Namelen: unix.SizeofSockaddrInet4, Iov: &part, Iovlen: 1, Flags: msgFastOpen}}
	_, _, e := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&m)), 1, msgFastOpen, 0, 0)
	say("fast open by sendmmsg", e)
	_, _, e = unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&m)), 1, 0, 0, 0)
	say("fast open in the message", e)
	fd, _ = socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_FASTOPEN_CONNECT, 1)
	say("fast open by option", unix.Connect(fd, loopback(port)))
	runtime.KeepAlive(&m)
}

// victimConnect connects to each address, HOST:PORT, from a thread that is not the first; and once without blocking.
func victimConnect(args []string) {
	for _, arg := range args {
		done := make(chan error)
		go func() {
			runtime.LockOSThread() // never unlocked: a thread of its own
			c, err := net.DialTimeout("tcp", arg, 5*time.Second)
			if err == nil {
				c.Close()
			}
			done <- err
		}()
		say("connect "+arg, <-done)
		say("blocking connect "+arg, blockingConnect(arg))
	}
}

func blockingConnect(to string) error {
	addr, err := net.ResolveTCPAddr("tcp", to)
	if err != nil {
		return err
	}
	if v4 := addr.IP.To4(); v4 != nil {
		fd, _ := socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		defer unix.Close(fd)
		return unix.Connect(fd, &unix.SockaddrInet4{Port: addr.Port, Addr: [4]byte(v4)})
	}
	fd, err := socket(unix.AF_INET6, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Connect(fd, &unix.SockaddrInet6{Port: addr.Port, Addr: [16]byte(addr.IP.To16())})
}

// bindTo binds a new socket.
func bindTo(kind int, to unix.Sockaddr, options ...int) (int, error) {
	family := unix.AF_INET
	if _, ok := to.(*unix.SockaddrInet6); ok {
		family = unix.AF_INET6
	}
	fd, err := socket(family, kind, 0)
	if err != nil {
		return -1, err
	}
	for _, o := range options {
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, o, 1)
	}
	return fd, unix.Bind(fd, to)
}

// victimPorts opens ports of its own and tries tricks to reach the one outside, which it is given, and an address of
// this machine that is not loopback.
func victimPorts(args []string) {
	outer := portOf(args[0])
	fd, err := bindTo(unix.SOCK_STREAM, &unix.SockaddrInet4{})
	say("bind wildcard", err)
	local, _ := unix.Getsockname(fd)
	in4 := local.(*unix.SockaddrInet4)
	say("narrowed to loopback", boolError(in4.Addr == [4]byte{127, 0, 0, 1}))
	say("connect before listen", blockingConnect(fmt.Sprintf("127.0.0.1:%d", in4.Port)))
	say("listen", unix.Listen(fd, 5))
	say("connect to own", blockingConnect(fmt.Sprintf("127.0.0.1:%d", in4.Port)))
	say("connect to own by 0.0.0.0", blockingConnect(fmt.Sprintf("0.0.0.0:%d", in4.Port)))
	say("connect to own by mapped address", blockingConnect(fmt.Sprintf("[::ffff:127.0.0.1]:%d", in4.Port)))
	unix.Close(fd)
	eventuallyErr := func() error { return blockingConnect(fmt.Sprintf("127.0.0.1:%d", in4.Port)) }
	say("connect to closed", eventuallyErr())

	fd, err = bindTo(unix.SOCK_STREAM, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 2}, Port: outer})
	say("bind same port beside", err)
	say("listen beside", unix.Listen(fd, 5))
	say("connect to outer", blockingConnect(fmt.Sprintf("127.0.0.1:%d", outer)))
	_, err = bindTo(unix.SOCK_STREAM, loopback(outer), unix.SO_REUSEPORT, unix.SO_REUSEADDR)
	say("bind over outer", err)
	say("connect to outer after", blockingConnect(fmt.Sprintf("127.0.0.1:%d", outer)))
	_, err = bindTo(unix.SOCK_STREAM, &unix.SockaddrInet6{Port: outer}, unix.SO_REUSEPORT)
	say("bind wildcard over outer", err)
	_, err = bindTo(unix.SOCK_STREAM, &unix.SockaddrInet4{Port: 80})
	say("bind 80", err)
	_, err = bindTo(unix.SOCK_STREAM, &unix.SockaddrInet4{Addr: [4]byte{203, 0, 113, 7}})
	say("bind elsewhere", err)
	fd, err = bindTo(unix.SOCK_STREAM, &unix.SockaddrInet6{})
	say("v6 bind", err)
	local, _ = unix.Getsockname(fd)
	in6 := local.(*unix.SockaddrInet6)
	say("v6 narrowed", boolError(net.IP(in6.Addr[:]).IsLoopback()))
	say("v6 listen", unix.Listen(fd, 1))
	say("v6 connect", blockingConnect(fmt.Sprintf("127.0.0.1:%d", in6.Port)))
}

func boolError(ok bool) error {
	if !ok {
		return errors.New("no")
	}
	return nil
}

// victimListening tries to listen on every address of the machine with a socket that got its port by connecting. args:
// a port outside that may be connected to.
func victimListening(args []string) {
	fd, _ := socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	say("connect", unix.Connect(fd, loopback(portOf(args[0]))))
	unspec := [16]byte{}
	_, _, e := unix.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&unspec)), 16)
	say("dissolve", e)
	say("listen", unix.Listen(fd, 1))
	fd, _ = socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	say("bind without a port", unix.Bind(fd, &unix.SockaddrInet4{}))
	say("listen on it", unix.Listen(fd, 1))
	local, err := unix.Getsockname(fd)
	if in4, ok := local.(*unix.SockaddrInet4); err == nil && ok {
		say("on loopback", boolError(in4.Addr == [4]byte{127, 0, 0, 1}))
	}
}

// victimDatagrams uses UDP. args: a port outside.
func victimDatagrams(args []string) {
	outer := portOf(args[0])
	fd, err := bindTo(unix.SOCK_DGRAM, &unix.SockaddrInet4{})
	say("bind wildcard", err)
	local, err := unix.Getsockname(fd)
	if in4, ok := local.(*unix.SockaddrInet4); err == nil && ok {
		say("stays wildcard", boolError(in4.Addr == [4]byte{}))
	}
	say("connect to outer", unix.Connect(fd, loopback(outer)))
	say("connect to nobody", unix.Connect(fd, loopback(9)))
	_, err = bindTo(unix.SOCK_DGRAM, loopback(outer), unix.SO_REUSEADDR, unix.SO_REUSEPORT)
	say("bind over outer", err)
	_, err = bindTo(unix.SOCK_DGRAM, &unix.SockaddrInet4{Port: 53})
	say("bind 53", err)
	own, err := bindTo(unix.SOCK_DGRAM, loopback(0))
	say("bind loopback", err)
	local, _ = unix.Getsockname(own)
	say("connect to own", unix.Connect(fd, loopback(local.(*unix.SockaddrInet4).Port)))
}

// victimUnix connects to each path.
func victimUnix(args []string) {
	for _, arg := range args {
		label, path, _ := strings.Cut(arg, "=")
		fd, _ := socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		err := unix.Connect(fd, &unix.SockaddrUnix{Name: path})
		say("connect "+label, err)
		if err == nil {
			greeting, _ := bufio.NewReader(os.NewFile(uintptr(fd), "socket")).ReadString('\n')
			say("greeting "+label, errors.New(strings.TrimSpace(greeting)))
		}
	}
}

// victimAbstract uses the abstract namespace. args: a name that is taken outside.
func victimAbstract(args []string) {
	connect := func(name string) error {
		fd, _ := socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		defer unix.Close(fd)
		return unix.Connect(fd, &unix.SockaddrUnix{Name: name})
	}
	say("connect to outer", connect(args[0]))
	say("connect to nobody", connect("@ward-nobody"))
	fd, _ := socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	own := fmt.Sprintf("@ward-own-%d-%d", os.Getpid(), time.Now().UnixNano())
	say("bind", unix.Bind(fd, &unix.SockaddrUnix{Name: own}))
	say("listen", unix.Listen(fd, 1))
	say("connect to own", connect(own))
	fd, _ = socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	say("bind with line break", unix.Bind(fd, &unix.SockaddrUnix{Name: "@a\nb"}))
	fd, _ = socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	say("autobind", unix.Bind(fd, &unix.SockaddrUnix{}))
	say("listen there", unix.Listen(fd, 1))
	local, _ := unix.Getsockname(fd)
	say("connect there", connect(local.(*unix.SockaddrUnix).Name))
}

// victimSwap races the supervisor: one thread connects to a port that is allowed, another writes a forbidden one into
// the same address. args: allowed port, forbidden port, tries.
func victimSwap(args []string) {
	allowed, forbidden, tries := portOf(args[0]), portOf(args[1]), portOf(args[2])
	var address [4]uint32 // struct sockaddr_in: family and port are the first word
	word := func(port int) (w uint32) {
		raw := (*[4]byte)(unsafe.Pointer(&w))
		binary.NativeEndian.PutUint16(raw[:], unix.AF_INET)
		binary.BigEndian.PutUint16(raw[2:], uint16(port))
		return w
	}
	*(*[4]byte)(unsafe.Pointer(&address[1])) = [4]byte{127, 0, 0, 1}
	var stop atomic.Bool
	var wait sync.WaitGroup
	wait.Go(func() {
		runtime.LockOSThread()
		for good, bad := word(allowed), word(forbidden); !stop.Load(); {
			for range 100 {
				atomic.StoreUint32(&address[0], bad)
				atomic.StoreUint32(&address[0], good)
			}
			time.Sleep(time.Microsecond) // or it would keep the supervisor from a processor for a slice of time
		}
	})
	counts := map[string]int{}
	for range tries {
		fd, _ := socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		_, _, e := unix.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&address)), unix.SizeofSockaddrInet4)
		outcome := "refused"
		if e == 0 {
			outcome = "connected"
			if peer, err := unix.Getpeername(fd); err == nil && peer.(*unix.SockaddrInet4).Port == forbidden {
				outcome = "FORBIDDEN"
			}
		}
		counts[outcome]++
		// A reset instead of a farewell: ten thousand sockets in TIME_WAIT would use up the ports.
		unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		unix.Close(fd)
	}
	stop.Store(true)
	wait.Wait()
	for outcome, n := range counts {
		fmt.Printf("%s: %d\n", outcome, n)
	}
}

// victimSwapFile races the supervisor over the file of a new socket: one thread binds, another puts a foreign server's
// socket in its place. args: a directory, the foreign socket in it, tries.
func victimSwapFile(args []string) {
	dir, foreign, tries := args[0], args[1], portOf(args[2])
	mine := dir + "/mine"
	var stop atomic.Bool
	var wait sync.WaitGroup
	wait.Go(func() {
		runtime.LockOSThread()
		for !stop.Load() {
			if unix.Renameat2(unix.AT_FDCWD, foreign, unix.AT_FDCWD, mine, unix.RENAME_EXCHANGE) == nil {
				unix.Renameat2(unix.AT_FDCWD, foreign, unix.AT_FDCWD, mine, unix.RENAME_EXCHANGE)
			}
		}
	})
	reached := 0
	for range tries {
		fd, _ := socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		unix.Bind(fd, &unix.SockaddrUnix{Name: mine})
		unix.Listen(fd, 1)
		unix.Close(fd)
		for _, path := range []string{foreign, mine} {
			c, _ := socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
			if unix.Connect(c, &unix.SockaddrUnix{Name: path}) == nil {
				reached++ // none of its own listens any more
			}
			unix.Close(c)
		}
		for _, path := range []string{foreign, mine} {
			// Only what is its own goes away; the foreign one is brought back to its place.
			var st unix.Stat_t
			if unix.Lstat(path, &st) == nil && st.Mode&0o1000 == 0 {
				unix.Unlink(path)
			}
		}
		var st unix.Stat_t
		if unix.Lstat(foreign, &st) != nil {
			unix.Rename(mine, foreign)
		}
	}
	stop.Store(true)
	wait.Wait()
	fmt.Printf("reached: %d\n", reached)
}

// victimStuckConnect blocks in more connects to a port whose queue is full than the supervisor makes at once; then
// connects to one that answers. args: both ports.
func victimStuckConnect(args []string) {
	for range atOnce + 20 {
		go blockingConnect("127.0.0.1:" + args[0])
	}
	time.Sleep(2 * patience)
	start := time.Now()
	say("connect beside", blockingConnect("127.0.0.1:"+args[1]))
	say("at once", boolError(time.Since(start) < patience))
}
