package launcher

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// kept is a pipe that holds the values of a launch in the kernel's memory, as the resolver wrote them one after the
// other, so that they can be handed out again (`ward get` inside) without a process that has them: nobody can be asked
// for a passphrase while the terminal is the command's, and the variables that they came from are overwritten. The
// supervisor never reads it. tee(2) doubles the pipe's pages into another pipe, and splice(2) moves the wanted bytes on
// to a socket; neither passes through a process, and a pipe's pages are not swapped.
type kept struct {
	pipe   *os.File
	values []keptValue
}

// maxKept is what a pipe of an ordinary user can hold (fs.pipe-max-size), in bytes.
const maxKept = 1 << 20

// keep writes values into the pipe, as many as fit, and lists them. It runs in the resolver.
func keep(pipe *os.File, name string, value []byte, list *[]keptValue) error {
	slots := pages(len(value))
	for _, v := range *list {
		slots += pages(v.Size)
	}
	room, err := unix.FcntlInt(pipe.Fd(), unix.F_GETPIPE_SZ, 0)
	if err != nil {
		return err
	}
	if want := slots * os.Getpagesize(); want > room {
		if want > maxKept {
			return fmt.Errorf("more than %d bytes in all", maxKept)
		}
		if _, err := unix.FcntlInt(pipe.Fd(), unix.F_SETPIPE_SZ, want); err != nil {
			return err
		}
	}
	for done := 0; done < len(value); {
		n, err := unix.Write(int(pipe.Fd()), value[done:])
		if err != nil && err != unix.EINTR {
			return err
		}
		done += max(n, 0)
	}
	*list = append(*list, keptValue{name, len(value)})
	return nil
}

// pages is how many slots of a pipe a write takes at most: each write may begin a page of its own.
func pages(size int) int { return (size + os.Getpagesize() - 1) / os.Getpagesize() }

// find gives where a variable's value is.
func (k *kept) find(name string) (offset, size int, ok bool) {
	if k == nil {
		return 0, 0, false
	}
	for _, v := range k.values {
		if v.Var == name {
			return offset, v.Size, true
		}
		offset += v.Size
	}
	return 0, 0, false
}

// send writes size bytes from offset on to a socket.
func (k *kept) send(offset, size int, to *os.File) error {
	if size == 0 {
		return nil
	}
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return err
	}
	defer unix.Close(ends[0])
	defer unix.Close(ends[1])
	return connected(k.pipe, func(from int) error {
		room, err := unix.FcntlInt(uintptr(from), unix.F_GETPIPE_SZ, 0)
		if err != nil {
			return err
		}
		if own, err := unix.FcntlInt(uintptr(ends[1]), unix.F_GETPIPE_SZ, 0); err != nil {
			return err
		} else if own < room {
			if _, err := unix.FcntlInt(uintptr(ends[1]), unix.F_SETPIPE_SZ, room); err != nil {
				return err
			}
		}
		if n, err := unix.Tee(from, ends[1], maxKept, unix.SPLICE_F_NONBLOCK); err != nil || int(n) < offset+size {
			return errors.Join(errors.New("the values of this launch are not where they were put"), err)
		}
		if err := discard(ends[0], offset); err != nil {
			return err
		}
		return pour(ends[0], to, size)
	})
}

// discard drops bytes of a pipe unread.
func discard(from, size int) error {
	null, err := unix.Open("/dev/null", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(null)
	for size > 0 {
		n, err := unix.Splice(from, nil, null, nil, size, 0)
		if err != nil && err != unix.EINTR {
			return err
		}
		if n == 0 && err == nil {
			return io.ErrUnexpectedEOF
		}
		size -= int(max(n, 0))
	}
	return nil
}

// pour moves bytes of a pipe to a socket, waiting while its queue is full, until the socket's deadline.
func pour(from int, to *os.File, size int) error {
	conn, err := to.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = conn.Write(func(fd uintptr) (done bool) {
		for size > 0 {
			n, err := unix.Splice(from, nil, int(fd), nil, size, unix.SPLICE_F_NONBLOCK)
			switch {
			case err == unix.EINTR:
			case err == unix.EAGAIN:
				return false
			case err != nil:
				failed = err
				return true
			case n == 0:
				failed = io.ErrUnexpectedEOF
				return true
			default:
				size -= int(n)
			}
		}
		return true
	})
	return errors.Join(err, failed)
}

func (k *kept) close() {
	if k != nil {
		k.pipe.Close()
	}
}
