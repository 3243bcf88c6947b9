//go:build unix && !linux

package secrets

import (
	"context"
	"errors"
	"os"
)

// itemLimit leaves room for the longest name: 4,096 bytes of command line hold
// the words around (60), the name (1,024), "go-keyring-base64:" and the value
// in base64 (2,732).
const itemLimit = 2048

// keyringAnswers looks for the program that go-keyring drives on macOS. Whether
// the keychain opens shows only when it is used.
func keyringAnswers(context.Context) error {
	if _, err := os.Stat("/usr/bin/security"); err != nil {
		return errors.New("no keychain on this system (/usr/bin/security is missing)")
	}
	return nil
}

// unlock leaves it to the keychain, which asks in a window of its own.
func (k *Keyring) unlock(ctx context.Context) error { return keyringAnswers(ctx) }
