package launcher

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"ward/secrets"
)

// Stores are the places of secrets as this machine has them.
type Stores struct {
	Keyring secrets.Keyring
	Vault   secrets.Vault
	Env     secrets.Env
	Want    string // the default store: "keyring" or "vault"; "": what config.json says, else what is there

	once   sync.Once
	choice secrets.Choice
	quiet  atomic.Bool // nobody is asked for the vault's passphrase
	typed  atomic.Bool // a person has typed it
}

// OpenStores names the places; nothing is opened or asked before it is needed. environ is the environment block that
// env:// and the vault's passphrase come from; nil is this process's own.
func OpenStores(environ io.ReaderAt) (*Stores, error) {
	dir, err := secrets.DataDir()
	if err != nil {
		return nil, Mistake("HOME: "+reason(err), "export HOME=/path/of/your/home")
	}
	s := &Stores{Env: secrets.Env{Block: environ}}
	s.Keyring.Index = &secrets.Index{Path: filepath.Join(dir, "index.json")}
	s.Vault.Dir = filepath.Join(dir, "vault")
	s.Vault.Passphrase = s.passphrase
	return s, nil
}

// Default is the store that bare names mean here.
func (s *Stores) Default(ctx context.Context) secrets.Choice {
	s.once.Do(func() { s.choice = s.choose(ctx) })
	return s.choice
}

// Resolver maps the schemes that this version reads.
func (s *Stores) Resolver() secrets.Resolver {
	return secrets.Resolver{
		"":        defaultStore{s},
		"env":     s.Env,
		"file":    secrets.File{},
		"keyring": s.Keyring.Services(),
		"vault":   &s.Vault,
	}
}

// defaultStore finds out which store there is when the first bare name is asked for.
type defaultStore struct{ *Stores }

func (d defaultStore) Fetch(ctx context.Context, name string) (*secrets.Buffer, error) {
	return d.Default(ctx).Store.Fetch(ctx, name)
}

// passphrase takes the vault's from WARD_VAULT_PASSPHRASE, or from the file that WARD_VAULT_PASSPHRASE_FILE names, or
// asks at the terminal.
func (s *Stores) passphrase(ctx context.Context, prompt string, confirm bool) (*secrets.Buffer, error) {
	b, err := s.Env.Fetch(ctx, "WARD_VAULT_PASSPHRASE")
	if err == nil || !errors.Is(err, secrets.ErrNotFound) {
		return b, err
	}
	path, err := s.Env.Fetch(ctx, "WARD_VAULT_PASSPHRASE_FILE")
	if err != nil && !errors.Is(err, secrets.ErrNotFound) {
		return nil, err
	}
	if err == nil {
		defer path.Destroy()
		name := ""
		path.Use(func(p []byte) error { name = string(p); return nil })
		return (secrets.File{}).Fetch(ctx, name)
	}
	if s.quiet.Load() {
		return nil, errQuiet
	}
	b, err = AskSecret(prompt, confirm)
	if err == nil {
		s.typed.Store(true)
	}
	if errors.Is(err, ErrNoTerminal) {
		return nil, Mistake("there is no terminal to ask at", "set WARD_VAULT_PASSPHRASE_FILE (or WARD_VAULT_PASSPHRASE) where there is none")
	}
	return b, err
}

// maxTyped bounds what can be typed at a prompt; longer values come by --stdin.
const maxTyped = 4096

// ErrNoTerminal: nobody can be asked.
var ErrNoTerminal = errors.New("no terminal")

// AskSecret asks at the controlling terminal, without echo, and reads into locked memory. Ctrl-C ends ward with the
// terminal as it was. Without a terminal its error is ErrNoTerminal.
func AskSecret(prompt string, confirm bool) (*secrets.Buffer, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, ErrNoTerminal
	}
	defer tty.Close()
	for range 3 {
		first, err := askOnce(tty, prompt+": ")
		if err != nil || !confirm {
			return first, err
		}
		second, err := askOnce(tty, prompt+", again: ")
		if err != nil {
			first.Destroy()
			return nil, err
		}
		same := equal(first, second)
		second.Destroy()
		if same {
			return first, nil
		}
		first.Destroy()
		fmt.Fprintln(tty, "ward: the two do not match")
	}
	return nil, errors.New("the two did not match, three times")
}

func equal(a, b *secrets.Buffer) (same bool) {
	a.Use(func(x []byte) error {
		return b.Use(func(y []byte) error {
			same = string(x) == string(y)
			return nil
		})
	})
	return same
}

// askOnce reads a line byte by byte: a buffered reader would keep a copy.
func askOnce(tty *os.File, prompt string) (*secrets.Buffer, error) {
	restore, err := hideTyping(int(tty.Fd()))
	if err != nil {
		return nil, ErrNoTerminal
	}
	defer restore()
	fmt.Fprint(tty, prompt)
	typed, err := secrets.NewBuffer(maxTyped)
	if err != nil {
		return nil, err
	}
	defer typed.Destroy()
	n := 0
	err = typed.Use(func(line []byte) error {
		for n < len(line) {
			got, err := tty.Read(line[n : n+1])
			if got == 1 && line[n] == '\n' {
				return nil
			}
			if err != nil || got == 0 {
				return errors.New("nothing was typed")
			}
			n++
		}
		return fmt.Errorf("more than %d characters were typed", maxTyped)
	})
	fmt.Fprintln(tty)
	if err != nil {
		return nil, err
	}
	b, err := secrets.NewBuffer(n)
	if err != nil {
		return nil, err
	}
	err = typed.Use(func(line []byte) error {
		return b.Use(func(value []byte) error { copy(value, line); return nil })
	})
	return b, err
}

// TryLockedMemory says why memory for secrets cannot be had here.
func TryLockedMemory() error {
	b, err := secrets.NewBuffer(1)
	if err != nil {
		return err
	}
	b.Destroy()
	return nil
}
