package broker

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"

	"ward/secrets"
)

// KeySize is the size of a key in bytes: AES-256-GCM.
const KeySize = 32

// UnsealVar is the variable in which a launch's command has the key to what the launch's broker gives, in base64. The
// broker has the values without the key, the command the key without the values; but for these it would not need them.
const UnsealVar = "WARD_UNSEAL"

// ErrSealed is all that is said of what does not open: it was changed, or sealed for another name or with another key.
var ErrSealed = errors.New("the sealed value does not open")

// NewKey makes a random key in locked memory.
func NewKey() (*secrets.Buffer, error) {
	return secrets.FillBuffer(KeySize, func(k []byte) error { _, err := rand.Read(k); return err })
}

// box is the cipher. What the library makes of the key lies on Go's heap: it is for processes that end soon.
func box(key *secrets.Buffer) (aead cipher.AEAD, err error) {
	err = key.Use(func(k []byte) error {
		block, err := aes.NewCipher(k)
		if err == nil {
			aead, err = cipher.NewGCM(block)
		}
		return err
	})
	return aead, err
}

// Seal encrypts a value for a name: under another it does not open.
func Seal(key *secrets.Buffer, name string, value *secrets.Buffer) ([]byte, error) {
	aead, err := box(key)
	if err != nil {
		return nil, err
	}
	sealed := make([]byte, aead.NonceSize(), aead.NonceSize()+value.Len()+aead.Overhead())
	if _, err := rand.Read(sealed); err != nil {
		return nil, err
	}
	err = value.Use(func(v []byte) error {
		sealed = aead.Seal(sealed, sealed[:aead.NonceSize()], v, []byte(name))
		return nil
	})
	return sealed, err
}

// Unseal decrypts into locked memory, or gives ErrSealed. The caller destroys the value.
func Unseal(key *secrets.Buffer, name string, sealed []byte) (*secrets.Buffer, error) {
	aead, err := box(key)
	if err != nil {
		return nil, err
	}
	n := aead.NonceSize()
	size := len(sealed) - n - aead.Overhead()
	if size < 0 || size > secrets.MaxValue {
		return nil, ErrSealed
	}
	return secrets.FillBuffer(size, func(v []byte) error {
		if plain, err := aead.Open(v[:0:size], sealed[:n], sealed[n:], []byte(name)); err != nil || len(plain) != size {
			return ErrSealed
		}
		return nil
	})
}

// AppendKey appends a key as UnsealVar has it.
func AppendKey(b []byte, key []byte) []byte { return base64.RawURLEncoding.AppendEncode(b, key) }

// readKey reads what AppendKey wrote.
func readKey(text string) (*secrets.Buffer, error) {
	if base64.RawURLEncoding.DecodedLen(len(text)) != KeySize {
		return nil, errors.New(UnsealVar + ": is not set to a key")
	}
	return secrets.FillBuffer(KeySize, func(k []byte) error {
		if _, err := base64.RawURLEncoding.Decode(k, []byte(text)); err != nil {
			return errors.New(UnsealVar + ": is not set to a key")
		}
		return nil
	})
}
