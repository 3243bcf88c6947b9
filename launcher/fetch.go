package launcher

import (
	"context"
	"errors"
	"maps"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"

	"ward/sandbox"
	"ward/secrets"
)

// programs tells the resolver which commands the profile declares, and where programs may have been planted.
func (req *request) programs(p *Plan) {
	req.Project = p.shared
	for _, c := range p.Credentials {
		if c.Ref.Scheme == "cmd" {
			if req.Commands == nil {
				req.Commands = map[string]secrets.Command{}
			}
			req.Commands[c.Ref.Path] = secrets.Command{Argv: c.Command, Timeout: c.Timeout}
		}
	}
	for _, r := range p.Policy.Rules {
		if r.Access&sandbox.Write != 0 {
			req.Changeable = append(req.Changeable, r.Path)
		}
	}
	for _, m := range p.Policy.Masks {
		req.Kept = append(req.Kept, m.Path)
	}
}

// resolver makes the sources of a launch. What a person interrupts at one of them ends the others by stop.
func (req *request) resolver(stores *Stores, stop func()) secrets.Resolver {
	stores.Commands, stores.Silent, stores.Interrupted = req.Commands, req.Silent, true
	stores.Programs.Changeable, stores.Programs.Kept, stores.Programs.Project = req.Changeable, req.Kept, req.Project
	resolver := stores.resolver()
	resolver["file"] = secrets.File{Opened: req.opened}
	for scheme, source := range resolver {
		resolver[scheme] = stopping{source, stop}
	}
	return resolver
}

// opened refuses a file outside the project and what the command may change, if a link on the way there is in one of
// them: the launch before may have put that there, to be given what it may not read. A link that was exchanged since does
// not hide it.
func (req *request) opened(path, real string) error {
	changeable := func(at string) bool {
		in := func(place string) bool { return sandbox.Within(at, place) }
		return (slices.ContainsFunc(req.Changeable, in) || slices.ContainsFunc(req.Project, in)) && !slices.ContainsFunc(req.Kept, in)
	}
	at, links := follow(path)
	if changeable(real) || !slices.ContainsFunc(links, changeable) && (at == real || !changeable(at)) {
		return nil
	}
	return errors.New("leads to " + real + " by a link that a command may have put there")
}

// stopping calls stop where its source was interrupted.
type stopping struct {
	secrets.Source
	stop func()
}

func (s stopping) Fetch(ctx context.Context, path string) (*secrets.Buffer, error) {
	value, err := s.Source.Fetch(ctx, path)
	if errors.Is(err, context.Canceled) {
		s.stop()
	}
	return value, err
}

// fetchAll fetches all references at the same time. Optional ones may be missing, for which secrets.ErrNotFound is the
// only excuse. Either all the others are there, or none is.
func fetchAll(ctx context.Context, resolver secrets.Resolver, refs, optional []secrets.Ref) (map[secrets.Ref]*secrets.Buffer, error) {
	optional = slices.DeleteFunc(optional, func(ref secrets.Ref) bool { return slices.Contains(refs, ref) })
	sets := make([]map[secrets.Ref]*secrets.Buffer, 1+len(optional))
	failures := make([]error, len(sets))
	var all sync.WaitGroup
	all.Go(func() { sets[0], failures[0] = resolver.Resolve(ctx, refs) })
	for i, ref := range optional {
		all.Go(func() {
			var err error
			if sets[i+1], err = resolver.Resolve(ctx, []secrets.Ref{ref}); !errors.Is(err, secrets.ErrNotFound) {
				failures[i+1] = err
			}
		})
	}
	all.Wait()
	found := map[secrets.Ref]*secrets.Buffer{}
	for _, set := range sets {
		maps.Copy(found, set)
	}
	if err := errors.Join(failures...); err != nil {
		destroy(found)
		return nil, err
	}
	return found, nil
}

func destroy[K comparable](values map[K]*secrets.Buffer) {
	for _, value := range values {
		value.Destroy()
	}
}

// untilEnding gives a context that ends with the first of the signals.
func untilEnding(ctx context.Context) (context.Context, func()) {
	list := endings()
	if len(list) == 0 { // see takeEndings
		return context.WithCancel(ctx)
	}
	return signal.NotifyContext(ctx, list...)
}

// takeEndings has the signals that ask this process to end sent to a channel.
func takeEndings(signals chan<- os.Signal) {
	if list := endings(); len(list) > 0 { // to signal.Notify none would be all signals there are
		signal.Notify(signals, list...)
	}
}

// endings are the signals that ask a process to end, less those that this one was started to ignore.
func endings() []os.Signal { return slices.DeleteFunc(allEndings(), signal.Ignored) }

// ends says whether a signal asks a process to end.
func ends(sig os.Signal) bool { return slices.Contains(allEndings(), sig) }

func allEndings() []os.Signal {
	return []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT}
}
