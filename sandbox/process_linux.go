package sandbox

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// process is a child that is waited for once and never signalled after that. os/exec is not used for stage two: its
// first start in a process forks a child more, to see whether pidfds work, and every launch would pay for it.
type process struct {
	pid int

	once   sync.Once
	end    error
	mu     sync.Mutex
	reaped bool
}

func startProcess(path string, argv, env []string, files []uintptr, attr *syscall.SysProcAttr) (*process, error) {
	pid, err := syscall.ForkExec(path, argv, &syscall.ProcAttr{Dir: "/", Env: env, Files: files, Sys: attr})
	if err != nil {
		return nil, err
	}
	return &process{pid: pid}, nil
}

func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		unix.Kill(p.pid, unix.SIGKILL)
	}
}

// wait gives nil if the process ended with 0, else how it ended. It waits first and reaps later, under the lock, so
// that kill cannot meet another process of the same number.
func (p *process) wait() error {
	p.once.Do(func() {
		for unix.Waitid(unix.P_PID, p.pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		var status unix.WaitStatus
		var err error
		for {
			if _, err = unix.Wait4(p.pid, &status, 0, nil); err != unix.EINTR {
				break
			}
		}
		p.reaped = true
		switch {
		case err != nil:
			p.end = os.NewSyscallError("wait4", err)
		case status.Signaled():
			p.end = errors.New("signal: " + status.Signal().String())
		case status.ExitStatus() != 0:
			p.end = fmt.Errorf("exit status %d", status.ExitStatus())
		}
	})
	return p.end
}
