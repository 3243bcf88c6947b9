package secrets

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Index remembers which names a keyring holds, since keyrings cannot be asked
// for a list in one way that works on all of them. It holds no values.
type Index struct {
	Path string // $XDG_DATA_HOME/ward/index.json; the lock is Path + ".lock"
}

// indexFile is the JSON form. An entry is an object, and the parts of it that
// this version does not know are kept.
type indexFile struct {
	Version int                        `json:"version"` // 1
	Entries map[string]json.RawMessage `json:"entries"`
}

// Names lists what is there, sorted. It only reads: an index that is damaged
// stays where it is and is an error.
func (x *Index) Names() ([]string, error) {
	entries, err := x.read()
	if err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(entries)), nil
}

// Add puts name in and says whether it is new.
func (x *Index) Add(ctx context.Context, name string) (added bool, err error) {
	err = x.update(ctx, func(entries map[string]json.RawMessage) bool {
		if _, there := entries[name]; there {
			return false
		}
		entries[name] = json.RawMessage("{}")
		added = true
		return true
	})
	return added, err
}

// Remove takes name out and says whether it was there.
func (x *Index) Remove(ctx context.Context, name string) (removed bool, err error) {
	err = x.update(ctx, func(entries map[string]json.RawMessage) bool {
		_, removed = entries[name]
		delete(entries, name)
		return removed
	})
	return removed, err
}

// update changes the entries under the lock; change says whether it did.
// A damaged index is moved aside, once, with an error that says where to; the
// next update begins a new one.
func (x *Index) update(ctx context.Context, change func(map[string]json.RawMessage) bool) error {
	if err := os.MkdirAll(filepath.Dir(x.Path), 0o700); err != nil {
		return x.fail(err)
	}
	unlock, err := lockFile(ctx, x.Path+".lock")
	if err != nil {
		return x.fail(err)
	}
	defer unlock()
	entries, err := x.read()
	if d, ok := errors.AsType[*damage](err); ok {
		aside := x.Path + ".damaged-" + time.Now().UTC().Format("20060102T150405.000000000")
		if err := os.Rename(x.Path, aside); err != nil {
			return x.fail(fmt.Errorf("%w; and it cannot be moved aside: %w", d, err))
		}
		return &Error{
			Where: "index " + x.Path,
			Err:   fmt.Errorf("%w; moved to %s, nothing else was changed", d, aside),
			Fix:   "the secrets are still in the keyring, only the list of names is lost: repair the file and move it back, or try again and `ward set` what is missing",
		}
	} else if err != nil {
		return err
	}
	if !change(entries) {
		return nil
	}
	data, err := json.MarshalIndent(indexFile{1, entries}, "", "\t")
	if err != nil {
		return x.fail(err)
	}
	if err := replaceFile(x.Path, append(data, '\n')); err != nil {
		return x.fail(err)
	}
	return nil
}

// damage is what makes an index unreadable, as opposed to unreachable.
type damage struct{ error }

func (x *Index) read() (map[string]json.RawMessage, error) {
	data, err := os.ReadFile(x.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]json.RawMessage{}, nil
	} else if err != nil {
		return nil, x.fail(err)
	}
	var file indexFile
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, x.fail(&damage{fmt.Errorf("damaged: %w", err)})
	}
	switch {
	case file.Version > 1:
		return nil, x.fail(fmt.Errorf("written by a newer ward (version %d)", file.Version))
	case file.Version != 1 || file.Entries == nil:
		return nil, x.fail(&damage{errors.New("damaged: not an index of ward")})
	}
	return file.Entries, nil
}

func (x *Index) fail(err error) error {
	e := &Error{Where: "index " + x.Path, Err: err}
	if _, ok := errors.AsType[*damage](err); ok {
		e.Fix = "the next `ward set` moves it aside and begins a new one; the secrets themselves are in the keyring"
	}
	return e
}
