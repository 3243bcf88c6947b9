package secrets

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strings"
)

// reserved is where ward keeps values of its own. They are not listed, and no
// reference leads to them.
const reserved = "_ward/"

// Reserved says whether a reference is of a value of ward's own.
func Reserved(r Ref) bool {
	path := r.Path
	if r.Scheme == "keyring" {
		path, _ = strings.CutPrefix(path, keyringService+"/")
	}
	return (r.Scheme == "" || r.Scheme == "vault" || r.Scheme == "keyring") && strings.HasPrefix(path, reserved)
}

func reservedError(name string) error {
	return &Error{Name: name, Err: errors.New("names that begin with " + reserved + " are ward's own")}
}

// Own gives a random value of ward's own, of size bytes, which is made at the
// first call and stays. It is for Marks, which Put calls while no other process
// changes anything: two that make it at once would each believe in its own.
func (k Keep) Own(ctx context.Context, name string, size int) ([]byte, error) {
	value, err := k.Store.Fetch(ctx, reserved+name)
	if errors.Is(err, ErrNotFound) {
		made := make([]byte, size)
		rand.Read(made)
		var b *Buffer
		if b, err = lockString(reserved+name, "", hex.EncodeToString(made)); err != nil {
			return nil, err
		}
		defer b.Destroy()
		return made, k.Store.Put(ctx, reserved+name, b)
	} else if err != nil {
		return nil, err
	}
	defer value.Destroy()
	own := make([]byte, size)
	return own, value.Use(func(v []byte) error {
		if n, err := hex.Decode(own, v[:min(len(v), 2*size)]); err != nil || n != size || len(v) != 2*size {
			return k.fail(reserved+name, errors.New("is not what ward stored"))
		}
		return nil
	})
}
