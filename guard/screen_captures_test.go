package guard

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// pieces takes a stream apart: control sequences, strings, controls, and runs of text.
func pieces() *regexp.Regexp {
	return regexp.MustCompile("(?s)\x1b\\[[0-?]*[ -/]*[@-~]|\x1b[\\]P^_X].*?(?:\x07|\x1b\\\\)|\x1b[ -/]*[0-~]|[\x00-\x1f\x7f]|[^\x00-\x1f\x7f]+")
}

// translated says a piece in words that vt10x understands as terminals do: it takes a private sequence for the ordinary
// one and a 0 for no columns, and knows neither strings other than titles, nor REP, nor characters that are not one
// column wide. last is the character before.
func (o *oracle) translated(piece, last string) string {
	switch {
	case strings.HasPrefix(piece, "\x1b["):
		return o.sequence(piece[2:len(piece)-1], piece[len(piece)-1], last)
	case strings.HasPrefix(piece, "\x1b") && strings.ContainsAny(piece[1:2], "]P^_X"):
		return ""
	case strings.HasPrefix(piece, "\x1b)"), piece == "\x1b\\":
		return ""
	}
	return strings.Map(func(r rune) rune {
		if r >= utf8.RuneSelf && cells(r) == 0 {
			return -1
		}
		return r
	}, strings.NewReplacer(wideIn(piece)...).Replace(piece))
}

// wideIn gives what to put in the place of each wide character of text.
func wideIn(text string) (pairs []string) {
	for _, r := range text {
		if cells(r) == 2 {
			pairs = append(pairs, string(r), "▒▒")
		}
	}
	return pairs
}

func (o *oracle) sequence(params string, final byte, last string) string {
	private := strings.HasPrefix(params, "?")
	switch {
	case strings.ContainsAny(params, "<=> !\"#$%&'()*+,-./"), private && final != 'h' && final != 'l' && final != 'J' && final != 'K':
		return ""
	case final == 'b':
		n, _ := strconv.Atoi(params)
		return strings.Repeat(last, max(1, n))
	case private && params == "?1049" && final == 'l' && o.s.shown() == 0:
		return "\x1b8" // vt10x would go to the other screen
	case strings.ContainsRune("ABCDEFGHILMPSTXZ@`adefr", rune(final)):
		parts := strings.Split(params, ";")
		for i, p := range parts {
			if p == "" || p == "0" {
				parts[i] = "1"
				if final == 'r' && i == 1 {
					parts[i] = fmt.Sprint(o.s.rows)
				}
			}
		}
		if final == 'r' && len(parts) == 1 {
			parts = append(parts, fmt.Sprint(o.s.rows))
		}
		return "\x1b[" + strings.Join(parts, ";") + string(final)
	}
	return "\x1b[" + params + string(final)
}

// Over what real programs print, the screen shows in each row what another terminal shows.
func TestScreenOverCaptures(t *testing.T) {
	rows := 0
	for _, c := range append(renderedCaptures(), programCaptures()...) {
		if c.name == "utf-16" || strings.HasPrefix(c.name, "base64") {
			continue // no text of a terminal, and nothing on it
		}
		t.Run(c.name, func(t *testing.T) {
			width, height := c.size()
			o := newOracle(t, width, height)
			raw := string(c.read(t))
			if !utf8.ValidString(raw) {
				t.Fatal("not UTF-8")
			}
			last, at, checked := " ", 0, 0
			for _, span := range pieces().FindAllStringIndex(raw, -1) {
				piece := raw[span[0]:span[1]]
				if span[0] != at {
					t.Fatalf("%q is not understood", raw[at:min(len(raw), at+40)])
				}
				at = span[1]
				o.vt.Write([]byte(o.translated(piece, last)))
				o.s.write([]byte(piece))
				if piece[0] >= ' ' && piece[0] != 0x7f {
					_, size := utf8.DecodeLastRuneInString(piece)
					last = piece[len(piece)-size:]
				}
				if at-checked < 500 && at < len(raw) {
					continue
				}
				if checked, rows = at, rows+height; o.differ() != "" {
					t.Fatalf("after %d bytes, the last %q:\n%s", at, raw[max(0, at-700):at], o.differ())
				}
			}
		})
	}
	t.Logf("%d rows compared", rows)
}
