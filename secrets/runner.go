package secrets

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Runner starts other people's programs for the values they print. It is what
// OnePassword, Bitwarden, ApplePasswords and Commands have in common; its zero
// value works.
//
// A program is started by the absolute path that was found once, with a list
// of arguments and no shell, in "/", so that no file of a project steers it,
// and in a process group of its own, which is killed when ctx ends. What it
// prints goes from a pipe into locked memory. What it says on stderr is looked
// at there too, and never repeated: an error holds no byte of a program's.
type Runner struct {
	Environ []string      // what programs get; nil: os.Environ()
	Timeout time.Duration // for a value; 0 is 30 s
	// Changeable are places that what is being launched may write to, and Kept
	// those inside them that it may not. A program in such a place that this user
	// could write to is not started: an earlier launch may have left it there.
	Changeable, Kept []string
	// Project are places that others write to: what they left there under the
	// name of a program is not started either.
	Project []string

	// TTY is the terminal that programs may ask at; nil: they have no stdin.
	// All run in the background of it. One that wants to read is stopped by the
	// kernel (SIGTTIN, SIGTTOU); then Turn waits until no other question is
	// open and brings the process group to the front, until done is called. What
	// the program says on stderr is shown on screen meanwhile.
	TTY  *os.File
	Turn func(ctx context.Context, group int) (screen io.Writer, done func(), err error)

	mu    sync.Mutex
	paths map[string]found
}

type found struct {
	path string
	err  error
}

var (
	// errNotInstalled: no directory of PATH has the program.
	errNotInstalled = errors.New("not installed")
	// errUnread: what it printed was not kept.
	errUnread = errors.New("not read")
)

// Find gives the absolute path of a program; the first answer stays. The first
// that PATH has counts: if it may not be run that is an error, and no other is
// run in its place, since somebody may have meant to be found.
func (r *Runner) Find(name string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f, ok := r.paths[name]; ok {
		return f.path, f.err
	}
	path, err := r.search(name)
	if r.paths == nil {
		r.paths = map[string]found{}
	}
	r.paths[name] = found{path, err}
	return path, err
}

func (r *Runner) search(name string) (string, error) {
	candidates := []string{name}
	switch {
	case filepath.IsAbs(name):
	case strings.Contains(name, "/"):
		return "", fmt.Errorf("%s: the program's path must be absolute, or a name in PATH", name)
	default:
		candidates = nil
		for _, dir := range filepath.SplitList(r.getenv("PATH")) {
			if filepath.IsAbs(dir) { // "." and "" are wherever ward was started
				candidates = append(candidates, filepath.Join(dir, name))
			}
		}
	}
	for _, path := range candidates {
		if !executable(path) {
			continue
		}
		if dir := plantable(path, r.Changeable, r.Kept); dir != "" {
			return "", &planted{path, dir, "which the command may change"}
		}
		if dir := plantable(path, r.Project, nil); dir != "" {
			return "", &planted{path, dir, "the project that ward was started in"}
		}
		return path, nil
	}
	return "", errNotInstalled
}

// planted is a program where others could have put it.
type planted struct{ path, place, why string }

func (p *planted) Error() string {
	return fmt.Sprintf("%s is in %s, %s, so it is not run", p.path, p.place, p.why)
}

func (r *Runner) getenv(name string) string {
	for _, entry := range r.environ() {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}

func (r *Runner) environ() []string {
	if r.Environ == nil {
		return os.Environ()
	}
	return r.Environ
}

// given is what programs get. PATH is without relative directories and those
// where others could have left a program: a script's first line
// (#!/usr/bin/env node), or a shell, would find it there.
func (r *Runner) given() []string {
	given := slices.Clone(r.environ())
	for i, entry := range given {
		list, ok := strings.CutPrefix(entry, "PATH=")
		if !ok {
			continue
		}
		dirs := slices.DeleteFunc(filepath.SplitList(list), func(dir string) bool {
			names := []string{dir}
			if real, err := filepath.EvalSymlinks(dir); err == nil {
				names = append(names, real)
			}
			return !filepath.IsAbs(dir) || slices.ContainsFunc(names, func(name string) bool {
				inside := filepath.Join(name, "program")
				return plantable(inside, r.Changeable, r.Kept) != "" || plantable(inside, r.Project, nil) != ""
			})
		})
		given[i] = "PATH=" + strings.Join(dirs, string(filepath.ListSeparator))
	}
	return given
}

// plantable gives the place that holds the program, be it by its own name or
// behind links, if this user could write it there.
func plantable(path string, places, kept []string) string {
	names := []string{path}
	if real, err := filepath.EvalSymlinks(path); err == nil && real != path {
		names = append(names, real)
	}
	for _, name := range names {
		place := within(name, places)
		if place != "" && within(name, kept) == "" && (writable(name) || writable(filepath.Dir(name))) {
			return place
		}
	}
	return ""
}

// within gives the place that is path or holds it.
func within(path string, places []string) string {
	for _, place := range places {
		if rel, err := filepath.Rel(place, path); err == nil && filepath.IsLocal(rel) {
			return place
		}
	}
	return ""
}

// job is one run of a program.
type job struct {
	argv     []string // argv[0] is a name for find
	timeout  time.Duration
	onStderr bool // the value comes on stderr, and stdout is of no interest
	most     int  // bytes of the value; 0 is MaxValue
}

// answer is what a program left behind.
type answer struct {
	value  *Buffer
	said   *Buffer // the beginning of what it said beside the value
	status syscall.WaitStatus
}

func (a *answer) destroy() {
	a.value.Destroy()
	a.said.Destroy()
}

// says looks for one of the texts in what the program said.
func (a *answer) says(texts ...string) (yes bool) {
	_ = a.said.Use(func(said []byte) error {
		for _, text := range texts {
			yes = yes || bytes.Contains(said, []byte(text))
		}
		return nil
	})
	return yes
}

// ended is an exit status in words, nil for success.
func (a *answer) ended() error {
	switch {
	case a.status.Signaled():
		return fmt.Errorf("ended by signal %d (%v)", a.status.Signal(), a.status.Signal())
	case a.status.ExitStatus() != 0:
		return fmt.Errorf("exit status %d", a.status.ExitStatus())
	}
	return nil
}

// run starts the program and waits for its end. Its error is about the running
// (not found, too late, cancelled, too much); what the exit status means is the
// caller's to say, who also destroys the answer.
func (r *Runner) run(ctx context.Context, j job) (*answer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	path, err := r.Find(j.argv[0])
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p, err := r.start(path, j)
	if err != nil {
		return nil, err
	}
	defer p.close()
	a := &answer{}
	var reading sync.WaitGroup
	reading.Go(func() {
		var unread error
		if a.value, unread = ReadBuffer(untilDeadline{p.value}, cmp.Or(j.most, MaxValue)); unread != nil {
			cancel(errors.Join(errUnread, unread)) // nobody reads the rest, so it need not be written
		}
	})
	reading.Go(func() { p.notes.drain(untilDeadline{p.beside}) })
	var done func()
	a.status, done, err = r.follow(ctx, p, cmp.Or(j.timeout, r.Timeout, 30*time.Second))
	p.hurry()
	reading.Wait()
	done()
	a.said = p.notes.take()
	if err == nil && a.value == nil { // it ended before it could be killed for it
		err = context.Cause(ctx)
	}
	if err != nil {
		a.destroy()
		return nil, err
	}
	return a, nil
}

// failed makes an *Error of what run returned.
func failed(name, where, program, install string, err error) *Error {
	e := &Error{Name: name, Where: where, Err: err}
	if p, ok := errors.AsType[*planted](err); ok {
		e.Fix = "take " + filepath.Dir(p.path) + " out of PATH"
		return e
	}
	switch {
	case err == errNotInstalled:
		e.Err, e.Fix = fmt.Errorf("%s is not installed", program), install
	case errors.Is(err, errUnread):
		e.Err = err.(interface{ Unwrap() []error }).Unwrap()[1]
		e.Fix = "a secret has at most 1 MiB; what is larger is a file for the command to read"
		if h, ok := errors.AsType[interface {
			error
			Hint() string
		}](e.Err); ok {
			e.Fix = h.Hint()
		}
	case errors.Is(err, syscall.ENOEXEC):
		e.Fix = "a script needs a first line such as #!/bin/sh"
	case errors.Is(err, context.DeadlineExceeded):
		e.Fix = "see whether it waits for an answer in a window, or for the network"
	case errors.Is(err, errBackground):
		e.Fix = "bring ward to the front with fg, or sign in before"
	}
	return e
}

// pasteable writes a word of a command line that a person may paste.
func pasteable(word string) string {
	plain := strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-") == ""
	if plain && word != "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
