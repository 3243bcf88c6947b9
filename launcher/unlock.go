package launcher

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"ward/detect"
	sessions "ward/launcher/session"
	"ward/secrets"
)

// Unlock starts a session with every secret below a prefix, for a caller who may do so, once a person has proved to be at
// the terminal: by the vault's passphrase, typed there and nowhere else, or, since a keyring is open as long as its owner is
// logged in, by TypeBack. strict are the names below the prefix that are asked for every time (strict, or unknown to the
// index), and so are not in the session.
//
// The session gets the values and not what opens the store: a vault's identity would open what is outside the prefix
// and what is stored later, and age keeps it on Go's heap.
func (s *Stores) Unlock(ctx context.Context, prefix string, last time.Duration, caller detect.Caller) (done sessions.Info, strict []string, err error) {
	at, err := sessions.Terminal()
	if err != nil {
		return done, nil, Mistake("unlock: "+err.Error(), "a person has to be at the terminal for this")
	}
	keep := s.Keep(ctx)
	names, strict, err := below(ctx, keep, prefix)
	if err != nil {
		return done, nil, err
	}
	if len(names) == 0 {
		fix := "ward ls shows what there is"
		if len(strict) > 0 {
			fix = "what is there is asked for every time: " + strings.Join(strict, ", ")
		}
		return done, nil, Mistake("unlock "+prefix+": the "+keep.Name+" has nothing to unlock there", fix)
	}
	if keep.Name == "vault" {
		s.Vault.Passphrase = func(_ context.Context, prompt string, confirm bool) (*secrets.Buffer, error) {
			return AskSecret(context.Background(), prompt, confirm)
		}
	} else if err := TypeBack(ctx, caller, fmt.Sprintf("unlock %s (%d secrets) in this terminal for %v", prefix, len(names), last)); err != nil {
		return done, nil, err
	}
	values, err := fetchNamed(ctx, keep.Store, names)
	if err != nil {
		return done, nil, err
	}
	defer destroy(values)
	done, err = sessions.Open(prefix, last, at, values)
	return done, strict, err
}

// below lists the names that are the prefix or lie below it, those that are asked for every time apart.
func below(ctx context.Context, keep secrets.Keep, prefix string) (names, strict []string, err error) {
	all, err := keep.Store.List(ctx)
	if err != nil {
		return nil, nil, err
	}
	known, err := keep.Known()
	if err != nil {
		return nil, nil, err // what is strict is not known: closed
	}
	for _, name := range all {
		meta, listed := known[name]
		switch {
		case !Below(name, prefix) || secrets.Reserved(secrets.Ref{Path: name}):
		case meta.Strict || !listed: // what nothing is known about may have been: see admit
			strict = append(strict, name)
		default:
			names = append(names, name)
		}
	}
	return names, strict, nil
}

// Below says whether a name is the prefix or lies below it: acme/api/token is below acme and acme/api, and not below ac.
func Below(name, prefix string) bool {
	prefix = strings.TrimSuffix(prefix, "/")
	return name == prefix || strings.HasPrefix(name, prefix+"/")
}

func fetchNamed(ctx context.Context, store secrets.Store, names []string) (map[string]*secrets.Buffer, error) {
	values := map[string]*secrets.Buffer{}
	for _, name := range names {
		value, err := store.Fetch(ctx, name)
		if err != nil {
			destroy(values)
			return nil, err
		}
		values[name] = value
	}
	return values, nil
}

// fromSession reads a name out of a session of the caller's terminal. sessions.ErrNone: there is none that has it, or the
// configuration wants every read asked for (presence "always").
func fromSession(name string, action detect.Action, caller detect.Caller) (*secrets.Buffer, error) {
	mine, err := sessions.Mine(caller)
	if err != nil || !slices.ContainsFunc(mine, func(i sessions.Info) bool { return slices.Contains(i.Names, name) }) {
		return nil, sessions.ErrNone
	}
	config, err := loadConfig()
	if err != nil {
		return nil, err
	}
	if config.Presence == "always" {
		return nil, sessions.ErrNone
	}
	return sessions.Get(name, action, caller)
}

// fromSessions takes those of the wanted secrets that the user's terminal has unlocked. It runs in the resolver before
// that has any other value: the session wants to see what program asks, so for that moment it may be looked at.
func (req request) fromSessions() (map[secrets.Ref]*secrets.Buffer, error) {
	if !sessions.Any() { // no launch looks at its parents for nothing
		return nil, nil
	}
	caller, err := sessions.Caller()
	if err != nil {
		return nil, nil
	}
	var refs []secrets.Ref
	for _, w := range req.Wants {
		if !slices.Contains(refs, w.Ref) {
			refs = append(refs, w.Ref)
		}
	}
	found, _, err := unlocked(refs, detect.RunCredential, caller)
	return found, err
}
