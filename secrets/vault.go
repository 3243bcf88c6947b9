package secrets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"filippo.io/age"
)

// Vault is a store for machines without a keyring: a directory, mode 0700, of
//
//	identity.age    an X25519 identity, encrypted to a passphrase
//	recipient.txt   its public half
//	NAME.age        one secret, encrypted to the recipient; NAME as fileName makes it
//	NAME.age.prev   what NAME.age held before
//
// Writing takes the public half only, so Put needs no passphrase and two
// writers never meet. Fetch asks for it once in the life of a Vault. Each
// secret's name is inside the encryption: a file that is renamed is refused.
// What the vault does not notice: an old NAME.age put back by somebody who
// can write the directory, and one made by him with the recipient.
//
// age works with strings and keeps chunks of plaintext in its own memory, so
// Fetch is for the resolver and other processes that end soon.
type Vault struct {
	// Dir is made by the first Put: $XDG_DATA_HOME/ward/vault.
	Dir string
	// Passphrase asks for it, twice if confirm. The Vault destroys what it
	// gets. nil: there is nobody to ask. Its error ends up in ErrLocked.
	Passphrase func(ctx context.Context, prompt string, confirm bool) (*Buffer, error)

	gate     gate
	identity *age.X25519Identity // once unlocked; guarded by gate
}

// workFactor is scrypt's: 2^15 rounds take 32 MiB and about 0.1 s. It is paid
// by every launch that reads the vault. maxWorkFactor bounds what a changed
// identity.age can make ward do: 1 GiB.
const (
	workFactor    = 15
	maxWorkFactor = 20
)

// header begins every plaintext; the name and a newline follow, then the value.
const header = "ward secret 1\n"

// Fetch decrypts one secret. A name that is not there asks for no passphrase.
func (v *Vault) Fetch(ctx context.Context, name string) (*Buffer, error) {
	b, err := v.fetch(ctx, name)
	return b, v.fail(name, err)
}

func (v *Vault) fetch(ctx context.Context, name string) (*Buffer, error) {
	path, err := v.path(ctx, name)
	if err != nil {
		return nil, err
	}
	f, err := openRegular(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotFound
	} else if err != nil {
		return nil, err
	}
	defer f.Close()
	id, err := Await(ctx, func() (*age.X25519Identity, error) { return v.unlock(ctx) })
	if err != nil {
		return nil, err
	}
	damaged := func(err error) error {
		if errors.As(err, new(*age.NoIdentityMatchError)) {
			err = errors.New("encrypted to another vault")
		}
		e := &Error{Err: fmt.Errorf("%s is damaged or foreign: %w", path, err)}
		if _, err := os.Stat(path + previousSuffix); err == nil {
			e.Fix = "the previous version is " + path + previousSuffix + "; renaming it brings it back"
		}
		return e
	}
	plain, err := age.Decrypt(f, id)
	if err != nil {
		return nil, damaged(err)
	}
	full := header + name + "\n"
	b, err := ReadBuffer(plain, len(header)+maxRef+1+MaxValue)
	if err != nil {
		return nil, damaged(err)
	}
	if err := b.Use(func(data []byte) error {
		if !bytes.HasPrefix(data, []byte(full)) {
			return errors.New("it holds another secret's value: was it renamed?")
		}
		return nil
	}); err != nil {
		b.Destroy()
		return nil, damaged(err)
	}
	b.keep(len(full), b.Len())
	return b, nil
}

// Put encrypts value under name, creating the vault if there is none, and
// keeps what was there before as NAME.age.prev.
func (v *Vault) Put(ctx context.Context, name string, value *Buffer) error {
	return v.fail(name, v.put(ctx, name, value))
}

func (v *Vault) put(ctx context.Context, name string, value *Buffer) error {
	path, err := v.path(ctx, name)
	if err != nil {
		return err
	}
	if value.Len() > MaxValue {
		return fmt.Errorf("larger than %d bytes", MaxValue)
	}
	recipient, err := v.recipient(ctx)
	if err != nil {
		return err
	}
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, recipient)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, header+name+"\n"); err != nil {
		return err
	}
	if err := value.Use(func(data []byte) error { _, err := w.Write(data); return err }); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	sweep(v.Dir)
	return replaceAfter(path, sealed.Bytes(), func() error {
		before, err := readRegular(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		return replaceFile(path+previousSuffix, before)
	})
}

// Delete removes a secret and its previous version; it needs no passphrase.
func (v *Vault) Delete(ctx context.Context, name string) error {
	path, err := v.path(ctx, name)
	if err == nil {
		if _, err = os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			err = ErrNotFound
		}
	}
	if err == nil {
		// First the older one: a crash in between must leave no forgotten copy.
		if err = os.Remove(path + previousSuffix); err == nil || errors.Is(err, fs.ErrNotExist) {
			err = os.Remove(path)
		}
	}
	if err == nil {
		sweep(v.Dir)
		err = syncDir(v.Dir)
	}
	return v.fail(name, err)
}

// List gives the names, sorted, from the file names alone. Files that ward
// would not have named so are passed over.
func (v *Vault) List(ctx context.Context) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, v.fail("", err)
	}
	entries, err := os.ReadDir(v.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, v.fail("", err)
	}
	names := []string{}
	for _, entry := range entries {
		if file, ok := strings.CutSuffix(entry.Name(), ".age"); ok {
			if name, ok := nameOf(file); ok {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names, nil
}

func (v *Vault) path(ctx context.Context, name string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if err := checkName(name); err != nil {
		return "", err
	}
	file := fileName(name)
	// 255 bytes is what Linux and macOS allow, ".age"+previousSuffix among them.
	if len(file)+len(".age"+previousSuffix) > 255 {
		return "", errors.New("the name is too long for a file")
	}
	return filepath.Join(v.Dir, file+".age"), nil
}

// fail says which vault and which secret it is about; nil stays nil.
func (v *Vault) fail(name string, err error) error {
	if err == nil {
		return nil
	}
	place := "the vault " + v.Dir
	if e, ok := errors.AsType[*Error](err); ok {
		return &Error{Name: name, Where: place, Err: e.Err, Fix: e.Fix}
	}
	e := &Error{Name: name, Where: place, Err: err}
	if r, ok := errors.AsType[*RefError](err); ok {
		e.Name, e.Fix = "", r.Fix // a name that was refused may be a value
	}
	if err == ErrNotFound {
		e.Fix = "ward set " + name
	}
	return e
}

// fileName is the file of a name, without ".age". Upper and lower case must
// stay apart on file systems that do not tell them apart, so letters are
// lower-cased and "=" goes before each change of case; "/" becomes ",". No
// name begins with "." or holds "=" or ",".
func fileName(name string) string {
	if name == "identity" {
		return "%identity" // identity.age is the vault's own
	}
	var b strings.Builder
	upper := false
	for i := range len(name) {
		c := name[i]
		isUpper, isLower := c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z'
		if isUpper && !upper || isLower && upper {
			b.WriteByte('=')
			upper = !upper
		}
		switch {
		case isUpper:
			c += 'a' - 'A'
		case c == '/':
			c = ','
		}
		b.WriteByte(c)
	}
	return b.String()
}

// nameOf undoes fileName, and refuses what fileName would not give: no two
// files are one name.
func nameOf(file string) (name string, ok bool) {
	var b strings.Builder
	upper := false
	for _, c := range []byte(strings.TrimPrefix(file, "%")) {
		switch {
		case c == '=':
			upper = !upper
			continue
		case c == ',':
			c = '/'
		case upper && c >= 'a' && c <= 'z':
			c -= 'a' - 'A'
		}
		b.WriteByte(c)
	}
	name = b.String()
	return name, checkName(name) == nil && fileName(name) == file
}
