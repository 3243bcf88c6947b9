package secrets

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/compose-spec/compose-go/v2/dotenv"
)

// MaxDotenv is the largest file of variables in bytes.
const MaxDotenv = 16 << 20

// Pair is one variable of a .env file. Whoever has it destroys the Value.
type Pair struct {
	Name  string
	Value *Buffer
	Line  int // of the name, from 1
}

// ReadDotenv reads the variables of a .env file in their order: NAME=VALUE,
// "export" in front, values bare or in single or double quotes, those over
// several lines too, comments, CRLF, a byte order mark. Line ends inside a value
// come out as \n.
//
// It refuses what would have to be expanded ($VAR, ${VAR}, $(command)) except
// in single quotes, where it is text, and what the common readers of such
// files read in different ways: a secret that was stored wrong is noticed
// late. All mistakes come back at once, each a *FileError with its line; if r
// is an *os.File or has a Name otherwise, that is the file. Then there are no
// pairs.
//
// The parser works with strings, which stay on the heap: call it only in a
// process that ends soon.
func ReadDotenv(r io.Reader) ([]Pair, error) {
	d := &dotenvReader{first: map[string]int{}}
	if named, ok := r.(interface{ Name() string }); ok {
		d.file = named.Name()
	}
	data, err := io.ReadAll(io.LimitReader(r, MaxDotenv+1))
	if err != nil {
		return nil, err // of the reader: it names the file itself
	}
	if text, ok := d.text(data); ok {
		d.read(text)
	}
	clear(data)
	if len(d.mistakes) > 0 {
		for _, p := range d.pairs {
			p.Value.Destroy()
		}
		return nil, joined(d.file, d.mistakes)
	}
	return d.pairs, nil
}

// dotenvReader finds where each assignment begins and ends and what in it
// cannot be taken; the value is then what the library reads from it. The
// library alone would do for a file without mistakes: it expands variables
// instead of refusing them, stops at the first mistake, quotes values in its
// errors, and gives no lines.
type dotenvReader struct {
	file     string
	rest     string // what is still to be read
	line     int    // of rest's first byte
	pairs    []Pair
	first    map[string]int // the line of each name
	mistakes []error
}

func (d *dotenvReader) fail(line int, name, fix, format string, args ...any) {
	if name != "" && quoted(name) == "[hidden]" {
		name = "[hidden]"
	}
	d.mistakes = append(d.mistakes, &FileError{File: d.file, Line: line, Subject: name, What: fmt.Sprintf(format, args...), Fix: fix})
}

// text checks that the file is text, and makes its line ends \n.
func (d *dotenvReader) text(data []byte) (string, bool) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	lineAt := func(i int) int { return bytes.Count(data[:i], []byte("\n")) + 1 }
	switch {
	case len(data) > MaxDotenv:
		d.fail(0, "", "", "larger than %d bytes", MaxDotenv)
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")):
		d.fail(0, "", "save it as UTF-8", "the text is UTF-16")
	case bytes.IndexByte(data, 0) >= 0:
		d.fail(lineAt(bytes.IndexByte(data, 0)), "", "", "a NUL byte: this is no text, and no variable can hold one")
	case !utf8.Valid(data):
		valid := 0
		for r, n := utf8.DecodeRune(data); r != utf8.RuneError || n > 1; r, n = utf8.DecodeRune(data[valid:]) {
			valid += n
		}
		d.fail(lineAt(valid), "", "save it as UTF-8", "not UTF-8 text")
	default:
		text := strings.ReplaceAll(string(data), "\r\n", "\n")
		if i := strings.IndexByte(text, '\r'); i >= 0 {
			d.fail(strings.Count(text[:i], "\n")+1, "", "save it with line ends as Linux, macOS or Windows has them", "a carriage return without a line feed")
			return "", false
		}
		return text, true
	}
	return "", false
}

func (d *dotenvReader) read(text string) {
	d.rest, d.line = text, 1
	for d.rest != "" && len(d.mistakes) <= maxMistakes {
		line, _, _ := strings.Cut(d.rest, "\n")
		if trimmed := strings.TrimLeft(line, " \t"); trimmed == "" || trimmed[0] == '#' {
			d.skip(len(line) + 1)
			continue
		}
		d.assignment(line)
	}
}

// skip goes n bytes on.
func (d *dotenvReader) skip(n int) {
	n = min(n, len(d.rest))
	d.line += strings.Count(d.rest[:n], "\n")
	d.rest = d.rest[n:]
}

// assignment reads NAME=VALUE from the beginning of rest; line is its first line.
func (d *dotenvReader) assignment(line string) {
	at := d.line
	name, value, ok := strings.Cut(line, "=")
	if !ok {
		d.fail(at, "", "write NAME=VALUE; a value of several lines stands in quotes", "no variable is set here")
		d.skip(len(line) + 1)
		return
	}
	d.skip(len(name) + 1)
	name = strings.TrimLeft(name, " \t")
	if after, found := strings.CutPrefix(name, "export"); found && strings.IndexAny(after, " \t") == 0 {
		name = after
	}
	name = strings.Trim(name, " \t")
	before := len(d.mistakes)
	if what := badVariable(name); what != "" {
		d.fail(at, name, "names are letters, digits, _ . and -, and begin with a letter or _", "%s", what)
	} else if first, twice := d.first[name]; twice {
		d.fail(at, name, "keep the one that is meant", "given twice, first on line %d", first)
	} else {
		d.first[name] = at
	}
	blank := len(value) - len(strings.TrimLeft(value, " \t"))
	d.skip(blank)
	value = value[blank:]
	raw := d.value(name, at, value, blank > 0)
	if len(d.mistakes) > before {
		return
	}
	d.take(name, at, raw)
}

func badVariable(name string) string {
	if name == "" {
		return "a name is missing in front of ="
	}
	if looksLikeValue(name) {
		return "looks like a value, not like a name"
	}
	for i, c := range []byte(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_':
		case i > 0 && (c >= '0' && c <= '9' || c == '.' || c == '-'):
		default:
			return "not a variable's name"
		}
	}
	return ""
}

// take has the library read one assignment that was found to be sound.
func (d *dotenvReader) take(name string, line int, raw string) {
	all, err := dotenv.UnmarshalWithLookup(name+"="+raw+"\n", nil)
	value, ok := all[name]
	if err != nil || !ok || len(all) != 1 {
		// Not expected; its error may hold the value.
		d.fail(line, name, "write the value in single quotes", "cannot be read")
		return
	}
	if len(value) > MaxValue {
		d.fail(line, name, "", "larger than %d bytes", MaxValue)
		return
	}
	b, err := lockString(name, d.file, value)
	if err != nil {
		d.mistakes = append(d.mistakes, err)
		return
	}
	d.pairs = append(d.pairs, Pair{name, b, line})
}
