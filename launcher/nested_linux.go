package launcher

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Inside says whether ward seems to run inside one of its own launches, for what is refused there. The variable alone
// proves nothing, so what the kernel says of this process must fit: no new privileges, and a filter.
func Inside() bool {
	if os.Getenv("WARD") != "1" {
		return false
	}
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false
	}
	marks := 0
	for line := range strings.Lines(string(data)) {
		switch strings.Join(strings.Fields(line), " ") {
		case "NoNewPrivs: 1", "Seccomp: 2":
			marks++
		}
	}
	return marks == 2
}

// nested says whether ward runs inside one of its own launches, so that a launch of its own has most layers already and is
// not to put them on again. Containers and other sandboxes have a filter too, and a project can set variables: so the outer
// launch has to answer.
func nested() bool {
	return Inside() && (answers(os.Getenv("WARD_BROKER")) || answers(os.Getenv(outerVar)))
}

// answers says whether the name is that of a launch's broker around this process. Nobody listens there; the supervisor puts
// one end of a pair in the place of the socket that connects, and the other end has no name. Whoever had made a socket to
// listen in its place would have given it that name.
func answers(broker string) bool {
	name, abstract := strings.CutPrefix(broker, "@")
	if !abstract || name == "" {
		return false
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: "@" + name}); err != nil {
		return false
	}
	peer, err := unix.Getpeername(fd)
	at, ok := peer.(*unix.SockaddrUnix)
	return err == nil && ok && (at.Name == "" || at.Name == "@") // as the package writes a name of no bytes
}
