package launcher

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"unicode"
)

// mistake is an error of the user's with what to do about it.
type mistake struct{ text, hint string }

// Mistake makes an error that carries a hint.
func Mistake(text, hint string) error { return &mistake{text, hint} }

func (m *mistake) Error() string { return m.text }

// Hint says what to do.
func (m *mistake) Hint() string { return m.hint }

// reason is the system's word for why, without the operation and the path that Go puts around it.
func reason(err error) string {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err.Error()
	}
	if sys, ok := errors.AsType[*os.SyscallError](err); ok {
		return sys.Err.Error()
	}
	return err.Error()
}

// Hint is what an error says to do, or "".
func Hint(err error) string {
	var h interface{ Hint() string }
	if !errors.As(err, &h) {
		return ""
	}
	return h.Hint()
}

// Parts takes joined errors apart, however deep: kong joins, and so do profiles and secrets.
func Parts(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, e := range joined.Unwrap() {
			all = append(all, Parts(e)...)
		}
		return all
	}
	return []error{err}
}

// Clean keeps what comes from files and names from steering the terminal.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && unicode.IsControl(r) {
			return '?'
		}
		return r
	}, s)
}
