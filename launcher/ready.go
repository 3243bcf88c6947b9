package launcher

import (
	"os"
	"slices"
	"time"

	"ward/guard"
)

// resolved waits for stage two and the resolver. Where both fail, the resolver's words are the ones that help: stage
// two only missed the values.
func (s *session) resolved(r *resolving, key guard.Key) error {
	s.under = s.plan.covered()
	var layer error
	done := make(chan struct{})
	go func() {
		defer close(done)
		layer = s.cmd.Prepared()
		if layer != nil {
			r.kill() // it may be asking for a passphrase that nobody needs any more
		}
	}()
	var err error
	if r != nil {
		err = r.wait(s.signals)
		if werr := wipeEnviron(slices.Concat(s.plan.wipe, s.plan.tokens)); werr != nil && err == nil {
			err = werr
		}
		if err != nil {
			s.cmd.Kill()
		}
	}
	s.listen()
	if s.interrupted(done) {
		err = errInterrupted
	}
	if err != nil && (layer == nil || err == errInterrupted || len(r.report.Errors) > 0) {
		return err
	}
	if layer != nil {
		return layer
	}
	if r == nil {
		return s.arm(key, nil, nil)
	}
	return s.arm(key, r.prints, &r.report)
}

// interrupted waits until stage two is done, and says whether a signal ended that. Signals that end nothing are kept for
// the command.
func (s *session) interrupted(done <-chan struct{}) bool {
	var others []os.Signal
	for {
		select {
		case <-done:
			for _, sig := range others {
				select {
				case s.signals <- sig:
				default:
				}
			}
			return false
		case sig := <-s.signals:
			if ends(sig) {
				s.cmd.Kill()
				<-done
				return true
			}
			others = append(others, sig)
		}
	}
}

// struck is asked when a launch fails, and says whether it was a signal that did it: what a terminal sends goes to stage
// two and the resolver too, which may end by it before ward hears of it.
func (s *session) struck() bool {
	for {
		select {
		case sig := <-s.signals:
			if ends(sig) {
				return true
			}
		case <-time.After(10 * time.Millisecond):
			return false
		}
	}
}

// arm makes the guards, one a stream, and tells what they cannot see.
func (s *session) arm(key guard.Key, prints []guard.Print, rep *report) error {
	var mode guard.Mode
	if err := mode.UnmarshalText([]byte(s.plan.Guard)); err != nil {
		return err
	}
	opt := guard.Options{Mode: mode}
	if rep != nil {
		launch := len(prints) - min(rep.Stored, len(prints))
		prints, opt.Stored = prints[:launch], prints[launch:]
		copy(opt.StoredKey[:], rep.StoredKey)
	}
	s.key, s.prints, s.stored = key, prints, opt
	if t := s.cmd.Terminal; t != nil {
		opt.Cols, opt.Rows = int(t.Cols), int(t.Rows)
	}
	g, found := guard.New(key, prints, opt)
	s.guards = []*guard.Guard{g, g.Another(), g.Another()}
	if mode != guard.Off {
		for _, u := range found.Unguarded {
			s.say("%s %s: it is not masked", u.Name, u.Why)
		}
	}
	if rep != nil {
		s.found, s.sealed = rep.Found, rep.Sealed
		for _, n := range rep.Notices {
			s.say("%s", n)
		}
	}
	return nil
}
