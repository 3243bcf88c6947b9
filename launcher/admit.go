package launcher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ward/detect"
	"ward/launcher/broker"
	sessions "ward/launcher/session"
	"ward/secrets"
)

// reading is a read of secrets that is about to happen.
type reading struct {
	Refs     []secrets.Ref
	Unlocked map[secrets.Ref]*secrets.Buffer // what a session of this terminal gave
	Now      time.Time
	Action   detect.Action
	// Caller tells who asks. It is called only if a person has to be asked.
	Caller func() (detect.Caller, error)
}

// admit decides whether secrets may be read now, by what the index knows about them and by the configuration: what has
// expired and is strict may not, and what is strict needs a person at the terminal each time. So does a secret of which
// the index has no row: it may have been strict before the index was lost. notices are for people.
//
// The index is read only if one of the references is ward's own, so that a launch without stored secrets does not wait
// for it.
func (s *Stores) admit(ctx context.Context, r reading) (notices []string, err error) {
	refs := slices.DeleteFunc(slices.Clone(r.Refs), func(ref secrets.Ref) bool { return stored(ref) == "" })
	if len(refs) == 0 {
		return nil, nil
	}
	known, err := s.Keyring.Index.All()
	if err != nil {
		return nil, err // what is strict is not known: closed
	}
	config, err := loadConfig()
	if err != nil {
		return nil, err
	}
	var refused []error
	var ask, unknown []string
	for _, ref := range refs {
		name := stored(ref)
		meta, listed := known[name]
		from := ref.Scheme
		if from == "" && r.Unlocked[ref] == nil {
			from = s.Default(ctx).Name
		}
		if from != "" && from != cmp.Or(meta.Place, "keyring") {
			meta, listed = secrets.Meta{}, false // the index speaks of the other store's
		}
		if !listed && !s.Keyring.Foreign(name) {
			unknown = append(unknown, name)
		}
		switch notice, expired := expiry(name, meta, r.Now); {
		case expired && meta.Strict:
			refused = append(refused, &secrets.Error{Name: name, Err: errors.New("has expired, and is strict"), Fix: renew(name, meta)})
		case notice != "":
			notices = append(notices, notice)
		}
		if meta.Strict || config.Presence == "always" || config.Presence == "session" && r.Unlocked[ref] == nil || slices.Contains(unknown, name) {
			ask = append(ask, name)
		}
	}
	if err := errors.Join(refused...); err != nil || len(ask) == 0 {
		return notices, err
	}
	why := ""
	if len(unknown) > 0 {
		why = fmt.Sprintf(" (of %s the index does not know whether it is strict)", strings.Join(unknown, ", "))
		notices = append(notices, fmt.Sprintf("the index does not know %s, so a person is asked; ward set says anew what it is", strings.Join(unknown, ", ")))
	}
	// The vault's passphrase, typed a moment ago, proves the same.
	if s.typed.Load() {
		return notices, nil
	}
	return notices, r.prove(ctx, strings.Join(ask, ", "), why)
}

// prove has a person agree.
func (r reading) prove(ctx context.Context, names, why string) error {
	caller, err := r.Caller()
	if err != nil {
		return fmt.Errorf("secret %s%s: who asks cannot be seen: %w", names, why, err)
	}
	if caller.Inside || caller.OwnTerminal {
		return &detect.Refusal{Who: caller.Who(), Action: r.Action, Found: caller.Why, Fix: "a person can do it at a terminal of their own",
			Why: "a person has to be asked for " + names + why + ", and what is typed at this terminal proves nobody's presence"}
	}
	if err := TypeBack(ctx, caller, asker(caller)+" asks: hand over "+names+why+"?"); err != nil {
		return fmt.Errorf("secret %s%s: %w", names, why, err)
	}
	return nil
}

// asker names who asks: the agent, else the program that called ward.
func asker(c detect.Caller) string {
	if c.Agent != "" || len(c.Chain) < 2 {
		return c.Who()
	}
	p := c.Chain[1]
	return filepath.Base(cmp.Or(p.Exe, p.Name))
}

// stored is the name of a secret of ward's own, by whatever reference; "" for those of others.
func stored(ref secrets.Ref) string {
	switch ref.Scheme {
	case "", "vault":
		return ref.Path
	case "keyring":
		if name, ours := strings.CutPrefix(ref.Path, "ward/"); ours {
			return name
		}
	}
	return ""
}

// admitted is admit for values that were read already: where they may not be handed over, they are destroyed.
func (s *Stores) admitted(ctx context.Context, found map[secrets.Ref]*secrets.Buffer, r reading, before []string) (notices []string, err error) {
	r.Refs = slices.SortedFunc(maps.Keys(found), func(a, b secrets.Ref) int { return strings.Compare(a.String(), b.String()) })
	r.Now = time.Now()
	notices, err = s.admit(ctx, r)
	if err != nil {
		destroy(found)
		clear(found)
	}
	return append(before, notices...), err
}

// Read reads secrets for a caller who may do so: out of a session of the terminal, else from where they are.
//
// The process must be hidden (see Hide). A session wants to see what program asks, so while sessions are asked, which is
// before anything else is read, it may be looked at.
func (s *Stores) Read(ctx context.Context, refs []secrets.Ref, action detect.Action, caller detect.Caller) (found map[secrets.Ref]*secrets.Buffer, notices []string, err error) {
	unlocked, rest, err := unlocked(refs, action, caller)
	if err != nil {
		return nil, nil, err
	}
	found, notices, err = s.fetchHere(ctx, rest)
	if err != nil {
		return nil, nil, err
	}
	keep := s.Keep(ctx)
	for ref, value := range found {
		if ref.Scheme == "" {
			keep.Mark(ctx, ref.Path, value) // it is marked the next time otherwise
		}
	}
	maps.Copy(found, unlocked)
	r := reading{Unlocked: unlocked, Action: action, Caller: func() (detect.Caller, error) { return caller, nil }}
	notices, err = s.admitted(ctx, found, r, notices)
	return found, notices, err
}

// unlocked gives what sessions of the terminal have of the wanted secrets, and the rest of those.
func unlocked(refs []secrets.Ref, action detect.Action, caller detect.Caller) (found map[secrets.Ref]*secrets.Buffer, rest []secrets.Ref, err error) {
	found = map[secrets.Ref]*secrets.Buffer{}
	if !sessions.Near(caller) {
		return found, refs, nil
	}
	if err := secrets.ShowProcess(); err != nil {
		return nil, nil, err
	}
	for _, ref := range refs {
		value, err := (*secrets.Buffer)(nil), error(sessions.ErrNone)
		if ref.Scheme == "" {
			value, err = fromSession(ref.Path, action, caller)
		}
		if refusal := (*broker.Refusal)(nil); errors.As(err, &refusal) {
			return nil, nil, errors.Join(refusal, secrets.HideProcess())
		}
		if err != nil { // none has it, or it is ending
			rest = append(rest, ref)
			continue
		}
		found[ref] = value
	}
	return found, rest, secrets.HideProcess()
}

// expiry is a line about a secret that has expired or soon will.
func expiry(name string, meta secrets.Meta, now time.Time) (notice string, expired bool) {
	left := meta.Expires.Sub(now)
	switch {
	case meta.Expires.IsZero() || left > secrets.Soon:
		return "", false
	case left <= 0:
		return fmt.Sprintf("%s expired on %s; %s", name, meta.Expires.Format(time.DateOnly), renew(name, meta)), true
	}
	return fmt.Sprintf("%s expires on %s; %s", name, meta.Expires.Format(time.DateOnly), renew(name, meta)), false
}

func renew(name string, meta secrets.Meta) string {
	if meta.Rotate != "" {
		return "renew it at " + meta.Rotate + ", then: ward rotate " + name
	}
	return "renew it, then: ward rotate " + name
}
