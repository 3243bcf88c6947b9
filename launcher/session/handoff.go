package session

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"ward/launcher/broker"
	"ward/secrets"
)

// HandOff is a value on its way into a shell. The shell sources a script, which holds the value under AES-256-GCM. The key
// is in the locked memory of a keeper, which gives it once, to a descendant of the process that it is bound to, and ends.
// Why not HPKE: its recipient would need a private key, which the standard library keeps on Go's heap; a key of 32 bytes
// never leaves locked memory in the keeper, which does no cryptography.
type HandOff struct {
	Var   string // the variable
	Ward  string // absolute path of the program that the script calls
	Bound Bound
	// Last is how long the key is kept. 0 is a minute.
	Last time.Duration
	// Dirs are tried for the script when ward's own directories cannot be written. nil: the directory for temporary files.
	Dirs []string
}

// minute is how long a hand-off waits for its shell.
const minute = time.Minute

const (
	scriptName = "env.sh"
	keySocket  = "key"
	keySize    = 32
)

// Prepare writes the script and starts the keeper. It gives the script's path.
func (h HandOff) Prepare(value *secrets.Buffer) (script string, err error) {
	if h.Last == 0 {
		h.Last = minute
	}
	err = value.Use(func(v []byte) error {
		for _, c := range v {
			if c == 0 {
				return errors.New("it holds a NUL byte, which no variable can")
			}
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	key, err := secrets.NewBuffer(keySize)
	if err != nil {
		return "", err
	}
	defer key.Destroy()
	if err := key.Use(func(k []byte) error { _, err := rand.Read(k); return err }); err != nil {
		return "", err
	}
	sealed, err := seal(key, h.Var, value)
	if err != nil {
		return "", err
	}
	dir, err := h.place()
	if err != nil {
		return "", err
	}
	script = filepath.Join(dir, scriptName)
	err = write(script, h.script(dir, sealed))
	if err == nil {
		o := opening{Bound: h.Bound, Last: h.Last, Socket: filepath.Join(dir, keySocket), Dir: dir, Values: []entry{{"key", keySize}}}
		_, err = begin(o, []*secrets.Buffer{key})
	}
	if err != nil {
		os.RemoveAll(dir)
		return "", err
	}
	return script, nil
}

// place makes a directory for one hand-off: in ward's own, else where temporary files are. What lies there is of no use
// to anybody without the key, so the second is as good; but it may be on a disk.
func (h HandOff) place() (dir string, err error) {
	made := func(in string) error {
		sweep(in)
		dir, err = os.MkdirTemp(in, handOffPrefix)
		if err != nil {
			return err
		}
		return os.Chmod(dir, 0o700)
	}
	err = somewhere(made)
	if err == nil {
		return dir, nil
	}
	dirs := h.Dirs
	if dirs == nil {
		dirs = []string{os.TempDir()}
	}
	all := []error{err}
	for _, in := range dirs {
		err := made(in)
		if err == nil {
			return dir, nil
		}
		all = append(all, err)
	}
	return "", errors.Join(all...)
}

const handOffPrefix = "ward-hand-off-"

// sweep removes what hand-offs left whose keeper was killed: nobody can read it any more.
func sweep(in string) {
	dirs, _ := filepath.Glob(filepath.Join(in, handOffPrefix+"*"))
	for _, dir := range dirs {
		if info, err := os.Lstat(dir); err == nil && info.IsDir() && time.Since(info.ModTime()) > 2*minute {
			for _, name := range []string{scriptName, keySocket} {
				os.Remove(filepath.Join(dir, name))
			}
			os.Remove(dir)
		}
	}
}

// write makes the script: new, and complete, whatever the umask is.
func write(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o700)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, text)
	return errors.Join(err, f.Chmod(0o700), f.Close())
}

// box is AES-256-GCM. What the library makes of the key lies on the heap of a process that ends soon.
func box(key *secrets.Buffer) (aead cipher.AEAD, err error) {
	err = key.Use(func(k []byte) error {
		block, err := aes.NewCipher(k)
		if err != nil {
			return err
		}
		aead, err = cipher.NewGCM(block)
		return err
	})
	return aead, err
}

// seal encrypts a value to be handed to a variable: under another name it does not open.
func seal(key *secrets.Buffer, name string, value *secrets.Buffer) (string, error) {
	aead, err := box(key)
	if err != nil {
		return "", err
	}
	sealed := make([]byte, aead.NonceSize(), aead.NonceSize()+value.Len()+aead.Overhead())
	if _, err := rand.Read(sealed); err != nil {
		return "", err
	}
	err = value.Use(func(v []byte) error {
		sealed = aead.Seal(sealed, sealed[:aead.NonceSize()], v, []byte(name))
		return nil
	})
	return base64.StdEncoding.EncodeToString(sealed), err
}

// errDamaged is all that is said of a text that does not open.
var errDamaged = errors.New("hand-off: the script was changed")

// open decrypts into locked memory.
func open(key *secrets.Buffer, name, text string) (*secrets.Buffer, error) {
	sealed, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, errDamaged
	}
	aead, err := box(key)
	if err != nil {
		return nil, err
	}
	n := aead.NonceSize()
	size := len(sealed) - n - aead.Overhead()
	if size < 0 || size > secrets.MaxValue {
		return nil, errDamaged
	}
	value, err := secrets.NewBuffer(size)
	if err != nil {
		return nil, err
	}
	err = value.Use(func(v []byte) error {
		if plain, err := aead.Open(v[:0:size], sealed[:n], sealed[n:], []byte(name)); err != nil || len(plain) != size {
			return errDamaged
		}
		return nil
	})
	if err != nil {
		value.Destroy()
		return nil, err
	}
	return value, nil
}

// Receive is the script's side: it removes the script before anything else, asks for the key, and decrypts. script is
// the file opened, dir the directory that it lay in. The caller destroys the value.
func Receive(dir, name string, script io.Reader) (*secrets.Buffer, error) {
	sealed, err := sealedText(script)
	os.Remove(filepath.Join(dir, scriptName))
	if err != nil {
		return nil, err
	}
	key, err := ask(filepath.Join(dir, keySocket), func(c *broker.Client, ctx context.Context) (*secrets.Buffer, error) {
		return c.Secret(ctx, broker.Take, nil)
	})
	var refused *broker.Refusal
	if err != nil && !errors.As(err, &refused) {
		return nil, &broker.Refusal{Text: fmt.Sprintf("hand-off of %s: it was used already, or waited too long", name), Fix: "ask again with ward get"}
	}
	if err != nil {
		return nil, err
	}
	defer key.Destroy()
	return open(key, name, sealed)
}
