package secrets

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Index remembers the names of stored secrets and what is known about each,
// for keyring and vault alike: keyrings cannot be asked for a list in one way
// that works on all of them. It holds no values. What a newer ward wrote into
// it is kept, beside the entries and inside each of them.
//
// Every change is one file renamed over another under a lock, so that readers
// need none, and whoever is killed leaves the index before the change or the
// one after it. The one before stays as Path + ".prev". A damaged index is an
// error of every method, and stays as it is until Recover is called.
type Index struct {
	Path string // $XDG_DATA_HOME/ward/index.json; the lock is Path + ".lock"
}

// All gives everything. It only reads: an index that is damaged stays where it
// is and is an error.
func (x *Index) All() (map[string]Meta, error) {
	data, err := x.read()
	if err != nil {
		return nil, err
	}
	return x.parse(data)
}

// Get gives one secret's metadata, and whether the index has it.
func (x *Index) Get(name string) (Meta, bool, error) {
	all, err := x.All()
	meta, ok := all[name]
	return meta, ok, err
}

// Add puts name in and says whether it is new.
func (x *Index) Add(ctx context.Context, name string) (added bool, err error) {
	err = x.change(ctx, func(entries map[string]json.RawMessage) error {
		if _, there := entries[name]; there {
			return errUnchanged
		}
		entries[name] = json.RawMessage("{}")
		added = true
		return nil
	})
	return added, err
}

// Remove takes name out and says whether it was there.
func (x *Index) Remove(ctx context.Context, name string) (removed bool, err error) {
	err = x.change(ctx, func(entries map[string]json.RawMessage) error {
		if _, removed = entries[name]; !removed {
			return errUnchanged
		}
		delete(entries, name)
		return nil
	})
	return removed, err
}

// Update changes what is known about name, adding it if it is missing. f works
// on what is there at that moment, while no other process changes the index;
// what f returns is returned, and then nothing was changed. Nor is it if f
// leaves something that Meta does not allow.
func (x *Index) Update(ctx context.Context, name string, f func(*Meta) error) error {
	if err := checkName(name); err != nil {
		return x.fail(err)
	}
	return x.change(ctx, func(entries map[string]json.RawMessage) error {
		raw, there := entries[name]
		if !there {
			raw = json.RawMessage("{}")
		}
		var before Meta
		if err := json.Unmarshal(raw, &before); err != nil {
			return x.fail(&damage{err})
		}
		after := before
		after.Marks = slices.Clone(before.Marks)
		if err := f(&after); err != nil {
			return err
		}
		if err := after.changed(&before); err != nil {
			return &Error{Name: name, Where: "index", Err: err}
		}
		merged, err := mergeMeta(raw, after)
		if err != nil { // a time beyond the year 9999
			return &Error{Name: name, Where: "index", Err: err}
		}
		entries[name] = merged
		return nil
	})
}

// copy gives new what is known about old, whatever is known about it. What
// nothing is known about may have been strict, and becomes so.
func (x *Index) copy(ctx context.Context, old, new string) error {
	return x.change(ctx, func(entries map[string]json.RawMessage) error {
		raw, there := entries[old]
		if !there {
			raw = json.RawMessage(`{"strict":true}`)
		}
		entries[new] = raw
		return nil
	})
}

// mergeMeta puts meta over an entry and keeps the fields that Meta does not have.
func mergeMeta(raw json.RawMessage, meta Meta) (json.RawMessage, error) {
	fields, known := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, err
	}
	data, err := json.Marshal(meta)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &known); err != nil {
		return nil, err
	}
	maps.DeleteFunc(fields, func(name string, _ json.RawMessage) bool {
		// Reading takes "Desc" for "desc" too, as encoding/json does.
		return slices.ContainsFunc(metaFields(), func(known string) bool { return strings.EqualFold(known, name) })
	})
	if fields == nil { // the entry was null
		fields = known
	}
	maps.Copy(fields, known)
	return json.Marshal(fields)
}

// metaFields are the names of Meta's fields in JSON.
func metaFields() []string {
	return []string{"type", "peek", "expires", "strict", "rotate", "bundle", "desc", "marks", "changed", "place"}
}
