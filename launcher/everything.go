package launcher

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"ward/guard"
	"ward/secrets"
)

// Stored is what a guard can know of the secrets in the default store.
type Stored struct {
	Prints []guard.Print
	Unread string // why they are not all here, one sentence for people; "" if they are

	// What ReadStored gives instead of the prints of secrets that the index has marks of, and the key to them.
	Marks    []guard.Print
	MarksKey guard.Key
}

// Guard makes a guard by them.
func (s Stored) Guard(key guard.Key) *guard.Guard {
	g, _ := guard.New(key, s.Prints, guard.Options{Stored: s.Marks, StoredKey: s.MarksKey})
	return g
}

// FetchStored fingerprints every stored secret under key, in a process of its own that ends right after: this one never
// has a value. With ask a person may be asked to open the store; without, a store that is locked is Unread.
//
// environ is what Hide gave, nil where the process is not hidden.
func FetchStored(key guard.Key, ask bool, environ io.ReaderAt) (Stored, error) {
	file, _ := environ.(*os.File)
	r, err := beginResolver(file)
	if err != nil {
		return Stored{}, err
	}
	defer r.values.Close()
	if err := r.send(request{Key: key[:], All: true, Ask: ask}); err != nil {
		return Stored{}, err
	}
	if err := r.wait(nil); err != nil {
		return Stored{}, err
	}
	return Stored{Prints: r.prints, Unread: r.report.Unread}, nil
}

// ReadStored is for where milliseconds count. It works in this process, which should end soon, since libraries of the
// stores keep copies; and it takes the marks of secrets from the index where there are some, because each value that is
// fetched from a keyring takes longer than all else. It never asks. environ is what Hide gave.
func ReadStored(ctx context.Context, key guard.Key, environ io.ReaderAt) (Stored, error) {
	stores, err := OpenStores(environ)
	if err != nil {
		return Stored{}, err
	}
	stores.Keyring.Quiet = true
	known, err := stores.Keep(ctx).Known()
	if err != nil {
		return Stored{}, err
	}
	all := stores.fingerprints(ctx, key, false, func(name string) bool { return len(known[name].Marks) > 0 })
	var wrong []error
	if all.Marks, wrong = marked(known, func(string) bool { return false }); len(wrong) > 0 {
		return Stored{}, errors.Join(wrong...)
	}
	if len(all.Marks) == 0 || all.Unread != "" {
		return all, nil
	}
	if all.MarksKey, err = stores.marksKey(ctx); err != nil {
		all.Unread = fmt.Sprintf("%d stored secrets are not known: %v", len(all.Marks), err)
	}
	return all, nil
}

// everything adds the frames of all stored secrets to the resolver's answer.
func (req request) everything(ctx context.Context, stores *Stores, rep *report) (frames []byte) {
	if !req.All {
		return nil
	}
	found := stores.fingerprints(ctx, guard.Key(req.Key), req.Ask, func(string) bool { return false })
	rep.Unread = found.Unread
	var err error
	for _, p := range found.Prints {
		if frames, err = p.AppendBinary(frames); err != nil {
			rep.Unread = err.Error()
		}
	}
	return frames
}

// fingerprints reads the default store, but for what skip names. One value that cannot be read does not keep the others
// from being known.
func (s *Stores) fingerprints(ctx context.Context, key guard.Key, ask bool, skip func(name string) bool) (all Stored) {
	if !ask {
		s.Keyring.Quiet = true
		s.quiet.Store(true)
	}
	choice := s.Default(ctx)
	if all.Unread = s.away(choice); all.Unread != "" {
		return all
	}
	names, err := choice.Store.List(ctx)
	if err != nil {
		all.Unread = err.Error()
		return all
	}
	names = slices.DeleteFunc(names, func(name string) bool { return secrets.Reserved(secrets.Ref{Path: name}) })
	var unread []string
	for _, name := range names {
		if skip(name) {
			continue
		}
		value, err := choice.Store.Fetch(ctx, name)
		switch {
		case errors.Is(err, secrets.ErrLocked):
			all.Unread = fmt.Sprintf("the %d stored secrets are not known: the %s is locked", len(names), choice.Name)
			return all
		case err != nil:
			unread = append(unread, name)
			continue
		}
		value.Use(func(v []byte) error {
			all.Prints = append(all.Prints, guard.Fingerprint(key, name, v))
			return nil
		})
		value.Destroy()
	}
	if slices.Sort(unread); len(unread) > 0 {
		all.Unread = fmt.Sprintf("%d stored secrets cannot be read: %s", len(unread), strings.Join(unread, ", "))
	}
	return all
}

// away says that stored secrets are out of reach where the vault was taken because no keyring answers, as for an agent
// that was started without the session's bus: they are in the keyring, and the vault has none of them. "" if there are
// none such, or somebody chose the vault.
func (s *Stores) away(choice secrets.Choice) string {
	if choice.Absent == nil {
		return ""
	}
	known, err := secrets.Keep{Choice: secrets.Choice{Name: "keyring"}, Index: s.Keyring.Index}.Known()
	if err != nil {
		return err.Error()
	}
	if len(known) == 0 {
		return ""
	}
	return fmt.Sprintf("%d stored secrets are not known: they are in the keyring, and %v", len(known), choice.Absent)
}
