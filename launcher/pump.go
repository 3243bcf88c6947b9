package launcher

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"ward/sandbox"
)

// hold is how long the guard may keep the beginning of what could be a secret on a stream that has gone quiet.
const hold = 10 * time.Millisecond

// stdio decides which files stage two gets, by what the plan says of each descriptor.
func (s *session) stdio() error {
	t := s.plan.Terminal
	if t.PTY != [3]bool{} {
		s.cmd.Terminal = &sandbox.Terminal{Stdio: t.PTY, Controlling: t.PTY[0], Rows: 24, Cols: 80}
		if outer := s.outer(); outer >= 0 {
			if err := s.likeOuter(outer); err != nil {
				return err
			}
		}
	}
	if !t.PTY[0] {
		in, err := ownStdin()
		if err != nil {
			return err
		}
		s.cmd.Stdio[0] = in
	}
	for i, f := range []*os.File{1: os.Stdout, 2: os.Stderr} {
		if f == nil || t.PTY[i] {
			continue
		}
		if !s.piped(f) {
			s.cmd.Stdio[i] = f
			continue
		}
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		s.inner[i], s.cmd.Stdio[i] = r, w
	}
	return nil
}

// outer is a descriptor of the user's terminal that has its size and mode; -1: there is none.
func (s *session) outer() int {
	for _, fd := range []int{1, 0, 2} {
		if isTerminal(fd) {
			return fd
		}
	}
	return -1
}

// resize gives the inner terminal the size of the outer one.
func (s *session) resize() {
	outer := s.outer()
	if outer < 0 || s.cmd.Master == nil {
		return
	}
	if size, err := resize(outer, s.cmd.Master); err == nil {
		s.size.Store(uint32(size.Col)<<16 | uint32(size.Row))
	}
}

// likeOuter starts the inner terminal as the outer one is.
func (s *session) likeOuter(outer int) error {
	mode, err := unix.IoctlGetTermios(outer, getTermios)
	if err != nil {
		return fmt.Errorf("terminal: %w", err)
	}
	if size, err := unix.IoctlGetWinsize(outer, unix.TIOCGWINSZ); err == nil {
		s.cmd.Terminal.Rows, s.cmd.Terminal.Cols = size.Row, size.Col
	}
	s.cmd.Terminal.Mode = mode
	if s.plan.Terminal.PTY[0] && isTerminal(0) {
		s.console = &console{fd: 0}
	}
	if !s.plan.Terminal.Raw {
		// The outer terminal goes on editing output; doing it twice would make "\r\r\n" of every line.
		plain := *mode
		plain.Oflag &^= unix.OPOST
		s.cmd.Terminal.Mode = &plain
		if s.console != nil {
			s.console.plain, s.console.first = true, &plain
		}
	}
	return nil
}

// piped says whether a stream goes through ward. It does where there is something to look for, and where the
// descriptor is a terminal that the plan keeps from the command.
func (s *session) piped(f *os.File) bool {
	return isTerminal(int(f.Fd())) || s.plan.guarded()
}

// ownStdin is what the command reads where no terminal of its own stands there. A file or a pipe is handed over as it
// is, so that what the command leaves unread is there for the next one. The user's terminal is opened again for
// reading only: the descriptor that a shell passes on can write, past the guard. Behind another job there are no keys to
// be had: the command's session is not the terminal's, so the kernel would not stop it when it reads, and it would take
// what is typed at the shell.
func ownStdin() (*os.File, error) {
	if _, err := os.Stdin.Stat(); err != nil {
		return nil, nil
	}
	if !isTerminal(0) {
		return os.Stdin, nil
	}
	if !foreground() {
		return nil, nil
	}
	f, err := os.OpenFile("/dev/stdin", os.O_RDONLY|unix.O_NOCTTY, 0)
	if errors.Is(err, fs.ErrPermission) { // after su(1) the device belongs to somebody else
		f, err = os.OpenFile("/dev/tty", os.O_RDONLY|unix.O_NOCTTY, 0)
	}
	if err != nil {
		return nil, Mistake("stdin: "+reason(err), "the terminal cannot be opened again: use </dev/null")
	}
	return f, nil
}

// noDirectories refuses one as standard input, output or error: by it the command would reach all that lies in there, past
// the masks, as it was opened where there are none.
func noDirectories() error {
	for i, f := range []*os.File{os.Stdin, os.Stdout, os.Stderr} {
		if info, err := f.Stat(); err == nil && info.IsDir() {
			return Mistake([]string{"stdin", "stdout", "stderr"}[i]+": is a directory", "name it with --allow or --read, and redirect nothing from it")
		}
	}
	return nil
}

// pump starts the copying.
func (s *session) pump() {
	if m := s.cmd.Master; m != nil {
		to := os.Stdout
		if !s.plan.Terminal.PTY[1] {
			to = os.Stderr
		}
		s.guarded(func() { s.output(0, to, m, nil) })
		if s.console != nil {
			go s.typing(m)
		}
	}
	for i, to := range []*os.File{1: os.Stdout, 2: os.Stderr} {
		if from := s.inner[i]; from != nil {
			s.guarded(func() { s.output(i, to, from, from) })
		}
	}
}

// output copies one stream through the guard to its end. Where the reader outside has gone, the pipe is closed, so
// that the command gets its SIGPIPE; a terminal that has gone is read on, so that the command is not held up.
func (s *session) output(i int, to, from *os.File, pipe io.Closer) {
	g := s.guards[i]
	buf := make([]byte, 64<<10)
	gone := false
	write := func(data []byte) {
		if len(data) == 0 || gone {
			return
		}
		if err := writeAll(int(to.Fd()), data); err != nil {
			gone = true
			if pipe != nil {
				pipe.Close()
				s.failed[i] = err
			}
		}
	}
	put, rest := write, g.Held
	if pipe == nil {
		terminal := beside{write: write, start: s.guarded}
		defer terminal.close()
		put = terminal.put
		rest = func() bool { terminal.settle(); return g.Held() }
	}
	defer clear(buf)
	for {
		n, err := readBusy(from, buf, &s.busy[i], rest)
		if size := s.size.Load(); i == 0 && size != 0 { // the goroutine that has the guard tells it
			g.Resize(int(size>>16), int(size&0xffff))
		}
		if n > 0 {
			out := g.Process(buf[:n])
			if s.plan.Guard == "block" && g.Leaks() > 0 {
				s.block.Do(func() { close(s.blocked) })
			}
			put(out)
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			put(g.Flush())
			err = nil
		}
		if err != nil {
			put(g.Flush())
			return
		}
	}
}

// readBusy reads and sets busy before bytes leave the kernel, so that a stream that is not busy, and in which nothing
// was found to read before, has all its bytes written. rest waits for the writing of what was read, and says whether the
// guard keeps something back: then it waits only so long, and gives os.ErrDeadlineExceeded.
//
// It waits by poll(2) and not by the runtime's poller, which would put another thread between a key and its echo.
func readBusy(from *os.File, buf []byte, busy *atomic.Bool, rest func() bool) (n int, err error) {
	raw, err := from.SyscallConn()
	if err != nil {
		return 0, err
	}
	var rerr error
	err = raw.Read(func(fd uintptr) (done bool) {
		for {
			busy.Store(true)
			if n, rerr = unix.Read(int(fd), buf); rerr == nil {
				n = more(int(fd), buf, n)
			}
			switch rerr {
			case unix.EINTR:
				continue
			case unix.EAGAIN:
			default:
				return true
			}
			held, patience := rest(), -1
			busy.Store(held)
			if held {
				patience = int(hold.Milliseconds())
			}
			fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			if ready, err := unix.Poll(fds, patience); err == nil && ready == 0 {
				rerr = os.ErrDeadlineExceeded
				return true
			}
		}
	})
	switch {
	case err != nil:
		return 0, err
	case rerr != nil:
		return 0, rerr
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// more reads on while there is something: a terminal gives at most 4 KB at once, and each write outside costs as much as
// a read. An end or an error is met again by the next read.
func more(fd int, buf []byte, n int) int {
	for n > 0 && n < len(buf)/2 {
		got, err := unix.Read(fd, buf[n:])
		if err != nil || got <= 0 {
			break
		}
		n += got
	}
	return n
}

// maxSettle bounds the wait for a terminal that takes nothing.
const maxSettle = 100 * time.Millisecond

// settle waits until all that the command has written so far is written outside.
func (s *session) settle() {
	for until := time.Now().Add(maxSettle); !s.settled() && time.Now().Before(until); {
		time.Sleep(time.Millisecond)
	}
}

func (s *session) settled() bool {
	for i, from := range []*os.File{s.cmd.Master, s.inner[1], s.inner[2]} {
		if from == nil {
			continue
		}
		// Linux takes a terminal's bytes from one end to the other in a work queue; poll waits for that, FIONREAD does not.
		left := false
		connected(from, func(fd int) error {
			fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			_, err := unix.Poll(fds, 0)
			left = fds[0].Revents&unix.POLLIN != 0
			return err
		})
		if left || s.busy[i].Load() {
			return false
		}
	}
	return true
}

// typing copies keys from the user's terminal to the inner one, but only while ward is in front: a read from behind
// would stop it. It ends with the process, or when the terminal does.
func (s *session) typing(to *os.File) {
	defer s.crashed()
	buf := make([]byte, 4096)
	fds := []unix.PollFd{{Fd: int32(s.console.fd), Events: unix.POLLIN}}
	for !s.console.closed() {
		if !s.console.ours() {
			time.Sleep(50 * time.Millisecond)
			continue
		}
		if !s.console.isRaw() {
			if s.console.enter() != nil {
				return
			}
			s.resize() // behind another job no SIGWINCH came
		}
		n, err := unix.Poll(fds, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
		if n <= 0 || !s.console.ours() {
			continue
		}
		n, err = unix.Read(s.console.fd, buf)
		if errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) {
			continue
		}
		if err != nil || n <= 0 {
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
		clear(buf[:n])
	}
}

// Times is how often something happened, in words.
func Times(n int) string {
	if n == 1 {
		return "1 time"
	}
	return fmt.Sprintf("%d times", n)
}
