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
	"time"
)

// Keep joins a store with the index, so that a value and what is known about it
// change together. One process at a time changes anything. Whoever is killed
// leaves either what was there or what comes, and in between an entry whose
// Changed is zero, which tells nothing wrong about the value.
type Keep struct {
	Choice // the store
	Index  *Index
	// Marks makes Meta.Marks of a value; nil, and where it gives nil: none.
	Marks func(ctx context.Context, value []byte) []byte
}

// Entry is a stored secret and what is known about it.
type Entry struct {
	Name string
	Meta
}

// staged ends the name under which Rotate keeps the old value meanwhile.
const staged = "+old"

// errOtherPlace: one entry of the index cannot tell about two values.
var errOtherPlace = errors.New("the other store has a secret of this name")

func (k Keep) place() string {
	if k.Name == "vault" {
		return "vault"
	}
	return ""
}

func (k Keep) fail(name string, err error) error {
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	return &Error{Name: name, Where: "the " + k.Name, Err: err}
}

// begin checks names and keeps other processes from changing anything until unlock.
func (k Keep) begin(ctx context.Context, names ...string) (unlock func(), err error) {
	for _, name := range names {
		if err := checkName(name); err != nil {
			return nil, &Error{Where: "the " + k.Name, Err: err, Fix: err.(*RefError).Fix}
		}
		if Reserved(Ref{Path: name}) {
			return nil, reservedError(name)
		}
	}
	if err := os.MkdirAll(filepath.Dir(k.Index.Path), 0o700); err != nil {
		return nil, k.Index.fail(err)
	}
	unlock, err = lockFile(ctx, filepath.Join(filepath.Dir(k.Index.Path), "keep.lock"))
	if err != nil {
		return nil, &Error{Where: "the " + k.Name, Err: err, Fix: "another ward is changing secrets; try again when it is done"}
	}
	return unlock, nil
}

// Has says whether ward itself stores a value under name: not what a bare name
// may mean beyond that (Keyring.Fetch).
func (k Keep) Has(ctx context.Context, name string) (bool, error) {
	if err := checkName(name); err != nil {
		return false, err
	}
	if ring, ok := k.Store.(*Keyring); ok {
		// Its list is the index, which may have been lost.
		value, err := ring.Services().Fetch(ctx, keyringService+"/"+name)
		if errors.Is(err, ErrNotFound) {
			return false, nil
		}
		value.Destroy()
		return err == nil, err
	}
	names, err := k.Store.List(ctx)
	return slices.Contains(names, name), err
}

// Put stores value under name. change, which may be nil, says what else is to
// be known about it, on top of what already is. Where there is a value and over
// is false, it is ErrExists. An error leaves what was there before.
func (k Keep) Put(ctx context.Context, name string, value *Buffer, over bool, change func(*Meta) error) error {
	unlock, err := k.begin(ctx, name)
	if err != nil {
		return err
	}
	defer unlock()
	return k.put(ctx, name, value, over, change)
}

func (k Keep) put(ctx context.Context, name string, value *Buffer, over bool, change func(*Meta) error) error {
	before, listed, err := k.Index.Get(name)
	if err != nil {
		return err
	}
	if listed && before.Place != k.place() {
		return k.otherPlace(name)
	}
	if !over {
		if has, err := k.Has(ctx, name); err != nil {
			return k.fail(name, err)
		} else if has {
			return k.fail(name, ErrExists)
		}
	}
	if value.Len() > MaxValue {
		return k.fail(name, fmt.Errorf("larger than %d bytes", MaxValue))
	}
	// First what must not be lost (strict, expires), and nothing any more that tells of the value that goes.
	if err := k.Index.Update(ctx, name, func(m *Meta) error {
		m.Peek, m.Marks, m.Changed, m.Place = "", nil, time.Time{}, k.place()
		if change != nil {
			return change(m)
		}
		return nil
	}); err != nil {
		return err
	}
	if err := k.Store.Put(ctx, name, value); err != nil {
		return errors.Join(err, k.undo(ctx, name, before, listed))
	}
	return k.describe(ctx, name, value)
}

func (k Keep) otherPlace(name string) error {
	other := "keyring"
	if k.Name == "keyring" {
		other = "vault"
	}
	return &Error{Name: name, Where: "the " + k.Name, Err: errOtherPlace,
		Fix: "ward rm --store " + other + " " + name + " first, or take another name"}
}

// undo brings an entry back to what it was.
func (k Keep) undo(ctx context.Context, name string, before Meta, listed bool) error {
	ctx = context.WithoutCancel(ctx)
	if !listed {
		_, err := k.Index.Remove(ctx, name)
		return err
	}
	return k.Index.Update(ctx, name, func(m *Meta) error { *m = before; return nil })
}

// describe puts into the index what the value itself tells.
func (k Keep) describe(ctx context.Context, name string, value *Buffer) error {
	return value.Use(func(v []byte) error {
		var marks []byte
		if k.Marks != nil {
			marks = k.Marks(ctx, v)
		}
		return k.Index.Update(ctx, name, func(m *Meta) error {
			m.Peek, m.Marks, m.Changed = peekOf(v), marks, time.Now().UTC().Truncate(time.Second)
			return nil
		})
	})
}

// Mark makes the marks of a value that is stored and has none: the store may
// have been locked for reading when it was put there.
func (k Keep) Mark(ctx context.Context, name string, value *Buffer) error {
	if meta, listed, err := k.Index.Get(name); err != nil || !listed || len(meta.Marks) > 0 || meta.Changed.IsZero() || k.Marks == nil || meta.Place != k.place() {
		return err
	}
	return value.Use(func(v []byte) error {
		marks := k.Marks(ctx, v)
		if len(marks) == 0 {
			return nil
		}
		unlock, err := k.begin(ctx, name)
		if err != nil {
			return err
		}
		defer unlock()
		// Meanwhile it may have become another one.
		if same, err := k.Same(ctx, name, value); err != nil || !same {
			return err
		}
		return k.Index.Update(ctx, name, func(m *Meta) error { m.Marks = marks; return nil })
	})
}

// Delete removes a value and what is known about it.
func (k Keep) Delete(ctx context.Context, name string) error {
	unlock, err := k.begin(ctx, name)
	if err != nil {
		return err
	}
	defer unlock()
	return k.delete(ctx, name)
}

func (k Keep) delete(ctx context.Context, name string) error {
	meta, listed, err := k.Index.Get(name)
	if err != nil {
		return err
	}
	if listed && meta.Place != k.place() {
		return k.otherPlace(name)
	}
	err = k.Store.Delete(ctx, name)
	if err != nil && !(listed && errors.Is(err, ErrNotFound)) {
		return err
	}
	_, err = k.Index.Remove(ctx, name)
	return err
}

// Rename stores the value under another name and, once it was read back there,
// removes it under the old one. It is ErrExists where the new name is taken.
func (k Keep) Rename(ctx context.Context, old, new string) error {
	unlock, err := k.begin(ctx, old, new)
	if err != nil {
		return err
	}
	defer unlock()
	for _, c := range []struct {
		name string
		want bool
		err  error
	}{{old, true, ErrNotFound}, {new, false, ErrExists}} {
		has, err := k.Has(ctx, c.name)
		if err == nil && has != c.want {
			err = c.err
		}
		if err != nil {
			return k.fail(c.name, err)
		}
	}
	if meta, listed, err := k.Index.Get(new); err != nil {
		return err
	} else if listed && meta.Place != k.place() {
		return k.otherPlace(new)
	}
	value, err := k.Store.Fetch(ctx, old)
	if err != nil {
		return err
	}
	defer value.Destroy()
	if err := errors.Join(k.Index.copy(ctx, old, new), k.Index.Update(ctx, new, func(m *Meta) error { m.Place = k.place(); return nil })); err != nil {
		return err
	}
	if err := k.Store.Put(ctx, new, value); err != nil {
		_, undone := k.Index.Remove(context.WithoutCancel(ctx), new)
		return errors.Join(err, undone)
	}
	if err := k.verify(ctx, new, value); err != nil {
		return errors.Join(err, k.delete(context.WithoutCancel(ctx), new))
	}
	return k.delete(ctx, old)
}

// Rotate replaces a value that is there. The old one is kept under the name
// with "+old" until the new one was read back: whoever is killed in between
// finds it there, and ends it by rotating to the same value again.
func (k Keep) Rotate(ctx context.Context, name string, value *Buffer, change func(*Meta) error) error {
	unlock, err := k.begin(ctx, name, name+staged)
	if err != nil {
		return err
	}
	defer unlock()
	if has, err := k.Has(ctx, name); err != nil {
		return k.fail(name, err)
	} else if !has {
		return &Error{Name: name, Where: "the " + k.Name, Err: ErrNotFound, Fix: "ward set " + name}
	}
	before, listed, err := k.Index.Get(name)
	if err != nil {
		return err
	}
	old, err := k.Store.Fetch(ctx, name)
	if err != nil {
		return err
	}
	defer old.Destroy()
	if old.Equal(value) {
		if _, begun, err := k.Index.Get(name + staged); err != nil || !begun {
			return k.fail(name, cmp.Or(err, errors.New("the new value is the one that is stored")))
		}
		// One that was killed: the new value is there, and only the end is missing.
		if err := k.describe(ctx, name, value); err != nil {
			return err
		}
		return k.delete(ctx, name+staged)
	}
	// What nothing is known about may have been strict, and is from now on.
	strict := before.Strict || !listed
	if err := k.put(ctx, name+staged, old, true, func(m *Meta) error { m.Strict = strict; return nil }); err != nil {
		return err
	}
	if err := k.put(ctx, name, value, true, func(m *Meta) error {
		m.Strict = strict
		if change != nil {
			return change(m)
		}
		return nil
	}); err != nil {
		return errors.Join(err, k.delete(context.WithoutCancel(ctx), name+staged))
	}
	if err := k.verify(ctx, name, value); err != nil {
		back := k.Store.Put(context.WithoutCancel(ctx), name, old)
		if back != nil {
			return errors.Join(err, back, k.fail(name+staged, errors.New("holds the old value")))
		}
		return errors.Join(err, k.undo(ctx, name, before, listed), k.delete(context.WithoutCancel(ctx), name+staged))
	}
	return k.delete(ctx, name+staged)
}

// Same says whether the value under name is this one.
func (k Keep) Same(ctx context.Context, name string, value *Buffer) (bool, error) {
	stored, err := k.Store.Fetch(ctx, name)
	if err != nil {
		return false, err
	}
	defer stored.Destroy()
	return stored.Equal(value), nil
}

func (k Keep) verify(ctx context.Context, name string, value *Buffer) error {
	same, err := k.Same(ctx, name, value)
	if err == nil && !same {
		err = k.fail(name, errors.New("what was read back is not what was stored"))
	}
	return err
}

// Known is what the index knows about the secrets of this store, by name. Of a
// name that the other store has, and of ward's own values, it knows nothing.
func (k Keep) Known() (map[string]Meta, error) {
	known, err := k.Index.All()
	maps.DeleteFunc(known, func(name string, meta Meta) bool {
		return meta.Place != k.place() || strings.HasPrefix(name, reserved)
	})
	return known, err
}

// Entries lists what the store has, sorted by name.
func (k Keep) Entries(ctx context.Context) ([]Entry, error) {
	names, err := k.Store.List(ctx)
	if err != nil {
		return nil, err
	}
	known, err := k.Index.All()
	if err != nil {
		return nil, err
	}
	list := []Entry{}
	for _, name := range names {
		meta, listed := known[name]
		if strings.HasPrefix(name, reserved) || listed && meta.Place != k.place() {
			continue
		}
		list = append(list, Entry{name, meta})
	}
	return list, nil
}
