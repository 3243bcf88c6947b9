package launcher

import (
	"os"

	"ward/sandbox"
	"ward/secrets"
)

// Early is what a launch begins before it has read its command line: the kernel loads stage two and the resolver, which
// wait for their orders, while the flags and profiles are read. Neither knows or does anything yet.
type Early struct {
	stageTwo *sandbox.Early
	resolver *resolving
}

// Begin starts them; the resolver only if credentials are asked for or any are stored. What fails is tried again, and
// reported, when it is needed.
func Begin(credentials bool) *Early {
	e := &Early{}
	e.stageTwo, _ = sandbox.Begin(nested())
	if data, err := secrets.OwnDir("XDG_DATA_HOME", os.Getenv); credentials || err == nil && hasIndex(data) {
		e.resolver, _ = beginResolver(nil)
	}
	return e
}

// Cancel ends what no launch came of. It may be called on nil, and after a launch has taken it over.
func (e *Early) Cancel() {
	e.takeStageTwo().Cancel()
	e.takeResolver().kill()
}

func (e *Early) takeStageTwo() (s *sandbox.Early) {
	if e != nil {
		s, e.stageTwo = e.stageTwo, nil
	}
	return s
}

func (e *Early) takeResolver() (r *resolving) {
	if e != nil {
		r, e.resolver = e.resolver, nil
	}
	return r
}
