package sandbox

import (
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// vnode names a file as the kernel does: the device of its file system, and the low half of its inode's number. What
// stat(2) gives is something else on btrfs and overlays.
type vnode struct{ dev, ino uint32 }

// Of include/uapi/linux/unix_diag.h.
const (
	unixDiagRequestSize = 24
	unixDiagMessageSize = 16
	unixDiagShowFile    = 2 // UDIAG_SHOW_VFS
	unixDiagFile        = 1 // UNIX_DIAG_VFS
)

// boundTo gives the file of a unix socket, whatever its name leads to by now. An error: the kernel does not tell, since
// it was built without unix_diag, or the socket has no file.
func boundTo(sock int) (vnode, error) {
	native := binary.NativeEndian
	number, ok := inode(sock)
	if !ok {
		return vnode{}, unix.EBADF
	}
	request := make([]byte, unix.SizeofNlMsghdr+unixDiagRequestSize)
	native.PutUint32(request, uint32(len(request)))
	native.PutUint16(request[4:], unix.SOCK_DIAG_BY_FAMILY)
	native.PutUint16(request[6:], unix.NLM_F_REQUEST)
	body := request[unix.SizeofNlMsghdr:]
	body[0] = unix.AF_UNIX
	native.PutUint32(body[8:], uint32(number))
	native.PutUint32(body[12:], unixDiagShowFile)
	native.PutUint64(body[16:], ^uint64(0)) // whatever its cookie is
	fd, err := askDiag(request)
	if err != nil {
		return vnode{}, err
	}
	defer unix.Close(fd)
	buf := make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, buf, 0)
	if err != nil {
		return vnode{}, err
	}
	const head = unix.SizeofNlMsghdr + unixDiagMessageSize
	if n < head || native.Uint16(buf[4:]) != unix.SOCK_DIAG_BY_FAMILY {
		return vnode{}, unix.ENOENT
	}
	for raw := buf[head:n]; len(raw) >= 4; {
		size, kind := int(native.Uint16(raw)), native.Uint16(raw[2:])
		if kind == unixDiagFile && size >= 12 && len(raw) >= 12 {
			return vnode{dev: native.Uint32(raw[8:]), ino: native.Uint32(raw[4:])}, nil
		}
		raw = raw[min(len(raw), max(4, (size+3)&^3)):]
	}
	return vnode{}, unix.ENOENT
}

// vnodeOf gives the same of a descriptor: the inode's own number stands in its fdinfo (Linux 5.14, before that stat has
// to do), the device in the table of the mounts that a process of the launch sees.
func vnodeOf(pid, fd int) (vnode, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return vnode{}, err
	}
	at, mount := vnode{ino: uint32(st.Ino)}, ""
	info, err := os.ReadFile("/proc/self/fdinfo/" + strconv.Itoa(fd))
	if err != nil {
		return vnode{}, err
	}
	for line := range strings.Lines(string(info)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch value = strings.TrimSpace(value); name {
		case "ino":
			number, err := strconv.ParseUint(value, 10, 64)
			if err != nil {
				return vnode{}, err
			}
			at.ino = uint32(number)
		case "mnt_id":
			mount = value
		}
	}
	table, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
	if err != nil {
		return vnode{}, err
	}
	for line := range strings.Lines(string(table)) {
		var major, minor uint32
		fields := strings.Fields(line) // number, its parent's, device
		if len(fields) < 3 || fields[0] != mount {
			continue
		}
		if _, err := fmt.Sscanf(fields[2], "%d:%d", &major, &minor); err != nil {
			return vnode{}, err
		}
		at.dev = major<<20 | minor
		return at, nil
	}
	return vnode{}, unix.ENOENT
}
