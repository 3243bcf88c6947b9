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
	// Absent is why it is not the keyring, where nobody chose and no keyring answers.
	Absent error
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
		return Choice{Store: k, Name: "keyring", Why: why}
	}
	if e, ok := errors.AsType[*Error](err); ok {
		err = e.Err // its place is said already
	}
	return Choice{Store: v, Name: "vault", Why: "the vault " + v.Dir + ", since no keyring answers: " + err.Error(), Absent: err}
}
