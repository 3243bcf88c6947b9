package launcher

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"ward/guard"
	"ward/secrets"
)

// marksKey is the name, among ward's own values in a store, of the key that the marks of its secrets are made under.
const marksKey = "marks"

var errQuiet = errors.New("nobody is asked for this")

// choose is the flag, else WARD_STORE, else config.json, else what this machine has.
func (s *Stores) choose(ctx context.Context) secrets.Choice {
	want, why := s.Want, "--store"
	if want == "" { // commands without the flag have the variable all the same
		want, why = os.Getenv("WARD_STORE"), "WARD_STORE"
	}
	if want == "" {
		config, err := loadConfig()
		if err != nil {
			// Half a configuration may name the wrong store, so there is none.
			return secrets.Choice{Store: noStore{err}, Name: "none", Why: "the configuration cannot be read: " + err.Error()}
		}
		want, why = config.Store, "config.json"
	}
	switch want {
	case "keyring":
		return secrets.Choice{Store: &s.Keyring, Name: "keyring", Why: why + " says so"}
	case "vault":
		return secrets.Choice{Store: &s.Vault, Name: "vault", Why: why + " says so"}
	case "":
	default:
		err := Mistake(why+": not keyring or vault", "")
		return secrets.Choice{Store: noStore{err}, Name: "none", Why: err.Error()}
	}
	return secrets.Default(ctx, &s.Keyring, &s.Vault)
}

func loadConfig() (secrets.Config, error) {
	dir, err := secrets.OwnDir("XDG_CONFIG_HOME", os.Getenv)
	if err != nil {
		return secrets.Config{}, err
	}
	return secrets.LoadConfig(filepath.Join(dir, "config.json"))
}

// noStore gives one error to all who want something of it.
type noStore struct{ error }

func (n noStore) Fetch(context.Context, string) (*secrets.Buffer, error) { return nil, n.error }
func (n noStore) Put(context.Context, string, *secrets.Buffer) error     { return n.error }
func (n noStore) Delete(context.Context, string) error                   { return n.error }
func (n noStore) List(context.Context) ([]string, error)                 { return nil, n.error }

// Keep is the default store with what is known about its secrets.
func (s *Stores) Keep(ctx context.Context) secrets.Keep {
	k := s.unmarked(ctx)
	k.Marks = func(ctx context.Context, value []byte) []byte {
		key, err := s.marksKey(ctx)
		if err != nil {
			return nil // to mark is not worth a question; `ward check` names what has no marks
		}
		return guard.MakeMarks(key, value)
	}
	return k
}

func (s *Stores) unmarked(ctx context.Context) secrets.Keep {
	return secrets.Keep{Choice: s.Default(ctx), Index: s.Keyring.Index}
}

// marksKey is what the marks in the index were made under. It is in the store, and made there when it is first asked
// for. Nobody is asked for anything: where the store is locked, that is an error.
func (s *Stores) marksKey(ctx context.Context) (key guard.Key, err error) {
	s.quiet.Store(true)
	defer s.quiet.Store(false)
	return s.askMarksKey(ctx)
}

// askMarksKey is marksKey that has the store ask for what opens it.
func (s *Stores) askMarksKey(ctx context.Context) (key guard.Key, err error) {
	own, err := s.unmarked(ctx).Own(ctx, marksKey, len(key))
	copy(key[:], own)
	clear(own)
	return key, err
}

// marked gives prints of the secrets that have marks, in the order of their names, less those that skip names. wrong are
// marks that cannot be read.
func marked(known map[string]secrets.Meta, skip func(name string) bool) (prints []guard.Print, wrong []error) {
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if len(known[name].Marks) == 0 || skip(name) {
			continue
		}
		p, err := guard.ReadMarks(name, known[name].Marks)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("stored secret %s: is not looked for: %w", name, err))
			continue
		}
		prints = append(prints, p)
	}
	return prints, wrong
}

// Unguardable says why the guard could not find a value in a launch's output; "" where it could.
func Unguardable(name string, value []byte) (why string) {
	key, err := guard.NewKey()
	if err != nil {
		return err.Error()
	}
	g, report := guard.New(key, []guard.Print{guard.Fingerprint(key, name, value)}, guard.Options{})
	defer g.Wipe()
	for _, u := range report.Unguarded {
		why = u.Why
	}
	return why
}
