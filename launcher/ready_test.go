package launcher

import (
	"os"
	"syscall"
	"testing"
	"time"
)

// While stage two prepares, what ends a program ends the launch, and any other signal waits for the command.
func TestInterrupted(t *testing.T) {
	for _, c := range []struct {
		name  string
		comes []os.Signal
		want  bool
		kept  []os.Signal
	}{
		{"nothing", nil, false, nil},
		{"a new size", []os.Signal{syscall.SIGWINCH, syscall.SIGUSR1}, false, []os.Signal{syscall.SIGWINCH, syscall.SIGUSR1}},
		{"Ctrl-C", []os.Signal{syscall.SIGINT}, true, nil},
		{"the terminal goes", []os.Signal{syscall.SIGWINCH, syscall.SIGHUP}, true, nil},
		{"SIGTERM", []os.Signal{syscall.SIGTERM}, true, nil},
		{"Ctrl-\\", []os.Signal{syscall.SIGQUIT}, true, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSession(nil, RunOptions{}, "")
			done := make(chan struct{})
			got := make(chan bool)
			go func() { got <- s.interrupted(done) }()
			for _, sig := range c.comes {
				s.signals <- sig
			}
			for limit := time.Now().Add(5 * time.Second); len(s.signals) > 0 && time.Now().Before(limit); time.Sleep(time.Millisecond) {
			}
			close(done)
			if is := <-got; is != c.want {
				t.Errorf("interrupted: %t, want %t", is, c.want)
			}
			for _, want := range c.kept {
				select {
				case sig := <-s.signals:
					if sig != want {
						t.Errorf("%v is kept, want %v", sig, want)
					}
				default:
					t.Errorf("%v is lost", want)
				}
			}
		})
	}
}

// A launch that fails because a signal ended what it had started says that, and not what was missing then.
func TestStruck(t *testing.T) {
	for _, c := range []struct {
		comes []os.Signal
		want  bool
	}{
		{nil, false},
		{[]os.Signal{syscall.SIGWINCH, syscall.SIGUSR1}, false},
		{[]os.Signal{syscall.SIGWINCH, syscall.SIGINT}, true},
	} {
		s := newSession(nil, RunOptions{}, "")
		for _, sig := range c.comes {
			s.signals <- sig
		}
		if got := s.struck(); got != c.want {
			t.Errorf("%v: %t, want %t", c.comes, got, c.want)
		}
	}
}
