package secrets

import "strings"

const (
	literally = "in single quotes it is taken as it is"
	expanded  = "a $ outside single quotes stands for something else, and ward does not expand it"
)

// value goes past the value that begins here and gives it as it is written,
// without a comment behind it. first is what the line has of it; apart says
// that a space stood in front.
func (d *dotenvReader) value(name string, at int, first string, apart bool) (raw string) {
	switch {
	case first == "":
	case first[0] == '\'' || first[0] == '"':
		return d.quoted(name, at)
	case first[0] == '`':
		d.fail(at, name, literally, "a value in backquotes: some readers take them for quotes, others for text")
	case first[0] == '#' && apart: // a comment; the library would take it for the value
	default:
		raw = d.bare(name, at, first)
	}
	d.skip(len(first) + 1)
	return raw
}

// bare checks a value without quotes and cuts off its comment.
func (d *dotenvReader) bare(name string, at int, raw string) string {
	if i := strings.Index(raw, " #"); i >= 0 {
		raw = raw[:i]
	}
	switch {
	case strings.Contains(raw, "$"):
		d.fail(at, name, literally, expanded)
	case strings.Contains(raw, "#"):
		d.fail(at, name, literally+"; a comment has a space in front", "some readers begin a comment at the #, others take it for part of the value")
	}
	return raw
}

// quoted goes past a value in quotes, to the end of the line where they close.
func (d *dotenvReader) quoted(name string, at int) string {
	quote, end := d.rest[0], 0
	mistakes := len(d.mistakes)
	for i := 1; i < len(d.rest) && end == 0; i++ {
		switch c := d.rest[i]; {
		case c == quote:
			end = i + 1
		case c == '\\' && i+1 < len(d.rest):
			if i++; len(d.mistakes) == mistakes {
				d.escape(name, at, quote, d.rest[i])
			}
		case c == '$' && quote == '"' && len(d.mistakes) == mistakes:
			d.fail(at, name, literally+`; in double quotes \$ is one`, expanded)
		}
		if len(d.mistakes) > mistakes && quote == '\'' {
			break // what is outside and what inside is not certain from here on
		}
	}
	if end == 0 {
		if len(d.mistakes) == mistakes {
			d.fail(at, name, "", "the quote %c that begins here is never closed", quote)
		}
		d.resume()
		return ""
	}
	raw := d.rest[:end]
	d.skip(end)
	after, _, _ := strings.Cut(d.rest, "\n")
	if text := strings.TrimLeft(after, " \t"); text != "" && (text[0] != '#' || text == after) {
		d.fail(at, name, "is a quote missing, or one too many?", "text follows the closing quote on line %d", d.line)
	}
	d.skip(len(after) + 1)
	return raw
}

// escape checks a backslash in front of c, in quotes.
func (d *dotenvReader) escape(name string, at int, quote, c byte) {
	switch {
	case quote == '\'' && c == '\'':
		d.fail(at, name, `write it in double quotes, with \\ for a backslash`, `\' in single quotes: some readers end the value there, others do not`)
	case quote == '"' && strings.IndexByte(`nrt"\$`, c) < 0:
		d.fail(at, name, literally+`; in double quotes \\ is a backslash`, `a backslash that is none of \n \r \t \" \\ \$: some readers keep it, others do not`)
	}
}

// resume goes to the next line that looks like an assignment.
func (d *dotenvReader) resume() {
	for more := true; more && d.rest != ""; {
		line, _, _ := strings.Cut(d.rest, "\n")
		d.skip(len(line) + 1)
		next, _, _ := strings.Cut(d.rest, "\n")
		name, _, ok := strings.Cut(strings.TrimPrefix(next, "export "), "=")
		more = !ok || badVariable(name) != ""
	}
}
