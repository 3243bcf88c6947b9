package launcher

import (
	"cmp"
	"context"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"ward/secrets"
)

// quiet is how long nothing is said about what is being waited for.
const quiet = time.Second

// waiting is a line on the terminal that names what is being waited for. It comes when that takes longer than a
// second, changes in place, is away while somebody is asked something, and leaves nothing behind. The zero value says
// nothing.
type waiting struct {
	out *os.File // stderr, where that is a terminal

	mu     sync.Mutex
	names  []string // in the order they began; a name is there as often as it is waited for
	due    *time.Timer
	late   bool // a second has passed
	paused bool
	shown  bool
}

// begin counts a name in, until end is called.
func (w *waiting) begin(name string) (end func()) {
	if w.out == nil {
		return func() {}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.names = append(w.names, name)
	if len(w.names) == 1 {
		w.due = time.AfterFunc(quiet, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.late = len(w.names) > 0
			w.draw()
		})
	}
	w.draw()
	return func() { w.end(name) }
}

func (w *waiting) end(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if at := slices.Index(w.names, name); at >= 0 {
		w.names = slices.Delete(w.names, at, at+1)
	}
	if len(w.names) == 0 {
		w.due.Stop()
		w.late = false
	}
	w.draw()
}

// pause takes the line away, or lets it come back.
func (w *waiting) pause(on bool) {
	if w.out == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.paused = on
	w.draw()
}

// draw makes the screen what it should be. The caller holds mu.
func (w *waiting) draw() {
	switch {
	case w.late && !w.paused:
		columns := 80
		if size, err := unix.IoctlGetWinsize(2, unix.TIOCGWINSZ); err == nil && size.Col > 0 {
			columns = int(size.Col)
		}
		w.out.WriteString("\r\x1b[K" + waitingLine(w.names, columns))
		w.shown = true
	case w.shown:
		w.out.WriteString("\r\x1b[K")
		w.shown = false
	}
}

// waitingLine is one line that leaves the last column free, so that no terminal wraps it: a wrapped line could not be
// erased.
func waitingLine(names []string, columns int) string {
	var distinct []string
	for _, name := range names {
		if !slices.Contains(distinct, name) {
			distinct = append(distinct, name)
		}
	}
	last := len(distinct) - 1
	list := distinct[last]
	if last > 0 {
		list = strings.Join(distinct[:last], ", ") + " and " + list
	}
	line := []rune("ward: waiting for " + list + "…")
	if len(line) >= columns {
		line = append(line[:max(columns-2, 0)], '…')
	}
	return string(line)
}

// watched tells the line what its source is waited for.
type watched struct {
	secrets.Source
	name    string // "": the reference itself, where it is the name of a command
	waiting *waiting
}

func (w watched) Fetch(ctx context.Context, path string) (*secrets.Buffer, error) {
	defer w.waiting.begin(cmp.Or(w.name, "cmd://"+path))()
	return w.Source.Fetch(ctx, path)
}
