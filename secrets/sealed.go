package secrets

import (
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A value that is too large for an item of the keyring goes, encrypted, into a
// file of its own; the item holds the file's name and a key that is used for
// nothing else. To replace the item is to replace the value, so that, as with
// small ones, a crash at any moment leaves the one before or the new one; at
// worst a file stays behind whose key nobody has.
//
// To spread a value over several items would need no files, and an index of
// items that no keyring can replace together.

// sealedPrefix begins an item that stands for a file. A value that begins so
// is itself put into a file.
const sealedPrefix = "ward-file:1:"

// sealedOver is how many bytes a file is longer than the value: a nonce and a tag.
const sealedOver = 12 + 16

// sealed is what such an item says.
type sealed struct {
	file string // 32 hex digits
	key  []byte // of AES-256-GCM
}

func (s sealed) item() string { return sealedPrefix + s.file + ":" + hex.EncodeToString(s.key) }

func parseSealed(item string) (s sealed, ok bool) {
	rest, ok := strings.CutPrefix(item, sealedPrefix)
	file, key, _ := strings.Cut(rest, ":")
	name, err1 := hex.DecodeString(file)
	bytes, err2 := hex.DecodeString(key)
	return sealed{file, bytes}, ok && errors.Join(err1, err2) == nil && len(name) == 16 && len(bytes) == 32
}

// fits says whether a value can be an item as it is.
func (k *Keyring) fits(text string) bool {
	limit := cmp.Or(k.Limit, itemLimit)
	return (limit <= 0 || len(text) <= limit) && !strings.HasPrefix(text, sealedPrefix)
}

// sealedDir is where the files are; "" without an index.
func (k *Keyring) sealedDir() string {
	if k.Index == nil {
		return ""
	}
	return filepath.Join(filepath.Dir(k.Index.Path), "keyring")
}

// seal writes the file of a large value and gives the item that stands for it.
func (k *Keyring) seal(name, text string) (item string, err error) {
	dir := k.sealedDir()
	if dir == "" {
		return "", errUnsuitable{errors.New("too large for an item of this keyring")}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	sweep(dir)
	random := make([]byte, 16+32)
	rand.Read(random)
	s := sealed{hex.EncodeToString(random[:16]), random[16:]}
	aead, err := s.aead()
	if err != nil {
		return "", err
	}
	// The name is part of it: an item that was copied to another name is noticed.
	data := aead.Seal(nil, nil, []byte(text), []byte(name))
	if err := replaceFile(filepath.Join(dir, s.file), data); err != nil {
		return "", err
	}
	return s.item(), nil
}

// open gives the value that an item of ward's own is or stands for.
func (k *Keyring) open(name, item string) (string, error) {
	if !strings.HasPrefix(item, sealedPrefix) {
		return item, nil
	}
	s, ok := parseSealed(item)
	if !ok || k.sealedDir() == "" {
		return "", errors.New("its entry stands for a file, and does not say which")
	}
	path := filepath.Join(k.sealedDir(), s.file)
	lost := func(why string) error {
		return &Error{
			Err: fmt.Errorf("its value is too large for the keyring and is in %s, which is %s", path, why),
			Fix: "bring the file back from a backup, or `ward set " + name + "` anew",
		}
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", lost("missing")
	} else if err == nil && info.Size() > MaxValue+sealedOver {
		return "", lost("damaged or foreign")
	} else if err != nil {
		return "", err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	aead, err := s.aead()
	if err != nil {
		return "", err
	}
	value, err := aead.Open(nil, nil, data, []byte(name))
	if err != nil {
		return "", lost("damaged or foreign")
	}
	defer clear(value)
	return string(value), nil
}

// forget removes the file that an item stood for, if it did. What cannot be
// removed is ciphertext whose key is gone.
func (k *Keyring) forget(item string) {
	if s, ok := parseSealed(item); ok && k.sealedDir() != "" {
		os.Remove(filepath.Join(k.sealedDir(), s.file))
	}
}

func (s sealed) aead() (cipher.AEAD, error) {
	block, err := aes.NewCipher(s.key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
