package session

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

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
)

// Prepare writes the script and starts the keeper. It gives the script's path.
func (h HandOff) Prepare(value *secrets.Buffer) (script string, err error) {
	h.Last = cmp.Or(h.Last, minute)
	err = value.Use(func(v []byte) error {
		if slices.Contains(v, 0) {
			return errors.New("it holds a NUL byte, which no variable can")
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	key, err := broker.NewKey()
	if err != nil {
		return "", err
	}
	defer key.Destroy()
	sealed, err := broker.Seal(key, h.Var, value)
	if err != nil {
		return "", err
	}
	dir, err := h.place()
	if err != nil {
		return "", err
	}
	script = filepath.Join(dir, scriptName)
	err = write(script, h.script(dir, base64.StdEncoding.EncodeToString(sealed)))
	if err == nil {
		o := opening{Bound: h.Bound, Last: h.Last, Socket: filepath.Join(dir, keySocket), Dir: dir, Values: []entry{{"key", broker.KeySize}}}
		_, err = begin(o, []*secrets.Buffer{key})
	}
	if err != nil {
		os.RemoveAll(dir)
		return "", err
	}
	return script, nil
}

// place makes a directory for one hand-off: in ward's own, else where temporary files are. What lies there is of no use
// to anybody without the key, so the second is as good where nobody else can exchange it; but it may be on a disk.
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
		err := settled(in)
		if err == nil {
			err = made(in)
		}
		if err == nil {
			return dir, nil
		}
		all = append(all, err)
	}
	return "", errors.Join(all...)
}

// errDamaged is all that is said of a script that does not open.
var errDamaged = errors.New("hand-off: the script was changed")

const handOffPrefix = "ward-hand-off-"

// sweep removes what hand-offs left whose keeper was killed: nobody can read it any more. Where temporary files are,
// others may make such names, and change what they mean at any moment: only what a descriptor shows to be a directory of
// this user alone is emptied, by that descriptor.
func sweep(in string) {
	all, err := os.Open(in)
	if err != nil {
		return
	}
	defer all.Close()
	names, _ := all.Readdirnames(-1)
	for _, name := range names {
		if strings.HasPrefix(name, handOffPrefix) && empty(int(all.Fd()), name, 2*minute) {
			unix.Unlinkat(int(all.Fd()), name, unix.AT_REMOVEDIR)
		}
	}
}

// empty removes a hand-off's files from a directory of this user alone that was not changed for a while, and says whether
// it was one.
func empty(in int, name string, age time.Duration) bool {
	fd, err := unix.Openat(in, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	dir := os.NewFile(uintptr(fd), name)
	defer dir.Close()
	info, err := dir.Stat()
	if err != nil || alone(info) != nil || time.Since(info.ModTime()) <= age {
		return false
	}
	for _, file := range []string{scriptName, keySocket} {
		unix.Unlinkat(fd, file, 0)
	}
	return true
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

// Receive is the script's side: it removes the script before anything else, asks for the key, and decrypts. script is
// the file opened, dir the directory that it lay in. The caller destroys the value.
func Receive(dir, name string, script io.Reader) (*secrets.Buffer, error) {
	text, err := sealedText(script)
	os.Remove(filepath.Join(dir, scriptName))
	if err != nil {
		return nil, err
	}
	key, err := ask(filepath.Join(dir, keySocket), func(c *broker.Client, ctx context.Context) (*secrets.Buffer, error) {
		return c.Secret(ctx, broker.Take, nil)
	})
	if _, refused := errors.AsType[*broker.Refusal](err); err != nil && !refused {
		return nil, &broker.Refusal{Text: fmt.Sprintf("hand-off of %s: it was used already, or waited too long", name), Fix: "ask again with ward get"}
	}
	if err != nil {
		return nil, err
	}
	defer key.Destroy()
	sealed, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, errDamaged
	}
	value, err := broker.Unseal(key, name, sealed)
	if errors.Is(err, broker.ErrSealed) {
		err = errDamaged
	}
	return value, err
}
