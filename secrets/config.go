package secrets

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/tailscale/hujson"
)

// maxConfig is the largest config.json in bytes.
const maxConfig = 64 << 10

// Config is what config.json says about secrets. The zero value, which is also
// what a file that is not there means, leaves every choice to ward.
type Config struct {
	// Store is where bare names are: "keyring", "vault", or "" for the keyring
	// where one answers, else the vault. A flag goes over it.
	Store string
	// Presence is when a read asks whether a person is there: "strict" for
	// secrets marked strict only, "session" for those and for whatever no
	// session has unlocked, "always" for each one. "" is "strict".
	Presence string
}

// LoadConfig reads config.json: JSON, with comments and commas at the end. All
// mistakes come back at once, each a *FileError. With any of them the Config is
// zero: half of what was asked for may be less safe than none of it.
func LoadConfig(path string) (Config, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Config{}, nil
	} else if err == nil && !info.Mode().IsRegular() {
		return Config{}, &FileError{File: path, What: "not a regular file"} // reading a pipe would wait without end
	} else if err == nil && info.Size() > maxConfig {
		return Config{}, &FileError{File: path, What: fmt.Sprintf("larger than %d bytes", maxConfig)}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, err // names the file
	}
	return parseConfig(path, data)
}

// setting is one key of the file and the words it may have.
type setting struct {
	key   string
	words []string
	into  *string
}

func (c *Config) settings() []setting {
	return []setting{
		{"store", []string{"keyring", "vault"}, &c.Store},
		{"presence", []string{"strict", "session", "always"}, &c.Presence},
	}
}

func parseConfig(path string, data []byte) (Config, error) {
	root, err := hujson.Parse(data)
	if err != nil {
		return Config{}, configSyntax(path, err)
	}
	lineOf := func(v hujson.Value) int { return strings.Count(string(data[:v.StartOffset]), "\n") + 1 }
	object, ok := root.Value.(*hujson.Object)
	if !ok {
		return Config{}, &FileError{File: path, Line: lineOf(root), What: "want an object, as in {\"store\": \"vault\"}"}
	}
	var c Config
	var mistakes []error
	seen := map[string]int{}
	for _, m := range object.Members {
		name := m.Name.Value.(hujson.Literal).String()
		fail := func(v hujson.Value, subject, fix, what string) {
			mistakes = append(mistakes, &FileError{path, lineOf(v), subject, what, fix})
		}
		all := c.settings()
		at := slices.IndexFunc(all, func(s setting) bool { return s.key == name })
		first, twice := seen[name]
		seen[name] = lineOf(m.Name)
		switch {
		case at < 0:
			keys := []string{}
			for _, s := range all {
				keys = append(keys, s.key)
			}
			fail(m.Name, "", suggest(name, keys), "unknown key "+quoted(name))
		case twice:
			fail(m.Name, name, "", fmt.Sprintf("given twice, first on line %d", first))
		default:
			s := all[at]
			word, isString := m.Value.Value.(hujson.Literal)
			if !isString || word.Kind() != '"' {
				fail(m.Value, name, "", "want a string: "+strings.Join(s.words, ", "))
			} else if !slices.Contains(s.words, word.String()) {
				fail(m.Value, name, suggest(word.String(), s.words), quoted(word.String())+" is none of them")
			}
			*s.into = word.String()
		}
	}
	if len(mistakes) > 0 {
		return Config{}, joined(path, mistakes)
	}
	return c, nil
}

func suggest(word string, known []string) string {
	if meant := nearest(strings.ToLower(word), known); meant != "" {
		return "did you mean " + strconv.Quote(meant) + "?"
	}
	return "known: " + strings.Join(known, " ")
}

// configSyntax turns the parser's error into ours. The parser quotes a bad
// literal, which may be a value that was pasted without quotation marks.
func configSyntax(path string, err error) error {
	e := &FileError{File: path, What: "not JSON"}
	column := 0
	fmt.Sscanf(err.Error(), "hujson: line %d, column %d:", &e.Line, &column)
	if inner := errors.Unwrap(err); inner != nil && !strings.HasPrefix(inner.Error(), "invalid literal") {
		e.What = inner.Error()
	} else {
		e.Fix = "text stands in double quotes"
	}
	return e
}
