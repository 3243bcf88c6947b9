package main

// Rules of what ward says:
//   - stdout carries what was asked for, and nothing else.
//   - Everything else goes to stderr: "ward: ", then a sentence in lower case without a full stop.
//   - An error says what failed, its subject first; a hint on the next line says what to do.
//   - Several mistakes are several lines; none hides another.
//   - No value of a secret, no part of one, ever.

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
)

// complain prints an error with its hints.
func complain(err error) { fcomplain(os.Stderr, err) }

func fcomplain(w io.Writer, err error) {
	for _, e := range parts(err) {
		fmt.Fprintf(w, "ward: %s\n", clean(e.Error()))
		if h := hint(e); h != "" {
			fmt.Fprintf(w, "      %s\n", clean(h))
		}
	}
}

// hint is what an error says to do, or "".
func hint(err error) string {
	var h interface{ Hint() string }
	if !errors.As(err, &h) {
		return ""
	}
	return h.Hint()
}

// parts takes joined errors apart, however deep: kong joins, and so do profiles and secrets.
func parts(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, e := range joined.Unwrap() {
			all = append(all, parts(e)...)
		}
		return all
	}
	return []error{err}
}

// clean keeps what comes from files and names from steering the terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && unicode.IsControl(r) {
			return '?'
		}
		return r
	}, s)
}

// note prints a line of ward's own that is no error.
func note(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "ward: %s\n", clean(fmt.Sprintf(format, args...)))
}

// printJSON is what --json prints, as people read it too.
func printJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}
