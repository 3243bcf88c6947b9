package secrets

import (
	"errors"
	"fmt"
	"strconv"
)

// FileError is one mistake in a file that people write: config.json, a .env.
// All mistakes of a file come back together, as errors.Join does. It never
// holds a value, nor anything that looks like one.
type FileError struct {
	File    string // as it was opened; "" where that is not known
	Line    int    // from 1; 0 for the file as a whole
	Subject string // the key or the variable; "" where there is none
	What    string
	Fix     string // may be empty
}

// Error gives file:line: subject: what.
func (e *FileError) Error() string {
	place := e.File
	switch {
	case place != "" && e.Line > 0:
		place = fmt.Sprintf("%s:%d: ", place, e.Line)
	case place != "":
		place += ": "
	case e.Line > 0:
		place = fmt.Sprintf("line %d: ", e.Line)
	}
	if e.Subject != "" {
		place += e.Subject + ": "
	}
	return place + e.What
}

// Hint is Fix.
func (e *FileError) Hint() string { return e.Fix }

// maxMistakes is how many mistakes of one file are listed.
const maxMistakes = 100

// joined is what a reader of a file returns for its mistakes.
func joined(file string, mistakes []error) error {
	if len(mistakes) > maxMistakes {
		rest := &FileError{File: file, What: fmt.Sprintf("more than %d mistakes; the others are not listed", maxMistakes)}
		mistakes = append(mistakes[:maxMistakes:maxMistakes], rest)
	}
	return errors.Join(mistakes...)
}

// quoted shows a word of a file, unless it could be a pasted secret.
func quoted(word string) string {
	if len(word) > 64 || looksLikeValue(word) {
		return "[hidden]"
	}
	return strconv.Quote(word)
}

// nearest is the known word that was meant, as far as one can tell, or "".
func nearest(word string, known []string) string {
	best, least := "", 3
	if len(word) > 64 { // the distance is quadratic
		return ""
	}
	for _, k := range known {
		if d := distance(word, k); d < least && d < len(k) {
			best, least = k, d
		}
	}
	return best
}
