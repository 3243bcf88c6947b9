package secrets

import (
	"context"
	"errors"
)

// Choice is the store that bare names mean, and why.
type Choice struct {
	Store Store
	Name  string // "keyring" or "vault"
	Why   string // one sentence for people, without a full stop
}

// Default takes the keyring if one answers, be it locked (going elsewhere would
// make its secrets vanish), else the vault.
func Default(ctx context.Context, k *Keyring, v *Vault) Choice {
	err := k.Available(ctx)
	if err == nil {
		why := "the system's keyring answers"
		if v.Exists() {
			why += "; what is in the vault " + v.Dir + " is reached by vault://NAME"
		}
		return Choice{k, "keyring", why}
	}
	if e, ok := errors.AsType[*Error](err); ok {
		err = e.Err // its place is said already
	}
	return Choice{v, "vault", "the vault " + v.Dir + ", since no keyring answers: " + err.Error()}
}
