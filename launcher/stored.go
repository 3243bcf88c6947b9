package launcher

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ward/guard"
	"ward/secrets"
)

// Whether the guard looks for stored secrets that the launch does not use. The index has marks of them, which say
// nothing without a key, and the key is in the store.
const (
	storedNone  = ""
	storedQuiet = "quiet" // if the key is to be had without asking anybody
	storedAsk   = "ask"   // --guard-stored: a locked store is opened for it
)

// hasIndex says whether anything was ever stored in ward's data directory. It is a look or two at the disk: where nothing
// is stored, a launch does not start a resolver for it. An index that is gone while the one before it is there counts, so
// that the resolver says what is wrong.
func hasIndex(data string) bool {
	for _, name := range []string{"index.json", "index.json.prev"} {
		if _, err := os.Stat(filepath.Join(data, name)); err == nil {
			return true
		}
	}
	return false
}

// stored gives prints of the stored secrets that the launch does not use, and the key that they were made under. What
// is not looked for is said, unless there is nothing to look for.
func (req request) stored(ctx context.Context, environ io.ReaderAt, rep *report) (prints []byte) {
	if req.Stored == storedNone {
		return nil
	}
	stores, err := OpenStores(environ)
	if err != nil {
		return nil
	}
	stores.Keyring.Quiet = req.Stored == storedQuiet
	choice := stores.Default(ctx)
	known, err := stores.Keyring.Index.All()
	if err != nil {
		rep.Notices = append(rep.Notices, "stored secrets are not looked for: "+err.Error())
		return nil
	}
	var names []string
	for name, meta := range known {
		// What lies in another store was marked under that one's key.
		if len(meta.Marks) > 0 && (meta.Place == "vault") == (choice.Name == "vault") && !req.uses(name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	if req.Stored == storedAsk {
		stores.open(ctx)
	}
	key, err := stores.MarksKey(ctx)
	if err != nil {
		rep.Notices = append(rep.Notices, "stored secrets are not looked for: "+err.Error()+storedHint(err))
		return nil
	}
	rep.StoredKey = key[:]
	for _, name := range names {
		p, err := guard.ReadMarks(name, known[name].Marks)
		if err == nil {
			prints, err = p.AppendBinary(prints)
		}
		if err != nil {
			rep.Notices = append(rep.Notices, "stored secret "+name+": is not looked for: "+err.Error())
			continue
		}
		rep.Stored++
	}
	return prints
}

func storedHint(err error) string {
	if errors.Is(err, secrets.ErrLocked) {
		return "; --guard-stored asks"
	}
	return ""
}

// uses says whether the launch was given the secret, or was told to leave it alone.
func (req request) uses(name string) bool {
	return slices.Contains(req.Exempt, name) || slices.ContainsFunc(req.Wants, func(w want) bool {
		_, bare, scheme := strings.Cut(w.Ref, "://")
		return !scheme && w.Ref == name || bare == "ward/"+name || bare == name
	})
}

// open has the store ask for what opens it. Its answer is of no interest: what is read next says whether it is open.
func (s *Stores) open(ctx context.Context) {
	if value, err := s.Default(ctx).Store.Fetch(ctx, "_ward/"+marksKey); err == nil {
		value.Destroy()
	}
}
