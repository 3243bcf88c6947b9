package profiles

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	maxParents = 16 // from a file to its furthest ancestor
	maxFiles   = 64 // that one profile is made of
)

// Load gives the profile called name, with everything it extends merged in and checked. A name that holds
// a slash or ends in .json is a path; any other is a user profile, or else a built-in. A profile that does
// not say what it extends extends "default". All mistakes of all files come back together, each an *Error;
// a profile that does not exist matches fs.ErrNotExist.
//
// User profiles are profiles/NAME.json in config, ward's configuration directory; "": there are none.
func Load(name, config string) (*Profile, error) {
	l := loader{config: config, done: map[place]*Profile{}}
	at, mistake := l.find(name, place{})
	if mistake != nil {
		return nil, mistake
	}
	p := l.load(at, nil)
	if len(l.errs) == 0 {
		l.add(p.conflicts()...)
		l.add(p.dangling()...)
	}
	if len(l.errs) > 0 {
		return nil, errors.Join(l.errs...)
	}
	whole := *p
	whole.Extends = []NameRule{}
	return &whole, nil
}

// place is where one profile's text is.
type place struct {
	name string // of a built-in or user profile, or the path as it was given
	path string // "" for a built-in
}

type loader struct {
	config string
	done   map[place]*Profile // with parents
	errs   []error
}

func (l *loader) add(mistakes ...*Error) {
	for _, m := range mistakes {
		l.errs = append(l.errs, m)
	}
}

// find turns a name into a place. child is what names it, if anything does: relative paths start at its
// directory; a user profile that extends its own name means the built-in; and a built-in rests on built-ins
// alone, so that it is what the documentation says.
func (l *loader) find(name string, child place) (place, *Error) {
	if strings.ContainsRune(name, '/') || strings.HasSuffix(name, ".json") {
		path := name
		if child.path != "" && !filepath.IsAbs(path) {
			path = filepath.Join(filepath.Dir(child.path), path)
		}
		return place{path, path}, nil
	}
	known := Builtins()
	if l.config != "" && (child.path != "" || child.name == "") {
		dir := filepath.Join(l.config, "profiles")
		path := filepath.Join(dir, name+".json")
		if _, err := os.Stat(path); err == nil && path != child.path {
			return place{name, path}, nil
		}
		entries, _ := os.ReadDir(dir) // for the hint; no directory, no user profiles
		for _, e := range entries {
			if user, ok := strings.CutSuffix(e.Name(), ".json"); ok {
				known = append(known, user)
			}
		}
	}
	if slices.Contains(Builtins(), name) {
		return place{name: name}, nil
	}
	hint := didYouMean(name, known)
	if hint == "" {
		slices.Sort(known)
		hint = "there are: " + strings.Join(slices.Compact(known), ", ") + "; a path holds a / or ends in .json"
	}
	return place{}, &Error{File: "profile " + quoted(name), What: "not found", hint: hint, Err: fs.ErrNotExist}
}

// load reads one place and everything above it. chain holds the places below it. Mistakes go to l.errs; the
// Profile is of use only where there are none.
func (l *loader) load(at place, chain []place) *Profile {
	if p, ok := l.done[at]; ok {
		return p
	}
	p, err := l.read(at)
	if err != nil {
		l.errs = append(l.errs, err)
		p = &Profile{Extends: []NameRule{}}
	}
	parents := p.Extends
	if parents == nil && at.path != "" {
		parents = []NameRule{{Name: "default", Why: Why{File: at.name}}}
	}
	var whole *Profile
	chain = append(slices.Clone(chain), at)
	for _, parent := range parents {
		q, mistake := l.parent(parent.Name, at, chain)
		if mistake != nil {
			mistake.File, mistake.Line, mistake.Subject = parent.Why.File, parent.Why.Line, "extends"
			l.add(mistake)
			continue
		}
		if whole == nil {
			whole = q
		} else {
			whole = Merge(whole, q)
		}
	}
	if whole != nil {
		p = Merge(whole, p)
	}
	l.done[at] = p
	return p
}

func (l *loader) parent(name string, child place, chain []place) (*Profile, *Error) {
	at, mistake := l.find(name, child)
	if mistake != nil {
		mistake.What = "no profile is named " + quoted(name)
		return nil, mistake
	}
	if i := slices.IndexFunc(chain, at.same); i >= 0 {
		var names []string
		for _, c := range append(slices.Clone(chain[i:]), at) {
			names = append(names, c.name)
		}
		return nil, &Error{What: "goes in a circle: " + strings.Join(names, " → ")}
	}
	if len(chain) >= maxParents || len(l.done)+len(chain) >= maxFiles {
		return nil, &Error{What: fmt.Sprintf("more than %d generations or %d files", maxParents, maxFiles)}
	}
	return l.load(at, chain), nil
}

func (at place) same(other place) bool {
	if at.path == "" || other.path == "" {
		return at == other
	}
	a, errA := os.Stat(at.path)
	b, errB := os.Stat(other.path)
	return errA == nil && errB == nil && os.SameFile(a, b)
}

func (l *loader) read(at place) (*Profile, error) {
	if at.path == "" {
		if p := builtin(at.name); p != nil {
			return p, nil
		}
		return nil, &fs.PathError{Op: "open", Path: at.name, Err: fs.ErrNotExist}
	}
	src, err := readFile(at.path)
	if err != nil {
		return nil, err
	}
	p, err := Parse(at.path, src)
	if err != nil {
		return nil, err
	}
	p.Sources = []Source{{Name: at.name, Path: at.path, SHA256: sha256.Sum256(src)}}
	return p, nil
}

// readFile looks before it opens: opening a named pipe would wait for a writer.
func readFile(path string) ([]byte, error) {
	unreadable := func(err error) error {
		what := err.Error()
		if p := (*fs.PathError)(nil); errors.As(err, &p) { // its own words repeat the path
			what = p.Err.Error()
		}
		return &Error{File: path, What: what, Err: err}
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, unreadable(err)
	}
	if !info.Mode().IsRegular() {
		return nil, unreadable(errors.New("not a regular file"))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, unreadable(err)
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, maxSize+1)) // one more, so that Parse sees it is too large
	if err != nil {
		return nil, unreadable(err)
	}
	return src, nil
}
