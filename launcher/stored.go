package launcher

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"

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
	return slices.ContainsFunc([]string{"index.json", "index.json.prev"}, func(name string) bool {
		_, err := os.Stat(filepath.Join(data, name))
		return err == nil
	})
}

// stored gives prints of the stored secrets that the launch does not use, and the key that they were made under. What
// is not looked for is said, unless there is nothing to look for.
func (req request) stored(ctx context.Context, stores *Stores, rep *report) (frames []byte) {
	if req.Stored == storedNone {
		return nil
	}
	stores.Keyring.Quiet = req.Stored == storedQuiet
	if away := stores.away(stores.Default(ctx)); away != "" {
		rep.Notices = append(rep.Notices, away)
	}
	// What lies in the other store was marked under that one's key.
	known, err := stores.Keep(ctx).Known()
	if err != nil {
		rep.Notices = append(rep.Notices, "stored secrets are not looked for: "+err.Error())
		return nil
	}
	prints, wrong := marked(known, req.uses)
	for _, err := range wrong {
		rep.Notices = append(rep.Notices, err.Error())
	}
	if len(prints) == 0 {
		return nil
	}
	read := stores.marksKey
	if req.Stored == storedAsk {
		read = stores.askMarksKey
	}
	key, err := read(ctx)
	if err != nil {
		notice := "stored secrets are not looked for: " + err.Error()
		if errors.Is(err, secrets.ErrLocked) {
			notice += "; --guard-stored asks"
		}
		rep.Notices = append(rep.Notices, notice)
		return nil
	}
	rep.StoredKey = key[:]
	for _, p := range prints {
		frame, err := p.AppendBinary(frames)
		if err != nil {
			rep.Notices = append(rep.Notices, "stored secret "+p.Name+": is not looked for: "+err.Error())
			continue
		}
		frames = frame
		rep.Stored++
	}
	return frames
}

// uses says whether the launch was given the secret, or was told to leave it alone.
func (req request) uses(name string) bool {
	return slices.Contains(req.Exempt, name) || slices.ContainsFunc(req.Wants, func(w want) bool {
		return w.Ref.Path == name || w.Ref.Scheme != "" && w.Ref.Path == "ward/"+name
	})
}
