package sandbox

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mediator answers the filter's notifications: it reads the address, decides, and makes the call itself on the
// command's socket. It does not let the command go on with the call, because another thread of the command could change
// the address between the decision and the call (seccomp_unotify(2) says so itself). The one exception is bindUnix,
// where nothing depends on that.
//
// A connection made here is outside the command's Landlock domain and carries the supervisor's credentials. So the
// decision made here is the only one there is, also for abstract names.
type mediator struct {
	policy   *Policy
	broker   func(*os.File, Asker) // nil: none; see connectBroker
	listener int
	wake     [2]int // a pipe; closing one end stops the loop
	stop     chan struct{}
	running  sync.WaitGroup
	slots    chan struct{} // calls in progress
	ours     sockets

	mu      sync.Mutex
	refused map[string]*Refusal
	more    int // refusals beyond maxRefusals
	ownAddr []netip.Addr
	ownAt   time.Time
}

const (
	// atOnce bounds the calls in progress: each holds a thread of the supervisor.
	atOnce = 128
	// maxRefusals bounds what a command can make the supervisor remember.
	maxRefusals = 256
)

// notification is struct seccomp_notif of include/uapi/linux/seccomp.h.
type notification struct {
	id    uint64
	pid   uint32 // of a thread, in the supervisor's process namespace
	flags uint32
	nr    int32
	arch  uint32
	ip    uint64
	args  [6]uint64
}

// request is a notification that is being answered. release gives its place among the calls in progress to another.
type request struct {
	notification
	release func()
}

type response struct {
	id    uint64
	val   int64
	errno int32
	flags uint32
}

func newMediator(p *Policy) *mediator {
	return &mediator{policy: p, listener: -1, slots: make(chan struct{}, atOnce), refused: map[string]*Refusal{}}
}

// listen takes the listener over and serves it until close. After an error it is still the caller's.
func (m *mediator) listen(fd int) error {
	if err := unix.Pipe2(m.wake[:], unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("notifications: %w", err)
	}
	m.listener = fd
	m.stop = make(chan struct{})
	// Hand the processor straight to the supervisor and back (Linux 6.6): it halves the cost of a connect.
	unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SECCOMP_IOCTL_NOTIF_SET_FLAGS, unix.SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP)
	m.running.Go(m.serve)
	return nil
}

// close waits for the calls in progress; each ends soon after the command has (see dial).
func (m *mediator) close() {
	if m.listener < 0 {
		return
	}
	close(m.stop)
	unix.Close(m.wake[1])
	m.running.Wait()
	m.ours.close()
	unix.Close(m.wake[0])
	unix.Close(m.listener)
	m.listener = -1
}

// serve receives until the launch is over. Poll comes first, because a kernel before 6.11 leaves a receiver asleep
// when the last process of the filter has ended.
func (m *mediator) serve() {
	fds := []unix.PollFd{{Fd: int32(m.listener), Events: unix.POLLIN}, {Fd: int32(m.wake[0]), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR {
			return
		}
		if fds[1].Revents != 0 || fds[0].Revents&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0 {
			return
		}
		if fds[0].Revents&unix.POLLIN == 0 {
			continue
		}
		select {
		case m.slots <- struct{}{}:
		case <-m.stop:
			return
		}
		n := &request{release: sync.OnceFunc(func() { <-m.slots })}
		if err := m.ioctl(unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&n.notification)); err != nil {
			n.release()
			continue // ENOENT: the thread died meanwhile
		}
		m.running.Go(func() {
			defer n.release()
			m.answer(n)
		})
	}
}

func (m *mediator) ioctl(request uintptr, arg unsafe.Pointer) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(m.listener), request, uintptr(arg))
	if errno != 0 {
		return errno
	}
	return nil
}

// valid says whether the notified thread still waits: only then is what was read by its pid its own.
func (m *mediator) valid(n *request) bool {
	return m.ioctl(unix.SECCOMP_IOCTL_NOTIF_ID_VALID, unsafe.Pointer(&n.id)) == nil
}

// errGoOn lets the command make the call itself.
var errGoOn = errors.New("go on")

func (m *mediator) answer(n *request) {
	err := m.call(n)
	r := response{id: n.id}
	var errno unix.Errno
	switch {
	case err == nil:
	case err == errGoOn:
		r.flags = unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE
	case errors.As(err, &errno):
		r.errno = -int32(errno)
	default:
		r.errno = -int32(unix.EACCES)
	}
	m.ioctl(unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&r))
}

// call makes the notified call. Its error is what the command sees.
func (m *mediator) call(n *request) error {
	sock, err := m.socket(n)
	if err != nil {
		return err
	}
	defer unix.Close(sock)
	if n.nr == unix.SYS_LISTEN {
		return m.listenOn(n, sock)
	}
	raw, err := m.address(n)
	if err != nil {
		return err
	}
	if len(raw) < 2 {
		return unix.EINVAL
	}
	// The family of the address decides, and the kernel refuses one that does not fit the socket: AF_UNSPEC apart,
	// which dissolves an association and goes nowhere.
	switch family := *(*uint16)(unsafe.Pointer(&raw[0])); {
	case family == unix.AF_UNIX && n.nr == unix.SYS_CONNECT:
		return m.connectUnix(n, sock, raw)
	case family == unix.AF_UNIX:
		return m.bindUnix(n, sock, raw)
	case (family == unix.AF_INET || family == unix.AF_INET6) && n.nr == unix.SYS_CONNECT:
		return m.connectInet(n, sock, raw)
	case family == unix.AF_INET || family == unix.AF_INET6:
		return m.bindInet(sock, raw)
	case family == unix.AF_UNSPEC && n.nr == unix.SYS_CONNECT:
		return rawCall(unix.SYS_CONNECT, sock, raw)
	case family == unix.AF_NETLINK:
		return rawCall(uintptr(n.nr), sock, raw)
	}
	return unix.EAFNOSUPPORT
}

// socket gets the command's socket. Where the kernel or a container's filter refuses pidfd_getfd, the call fails with
// EACCES and the summary says so.
func (m *mediator) socket(n *request) (int, error) {
	pidfd, err := unix.PidfdOpen(int(n.pid), unix.PIDFD_THREAD)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.9 only the leader of a thread group has a pidfd
		pidfd, err = unix.PidfdOpen(leader(int(n.pid)), 0)
	}
	if err != nil {
		return -1, unix.ESRCH
	}
	defer unix.Close(pidfd)
	sock, err := unix.PidfdGetfd(pidfd, int(int32(n.args[0])), 0)
	switch {
	case errors.Is(err, unix.EBADF):
		return -1, unix.EBADF
	case err != nil:
		m.refuse(refusal{what: "a connection of process " + name(int(n.pid)) + ": its sockets cannot be reached (" + err.Error() + ")"})
		return -1, unix.EACCES
	}
	if !m.valid(n) {
		unix.Close(sock)
		return -1, unix.ESRCH
	}
	return sock, nil
}

// maxAddress is sizeof(struct sockaddr_storage), the most that connect and bind take.
const maxAddress = 128

func (m *mediator) address(n *request) ([]byte, error) {
	size := int32(n.args[2])
	if size < 0 || size > maxAddress {
		return nil, unix.EINVAL
	}
	buf := make([]byte, size)
	if size == 0 {
		return buf, nil
	}
	if err := readMemory(int(n.pid), uintptr(n.args[1]), buf); err != nil {
		return nil, unix.EFAULT
	}
	if !m.valid(n) {
		return nil, unix.ESRCH
	}
	return buf, nil
}

// refuse remembers a refusal for the summary.
func (m *mediator) refuse(r refusal) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch old, ok := m.refused[r.what]; {
	case ok:
		old.Count++
	case len(m.refused) < maxRefusals:
		m.refused[r.what] = &Refusal{What: r.what, Hint: r.hint, Count: 1}
	default:
		m.more++
	}
}

func (m *mediator) refusals() []Refusal {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []Refusal
	for _, r := range slices.SortedFunc(maps.Values(m.refused), func(a, b *Refusal) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.What, b.What))
	}) {
		list = append(list, *r)
	}
	if m.more > 0 {
		list = append(list, Refusal{What: fmt.Sprintf("others, beyond the first %d", maxRefusals), Count: m.more})
	}
	return list
}

// own says whether the address is one of this machine's. The list comes by netlink and is kept for a few seconds.
func (m *mediator) own(addr netip.Addr) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if time.Since(m.ownAt) > 5*time.Second {
		m.ownAddr = m.ownAddr[:0]
		found, err := net.InterfaceAddrs()
		if err != nil {
			return true // not known: closed
		}
		for _, a := range found {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil {
				m.ownAddr = append(m.ownAddr, prefix.Addr().Unmap())
			}
		}
		m.ownAt = time.Now()
	}
	return slices.Contains(m.ownAddr, addr)
}
