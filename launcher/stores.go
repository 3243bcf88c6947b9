package launcher

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"ward/secrets"
)

// Stores are the places of secrets as this machine has them.
type Stores struct {
	Keyring secrets.Keyring
	Vault   secrets.Vault
	Env     secrets.Env

	once   sync.Once
	choice secrets.Choice
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
	s.once.Do(func() { s.choice = secrets.Default(ctx, &s.Keyring, &s.Vault) })
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

// passphrase takes what was given, or asks at the terminal.
func (s *Stores) passphrase(ctx context.Context, prompt string, confirm bool) (*secrets.Buffer, error) {
	b, err := s.givenPassphrase(ctx, prompt, confirm)
	if !errors.Is(err, secrets.ErrNotFound) {
		return b, err
	}
	b, err = AskSecret(prompt, confirm)
	if errors.Is(err, errNoTerminal) {
		return nil, Mistake("there is no terminal to ask at", "set WARD_VAULT_PASSPHRASE_FILE (or WARD_VAULT_PASSPHRASE) where there is none")
	}
	return b, err
}

// givenPassphrase takes the vault's from WARD_VAULT_PASSPHRASE, or from the file that WARD_VAULT_PASSPHRASE_FILE names.
func (s *Stores) givenPassphrase(ctx context.Context, _ string, _ bool) (*secrets.Buffer, error) {
	b, err := s.Env.Fetch(ctx, "WARD_VAULT_PASSPHRASE")
	if err == nil || !errors.Is(err, secrets.ErrNotFound) {
		return b, err
	}
	path, err := s.Env.Fetch(ctx, "WARD_VAULT_PASSPHRASE_FILE")
	if err != nil {
		return nil, err
	}
	defer path.Destroy()
	name := ""
	path.Use(func(p []byte) error { name = string(p); return nil })
	b, err = (secrets.File{}).Fetch(ctx, name)
	if errors.Is(err, secrets.ErrNotFound) {
		return nil, Mistake(err.Error(), "WARD_VAULT_PASSPHRASE_FILE names it") // given, and wrong: nobody is asked instead
	}
	return b, err
}

// maxTyped bounds what can be typed at a prompt; longer values come by --stdin.
const maxTyped = 4096

var errNoTerminal = errors.New("no terminal")

// AskSecret asks at the controlling terminal, without echo, and reads into locked memory. Ctrl-C ends ward with the
// terminal as it was. Without a terminal its error is errNoTerminal's.
func AskSecret(prompt string, confirm bool) (*secrets.Buffer, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, errNoTerminal
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
		return nil, errNoTerminal
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
