package main_test

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"
)

const agentCols, agentRows = 120, 40

// agentScreen is a terminal with a person at it: it starts a command on a new
// pty, keeps every byte that arrives, and looks at the screen after each read.
type agentScreen struct {
	world  *agentWorld
	pty    *os.File
	cmd    *exec.Cmd
	done   chan struct{} // closed when the terminal has hung up
	answer string        // the screen with the model's last answer on it

	mu      sync.Mutex
	raw     bytes.Buffer
	vt      vt10x.Terminal
	shards  agentShards
	seen    map[string]bool // names of the secrets that stood on a screen
	changed chan struct{}   // closed and replaced at every change
}

func newAgentScreen(t *testing.T, w *agentWorld, cmd *exec.Cmd) *agentScreen {
	t.Helper()
	master, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: agentCols, Rows: agentRows})
	if err != nil {
		t.Fatal(err)
	}
	s := &agentScreen{
		world:   w,
		pty:     master,
		cmd:     cmd,
		done:    make(chan struct{}),
		shards:  w.shards(),
		seen:    map[string]bool{},
		changed: make(chan struct{}),
		// The agent asks the terminal who it is and where the cursor
		// stands; vt10x writes the answers itself.
		vt: vt10x.New(vt10x.WithSize(agentCols, agentRows), vt10x.WithWriter(master)),
	}
	go s.read()
	t.Cleanup(func() {
		if cmd.ProcessState == nil { // the test gave up before the end
			cmd.Cancel()
			cmd.Wait()
		}
		master.Close()
		<-s.done
	})
	return s
}

// read runs until the pty hangs up (EIO on Linux, EOF elsewhere).
func (s *agentScreen) read() {
	defer close(s.done)
	buf := make([]byte, 32<<10)
	for {
		n, err := s.pty.Read(buf)
		if n > 0 {
			s.show(buf[:n])
		}
		if err != nil {
			return
		}
	}
}

func (s *agentScreen) show(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.raw.Write(b)
	s.vt.Write(b)
	maps.Copy(s.seen, s.shards.find(s.vt.String()))
	close(s.changed)
	s.changed = make(chan struct{})
}

// leaked names the secrets of which a piece was shown: on the screen after any
// read, or in the bytes one after the other.
func (s *agentScreen) leaked() map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	leaked := s.shards.find(s.raw.String())
	maps.Copy(leaked, s.seen)
	return leaked
}

// await returns the screen as soon as it satisfies ok. The wait is bounded by
// within.
func (s *agentScreen) await(t *testing.T, within time.Duration, what string, ok func(screen string) bool) string {
	t.Helper()
	limit := time.After(within)
	for {
		s.mu.Lock()
		changed, screen := s.changed, s.vt.String()
		s.mu.Unlock()
		if ok(screen) {
			return screen
		}
		select {
		case <-changed:
		case <-s.done:
			t.Fatalf("terminal hung up before the %s; it shows\n%s", what, s.world.masked(screen))
		case <-limit:
			t.Fatalf("no %s within %v; the terminal shows\n%s", what, within, s.world.masked(screen))
		}
	}
}

// press types keys.
func (s *agentScreen) press(t *testing.T, keys string) {
	t.Helper()
	if _, err := s.pty.WriteString(keys); err != nil {
		t.Fatal(err)
	}
}

// agentShows is a condition for await: text is on the screen, wrapped or not.
func agentShows(text string) func(string) bool {
	want := agentSqueeze(text)
	return func(screen string) bool { return strings.Contains(agentSqueeze(screen), want) }
}

// exitCode waits for the command's end.
func (s *agentScreen) exitCode(t *testing.T, within time.Duration) int {
	t.Helper()
	select {
	case <-s.done:
	case <-time.After(within):
		s.mu.Lock()
		defer s.mu.Unlock()
		t.Fatalf("command still runs after %v; the terminal shows\n%s", within, s.world.masked(s.vt.String()))
	}
	s.cmd.Wait() // the code is in ProcessState, also when it is not 0
	return s.cmd.ProcessState.ExitCode()
}
