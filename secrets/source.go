// Package secrets knows where values are and how they are held: references,
// sources and stores that give them, and the locked Buffer they are given in.
package secrets

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// What an error of a Source or Store wraps, where a caller may want to know.
var (
	// ErrNotFound: no such secret there.
	ErrNotFound = errors.New("not found")
	// ErrLocked: the place is locked and was not unlocked: nobody could be
	// asked, nobody answered, or the answer was no.
	ErrLocked = errors.New("locked")
	// ErrExists: the name is taken.
	ErrExists = errors.New("exists already")
)

// A Source gives values. A path is what follows SCHEME:// in a reference, or
// a bare name. Fetch keeps to ctx, may be called from several goroutines, and
// its errors are *Error; the caller destroys the Buffer.
type Source interface {
	Fetch(ctx context.Context, path string) (*Buffer, error)
}

// A Store is a Source that can be written. Put replaces, Delete of what is not
// there is ErrNotFound, List is sorted. Put does not keep value.
type Store interface {
	Source
	Put(ctx context.Context, path string, value *Buffer) error
	Delete(ctx context.Context, path string) error
	List(ctx context.Context) ([]string, error)
}

// Error says which secret, where it was looked for, and what was wrong.
type Error struct {
	Name  string // the reference or name as asked for; "" where it is about the place
	Where string // the place in words: "the keyring (service ward)"
	Err   error
	Fix   string // what a person can do about it
}

// Error is one line, subject first, without any part of a value.
func (e *Error) Error() string {
	text := e.Err.Error()
	switch {
	case e.Name == "":
		return e.Where + ": " + text
	case e.Where == "":
		return "secret " + e.Name + ": " + text
	case e.Err == ErrNotFound:
		return "secret " + e.Name + ": not found in " + e.Where
	}
	return "secret " + e.Name + ": " + e.Where + ": " + text
}

// Hint is Fix.
func (e *Error) Hint() string { return e.Fix }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Resolver maps a reference's scheme to its source; "" is the default store.
type Resolver map[string]Source

// Resolve fetches every distinct reference once, all at the same time. Either
// every value is there, or none is: the failures come back joined, in the
// order of refs, and what was fetched is destroyed.
func (r Resolver) Resolve(ctx context.Context, refs []Ref) (map[Ref]*Buffer, error) {
	values := make([]*Buffer, len(refs))
	failures := make([]error, len(refs))
	seen := map[Ref]bool{}
	var all sync.WaitGroup
	for i, ref := range refs {
		if seen[ref] {
			continue
		}
		seen[ref] = true
		all.Go(func() { values[i], failures[i] = r.fetch(ctx, ref) })
	}
	all.Wait()
	err := errors.Join(failures...)
	found := make(map[Ref]*Buffer, len(refs))
	for i, ref := range refs {
		switch {
		case values[i] == nil:
		case err != nil:
			values[i].Destroy()
		default:
			found[ref] = values[i]
		}
	}
	if err != nil {
		return nil, err
	}
	return found, nil
}

func (r Resolver) fetch(ctx context.Context, ref Ref) (*Buffer, error) {
	if Reserved(ref) {
		return nil, reservedError(ref.String())
	}
	source := r[ref.Scheme]
	if source == nil {
		return nil, &Error{Name: ref.String(), Err: fmt.Errorf("no source for %q references here", ref.Scheme)}
	}
	value, err := source.Fetch(ctx, ref.Path)
	if err == nil {
		return value, nil
	}
	// A name that was refused as such may be a value: it is not repeated.
	if errors.As(err, new(*RefError)) {
		return nil, err
	}
	// A source knows its path only; people know the reference they wrote.
	if e, ok := errors.AsType[*Error](err); ok {
		named := *e
		named.Name = ref.String()
		return nil, &named
	}
	return nil, &Error{Name: ref.String(), Err: err}
}

// Await runs f and stops waiting for it when ctx ends: for calls into
// libraries that know no context. f then goes on alone, so it must hold
// nothing that anybody else waits for.
func Await[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	done := make(chan outcome, 1)
	go func() {
		value, err := f()
		done <- outcome{value, err}
	}()
	select {
	case o := <-done:
		return o.value, o.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}

// gate lets one caller at a time ask a person for something. Those who came
// while a question was open share a refusal instead of asking again.
type gate struct {
	mu      sync.Mutex
	ended   atomic.Int64 // questions so far
	refused error        // how the last one ended; guarded by mu
}

func (g *gate) do(f func() error) error {
	came := g.ended.Load()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refused != nil && g.ended.Load() != came {
		return g.refused
	}
	err := f()
	g.refused = err
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		g.refused = nil // the asker went away: no answer for the others
	}
	g.ended.Add(1)
	return err
}
