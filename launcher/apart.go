package launcher

import (
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"os/signal"

	"ward/secrets"
)

// byProgram says whether a reference is read by somebody else's program.
func byProgram(ref secrets.Ref) bool {
	switch ref.Scheme {
	case "op", "bw", "apple-password", "cmd":
		return true
	}
	return false
}

// fetchHere reads references for this process: what other programs give by a resolver each, all else here.
func (s *Stores) fetchHere(ctx context.Context, refs []secrets.Ref) (found map[secrets.Ref]*secrets.Buffer, notices []string, err error) {
	var here []secrets.Ref
	found = map[secrets.Ref]*secrets.Buffer{}
	defer func() {
		if err != nil {
			destroy(found)
			found = nil
		}
	}()
	for _, ref := range refs {
		if !byProgram(ref) {
			here = append(here, ref)
			continue
		}
		value, said, err := s.fetchApart(ref)
		if err != nil {
			return found, nil, err
		}
		found[ref], notices = value, append(notices, said...)
	}
	more, err := s.resolver().Resolve(ctx, here)
	maps.Copy(found, more)
	return found, notices, err
}

// fetchApart reads one reference by a resolver. That is a process of its own so that the program and what it started end
// with this process, by whatever end: the resolver notices that its socket closed, ends them, and gives the terminal back.
func (s *Stores) fetchApart(ref secrets.Ref) (value *secrets.Buffer, notices []string, err error) {
	environ, _ := s.Env.Block.(*os.File)
	r, err := beginResolver(environ)
	if err != nil {
		return nil, nil, err
	}
	defer r.values.Close()
	signals := make(chan os.Signal, 1)
	takeEndings(signals)
	defer signal.Stop(signals)
	if err := r.send(request{Wants: []want{{Ref: ref}}, Raw: true, Apart: passphraseVars(), Silent: s.Silent}); err != nil {
		return nil, nil, err
	}
	read := make(chan error, 1)
	go func() {
		var err error
		value, err = secrets.ReadBuffer(r.values, secrets.MaxValue)
		read <- err
	}()
	err = r.wait(signals)
	if rerr := <-read; err == nil {
		err = rerr
	}
	if errors.Is(err, errInterrupted) {
		err = interrupted(ref)
	}
	if err != nil {
		value.Destroy()
		return nil, nil, err
	}
	return value, r.report.Notices, nil
}

// interrupted: somebody ended the reading of a reference.
func interrupted(ref secrets.Ref) error {
	return &secrets.Error{Name: ref.String(), Err: errors.New("interrupted")}
}

// raw writes the only value that was asked for as it is.
func (req request) raw(found map[secrets.Ref]*secrets.Buffer, values io.Writer) error {
	for _, value := range found {
		return value.Use(func(v []byte) error { _, err := values.Write(v); return err })
	}
	return errors.New("resolver: nothing was read")
}
