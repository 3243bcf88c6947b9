package sandbox

import (
	"strconv"
	"strings"
	"unicode"
)

// shown makes a name that the command chose fit for a person's terminal: a socket's path or a process's name may hold
// escape sequences, line breaks, or characters that turn the direction of writing.
func shown(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) {
		return strconv.Quote(name)
	}
	return name
}

// pasted makes a name fit to be pasted into a shell, since hints are: the command may have chosen a path like
// "/tmp/x; rm -r ~". Where that cannot be done in plain characters there is no hint, and ok is false.
func pasted(name string) (word string, ok bool) {
	if name == "" || shown(name) != name {
		return "", false
	}
	plain := func(r rune) bool {
		return r < 128 && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("/._-+:@%=,", r))
	}
	if !strings.ContainsFunc(name, func(r rune) bool { return !plain(r) }) {
		return name, true
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'", true
}

// flag is a hint of one flag and its value.
func flag(name, value string) string {
	word, ok := pasted(value)
	if !ok {
		return ""
	}
	return name + " " + word
}
