package launcher

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
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

	Commands map[string]secrets.Command // of cmd://NAME
	Programs secrets.Runner             // of op, bw, security and Commands
	Silent   bool                       // nothing is said about what is being waited for
	// Interrupted: whoever has the stores ends their contexts at a signal. Else a signal during a question ends ward.
	Interrupted bool

	once   sync.Once
	choice secrets.Choice
	quiet  atomic.Bool // nobody is asked for the vault's passphrase
	typed  atomic.Bool // a person has typed it
	asking sync.Once
	turns  *turns
}

// OpenStores names the places; nothing is opened or asked before it is needed. environ is the environment block that
// env:// and the vault's passphrase come from; nil is this process's own.
func OpenStores(environ io.ReaderAt) (*Stores, error) {
	dir, err := secrets.OwnDir("XDG_DATA_HOME", os.Getenv)
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

// resolver maps the schemes. All places are asked at the same time, people one question after the other.
func (s *Stores) resolver() secrets.Resolver {
	t := s.terminal()
	programs := &s.Programs
	programs.TTY, programs.Turn = t.tty, t.take
	programs.Project = append(programs.Project, here()...)
	if programs.Environ == nil {
		programs.Environ = environWithout(passphraseVars())
	}
	named := func(name string, source secrets.Source) secrets.Source { return watched{source, name, &t.waiting} }
	return secrets.Resolver{
		"":               named("the default store", defaultStore{s}),
		"env":            s.Env,
		"file":           secrets.File{},
		"keyring":        named("the keyring", s.Keyring.Services()),
		"vault":          named("the vault", &s.Vault),
		"op":             named("1Password", secrets.OnePassword{Runner: programs}),
		"bw":             named("Bitwarden", secrets.Bitwarden{Runner: programs}),
		"apple-password": named("Apple's keychain", secrets.ApplePasswords{Runner: programs}),
		"cmd":            named("", secrets.Commands{Runner: programs, Declared: s.Commands}),
	}
}

func (s *Stores) terminal() *turns {
	s.asking.Do(func() { s.turns = openTurns(s.Silent) })
	return s.turns
}

// environWithout is this process's environment less some variables.
func environWithout(names []string) []string {
	return slices.DeleteFunc(os.Environ(), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains(names, name)
	})
}

// defaultStore finds out which store there is when the first bare name is asked for.
type defaultStore struct{ *Stores }

func (d defaultStore) Fetch(ctx context.Context, name string) (*secrets.Buffer, error) {
	return d.Default(ctx).Store.Fetch(ctx, name)
}

// passphrase takes the vault's from WARD_VAULT_PASSPHRASE, or from the file that WARD_VAULT_PASSPHRASE_FILE names, or
// asks at the terminal.
func (s *Stores) passphrase(ctx context.Context, prompt string, confirm bool) (*secrets.Buffer, error) {
	b, err := s.givenPassphrase(ctx)
	if !errors.Is(err, secrets.ErrNotFound) {
		return b, err
	}
	if s.quiet.Load() {
		return nil, errQuiet
	}
	_, done, err := s.terminal().take(ctx, 0)
	if err != nil {
		return nil, err
	}
	defer done()
	if !s.Interrupted {
		ctx = context.Background()
	}
	b, err = AskSecret(ctx, prompt, confirm)
	if err == nil {
		s.typed.Store(true)
	}
	if errors.Is(err, ErrNoTerminal) {
		return nil, Mistake("there is no terminal to ask at", "set WARD_VAULT_PASSPHRASE_FILE (or WARD_VAULT_PASSPHRASE) where there is none")
	}
	return b, err
}

// givenPassphrase takes the vault's from WARD_VAULT_PASSPHRASE, or from the file that WARD_VAULT_PASSPHRASE_FILE names.
func (s *Stores) givenPassphrase(ctx context.Context) (*secrets.Buffer, error) {
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

// ErrNoTerminal: nobody can be asked.
var ErrNoTerminal = errors.New("no terminal")

// AskSecret asks at the controlling terminal, without echo, and reads into locked memory. If ctx cannot end, signals are
// minded here: Ctrl-C ends ward with the terminal as it was. Without a terminal its error is ErrNoTerminal.
func AskSecret(ctx context.Context, prompt string, confirm bool) (*secrets.Buffer, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, ErrNoTerminal
	}
	defer tty.Close()
	for range 3 {
		first, err := askOnce(ctx, tty, prompt+": ")
		if err != nil || !confirm {
			return first, err
		}
		second, err := askOnce(ctx, tty, prompt+", again: ")
		if err != nil {
			first.Destroy()
			return nil, err
		}
		same := first.Equal(second)
		second.Destroy()
		if same {
			return first, nil
		}
		first.Destroy()
		fmt.Fprintln(tty, "ward: the two do not match")
	}
	return nil, errors.New("the two did not match, three times")
}

// askOnce reads a line, until ctx ends.
func askOnce(ctx context.Context, tty *os.File, prompt string) (*secrets.Buffer, error) {
	restore, err := hideTyping(int(tty.Fd()), ctx.Done() == nil)
	if err != nil {
		return nil, ErrNoTerminal
	}
	defer restore()
	fmt.Fprint(tty, prompt)
	defer fmt.Fprintln(tty)
	// Where ctx ends, the reader goes on until this process ends, which is soon.
	return secrets.Await(ctx, func() (*secrets.Buffer, error) { return readTyped(tty) })
}

// readTyped reads a line byte by byte: a buffered reader would keep a copy.
func readTyped(tty *os.File) (*secrets.Buffer, error) {
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
	if err != nil {
		return nil, err
	}
	return secrets.FillBuffer(n, func(value []byte) error {
		return typed.Use(func(line []byte) error { copy(value, line); return nil })
	})
}
