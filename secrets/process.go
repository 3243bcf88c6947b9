package secrets

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

var (
	// errBackground: a program asks, and its terminal belongs to another job.
	errBackground = errors.New("it asks at the terminal, and ward is in the background")
	// errInterrupted: somebody typed Ctrl-C at a program's question.
	errInterrupted = &because{"interrupted", context.Canceled}
)

// process is a running program.
type process struct {
	pid    int
	value  *os.File // read ends
	beside *os.File
	notes  notes
	mute   bool                    // beside must not be shown, nor what else it says
	states chan syscall.WaitStatus // each stop, then the end
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && unix.Access(path, unix.X_OK) == nil
}

// writable says whether this user can write there, or could after a chmod.
func writable(path string) bool {
	switch unix.Access(path, unix.W_OK) {
	case nil:
		return true
	case unix.EROFS:
		return false
	}
	var st unix.Stat_t
	return unix.Stat(path, &st) == nil && int(st.Uid) == os.Geteuid()
}

func (r *Runner) start(path string, j job) (*process, error) {
	stdin := r.TTY
	if stdin == nil {
		null, err := os.Open(os.DevNull)
		if err != nil {
			return nil, err
		}
		defer null.Close()
		stdin = null
	}
	value, valueEnd, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer valueEnd.Close()
	beside, besideEnd, err := os.Pipe()
	if err != nil {
		value.Close()
		return nil, err
	}
	defer besideEnd.Close()
	p := &process{value: value, beside: beside, mute: j.onStderr, states: make(chan syscall.WaitStatus)}
	files := []*os.File{stdin, valueEnd, besideEnd}
	if j.onStderr {
		files = []*os.File{stdin, besideEnd, valueEnd}
	}
	child, err := os.StartProcess(path, j.argv, &os.ProcAttr{
		Dir: "/", Env: r.given(), Files: files, Sys: attributes(),
	})
	if err != nil {
		p.close()
		if e, ok := errors.AsType[*os.PathError](err); ok {
			err = e.Err
		}
		return nil, fmt.Errorf("%s cannot be started: %w", path, err)
	}
	p.pid = child.Pid
	child.Release() // os.Process knows no stops: wait does
	go p.wait()
	return p, nil
}

// wait reports stops and the end. It is the only one who reaps.
func (p *process) wait() {
	for {
		var status syscall.WaitStatus
		_, err := syscall.Wait4(p.pid, &status, syscall.WUNTRACED, nil)
		if err == syscall.EINTR {
			continue
		}
		p.states <- status // if it cannot be waited for, it counts as ended
		if err != nil || !status.Stopped() {
			return
		}
	}
}

// signal reaches the program and what it started, less what left the group. As
// long as a member lives, and the program itself until it is reaped, the
// number is not given to anybody else.
func (p *process) signal(s syscall.Signal) { _ = syscall.Kill(-p.pid, s) }

// follow waits for the end, lets the program ask when it wants to, and ends it
// when ctx or its time does. done gives the terminal back, which may wait until
// its last words are read.
func (r *Runner) follow(ctx context.Context, p *process, timeout time.Duration) (status syscall.WaitStatus, done func(), failure error) {
	limit := time.NewTimer(timeout)
	defer limit.Stop()
	late, cancelled := limit.C, ctx.Done()
	done = func() {}
	asked := false
	for {
		select {
		case status = <-p.states:
			if !status.Stopped() {
				if asked && failure == nil && status.Signaled() && status.Signal() == syscall.SIGINT {
					failure = errInterrupted
				}
				if failure != nil || status != 0 {
					p.signal(syscall.SIGKILL) // what it left running
				}
				return status, done, failure
			}
			wants := status.StopSignal() == syscall.SIGTTIN || status.StopSignal() == syscall.SIGTTOU
			if wants && !asked && failure == nil {
				limit.Stop()
				if done, failure = r.ask(ctx, p); failure != nil {
					p.signal(syscall.SIGKILL)
					continue
				}
				asked, wants = true, false
				timeout = 2 * time.Minute // a person is slower than a program
				limit.Reset(timeout)
			}
			if wants && asked {
				time.Sleep(20 * time.Millisecond) // a shell has taken the terminal back: not as fast as it can stop
			}
			p.signal(syscall.SIGCONT) // Ctrl-Z at a question too: there is no job to come back to
		case <-late:
			failure, late = fmt.Errorf("no answer within %v (%w)", timeout, context.DeadlineExceeded), nil
			p.signal(syscall.SIGKILL)
		case <-cancelled:
			failure, cancelled = cmp.Or(failure, context.Cause(ctx)), nil
			p.signal(syscall.SIGKILL)
		}
	}
}

// ask gives the terminal to the program, and shows what it has said so far,
// which is the question.
func (r *Runner) ask(ctx context.Context, p *process) (done func(), err error) {
	if r.Turn == nil || p.mute {
		return func() {}, errBackground
	}
	screen, done, err := r.Turn(ctx, p.pid)
	if err != nil {
		return func() {}, cmp.Or(context.Cause(ctx), errBackground)
	}
	p.notes.show(screen)
	return done, nil
}

// hurry bounds the reading once the program is gone: something that it left in
// the background (an agent, a cache) may hold the pipes open for good.
func (p *process) hurry() {
	soon := time.Now().Add(500 * time.Millisecond)
	p.value.SetReadDeadline(soon)
	p.beside.SetReadDeadline(soon)
}

func (p *process) close() {
	p.value.Close()
	p.beside.Close()
}

// untilDeadline takes a deadline for the end.
type untilDeadline struct{ *os.File }

func (u untilDeadline) Read(b []byte) (int, error) {
	n, err := u.File.Read(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = io.EOF
	}
	return n, err
}

// maxNotes is how much of what a program says is kept.
const maxNotes = 16 << 10

// notes is what a program says beside the value, in locked memory, since it may
// repeat the value there.
type notes struct {
	mu     sync.Mutex
	kept   *Buffer
	n      int
	screen io.Writer // while the program asks a person
}

// drain reads to the end; what cannot be kept is dropped.
func (s *notes) drain(from io.Reader) {
	page, err := NewBuffer(4096)
	if err != nil {
		return // the pipe closes, and the program learns it
	}
	defer page.Destroy()
	_ = page.Use(func(b []byte) error {
		for {
			n, err := from.Read(b)
			s.add(b[:n])
			if err != nil {
				return err
			}
		}
	})
}

func (s *notes) add(text []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.screen != nil {
		s.screen.Write(text)
	}
	if s.kept == nil {
		var err error
		if s.kept, err = NewBuffer(maxNotes); err != nil {
			s.kept = nil
			return
		}
	}
	_ = s.kept.Use(func(kept []byte) error {
		fits := min(len(text), len(kept)-s.n)
		move(kept[s.n:s.n+fits], text[:fits])
		s.n += fits
		return nil
	})
}

// show writes what there is and all that comes.
func (s *notes) show(screen io.Writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.screen = screen
	if s.kept != nil {
		_ = s.kept.Use(func(kept []byte) error {
			_, err := screen.Write(kept[:s.n])
			return err
		})
	}
}

// take gives what was kept to the caller.
func (s *notes) take() *Buffer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept == nil {
		s.kept, _ = NewBuffer(0) // of no bytes: it cannot fail
	}
	s.kept.keep(0, s.n)
	return s.kept
}
