package launcher

import (
	"sync"

	"ward/profiles"
	"ward/sandbox"
)

// Early is what a launch begins before it has read its command line: the kernel loads stage two and the resolver, which
// wait for their orders, and the data that every plan needs is read, while the flags are. None of it knows or does
// anything yet.
type Early struct {
	stageTwo *sandbox.Early
	resolver *resolving
	masks    func() ([]profiles.PathRule, error)
	base     func() (*profiles.Profile, error)
}

// Begin starts them; the resolver only if credentials are likely to be asked for. What fails is tried again, and
// reported, when it is needed.
func Begin(credentials bool) *Early {
	e := &Early{}
	e.stageTwo, _ = sandbox.Begin(Nested())
	if credentials {
		e.resolver, _ = beginResolver()
	}
	e.masks = meanwhile(profiles.Credentials)
	e.base = meanwhile(func() (*profiles.Profile, error) { return profiles.ParseBuiltin("default") })
	return e
}

// Masks is for [Host.Masks].
func (e *Early) Masks() func() ([]profiles.PathRule, error) {
	if e == nil {
		return nil
	}
	return e.masks
}

// Builtin is for [profiles.Dirs].
func (e *Early) Builtin(name string) (*profiles.Profile, error) {
	if e != nil && name == "default" {
		return e.base()
	}
	return profiles.ParseBuiltin(name)
}

// Cancel ends what no launch came of. It may be called on nil, and after a launch has taken it over.
func (e *Early) Cancel() {
	if e == nil {
		return
	}
	e.stageTwo.Cancel()
	e.takeResolver().kill()
	e.stageTwo = nil
}

func (e *Early) takeStageTwo() *sandbox.Early {
	if e == nil {
		return nil
	}
	s := e.stageTwo
	e.stageTwo = nil
	return s
}

func (e *Early) takeResolver() *resolving {
	if e == nil {
		return nil
	}
	r := e.resolver
	e.resolver = nil
	return r
}

// meanwhile starts f now and gives its result when it is asked for: the list of credential paths is read on the other
// processor while the profile is.
func meanwhile[T any](f func() (T, error)) func() (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := f()
		done <- result{value, err}
	}()
	return sync.OnceValues(func() (T, error) {
		r := <-done
		return r.value, r.err
	})
}
