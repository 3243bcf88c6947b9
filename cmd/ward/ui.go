package main

// Rules of what ward says:
//   - stdout carries what was asked for, and nothing else.
//   - Everything else goes to stderr: "ward: ", then a sentence in lower case without a full stop.
//   - An error says what failed, its subject first; a hint on the next line says what to do.
//   - Several mistakes are several lines; none hides another.
//   - No value of a secret, no part of one, ever.

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"ward/launcher"
)

// complain prints an error with its hints.
func complain(err error) {
	for _, e := range launcher.Parts(err) {
		note("%v", e)
		if h := launcher.Hint(e); h != "" {
			fmt.Fprintf(os.Stderr, "      %s\n", launcher.Clean(h))
		}
	}
}

// note prints a line of ward's own.
func note(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "ward: %s\n", launcher.Clean(fmt.Sprintf(format, args...)))
}

// printJSON is what --json prints, as people read it too.
func printJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}
