package secrets

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxRef is the longest reference, in bytes. A longer text is a pasted
// value or a mistake, and keyrings refuse long attributes one by one.
const maxRef = 1024

// Ref says where a value is, never what it is. It is comparable, so it can be
// a map's key, and printable.
type Ref struct {
	Scheme string // "" for a bare name, else keyring, vault, op, apple-password, bw, env, file or cmd
	Path   string // segments joined by "/"; of a file the absolute path
}

// RefError is what ParseRef returns. It never holds the text that was
// parsed: people paste values where names belong.
type RefError struct {
	Scheme string // the scheme as far as it was understood, else ""
	What   string
	Fix    string
}

// Error gives the mistake, with the scheme as the subject.
func (e *RefError) Error() string {
	if e.Scheme != "" {
		return "reference " + e.Scheme + "://: " + e.What
	}
	return "reference: " + e.What
}

// Hint says how such a reference is written.
func (e *RefError) Hint() string { return e.Fix }

// grammar is the shape of one scheme's path.
type grammar struct {
	shape    string // as people write it
	min, max int    // number of segments; max 0 is no limit
	plain    bool   // every segment is a plain name: see badName
}

func grammarOf(scheme string) (grammar, bool) {
	g, ok := map[string]grammar{
		"":               {"NAME or ORG/PROJECT/NAME", 1, 0, true},
		"keyring":        {"keyring://SERVICE/ACCOUNT", 2, 0, false},
		"vault":          {"vault://NAME", 1, 0, true},
		"op":             {"op://VAULT/ITEM[/SECTION]/FIELD", 3, 4, false},
		"apple-password": {"apple-password://SERVER/ACCOUNT", 2, 2, false},
		"bw":             {"bw://ID[/FIELD]", 1, 2, false},
		"env":            {"env://VARIABLE", 1, 1, false},
		"file":           {"file:///PATH", 1, 0, false},
		"cmd":            {"cmd://NAME", 1, 1, true},
	}[scheme]
	return g, ok
}

// ParseRef reads a reference as it is written on the command line and in
// profiles: a bare name, or SCHEME://PATH. Nothing is decoded or normalised,
// so ParseRef(r.String()) is r. The error is a *RefError with a hint, and
// does not repeat s.
func ParseRef(s string) (Ref, error) {
	scheme, path, found := strings.Cut(s, "://")
	if !found {
		scheme, path = "", s
		if looksLikeValue(s) {
			return Ref{}, valueError("")
		}
	}
	g, known := grammarOf(scheme)
	if !known || found && scheme == "" {
		return Ref{}, unknownScheme(scheme)
	}
	fail := func(what string) (Ref, error) {
		return Ref{}, &RefError{Scheme: scheme, What: what, Fix: "write it as " + g.shape}
	}
	switch {
	case len(s) > maxRef:
		return fail("longer than 1024 bytes")
	case !utf8.ValidString(s):
		return fail("not valid UTF-8")
	case path == "":
		return fail("empty")
	case strings.ContainsFunc(path, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fail("control characters and invisible ones cannot be in it")
	case path != strings.TrimSpace(path):
		return fail("begins or ends with a space")
	}
	segments := strings.Split(path, "/")
	if scheme == "file" {
		if segments[0] != "" || len(segments) < 2 {
			return fail("the path must be absolute")
		}
		segments = segments[1:]
	}
	if len(segments) < g.min || g.max > 0 && len(segments) > g.max {
		return fail("wrong number of parts")
	}
	for _, part := range segments {
		what := badPart(scheme, part)
		if what == "" && g.plain {
			what = badName(part)
		}
		if what != "" {
			return fail(what)
		}
		// A path may hold hashes, as in a content-addressed store.
		if scheme != "file" && looksLikeValue(part) {
			return Ref{}, valueError(scheme)
		}
	}
	return Ref{scheme, path}, nil
}

func badPart(scheme, part string) string {
	switch {
	case part == "":
		return "a part between slashes is empty"
	case part == "." || part == "..":
		return `"." and ".." cannot be parts of it`
	case scheme == "env" && strings.Contains(part, "="):
		return `a variable's name cannot hold "="`
	}
	return ""
}

// badName says what keeps a segment from being a plain name, or "". Plain
// names are what ward itself stores: they must survive as keyring attributes,
// as file names and on a command line, so they are ASCII letters, digits and
// . _ - @ + and begin with a letter, a digit or "_".
func badName(part string) string {
	for i, r := range part {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_':
		case i > 0 && strings.ContainsRune(".-@+", r):
		case i == 0 && strings.ContainsRune(".-@+", r):
			return "a name begins with a letter, a digit or _"
		default:
			return "names are letters, digits and . _ - @ +, with / between parts"
		}
	}
	return ""
}

// checkName is ParseRef for what is already known to be a bare name: stores
// call it, since a path that reaches a file name must not depend on callers.
func checkName(name string) error {
	if r, err := ParseRef(name); err != nil {
		return err
	} else if r.Scheme != "" {
		return &RefError{What: "a name is needed here", Fix: "write it as NAME or ORG/PROJECT/NAME"}
	}
	return nil
}

// String gives the reference as ParseRef reads it.
func (r Ref) String() string {
	if r.Scheme == "" {
		return r.Path
	}
	return r.Scheme + "://" + r.Path
}

// Var is the environment variable that the value loads into: the last
// segment, upper-cased, every other character as "_", and one "_" in front
// where it would begin with a digit, which no shell accepts.
func (r Ref) Var() string {
	last := r.Path[strings.LastIndexByte(r.Path, '/')+1:]
	name := strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z':
			return c - 'a' + 'A'
		case c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
			return c
		}
		return '_'
	}, last)
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		return "_" + name
	}
	return name
}

func unknownScheme(scheme string) error {
	known := []string{"keyring", "vault", "op", "apple-password", "bw", "env", "file", "cmd"}
	e := &RefError{What: "unknown scheme", Fix: "known: " + strings.Join(known, " ")}
	// Only what can be a scheme is repeated: a pasted value may hold "://" too.
	if scheme == "" || len(scheme) > 20 || looksLikeValue(scheme) || strings.ContainsFunc(scheme, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-')
	}) {
		return e
	}
	e.Scheme = scheme
	if meant := nearest(strings.ToLower(scheme), known); meant != "" {
		g, _ := grammarOf(meant)
		e.Fix = "did you mean " + g.shape + "?"
	}
	return e
}

// distance is the number of letters to insert, delete or replace.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
