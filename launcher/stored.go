package launcher

import (
	"context"
	"encoding/hex"
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

// MarksKey is the name of the key among ward's own values in a store ([secrets.Keep.Own]).
const MarksKey = "marks"

// hasIndex says whether anything was ever stored in ward's data directory. It is one look at the disk: where nothing is
// stored, a launch does not start a resolver for it.
func hasIndex(data string) bool {
	_, err := os.Stat(filepath.Join(data, "index.json"))
	return err == nil
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
	if req.Stored == storedQuiet {
		stores.quiet()
	}
	known, err := stores.Keyring.Index.All()
	if err != nil {
		rep.Notices = append(rep.Notices, "stored secrets are not looked for: "+err.Error())
		return nil
	}
	var names []string
	for name, meta := range known {
		if len(meta.Marks) > 0 && !req.uses(name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	if rep.StoredKey, err = stores.marksKey(ctx); err != nil {
		rep.Notices = append(rep.Notices, "stored secrets are not looked for: "+err.Error()+storedHint(err))
		return nil
	}
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

// quiet keeps the stores from asking anybody.
func (s *Stores) quiet() {
	s.Keyring.Quiet = true
	s.Vault.Passphrase = s.givenPassphrase
}

// marksKey reads the key that the marks of stored secrets were made under.
func (s *Stores) marksKey(ctx context.Context) ([]byte, error) {
	value, err := s.Default(ctx).Store.Fetch(ctx, "_ward/"+MarksKey)
	if err != nil {
		return nil, err
	}
	defer value.Destroy()
	var key guard.Key
	err = value.Use(func(v []byte) error {
		if n, err := hex.Decode(key[:], v[:min(len(v), 2*len(key))]); err != nil || n != len(key) {
			return errors.New("the key of their marks is damaged")
		}
		return nil
	})
	return key[:], err
}
