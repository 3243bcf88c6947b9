package secrets

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Meta is what the index knows about a secret. None of it is the value, and
// none of it may be: texts that look like one are refused. The zero value says
// nothing. Its JSON form is the one in the index.
type Meta struct {
	Type    string    `json:"type,omitempty"`   // "token", "password", "key", "cert", or ""
	Peek    string    `json:"peek,omitempty"`   // as peekOf gave it; "" where nothing may be shown
	Expires time.Time `json:"expires,omitzero"` // zero: never
	Strict  bool      `json:"strict,omitempty"` // ask every time
	Rotate  string    `json:"rotate,omitempty"` // https URL of the page where it is renewed
	Bundle  string    `json:"bundle,omitempty"` // a plain name, as parts of a secret's name are
	Desc    string    `json:"desc,omitempty"`   // one line for people
	Marks   []byte    `json:"marks,omitempty"`  // recognise the value in output; made and read elsewhere, opaque here
	Changed time.Time `json:"changed,omitzero"` // when the value was last stored; zero while that is going on, or was cut short
	Place   string    `json:"place,omitempty"`  // "vault" where the value is there; "" is the keyring
}

// What a Meta may hold, in bytes; an index stays small enough to be read by every command.
const (
	maxDesc  = 1024
	maxURL   = 2048
	maxMarks = 4096
	maxPeek  = 8
)

// types are the words that Meta.Type may be, beside "".
func types() []string { return []string{"token", "password", "key", "cert"} }

// peekOf is the beginning of a value that may be shown to recognise it: at
// most 8 characters and never more than a quarter. It is "" for values under
// 16 bytes and for those with anything but printable ASCII in them: a key file
// has lines, and what stands at the start of binary data can be the secret.
func peekOf(value []byte) string {
	if len(value) < 16 || !printable(value) {
		return ""
	}
	return string(value[:min(maxPeek, len(value)/4)])
}

func printable(text []byte) bool {
	return !slices.ContainsFunc(text, func(c byte) bool { return c < ' ' || c > '~' })
}

// changed checks what is other than before: what a newer ward wrote stays as
// it is. All mistakes come back at once.
func (m *Meta) changed(before *Meta) error {
	var mistakes []error
	bad := func(what, fix string) { mistakes = append(mistakes, &metaError{what, fix}) }
	if m.Type != before.Type && m.Type != "" && !slices.Contains(types(), m.Type) {
		bad("unknown type", "known: "+strings.Join(types(), " "))
	}
	if len(m.Peek) > maxPeek || !printable([]byte(m.Peek)) {
		bad(fmt.Sprintf("peek is more than %d printable characters", maxPeek), "")
	}
	if m.Rotate != before.Rotate && m.Rotate != "" && !webPage(m.Rotate) {
		bad("rotate is no https URL of a web page", "write it as https://HOST/PATH, without a user or password in it")
	}
	if m.Bundle != before.Bundle && m.Bundle != "" {
		if err := checkName(m.Bundle); err != nil {
			mistakes = append(mistakes, fmt.Errorf("bundle: %w", err))
		}
	}
	if m.Desc != before.Desc {
		if what := badLine(m.Desc, maxDesc); what != "" {
			bad("desc "+what, "say what the secret is for, in one line")
		}
	}
	if len(m.Marks) > maxMarks {
		bad(fmt.Sprintf("marks are longer than %d bytes", maxMarks), "")
	}
	return errors.Join(mistakes...)
}

// metaError never holds what was refused: it may be a value.
type metaError struct{ what, fix string }

func (e *metaError) Error() string { return e.what }

// Hint says what would do.
func (e *metaError) Hint() string { return e.fix }

// badLine says what keeps a text from being shown to people on one line, or "".
func badLine(s string, limit int) string {
	switch {
	case len(s) > limit:
		return fmt.Sprintf("is longer than %d bytes", limit)
	case !utf8.ValidString(s), strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }):
		return "holds a line break or another character that cannot be printed"
	case slices.ContainsFunc(strings.Fields(s), looksLikeValue):
		return "looks like a secret's value"
	}
	return ""
}

func webPage(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil && badLine(s, maxURL) == ""
}
