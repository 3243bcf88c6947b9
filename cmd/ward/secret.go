package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"ward/detect"
	"ward/launcher"
	"ward/secrets"
)

// codeRefused is the exit code of what is refused by policy, not by a mistake.
const codeRefused = 77

// storeFlag is on every command that has to do with stored secrets.
type storeFlag struct {
	Store string `enum:",keyring,vault" default:"" placeholder:"keyring|vault" env:"WARD_STORE" help:"Where the secrets are. Default: what config.json says, else the keyring where one answers, else the vault."`
}

// open gives the places of secrets for a command that a person types. Inside a launch there are none: the keyring and
// the vault are out of reach there, and saying so beats "not found". The process is hidden before it has any value.
func (f storeFlag) open() (*launcher.Stores, error) {
	if _, err := launcher.ThisHost(); err != nil {
		return nil, err
	}
	if launcher.Inside() {
		return nil, &exit{codeRefused, launcher.Mistake("secrets: out of reach inside a launch", "run this outside; a launch gets its secrets from its profile")}
	}
	environ, err := launcher.Hide()
	if err != nil {
		return nil, err
	}
	s, err := launcher.OpenStores(environ)
	if err != nil {
		return nil, err
	}
	s.Want = f.Store
	s.Keyring.Notice = func(text string) { note("%s", text) }
	return s, nil
}

// begin is open for an action about some names, if the caller may take it.
func (f storeFlag) begin(ctx context.Context, action detect.Action, names ...string) (*launcher.Stores, detect.Caller, error) {
	s, err := f.open()
	if err != nil {
		return nil, detect.Caller{}, err
	}
	var wrong []error
	for _, name := range names {
		wrong = append(wrong, bareName(name))
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, detect.Caller{}, err
	}
	caller, err := allowed(ctx, action, strings.Join(names, " "))
	return s, caller, err
}

// newVault tells of a vault that was not there before.
func newVault(s *launcher.Stores) {
	note("made a vault in %s, since there is no keyring here; its passphrase opens it", s.Vault.Dir)
}

// valueFlags say where a value comes from. It is never an argument.
type valueFlags struct {
	Clipboard bool `xor:"from" help:"Take the value from the clipboard."`
	Stdin     bool `xor:"from" help:"Read the value from stdin; one trailing newline is cut off."`
}

// read gives the value, never empty.
func (f valueFlags) read(ctx context.Context, key, prompt string) (*secrets.Buffer, error) {
	value, err := f.source(ctx, key, prompt)
	if err != nil {
		return nil, err
	}
	if value.Len() == 0 {
		value.Destroy()
		return nil, launcher.Mistake("secret "+key+": the value is empty", "nothing was stored")
	}
	return value, nil
}

func (f valueFlags) source(ctx context.Context, key, prompt string) (*secrets.Buffer, error) {
	switch {
	case f.Stdin:
		all, err := secrets.ReadBuffer(os.Stdin, secrets.MaxValue+1)
		if err != nil {
			return nil, valueError(key, err)
		}
		return all.TrimNewline(), nil
	case f.Clipboard:
		c, err := launcher.FindClipboard("--stdin reads the value from stdin")
		if err != nil {
			return nil, err
		}
		all, err := c.Read(ctx)
		if err != nil {
			return nil, err
		}
		return all.TrimNewline(), nil
	}
	value, err := launcher.AskSecret(context.Background(), prompt, false)
	if errors.Is(err, launcher.ErrNoTerminal) {
		return nil, launcher.Mistake("secret "+key+": there is no terminal to ask at", "--stdin reads the value from stdin, --clipboard from the clipboard")
	}
	return value, valueError(key, err)
}

// valueError names the secret.
func valueError(key string, err error) error {
	if err == nil {
		return nil
	}
	return &secrets.Error{Name: key, Err: err, Fix: "nothing was stored"}
}

// metaFlags are what is known about a secret beside its value.
type metaFlags struct {
	Type    string `enum:",token,password,key,cert" default:"" placeholder:"token|password|key|cert" help:"What it is."`
	Expires string `placeholder:"DATE" help:"When it expires: 2030-12-31, or 90d."`
	Strict  *bool  `negatable:"" help:"Ask a person at the terminal for every read."`
	Rotate  string `placeholder:"URL" help:"Page where it is renewed."`
	Bundle  string `placeholder:"NAME" help:"Group that ward bundle loads."`
	Desc    string `placeholder:"TEXT" help:"What it is for, in one line."`
}

// change gives what Put does to the index. What is not said stays; a date that has passed belonged to the old value.
func (f metaFlags) change(key string) (func(*secrets.Meta) error, error) {
	now := time.Now()
	var expires time.Time
	if f.Expires != "" {
		var err error
		if expires, err = secrets.ParseExpires(f.Expires, now); err != nil {
			return nil, &secrets.Error{Name: key, Err: err, Fix: launcher.Hint(err)}
		}
	}
	return func(m *secrets.Meta) error {
		set := func(field *string, value string) {
			if value != "" {
				*field = value
			}
		}
		set(&m.Type, f.Type)
		set(&m.Rotate, f.Rotate)
		set(&m.Bundle, f.Bundle)
		set(&m.Desc, f.Desc)
		if f.Strict != nil {
			m.Strict = *f.Strict
		}
		if !expires.IsZero() {
			m.Expires = expires
		} else if !m.Expires.IsZero() && !m.Expires.After(now) {
			note("%s: the old value expired on %s; --expires says when this one does", key, m.Expires.Format(time.DateOnly))
			m.Expires = time.Time{}
		}
		return nil
	}, nil
}

type setCmd struct {
	storeFlag
	Key string `arg:"" help:"Name, for example org/project/KEY."`
	valueFlags
	metaFlags
}

// Help is the example of `ward set --help`.
func (setCmd) Help() string {
	return "ward set acme/api/TOKEN --type token --expires 90d --rotate https://example.com/tokens\npass show github | ward set github_token --stdin"
}

// Run is `ward set`.
func (c *setCmd) Run() error {
	ctx := context.Background()
	s, caller, err := c.begin(ctx, detect.Set, c.Key)
	if err != nil {
		return err
	}
	change, err := c.change(c.Key)
	if err != nil {
		return err
	}
	value, err := c.read(ctx, c.Key, c.Key)
	if err != nil {
		return err
	}
	defer value.Destroy()
	keep := s.Keep(ctx)
	fresh := keep.Name == "vault" && !s.Vault.Exists()
	did := "stored"
	err = keep.Put(ctx, c.Key, value, false, change)
	if errors.Is(err, secrets.ErrExists) {
		did = "replaced"
		if err = permitted(ctx, &caller, detect.SetOver, c.Key); err == nil {
			err = keep.Put(ctx, c.Key, value, true, change)
		}
	}
	if err != nil {
		return err
	}
	if fresh {
		newVault(s)
	}
	note("%s %s in the %s", did, c.Key, keep.Name)
	unguarded(c.Key, value)
	return nil
}

// unguarded says what the guard cannot do for a value.
func unguarded(key string, value *secrets.Buffer) {
	value.Use(func(v []byte) error {
		if why := launcher.Unguardable(key, v); why != "" {
			note("the guard cannot mask it in output: it %s", why)
		}
		return nil
	})
}

// bareName refuses references where a name is wanted.
func bareName(key string) error {
	ref, err := secrets.ParseRef(key)
	if err != nil {
		return err
	}
	if ref.Scheme != "" {
		return launcher.Mistake(key+": is a reference, and a name is wanted", "ward writes to its own store only; use the other program for its own")
	}
	return nil
}
