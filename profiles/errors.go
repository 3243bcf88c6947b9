package profiles

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Error is one mistake in one profile. Load and Parse return all mistakes together, as errors.Join does:
// walk Unwrap() []error to reach each one and its hint. Its words never hold a value from the file that
// could be a secret.
type Error struct {
	File    string // a built-in's name, or the path as it was given
	Line    int    // 1-based; 0 for the file as a whole
	Column  int    // 1-based, in bytes, where the text is not JSON at all; else 0
	Subject string // the key, as "filesystem.allow[2].path"; "" for the file as a whole
	What    string
	Err     error // what to match with errors.Is, where there is something

	hint string
}

// Error gives file:line: subject: what.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	for _, n := range []int{e.Line, e.Column} {
		if n > 0 {
			fmt.Fprintf(&b, ":%d", n)
		}
	}
	if e.Subject != "" {
		b.WriteString(": " + e.Subject)
	}
	return b.String() + ": " + e.What
}

// Hint says what to do; it may be empty.
func (e *Error) Hint() string { return e.hint }

// Unwrap gives Err.
func (e *Error) Unwrap() error { return e.Err }

// errorAt is a mistake found in a rule after the file was read.
func errorAt(w Why, subject, hint, what string) *Error {
	return &Error{File: w.File, Line: w.Line, Subject: subject, What: what, hint: hint}
}

// quoted shows a word of the file in a message. A word that could be a pasted secret is not shown.
func quoted(s string) string {
	if len(s) > 64 || looksSecret(s) {
		return "[hidden]"
	}
	return strconv.Quote(s)
}

// didYouMean gives a hint with the nearest of the known words, or none.
func didYouMean(word string, known []string) string {
	if best := nearest(word, known); best != "" {
		return "did you mean " + strconv.Quote(best) + "?"
	}
	return ""
}

// nearest finds the known word that word was probably meant to be: the same letters, or few changes away.
func nearest(word string, known []string) string {
	known = slices.Sorted(slices.Values(known))
	best, least := "", 3
	if len(word) > 64 { // the distance is quadratic, and no key is this long
		return ""
	}
	for _, k := range known {
		limit := min(2, max(len(word), len(k))/3)
		if d := distance(flat(word), flat(k)); d <= limit && d < least {
			best, least = k, d
		}
	}
	return best
}

// flat drops what people get wrong without meaning another word: case, hyphen for underscore, a plural.
func flat(s string) string {
	s = strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(s))
	return strings.TrimSuffix(s, "s")
}

// distance counts the changes (insert, delete, replace, swap neighbours) between two words.
func distance(a, b string) int {
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, above, row := rows[(i-1)%3], rows[i%3], rows[(i+1)%3]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return rows[(len(a)+1)%3][len(b)]
}

// looksSecret reports whether s could be a secret's value pasted where a name belongs. It knows the
// prefixes that vendors put on keys, and takes a long word of mixed letters and digits, or of hex digits,
// for random. References of password managers hold such words too (1Password's item ids are 26 lower-case
// letters and digits, Bitwarden's are UUIDs), so lower case mixed with digits is not enough.
func looksSecret(s string) bool {
	if strings.Contains(s, "-----BEGIN") {
		return true
	}
	return slices.ContainsFunc(strings.FieldsFunc(s, isSeparator), func(word string) bool {
		var upper, lower, digit, hex int
		for _, c := range []byte(word) {
			switch {
			case '0' <= c && c <= '9':
				digit++
			case 'a' <= c && c <= 'z':
				lower++
			case 'A' <= c && c <= 'Z':
				upper++
			}
			if strings.IndexByte("0123456789abcdefABCDEF", c) >= 0 {
				hex++
			}
		}
		for _, prefix := range vendorPrefixes {
			if strings.HasPrefix(word, prefix) && len(word) >= len(prefix)+12 && digit > 0 {
				return true
			}
		}
		return len(word) >= 24 && min(upper, lower, digit) >= 3 || len(word) >= 32 && hex == len(word)
	})
}

func isSeparator(r rune) bool { return strings.ContainsRune(" \t\r\n/:;,=\"'$()[]{}<>@&?", r) }

var vendorPrefixes = [...]string{
	"sk-", "sk_", "rk_", "pk_live_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xoxb-", "xoxp-",
	"xapp-", "AKIA", "ASIA", "AIza", "ya29.", "eyJ", "npm_", "pypi-", "hf_", "dop_v1_", "shpat_", "SG.", "AGE-SECRET-KEY-",
}
