package launcher

import (
	"syscall"
	"testing"
	"time"
)

// A resolver that somebody stopped is ended like any other, or the launch that waits for it would take no signal.
func TestStoppedResolver(t *testing.T) {
	r, err := beginResolver(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.values.Close()
	defer r.cmd.Process.Kill()
	if err := r.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { r.kill(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("it is still waited for")
	}
}
