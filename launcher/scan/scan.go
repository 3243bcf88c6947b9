// Package scan looks for secrets in files, by their fingerprints.
package scan

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"ward/guard"
)

// Find is one place where a secret stands.
type Find struct {
	Name   string `json:"name"` // of the secret
	File   string `json:"file"`
	Line   int    `json:"line"`   // from 1
	Column int    `json:"column"` // in bytes, from 1
}

// Scan is what to look for and where.
type Scan struct {
	Key    guard.Key
	Prints []guard.Print // all made under Key
	All    bool          // files that git ignores and git's own, too

	files, bytes, total atomic.Int64
	walked              atomic.Bool
}

// Progress is how far a scan is.
type Progress struct {
	Files, Total int64 // Total is 0 as long as it is not known
	Bytes        int64
}

// Progress may be asked for while the scan runs.
func (s *Scan) Progress() Progress {
	p := Progress{Files: s.files.Load(), Bytes: s.bytes.Load()}
	if s.walked.Load() {
		p.Total = s.total.Load()
	}
	return p
}

// Run looks through files and, below directories, every regular file; links are not followed. It gives what it found in
// order, and errors of files that could not be read, joined.
func (s *Scan) Run(ctx context.Context, paths []string) ([]Find, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	work := make(chan string, 1024)
	var mu sync.Mutex
	var finds []Find
	var wrong []error
	fail := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		wrong = append(wrong, err)
	}
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			r := newReader(s)
			defer r.close()
			for file := range work {
				found, err := r.file(ctx, file)
				if err != nil {
					fail(err)
				}
				s.files.Add(1)
				mu.Lock()
				finds = append(finds, found...)
				mu.Unlock()
			}
		})
	}
	for _, p := range paths {
		if err := s.walk(ctx, p, work, fail); err != nil && !errors.Is(err, fs.SkipAll) {
			fail(err)
		}
	}
	s.walked.Store(true)
	close(work)
	workers.Wait()
	slices.SortFunc(finds, func(a, b Find) int {
		return cmp.Or(cmp.Compare(a.File, b.File), a.Line-b.Line, a.Column-b.Column, cmp.Compare(a.Name, b.Name))
	})
	if ctx.Err() != nil {
		wrong = append(wrong, errors.New("interrupted: not all was looked at"))
	}
	return finds, errors.Join(wrong...)
}

func (s *Scan) walk(ctx context.Context, root string, work chan<- string, fail func(error)) error {
	info, err := os.Stat(root)
	if err != nil {
		return err
	}
	send := func(file string) error {
		s.total.Add(1)
		select {
		case work <- file:
			return nil
		case <-ctx.Done():
			return fs.SkipAll
		}
	}
	if !info.IsDir() {
		if !info.Mode().IsRegular() {
			return errors.New(root + ": is not a regular file")
		}
		return send(root)
	}
	real, err := filepath.EvalSymlinks(root) // WalkDir does not enter a link
	if err != nil {
		return err
	}
	if real, err = filepath.Abs(real); err != nil {
		return err
	}
	rules, rel := above(real)
	w := walker{scan: s, rules: rules, send: send, fail: fail}
	return w.dir(real, root, rel)
}

// walker goes through one tree.
type walker struct {
	scan  *Scan
	rules []rules // of the directories around the one it is in
	send  func(file string) error
	fail  func(error)
}

// dir goes through a directory: at is where it is, shown how the user named it, rel its path from the top of its rules.
func (w walker) dir(at, shown, rel string) error {
	entries, err := os.ReadDir(at)
	if err != nil {
		w.fail(err)
		return nil
	}
	if text, err := readIgnore(filepath.Join(at, ".gitignore")); err == nil && !w.scan.All {
		w.rules = append(slices.Clip(w.rules), parseRules(rel, text))
	}
	for _, e := range entries {
		name := path.Join(rel, e.Name())
		if !w.scan.All && (e.Name() == ".git" || ignores(w.rules, name, e.IsDir())) {
			continue
		}
		switch inner := filepath.Join(shown, e.Name()); {
		case e.IsDir():
			err = w.dir(filepath.Join(at, e.Name()), inner, name)
		case e.Type().IsRegular():
			err = w.send(inner)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// reader looks through files one after the other.
type reader struct {
	scan  *Scan
	guard *guard.Guard
	buf   []byte
}

func newReader(s *Scan) *reader {
	g, _ := guard.New(s.Key, s.Prints, guard.Options{})
	return &reader{scan: s, guard: g, buf: make([]byte, 256<<10)}
}

func (r *reader) close() { r.guard.Wipe() }

// file looks for all secrets at once. Only where there is one, which is seldom, it looks again for each, to tell where.
func (r *reader) file(ctx context.Context, name string) ([]Find, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe that was put in its place is not waited for
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(errors.New(name+": is no regular file any more"), err)
	}
	before := r.guard.Stats()
	r.guard.Process(apart())
	for ctx.Err() == nil {
		n, err := f.Read(r.buf)
		r.guard.Process(r.buf[:n])
		r.scan.bytes.Add(int64(n))
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	r.guard.Flush()
	r.guard.Process(apart())
	r.guard.Flush()
	var finds []Find
	for _, hit := range r.guard.Stats() {
		if i := slices.IndexFunc(before, func(h guard.Hit) bool { return h.Name == hit.Name }); i >= 0 && before[i].Count == hit.Count {
			continue
		}
		found, err := r.locate(ctx, f, name, hit.Name)
		if err != nil {
			return finds, err
		}
		finds = append(finds, found...)
	}
	return finds, nil
}

// apart keeps two files from being taken for one text: CAN ends an escape sequence, and the rest is longer than what a
// guard remembers.
func apart() []byte {
	return append([]byte("\x18\n"), slices.Repeat([]byte("0 "), 128)...)
}

// locate finds one secret: where what a guard gives differs from what it got.
func (r *reader) locate(ctx context.Context, f *os.File, name, secret string) ([]Find, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	prints := slices.DeleteFunc(slices.Clone(r.scan.Prints), func(p guard.Print) bool { return p.Name != secret })
	g, _ := guard.New(r.scan.Key, prints, guard.Options{})
	defer g.Wipe()
	at := place{line: 1, column: 1}
	var pending []byte // of the file, not given back yet
	settle := func(masked []byte) {
		for i, c := range masked {
			at.step(pending[i], c != pending[i])
		}
		pending = append(pending[:0], pending[len(masked):]...)
	}
	for ctx.Err() == nil {
		n, err := f.Read(r.buf)
		pending = append(pending, r.buf[:n]...)
		settle(g.Process(r.buf[:n]))
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	settle(g.Flush())
	clear(pending[:cap(pending)])
	finds := make([]Find, len(at.starts))
	for i, s := range at.starts {
		finds[i] = Find{secret, name, s[0], s[1]}
	}
	if len(finds) == 0 { // found in a form that is masked otherwise, or not at all: it is there all the same
		finds = []Find{{secret, name, 1, 1}}
	}
	return finds, nil
}

// place goes through a file and remembers where masks begin.
type place struct {
	line, column int
	gap          int // bytes since the last masked one
	any          bool
	starts       [][2]int
}

// wrapped is how many bytes may stand between the parts of one value: a line end and an indent.
const wrapped = 32

func (p *place) step(c byte, masked bool) {
	p.gap++
	if masked {
		if !p.any || p.gap > wrapped {
			p.starts = append(p.starts, [2]int{p.line, p.column})
		}
		p.any, p.gap = true, 0
	}
	p.column++
	if c == '\n' {
		p.line, p.column = p.line+1, 1
	}
}
