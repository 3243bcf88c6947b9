package guard

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func list(v string, verb, between string) string {
	var items []string
	for _, c := range []byte(v) {
		items = append(items, fmt.Sprintf(verb, c))
	}
	return strings.Join(items, between)
}

func wrapped(s string, n int) string { return fold10(s, n, "\r\n") }

// xxd writes rows as xxd does: the place, sixteen bytes in pairs, and the text.
func xxd(v string) string {
	var b strings.Builder
	for i := 0; i < len(v); i += 16 {
		row := v[i:min(i+16, len(v))]
		fmt.Fprintf(&b, "%08x: ", i)
		for j := range len(row) {
			fmt.Fprintf(&b, "%02x%s", row[j], []string{"", " "}[j%2])
		}
		fmt.Fprintf(&b, " %s\n", row)
	}
	return b.String()
}

func rawURL(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// encodedForms are the encodings that a value is known in, written by the
// programs' own functions where Go has them.
var encodedForms = []struct {
	name string
	most int // letters and digits of the written value that may be read at its ends
	show func(v string) string
}{
	{"base64", 1, base64Of},
	{"base64 after one", 3, func(v string) string { return base64Of(":" + v) }},
	{"base64 after two", 6, func(v string) string { return base64Of("a:" + v + ":b") }},
	{"base64 after a name", 12, func(v string) string { return base64Of("user:" + v) }},
	{"base64 with a line end", 2, func(v string) string { return base64Of(v + "\n") }},
	{"base64 for addresses, no padding", 1, rawURL},
	{"base64 in lines of 64", 1, func(v string) string { return wrapped(base64Of(v), 64) }},
	{"base64 in lines of 20", 1, func(v string) string { return wrapped(base64Of(v), 20) }},
	{"base64 twice", 6, func(v string) string { return base64Of(base64Of(v)) }},
	{"base64 twice, with a line end", 8, func(v string) string { return base64Of(base64Of(v+"\n") + "\n") }},
	{"base64 twice, after a name", 24, func(v string) string { return base64Of("x " + base64Of("user:"+v)) }},
	{"hexadecimal", 0, func(v string) string { return hex.EncodeToString([]byte(v)) }},
	{"hexadecimal in capitals", 0, func(v string) string { return strings.ToUpper(hex.EncodeToString([]byte(v))) }},
	{"od -An -t x1", 0, func(v string) string { return wrapped(list(v, "%02x", " "), 48) }},
	{"xxd", 24, xxd},
	{"with colons", 0, func(v string) string { return list(v, "%02X", ":") }},
	{"percent, all of it", 0, func(v string) string { return list(v, "%%%02X", "") }},
	{"percent, lower case", 0, func(v string) string { return list(v, "%%%02x", "") }},
	{`\xXX`, 1, func(v string) string { return list(v, `\x%02x`, "") }},
	{"&#xXX;", 1, func(v string) string { return list(v, "&#x%02x;", "") }},
	{`\u00XX`, 0, func(v string) string { return list(v, `\u%04x`, "") }},
	{"&#DD;", 0, func(v string) string { return list(v, "&#%d;", "") }},
	{"byte list of JSON", 0, func(v string) string { return "[" + list(v, "%d", ",") + "]" }},
	{"byte list of Python", 0, func(v string) string { return "[" + list(v, "%d", ", ") + "]" }},
	{"byte list of Go", 0, func(v string) string { return "{" + list(v, "0x%02x", ", ") + "}" }},
	{"byte list, one a line", 0, func(v string) string { return list(v, "    %d", ",\n") }},
	{"upper case", 0, strings.ToUpper},
	{"lower case", 0, strings.ToLower},
	{"turned round", 0, reversed},
	{"UTF-16 with its mark", 0, func(v string) string { return "\xff\xfe" + fold10(v, 1, "\x00") }},
	{"UTF-16, big-endian", 0, func(v string) string { return each(v, func(_ int, c string) string { return "\x00" + c }) }},
	{"od -c", 0, func(v string) string { return list(v, "   %c", "") }},
}

// lettersOf counts the letters and digits that can be read, besides stars in
// the spelling of what they stand for.
func lettersOf(text string) (n int) {
	text = strings.NewReplacer("%2A", "", `\x2a`, "", `\u002a`, "", "&#x2a;", "", "042", "", "42", "").Replace(text)
	for _, c := range []byte(text) {
		n += oneIf(class(c) < classSymbol)
	}
	return n
}

// A value is known in each encoding, whole and cut anywhere, and its ends are
// all that can be read.
func TestEncodings(t *testing.T) {
	r := newRand(61)
	for _, value := range []struct{ kind, text string }{
		{"base62", random(r, base62, 40)},
		{"base62 of 80", random(r, base62, 80)},
		{"base64", random(r, base64u, 64)},
		{"hexadecimal", random(r, hexa, 64)},
		{"base32s", random(r, base32s, 52)},
	} {
		for _, c := range encodedForms {
			in := c.show(value.text)
			if c.name == "lower case" && in == value.text {
				continue
			}
			t.Run(c.name+" of "+value.kind, func(t *testing.T) {
				got := feed(guardOf(t, Options{}, value.text), "<"+in+">", false, atOnce)
				if n := lettersOf(got); n > c.most+extra(in) {
					t.Errorf("%d letters and digits can be read, want at most %d\n in %q\ngot %q", n, c.most, in, got)
				}
				g := guardOf(t, Options{}, value.text)
				slow := feed(g, "<"+in+">", true, byOne)
				if g.Leaks() == 0 || len(slow) != len(in)+2 {
					t.Errorf("byte by byte: met %d times in %q", g.Leaks(), slow)
				}
				if n, all := changed(slow, "<"+in+">"), changed(got, "<"+in+">"); n*7 < all {
					t.Errorf("byte by byte only %d of %d are masked: %q", n, all, slow)
				}
			})
		}
	}
}

func changed(a, b string) (n int) {
	for i := range len(a) {
		n += oneIf(a[i] != b[i])
	}
	return n
}

// extra is how many letters the ways of writing have between the characters of
// a value: the places in front of xxd's rows.
func extra(in string) int {
	if rows := strings.Count(in, ": "); rows > 1 {
		return rows * 8
	}
	return 0
}

// Characters that have to be escaped somewhere do not hide the others, few or many as there are between.
func TestEscapes(t *testing.T) {
	for _, apart := range []int{4, 7} {
		testEscapes(t, apart)
	}
}

func testEscapes(t *testing.T, apart int) {
	r := newRand(62)
	piece := func() string { return random(r, base62, apart) }
	var b strings.Builder
	for _, c := range []string{"<", "&", "/", "\"", "'", "$", "%", "+", "\n", ">", "\\", "é", "!", "(", "@"} {
		b.WriteString(piece() + c)
	}
	value := b.String() + piece()
	quoted, _ := json.Marshal(value)
	plainJSON := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(quoted))
	for name, in := range map[string]string{
		"plain":                       value,
		"JSON of Go":                  string(quoted),
		"JSON":                        plainJSON,
		"ASCII JSON":                  strings.ReplaceAll(plainJSON, "é", `\u00e9`),
		"JSON in JSON":                strconv.Quote(plainJSON),
		"%q":                          strconv.Quote(value),
		"query":                       url.QueryEscape(value),
		"component":                   strings.NewReplacer("%21", "!", "%28", "(", "%27", "'").Replace(url.QueryEscape(value)),
		"query in lower case":         lowerPercent(url.QueryEscape(value)),
		"component in lower case":     strings.NewReplacer("%21", "!", "%28", "(").Replace(lowerPercent(url.QueryEscape(value))),
		"quote of Python":             strings.ReplaceAll(url.QueryEscape(value), "%2F", "/"),
		"path":                        strings.NewReplacer("%21", "!", "%28", "(", "%27", "'", "%24", "$", "%26", "&", "%2B", "+", "%40", "@", "%2F", "/").Replace(url.QueryEscape(value)),
		"password of an address":      url.UserPassword("", value).String(),
		"JSON of .NET":                strings.NewReplacer(`\"`, `\u0022`, "<", `\u003C`, ">", `\u003E`, "&", `\u0026`, "'", `\u0027`, "+", `\u002B`, "é", `\u00E9`).Replace(plainJSON),
		"JSON of PHP":                 strings.NewReplacer(`\"`, `\u0022`, "<", `\u003C`, ">", `\u003E`, "&", `\u0026`, "'", `\u0027`).Replace(plainJSON),
		"JSON of Gson":                strings.NewReplacer("<", `\u003c`, ">", `\u003e`, "&", `\u0026`, "'", `\u0027`).Replace(plainJSON),
		"HTML of Python":              strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#x27;").Replace(value),
		"HTML of PHP":                 strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;").Replace(value),
		"HTML":                        html.EscapeString(value),
		"XML":                         strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&apos;").Replace(value),
		"shell":                       "'" + strings.ReplaceAll(value, "'", `'\''`) + "'",
		"shell, the other way":        "'" + strings.ReplaceAll(value, "'", `'"'"'`) + "'",
		"make":                        strings.ReplaceAll(value, "$", "$$"),
		"batch":                       strings.NewReplacer("&", "^&", "<", "^<", ">", "^>", "%", "%%").Replace(value),
		"PowerShell, coloured at '&'": strings.ReplaceAll(value, "&", "\x1b[36;1m&\x1b[0m"),
	} {
		got := feed(guardOf(t, Options{}, value), in, false, atOnce)
		var left []string
		for i, n := 0, min(apart, 5); i+n <= len(value); i++ {
			if p := value[i : i+n]; lettersOf(p) == n && strings.Contains(got, p) {
				left = append(left, p)
			}
		}
		if len(left) > 0 {
			t.Errorf("%s, %d apart: %q can be read in %q", name, apart, slices.Compact(left), got)
		}
	}
}

func lowerPercent(s string) string {
	b := []byte(s)
	for i := range b {
		if b[i] == '%' {
			copy(b[i:], strings.ToLower(s[i:i+3]))
		}
	}
	return string(b)
}
