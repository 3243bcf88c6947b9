package secrets

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// emptyIndex is what a file that is not there stands for.
const emptyIndex = `{"version":1,"entries":{}}`

// indexFile is the JSON form as far as this version knows it.
type indexFile struct {
	Version int             `json:"version"` // 1
	Entries map[string]Meta `json:"entries"`
}

// damage is what makes an index unreadable, as opposed to unreachable.
type damage struct{ error }

func (d *damage) Unwrap() error { return d.error }

// errUnchanged is what a change returns that has nothing to change.
var errUnchanged = errors.New("unchanged")

// change changes the entries under the lock.
func (x *Index) change(ctx context.Context, f func(map[string]json.RawMessage) error) error {
	return x.locked(ctx, func() error {
		data, err := x.read()
		if err != nil {
			return err
		}
		// The whole of it, so that a damaged index never becomes the previous one.
		if _, err := x.parse(data); err != nil {
			return err
		}
		var top, entries map[string]json.RawMessage
		if err := errors.Join(json.Unmarshal(data, &top), json.Unmarshal(top["entries"], &entries)); err != nil {
			return x.fail(&damage{err})
		}
		if err := f(entries); err == errUnchanged {
			return nil
		} else if err != nil {
			return err
		}
		delete(top, "version")
		delete(top, "entries")
		for name := range top {
			if strings.EqualFold(name, "version") || strings.EqualFold(name, "entries") {
				return x.fail(&damage{fmt.Errorf("damaged: it has %q, and reading takes that for another part", name)})
			}
		}
		return x.fail(replaceLocked(x.Path, indexText(top, entries)))
	})
}

// locked keeps other writers out while f runs.
func (x *Index) locked(ctx context.Context, f func() error) error {
	if err := os.MkdirAll(filepath.Dir(x.Path), 0o700); err != nil {
		return x.fail(err)
	}
	unlock, err := lockFile(ctx, x.Path+".lock")
	if err != nil {
		return x.fail(err)
	}
	defer unlock()
	return f()
}

// indexText has an entry on each line, so that a person can repair it. others is
// what a newer ward put beside the entries. Entries
// that did not change go in as they came: to encode a thousand of them anew
// takes ten times as long.
func indexText(others, entries map[string]json.RawMessage) []byte {
	b := bytes.NewBufferString("{\"version\": 1")
	for _, name := range slices.Sorted(maps.Keys(others)) {
		fmt.Fprintf(b, ",\n%s: %s", quotedJSON(name), others[name])
	}
	b.WriteString(",\n\"entries\": {")
	end := "\n"
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		fmt.Fprintf(b, "%s\t%s: %s", end, quotedJSON(name), entries[name])
		end = ",\n"
	}
	b.WriteString("\n}}\n")
	return b.Bytes()
}

func quotedJSON(s string) []byte {
	data, _ := json.Marshal(s) // cannot fail for a string
	return data
}

// read gives the file's bytes. One that is not there is an empty index, unless
// there was one: then somebody took it away, and its names are not to be
// forgotten by the next change.
func (x *Index) read() ([]byte, error) {
	data, err := readRegular(x.Path)
	if !errors.Is(err, fs.ErrNotExist) {
		return data, x.fail(err)
	}
	if _, err := os.Lstat(x.previous()); err != nil {
		return []byte(emptyIndex), nil
	}
	// Again: it may have been written twice between the two looks.
	data, err = readRegular(x.Path)
	if errors.Is(err, fs.ErrNotExist) {
		err = &damage{errors.New("it is missing")}
	}
	return data, x.fail(err)
}

func (x *Index) previous() string { return x.Path + previousSuffix }

func (x *Index) parse(data []byte) (map[string]Meta, error) {
	entries, err := parseIndex(data)
	return entries, x.fail(err)
}

func parseIndex(data []byte) (map[string]Meta, error) {
	var file indexFile
	err := json.Unmarshal(data, &file)
	switch {
	case file.Version > 1:
		return nil, fmt.Errorf("written by a newer ward (version %d)", file.Version)
	case err != nil:
		return nil, &damage{fmt.Errorf("damaged: %w", err)}
	case file.Version != 1 || file.Entries == nil:
		return nil, &damage{errors.New("damaged: not an index of ward")}
	}
	return file.Entries, nil
}

// fail says that it is about the index; nil stays nil.
func (x *Index) fail(err error) error {
	if err == nil {
		return nil
	}
	e := &Error{Where: "index " + x.Path, Err: err}
	if errors.As(err, new(*damage)) {
		e.Fix = "the secrets themselves are untouched, and nothing is written over the index"
		if _, err := os.Lstat(x.previous()); err == nil {
			e.Fix += "; ward check --repair goes back to the index before its last change"
		} else {
			e.Fix += "; ward check --repair begins a new one"
		}
	}
	return e
}

// Recovery says what Recover did.
type Recovery struct {
	Damaged bool   // false: the index is sound, and nothing was done
	Aside   string // where the damaged file is now; "" if there was none
	Names   int    // how many names came back from the previous version; 0 where it is gone or damaged too
}

// Recover puts the previous version in place of a damaged or missing index, or
// an empty one where there is none, and keeps the damaged file under another
// name. It touches no secret: names that were lost can be added again from the
// listing of a store that has one.
func (x *Index) Recover(ctx context.Context) (done Recovery, err error) {
	err = x.locked(ctx, func() error {
		damaged, err := x.read()
		if err == nil {
			_, err = x.parse(damaged)
		}
		if !errors.As(err, new(*damage)) {
			return err
		}
		if damaged != nil {
			// A second name first, so that at no moment the index is just gone.
			done.Aside = x.Path + ".damaged-" + time.Now().UTC().Format("20060102T150405.000000000")
			if err := secondName(x.Path, done.Aside); err != nil {
				return x.fail(err)
			}
		}
		before, err := readRegular(x.previous())
		entries, unsound := parseIndex(before)
		if err != nil || unsound != nil {
			before = []byte(emptyIndex + "\n")
		}
		done.Damaged, done.Names = true, len(entries)
		return x.fail(replaceFile(x.Path, before))
	})
	return done, err
}
