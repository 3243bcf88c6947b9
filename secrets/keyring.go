package secrets

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zalando/go-keyring"
)

const (
	keyringService = "ward"
	keyringPlace   = "the keyring (service ward)" // in words
	// nonoService is where nono keeps its secrets. ward reads them and never
	// writes there: a Set by go-keyring replaces nono's item by one that lacks
	// nono's third attribute, and nono would not find it any more.
	nonoService = "nono"
)

// Keyring is the OS keyring: the Secret Service on Linux (GNOME Keyring,
// KWallet, KeePassXC), the login keychain on macOS. As a Store it holds bare
// names under the service "ward"; Services reads those of other programs.
//
// go-keyring takes and gives strings, which stay on the heap, and D-Bus and
// security(1) make copies of their own: call it in the resolver and other
// processes that end soon. On macOS an item that another program stored with
// several lines or non-ASCII text comes back as security(1) prints it, in hex.
type Keyring struct {
	Index    *Index        // the names Put stored; nil: there is no list
	Notice   func(string)  // told for each value that came from nono's entries, from any goroutine; may be nil
	Timeout  time.Duration // for an answer of the keyring; 0 is 30 s
	Patience time.Duration // for a person to unlock it; 0 is 2 min
	Quiet    bool          // a keyring that is locked is ErrLocked, and nobody is asked
	// Limit is the largest value in bytes that becomes an item; larger ones go
	// into encrypted files beside the index, "keyring/", whose keys are the
	// items. 0 is the platform's: none on Linux, 2,048 on macOS, where
	// go-keyring passes a command line of at most 4,096 bytes with the value in
	// base64. An RSA key of 4096 bits has 3,243.
	Limit int

	engine sync.Mutex   // go-keyring mixes up the prompts of calls that overlap
	gate   gate         // one check, and so one prompt, at a time
	checks atomic.Int64 // that found it unlocked

	foreign sync.Map // the names that Fetch found under nono
}

// Foreign says whether Fetch found a name among nono's entries, which ward's index does not know.
func (k *Keyring) Foreign(name string) bool {
	_, is := k.foreign.Load(name)
	return is
}

// Services gives the source of keyring://SERVICE/ACCOUNT.
func (k *Keyring) Services() Source { return services{k} }

type services struct{ *Keyring }

// Fetch reads the account of a service.
func (s services) Fetch(ctx context.Context, path string) (*Buffer, error) {
	// ParseRef sees to it that both are there; the first "/" parts them.
	ref, err := ParseRef("keyring://" + path)
	if err != nil {
		return nil, keyringError("", "the keyring", err)
	}
	service, account, _ := strings.Cut(ref.Path, "/")
	where := fmt.Sprintf("the keyring (service %s)", service)
	value, err := do(ctx, s.Keyring, func() (string, error) {
		item, err := keyring.Get(service, account)
		if err == nil && service == keyringService {
			return s.open(account, item)
		}
		return item, err
	})
	if errors.Is(err, keyring.ErrNotFound) {
		return nil, &Error{Name: "keyring://" + path, Where: where, Err: ErrNotFound,
			Fix: "the service's own program stores it there; `secret-tool search service " + service + "` shows what is there"}
	} else if err != nil {
		return nil, keyringError("keyring://"+path, where, err)
	}
	return lockString("keyring://"+path, where, value)
}

// Available says whether a keyring answers, locked or not. Its error says why
// not, in words for people.
func (k *Keyring) Available(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, k.timeout())
	defer cancel()
	_, err := Await(ctx, func() (struct{}, error) { return struct{}{}, keyringAnswers(ctx) })
	return keyringError("", "keyring", err)
}

// Fetch reads a name of ward's own, else of nono's.
func (k *Keyring) Fetch(ctx context.Context, name string) (*Buffer, error) {
	if err := checkName(name); err != nil {
		return nil, keyringError("", keyringPlace, err)
	}
	nono := false
	value, err := do(ctx, k, func() (string, error) {
		item, err := keyring.Get(keyringService, name)
		if errors.Is(err, keyring.ErrNotFound) {
			value, err := keyring.Get(nonoService, name)
			nono = err == nil
			return value, err
		} else if err != nil {
			return "", err
		}
		return k.open(name, item)
	})
	if err != nil {
		if errors.Is(err, keyring.ErrNotFound) {
			return nil, keyringError(name, keyringPlace+", nor under service nono", err)
		}
		return nil, keyringError(name, keyringPlace, err)
	}
	if nono {
		k.foreign.Store(name, true)
	}
	if nono && k.Notice != nil {
		k.Notice(fmt.Sprintf("%s: taken from nono's keyring entries; `ward set %s` gives ward its own", name, name))
	}
	return lockString(name, keyringPlace, value)
}

// Put stores value under the service "ward" and reads it back: a keyring that
// changes bytes (KWallet keeps text only) is refused, and what was there
// before is put back.
func (k *Keyring) Put(ctx context.Context, name string, value *Buffer) error {
	if err := checkName(name); err != nil {
		return keyringError("", keyringPlace, err)
	}
	if value.Len() > MaxValue {
		return keyringError(name, keyringPlace, fmt.Errorf("larger than %d bytes", MaxValue))
	}
	// The copy is made here, not in the call that may outlive this one: value
	// must be free to be destroyed when Put returns.
	var text string
	if err := value.Use(func(data []byte) error { text = string(data); return nil }); err != nil {
		return keyringError(name, keyringPlace, err)
	}
	var added atomic.Bool
	_, err := do(ctx, k, func() (string, error) { return "", k.put(ctx, name, text, &added) })
	if err != nil {
		err = keyringError(name, keyringPlace, err)
		if added.Load() { // the call did not come back, and still holds the keyring's lock
			_, undone := k.Index.Remove(context.WithoutCancel(ctx), name)
			err = errors.Join(err, undone)
		}
	}
	return err
}

// put stores the value and its name while no other ward changes the keyring:
// two that store at once would take each other's value for a changed one.
// added says whether the name is in the index now and was not before.
func (k *Keyring) put(ctx context.Context, name, text string, added *atomic.Bool) (err error) {
	unlock, err := k.exclusive(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	// The name goes first: a listed name without a value can be seen and
	// removed, an unlisted value is forgotten.
	if k.Index != nil {
		is, failed := k.Index.Add(ctx, name)
		if failed != nil {
			return failed
		}
		added.Store(is)
		defer func() {
			if err != nil && added.Swap(false) {
				_, undone := k.Index.Remove(context.WithoutCancel(ctx), name)
				err = errors.Join(err, undone)
			}
		}()
	}
	item := text
	if !k.fits(text) {
		if item, err = k.seal(name, text); err != nil {
			return err
		}
	}
	before, err := setVerified(name, item)
	if err != nil {
		if item != text {
			k.forget(item)
		}
		return err
	}
	k.forget(before)
	return nil
}

// exclusive keeps other processes of ward from changing the keyring meanwhile.
func (k *Keyring) exclusive(ctx context.Context) (unlock func(), err error) {
	if k.Index == nil {
		return func() {}, nil
	}
	dir := filepath.Dir(k.Index.Path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return lockFile(ctx, filepath.Join(dir, "keyring.lock"))
}

// setVerified gives the item that was there before, "" if there was none.
func setVerified(name, item string) (before string, err error) {
	before, missing := keyring.Get(keyringService, name)
	if missing != nil && !errors.Is(missing, keyring.ErrNotFound) {
		return "", missing
	}
	if err := keyring.Set(keyringService, name, item); err != nil {
		return "", err
	}
	after, err := keyring.Get(keyringService, name)
	if err == nil && after == item {
		return before, nil
	}
	if err == nil {
		err = fmt.Errorf("this keyring changes such a value: %d bytes went in, %d other ones came out", len(item), len(after))
	}
	if missing != nil {
		return "", errors.Join(errUnsuitable{err}, keyring.Delete(keyringService, name))
	}
	return "", errors.Join(errUnsuitable{err}, keyring.Set(keyringService, name, before))
}

// errUnsuitable: the value is better kept elsewhere.
type errUnsuitable struct{ error }

// Delete removes a name of ward's own, never one of nono's.
func (k *Keyring) Delete(ctx context.Context, name string) error {
	if err := checkName(name); err != nil {
		return keyringError("", keyringPlace, err)
	}
	_, err := do(ctx, k, func() (string, error) { return "", k.remove(ctx, name) })
	return keyringError(name, keyringPlace, err)
}

func (k *Keyring) remove(ctx context.Context, name string) error {
	unlock, err := k.exclusive(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	item, missing := keyring.Get(keyringService, name)
	if missing == nil {
		missing = keyring.Delete(keyringService, name)
	}
	if missing != nil && !errors.Is(missing, keyring.ErrNotFound) {
		return missing
	}
	k.forget(item)
	listed := false
	if k.Index != nil {
		if listed, err = k.Index.Remove(ctx, name); err != nil {
			return err
		}
	}
	// A name that was only listed is gone now, which is what was asked for.
	if missing != nil && !listed {
		return missing
	}
	return nil
}

// List gives the names that Put stored. What other programs put under the
// service "ward" is not among them.
func (k *Keyring) List(ctx context.Context) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, keyringError("", "keyring", err)
	}
	if k.Index == nil {
		return nil, keyringError("", "keyring", errors.New("there is no list of names"))
	}
	known, err := k.Index.All()
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if known[name].Place == "" { // else the vault has it
			names = append(names, name)
		}
	}
	return names, nil
}

func (k *Keyring) timeout() time.Duration { return cmp.Or(k.Timeout, 30*time.Second) }

// do runs f, which calls go-keyring, once the keyring is known to answer and
// to be unlocked: go-keyring itself would wait without end.
func do[T any](ctx context.Context, k *Keyring, f func() (T, error)) (T, error) {
	var none T
	came := k.checks.Load()
	if _, err := Await(ctx, func() (T, error) {
		return none, k.gate.do(func() error {
			if k.checks.Load() != came {
				return nil // found so while this call waited
			}
			err := k.unlock(ctx)
			if err == nil {
				k.checks.Add(1)
			}
			return err
		})
	}); err != nil {
		return none, err
	}
	ctx, cancel := context.WithTimeout(ctx, k.timeout())
	defer cancel()
	return Await(ctx, func() (T, error) {
		k.engine.Lock()
		defer k.engine.Unlock()
		if err := ctx.Err(); err != nil {
			return none, err
		}
		return f()
	})
}

// keyringError puts an error of the keyring or of the index into our words; nil stays nil.
func keyringError(name, where string, err error) error {
	if err == nil {
		return nil
	}
	e := &Error{Name: name, Where: where, Err: err}
	if r, ok := errors.AsType[*RefError](err); ok {
		e.Fix = r.Fix
	}
	if known, ok := errors.AsType[*Error](err); ok {
		e.Err, e.Fix = known.Err, known.Fix
		if known.Where != "" {
			e.Where, e.Name = known.Where, known.Name // the index
		}
	}
	switch {
	case errors.Is(err, keyring.ErrNotFound):
		e.Err, e.Fix = ErrNotFound, "ward set "+name
	case errors.As(err, new(errUnsuitable)), errors.Is(err, keyring.ErrSetDataTooBig):
		e.Fix = "keep it in ward's vault: vault://" + name
	case errors.Is(err, context.DeadlineExceeded):
		e.Err = fmt.Errorf("no answer in time (%w)", err)
		e.Fix = "see whether the keyring waits for its password in a window, or hangs"
	}
	return e
}

func lockString(name, where, value string) (*Buffer, error) {
	b, err := FillBuffer(len(value), func(data []byte) error { copy(data, value); return nil })
	return b, keyringError(name, where, err)
}
