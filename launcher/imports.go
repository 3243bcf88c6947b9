package launcher

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"ward/detect"
	"ward/secrets"
)

// Import is what a .env file is to become.
type Import struct {
	File   string
	Prefix string // goes in front of the variables' names, with a slash between; may be ""
	Over   bool   // replace what is stored
	Delete bool   // remove the file once every value was read back
	Dry    bool   // store nothing
}

// Imported is what became of one variable.
type Imported struct {
	Name   string `json:"name"` // of the secret
	Line   int    `json:"line"` // in the file
	Status string `json:"status"`
}

// What a Status says.
const (
	importNew      = "new" // and would be stored
	importStored   = "stored"
	importReplaced = "replaced"
	importSame     = "same"            // the same value is stored
	importKept     = "kept another"    // another value is stored, and stays
	importThere    = "exists"          // something is stored, and stays; its value was not looked at
	importEmpty    = "empty, left out" // a value of no bytes
)

// Import stores the variables of a .env file. All of the file and all of the names are looked at before anything is
// stored. The file is removed only if every value was read back and the file is still what was read. An error with rows
// tells what was done until then.
func (s *Stores) Import(ctx context.Context, keep secrets.Keep, im Import) (rows []Imported, deleted bool, err error) {
	// Without waiting: a pipe that a project calls .env has nobody who writes.
	f, err := os.OpenFile(im.File, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, false, Mistake(im.File+": "+reason(err), "give the path of a .env file")
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeNamedPipe != 0 {
		return nil, false, Mistake(im.File+": is a pipe, and would have to be read twice", "give the path of a .env file")
	}
	if err := im.removable(); err != nil {
		return nil, false, err
	}
	before, err := fileSum(f)
	if err != nil {
		return nil, false, err
	}
	pairs, err := secrets.ReadDotenv(f)
	if err != nil {
		return nil, false, err
	}
	defer func() {
		for _, p := range pairs {
			p.Value.Destroy()
		}
	}()
	names, err := im.names(pairs)
	if err != nil {
		return nil, false, err
	}
	for i, p := range pairs {
		status, err := s.importOne(ctx, im, keep, names[i], p.Value)
		if err != nil {
			return rows, false, err
		}
		rows = append(rows, Imported{names[i], p.Line, status})
	}
	if !im.Delete || im.Dry {
		return rows, false, nil
	}
	err = im.remove(ctx, keep, rows, pairs, f, before)
	return rows, err == nil, err
}

// removable says why to remove the file would leave the values.
func (im Import) removable() error {
	if !im.Delete {
		return nil
	}
	info, err := os.Lstat(im.File)
	if err != nil || !info.Mode().IsRegular() {
		return Mistake(im.File+": is no file itself, so to remove it would leave the values", "give the path that it leads to")
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Nlink > 1 {
		return Mistake(im.File+": has another name, by a hard link, so to remove it would leave the values", "remove the other name first")
	}
	return nil
}

// names gives the secrets' names, or everything that is wrong with them.
func (im Import) names(pairs []secrets.Pair) (names []string, err error) {
	var wrong []error
	for _, p := range pairs {
		name := p.Name
		if im.Prefix != "" {
			name = im.Prefix + "/" + name
		}
		if ref, err := secrets.ParseRef(name); err != nil || ref.Scheme != "" {
			what := "cannot be a part of a secret's name"
			if err != nil {
				what = err.Error()
			}
			wrong = append(wrong, &secrets.FileError{File: im.File, Line: p.Line, What: what, Fix: "rename the variable, or choose another --prefix"})
		}
		names = append(names, name)
	}
	return names, errors.Join(wrong...)
}

func (s *Stores) importOne(ctx context.Context, im Import, keep secrets.Keep, name string, value *secrets.Buffer) (status string, err error) {
	if value.Len() == 0 {
		return importEmpty, nil
	}
	if im.Dry {
		if has, err := keep.Has(ctx, name); err != nil || !has {
			return importNew, err
		}
		return importThere, nil
	}
	err = keep.Put(ctx, name, value, false, nil)
	if err == nil {
		return importStored, nil
	}
	if !errors.Is(err, secrets.ErrExists) {
		return "", err
	}
	// To compare is to read: whoever may try values would find out one that is asked for each time.
	same, status := false, importThere
	if s.unasked(ctx, name) {
		status = importKept
		if same, err = keep.Same(ctx, name, value); err != nil {
			return "", err
		}
	}
	switch {
	case same:
		return importSame, nil
	case !im.Over:
		return status, nil
	}
	return importReplaced, keep.Put(ctx, name, value, true, nil)
}

// unasked says whether a secret may be read without a person being asked.
func (s *Stores) unasked(ctx context.Context, name string) bool {
	nobody := func() (detect.Caller, error) { return detect.Caller{}, errQuiet }
	_, err := s.admit(ctx, reading{Refs: []secrets.Ref{{Path: name}}, Now: time.Now(), Caller: nobody})
	return err == nil
}

func (im Import) remove(ctx context.Context, keep secrets.Keep, rows []Imported, pairs []secrets.Pair, f *os.File, before [sha256.Size]byte) error {
	for i, row := range rows {
		if row.Status == importEmpty {
			continue
		}
		same, err := keep.Same(ctx, row.Name, pairs[i].Value)
		if err != nil {
			return fmt.Errorf("%s stays: %w", im.File, err)
		}
		if !same {
			return Mistake(im.File+": stays, since "+row.Name+" is not stored with this value", "--force replaces what is stored")
		}
	}
	opened, err1 := f.Stat()
	now, err2 := os.Lstat(im.File)
	if errors.Join(err1, err2) != nil || !os.SameFile(opened, now) {
		return Mistake(im.File+": stays, since it was replaced meanwhile", "import it again")
	}
	if after, err := fileSum(f); err != nil || after != before {
		return Mistake(im.File+": stays, since it was changed meanwhile", "import it again")
	}
	if err := os.Remove(im.File); err != nil {
		return Mistake(im.File+": stays: "+reason(err), "every value is stored; remove it yourself")
	}
	return nil
}

// fileSum reads a file from its beginning, as far as one is read at all, and goes back there.
func fileSum(f *os.File) (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	if _, err = f.Seek(0, io.SeekStart); err == nil {
		_, err = io.Copy(h, io.LimitReader(f, secrets.MaxDotenv+1))
	}
	if err != nil {
		return sum, Mistake(f.Name()+": "+reason(err), "give the path of a .env file")
	}
	_, err = f.Seek(0, io.SeekStart)
	return [sha256.Size]byte(h.Sum(nil)), err
}

// Kept says that what was stored under the name before stays, and may be another value.
func (r Imported) Kept() bool { return r.Status == importKept || r.Status == importThere }
