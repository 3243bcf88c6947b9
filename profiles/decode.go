package profiles

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tailscale/hujson"
)

const (
	maxSize     = 1 << 20 // bytes of one file
	maxDepth    = 16      // nested objects and lists; a profile needs 6
	maxMistakes = 100     // that are listed
)

// Parse reads one profile and checks it by itself: parents are not looked up. file names it in messages
// and in every Why. All mistakes come back together, in the order of their lines; each is an *Error.
func Parse(file string, src []byte) (*Profile, error) {
	d := &decoder{file: file, src: src}
	p := &Profile{}
	if root, ok := d.root(); ok {
		d.object(root, profileFields(p))
		d.mistakes = append(d.mistakes, p.conflicts()...)
	}
	if err := d.err(); err != nil {
		return nil, err
	}
	return p, nil
}

// decoder walks the syntax tree of one file. It is written by hand, rather than over the standard
// library's decoder, because that one stops at the first mistake and does not know lines.
type decoder struct {
	file     string
	src      []byte
	newlines []int // offsets, for finding a line by binary search
	mistakes []*Error
}

// node is a value in the tree, and where it was found. Its name is put together only for a message.
type node struct {
	value  hujson.ValueTrimmed
	offset int
	in     string // the name of the object or list that holds it
	key    string // in an object
	index  int    // in a list, from 1; 0 in an object; -1 for the whole file
}

func (n node) kind() hujson.Kind { return n.value.Kind() }

// subject names the value: "filesystem.allow[2].path", with quotation marks where a key is no plain word.
func (n node) subject() string {
	switch {
	case n.index > 0:
		return fmt.Sprintf("%s[%d]", n.in, n.index-1)
	case n.index < 0:
		return ""
	case n.key == "" || strings.Trim(n.key, letters+"0123456789_-$") != "" || looksSecret(n.key):
		return n.in + "[" + quoted(n.key) + "]"
	case n.in == "":
		return n.key
	}
	return n.in + "." + n.key
}

// literal gives a string without quotation marks. The parser has checked it already.
func literal(v hujson.ValueTrimmed) string {
	lit := v.(hujson.Literal)
	if bytes.IndexByte(lit, '\\') < 0 {
		return string(lit[1 : len(lit)-1])
	}
	return lit.String()
}

// field reads the value of one key; fields are the keys that an object may have.
type (
	field  func(*decoder, node)
	fields map[string]field
)

// root parses the text and refuses what would cost more than a profile is worth: the parser recurses once
// per level.
func (d *decoder) root() (node, bool) {
	whole := node{index: -1}
	switch {
	case len(d.src) > maxSize:
		d.fail(whole, "", "the file is larger than 1 MiB")
	case !utf8.Valid(d.src):
		d.fail(whole, "", "the file is not UTF-8 text")
	case deeperThan(d.src, maxDepth):
		d.fail(whole, "", "objects and lists are nested more than %d deep", maxDepth)
	default:
		d.newlines = make([]int, 0, bytes.Count(d.src, []byte("\n"))) // from here on there are lines
		for i, c := range d.src {
			if c == '\n' {
				d.newlines = append(d.newlines, i)
			}
		}
		v, err := hujson.Parse(d.src)
		if err == nil {
			return node{value: v.Value, offset: v.StartOffset, index: -1}, true
		}
		d.syntax(err)
	}
	return whole, false
}

// syntax turns the parser's error into ours. The parser quotes a bad literal, which may be a key that
// someone pasted without quotation marks, so of that message only the fact is kept.
func (d *decoder) syntax(err error) {
	e := &Error{File: d.file, What: err.Error()}
	fmt.Sscanf(e.What, "hujson: line %d, column %d:", &e.Line, &e.Column)
	if inner := errors.Unwrap(err); inner != nil {
		e.What = inner.Error()
	}
	if strings.HasPrefix(e.What, "invalid literal") {
		e.What = "not a JSON value"
		e.hint = "text stands in double quotes; inside them a backslash is written twice"
	}
	d.mistakes = append(d.mistakes, e)
}

// deeperThan counts brackets, leaving out strings and comments.
func deeperThan(src []byte, limit int) bool {
	depth := 0
	for i := 0; i < len(src); i++ {
		switch c := src[i]; {
		case c == '"':
			for i++; i < len(src) && src[i] != '"'; i++ {
				if src[i] == '\\' {
					i++
				}
			}
		case c == '/' && i+1 < len(src) && (src[i+1] == '/' || src[i+1] == '*'):
			end := "\n"
			if src[i+1] == '*' {
				end = "*/"
			}
			n := bytes.Index(src[i+2:], []byte(end))
			if n < 0 {
				return false // the parser reports it
			}
			i += 1 + n + len(end)
		case c == '{' || c == '[':
			if depth++; depth > limit {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

func (d *decoder) line(offset int) int {
	if d.newlines == nil {
		return 0
	}
	i, _ := slices.BinarySearch(d.newlines, offset)
	return i + 1
}

func (d *decoder) why(n node) Why { return Why{File: d.file, Line: d.line(n.offset)} }

func (d *decoder) fail(n node, hint, format string, args ...any) {
	if len(d.mistakes) <= maxMistakes {
		d.mistakes = append(d.mistakes, errorAt(d.why(n), n.subject(), hint, fmt.Sprintf(format, args...)))
	}
}

func (d *decoder) wrongType(n node, want string) {
	d.fail(n, "", "want %s, got %s", want, kindNames(n.kind()))
}

func kindNames(k hujson.Kind) string {
	switch k {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case 'n':
		return "null"
	}
	return "true or false"
}

func (d *decoder) err() error {
	slices.SortStableFunc(d.mistakes, func(a, b *Error) int { return a.Line - b.Line })
	if len(d.mistakes) > maxMistakes {
		rest := &Error{File: d.file, What: fmt.Sprintf("more than %d mistakes; the others are not listed", maxMistakes)}
		d.mistakes = append(d.mistakes[:maxMistakes:maxMistakes], rest)
	}
	return joined(d.mistakes)
}

func joined(mistakes []*Error) error {
	errs := make([]error, len(mistakes))
	for i, e := range mistakes {
		errs[i] = e
	}
	return errors.Join(errs...)
}

// members calls f for each key of an object; a key that comes twice is a mistake, since readers of JSON
// differ about which one counts. It reports whether n is an object.
func (d *decoder) members(n node, f func(name string, key, value node)) bool {
	obj, ok := n.value.(*hujson.Object)
	if !ok {
		d.wrongType(n, "an object")
		return false
	}
	in := n.subject()
	first := make(map[string]int, len(obj.Members))
	for _, m := range obj.Members {
		name := literal(m.Name.Value)
		key := node{value: m.Name.Value, offset: m.Name.StartOffset, in: in, key: name}
		if offset, twice := first[name]; twice {
			d.fail(key, "", "given twice, first on line %d", d.line(offset))
			continue
		}
		first[name] = key.offset
		f(name, key, node{value: m.Value.Value, offset: m.Value.StartOffset, in: in, key: name})
	}
	return true
}

// object reads an object with known keys, and returns the values by their canonical names; nil where n is
// no object.
func (d *decoder) object(n node, known fields) map[string]node {
	given := map[string]node{}
	ok := d.members(n, func(name string, key, value node) {
		canonical := canonicalKey(key.in, name)
		if read, ok := known[canonical]; ok {
			given[canonical] = value
			read(d, value)
			return
		}
		n.offset = key.offset // the object is the subject, the key's line is the place
		d.fail(n, hintForKey(key.in, name, known), "unknown key %s", quoted(name))
	})
	if !ok {
		return nil
	}
	return given
}

func hintForKey(object, name string, known fields) string {
	if hint := notTaken(object, name); hint != "" {
		return hint
	}
	words := slices.Collect(maps.Keys(known))
	for _, a := range aliases {
		if a.object == anyIndex(object) {
			words = append(words, a.name)
		}
	}
	return didYouMean(name, words)
}

// nested is a field that is an object.
func nested(known fields) field {
	return func(d *decoder, n node) { d.object(n, known) }
}

// list is a field that is a list. Two keys that mean the same list add up.
func list[T any](into *[]T, item func(*decoder, node) T) field {
	return func(d *decoder, n node) {
		arr, ok := n.value.(*hujson.Array)
		if !ok {
			d.wrongType(n, "a list")
			return
		}
		in := n.subject()
		for i, e := range arr.Elements {
			*into = append(*into, item(d, node{value: e.Value, offset: e.StartOffset, in: in, index: i + 1}))
		}
	}
}

// oneOrMore is a list that is not empty, and may be written as its only item.
func oneOrMore[T any](into *[]T, item func(*decoder, node) T) field {
	return func(d *decoder, n node) {
		if arr, ok := n.value.(*hujson.Array); ok {
			if len(arr.Elements) == 0 {
				d.fail(n, "", "is empty")
			}
			list(into, item)(d, n)
			return
		}
		*into = append(*into, item(d, n))
	}
}

// named is an object whose keys are names that the user chose.
func named[T any](into *map[string]T, check check, item func(*decoder, node, string) T) field {
	return func(d *decoder, n node) {
		d.members(n, func(name string, key, value node) {
			if *into == nil { // an empty object is none
				*into = map[string]T{}
			}
			d.check(key, name, check)
			(*into)[name] = item(d, value, name)
		})
	}
}

// string reads text that can be shown to a person: not empty, and no characters that steer a terminal or
// reverse the reading direction. U+FFFD is what the parser puts for half a surrogate pair.
func (d *decoder) string(n node) string {
	lit, ok := n.value.(hujson.Literal)
	if !ok || n.kind() != '"' {
		d.wrongType(n, "a string")
		return ""
	}
	s := literal(lit)
	switch {
	case strings.TrimSpace(s) == "":
		d.fail(n, "", "is empty")
	case strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }):
		d.fail(n, "", "holds a character that cannot be printed")
	default:
		return s
	}
	return ""
}

// text is a string field; what fails a check is left empty.
func text(into *string, checks ...check) field {
	return func(d *decoder, n node) {
		if s := d.string(n); s != "" && d.check(n, s, checks...) {
			*into = s
		}
	}
}

func word(checks ...check) func(*decoder, node) string {
	return func(d *decoder, n node) (s string) {
		text(&s, checks...)(d, n)
		return s
	}
}

// check says what is wrong with a word, and what to do about it; "" where nothing is.
type check func(s string) (what, hint string)

func (d *decoder) check(n node, s string, checks ...check) bool {
	for _, c := range checks {
		if what, hint := c(s); what != "" {
			d.fail(n, hint, "%s", what)
			return false
		}
	}
	return true
}

func boolean(into *bool) field {
	return func(d *decoder, n node) {
		if n.kind() != 't' && n.kind() != 'f' {
			d.wrongType(n, "true or false")
			return
		}
		*into = n.kind() == 't'
	}
}
