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
	"strings"

	"filippo.io/age"
)

func (v *Vault) identityPath() string  { return filepath.Join(v.Dir, "identity.age") }
func (v *Vault) recipientPath() string { return filepath.Join(v.Dir, "recipient.txt") }

// Exists says whether there is a vault: an identity that values can be read with.
func (v *Vault) Exists() bool {
	_, err := os.Stat(v.identityPath())
	return err == nil
}

// create makes the vault, asking for a new passphrase, unless there is one. Of
// two that create at once one wins, and the other finds it there. It runs inside
// the gate.
func (v *Vault) create(ctx context.Context) error {
	if err := os.MkdirAll(v.Dir, 0o700); err != nil {
		return err
	}
	// Held while a person types, so that a second process times out with an
	// error that says so, rather than asking for a passphrase in vain.
	unlock, err := lockFile(ctx, filepath.Join(v.Dir, ".lock"))
	if err != nil {
		return err
	}
	defer unlock()
	if v.Exists() {
		return nil
	}
	if names, err := v.List(ctx); err != nil || len(names) > 0 {
		return errors.Join(err, &Error{
			Err: fmt.Errorf("identity.age is missing, and %d secrets are encrypted to it", len(names)),
			Fix: "bring identity.age back from a backup, or move the directory away to begin anew",
		})
	}
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	var lock *age.ScryptRecipient
	if err := v.ask(ctx, "New passphrase for ward's vault", true, func(passphrase string) (err error) {
		lock, err = age.NewScryptRecipient(passphrase)
		return err
	}); err != nil {
		return err
	}
	lock.SetWorkFactor(workFactor)
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, lock)
	if err != nil {
		return err
	}
	// age gives the identity as a string only.
	if _, err := io.WriteString(w, id.String()+"\n"); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	// The identity goes first: from a crash in between unlock recovers, while
	// a recipient without its identity would swallow every secret given to it.
	if err := replaceFile(v.identityPath(), sealed.Bytes()); err != nil {
		return err
	}
	if err := replaceFile(v.recipientPath(), []byte(id.Recipient().String()+"\n")); err != nil {
		return err
	}
	v.identity = id
	return nil
}

// recipient gives the public half, creating the vault if there is none.
func (v *Vault) recipient(ctx context.Context) (*age.X25519Recipient, error) {
	if !v.Exists() {
		_, err := Await(ctx, func() (struct{}, error) {
			return struct{}{}, v.gate.do(func() error { return v.create(ctx) })
		})
		if err != nil {
			return nil, err
		}
	}
	text, err := readRegular(v.recipientPath())
	if errors.Is(err, fs.ErrNotExist) {
		// Lost, or creation was cut short; unlocking writes it anew.
		id, err := Await(ctx, func() (*age.X25519Identity, error) { return v.unlock(ctx) })
		if err != nil {
			return nil, err
		}
		return id.Recipient(), nil
	} else if err != nil {
		return nil, err
	}
	r, err := age.ParseX25519Recipient(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, &Error{
			Err: errors.New("recipient.txt is damaged"),
			Fix: "remove " + v.recipientPath() + "; it is written anew with the passphrase",
		}
	}
	return r, nil
}

// unlock decrypts the identity, once, and makes sure that what is written
// goes to it.
func (v *Vault) unlock(ctx context.Context) (id *age.X25519Identity, err error) {
	err = v.gate.do(func() error {
		if v.identity == nil {
			v.identity, err = v.decryptIdentity(ctx)
		}
		id = v.identity
		return err
	})
	return id, err
}

func (v *Vault) decryptIdentity(ctx context.Context) (*age.X25519Identity, error) {
	broken := func(what string) error {
		return &Error{Err: errors.New(what), Fix: "bring " + v.identityPath() + " back from a backup"}
	}
	damaged := broken("identity.age is damaged")
	sealed, err := readRegular(v.identityPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, broken("identity.age is missing; without it nothing can be decrypted")
	} else if err != nil {
		return nil, err
	}
	var key *age.ScryptIdentity
	if err := v.ask(ctx, "Passphrase of ward's vault", false, func(passphrase string) (err error) {
		key, err = age.NewScryptIdentity(passphrase)
		return err
	}); err != nil {
		return nil, err
	}
	key.SetMaxWorkFactor(maxWorkFactor)
	plain, err := age.Decrypt(bytes.NewReader(sealed), key)
	if errors.As(err, new(*age.NoIdentityMatchError)) {
		return nil, &Error{Err: fmt.Errorf("%w: wrong passphrase", ErrLocked), Fix: "nothing was changed; try again"}
	} else if err != nil {
		return nil, damaged
	}
	text, err := io.ReadAll(io.LimitReader(plain, 1024))
	if err != nil {
		return nil, damaged
	}
	// age takes the identity as a string only, and its error may quote it.
	id, err := age.ParseX25519Identity(strings.TrimSpace(string(text)))
	clear(text)
	if err != nil {
		return nil, damaged
	}
	want := id.Recipient().String() + "\n"
	switch got, err := readRegular(v.recipientPath()); {
	case errors.Is(err, fs.ErrNotExist):
		// Best effort, for it may be a directory that cannot be written.
		_ = replaceFile(v.recipientPath(), []byte(want))
	case err == nil && string(got) != want:
		return nil, &Error{
			Err: errors.New("recipient.txt does not belong to identity.age: what was written since went to another key"),
			Fix: "find out who changed " + v.recipientPath() + ", then remove it; it is written anew with the passphrase",
		}
	}
	return id, nil
}

// ask gets the passphrase to f. age wants it as a string, which stays on the
// heap until this process ends.
func (v *Vault) ask(ctx context.Context, prompt string, confirm bool, f func(string) error) error {
	locked := func(err error) error {
		return &Error{
			Err: fmt.Errorf("%w: %w", ErrLocked, err),
			Fix: "without a terminal the passphrase comes from WARD_VAULT_PASSPHRASE or WARD_VAULT_PASSPHRASE_FILE",
		}
	}
	if v.Passphrase == nil {
		return locked(errors.New("nobody can be asked for the passphrase"))
	}
	passphrase, err := v.Passphrase(ctx, prompt, confirm)
	if err != nil {
		return locked(err)
	}
	defer passphrase.Destroy()
	if passphrase.Len() == 0 {
		return locked(errors.New("the passphrase is empty"))
	}
	return passphrase.Use(func(value []byte) error { return f(string(value)) })
}
