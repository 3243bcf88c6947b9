package guard

import (
	"bytes"
	"compress/gzip"
	"encoding/base32"
	"fmt"
	"strings"
	"testing"
)

// A rendering is a way in which programs print a value. It is applied to the
// value and to the masked value: one is what goes in, the other must come out.
type rendering struct {
	name string
	show func(value string) string
}

// each writes every character of s with something before and after it.
func each(s string, f func(i int, c string) string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteString(f(i, s[i:i+1]))
	}
	return b.String()
}

func fold10(s string, n int, end string) string {
	return each(s, func(i int, c string) string {
		if i%n == n-1 {
			return c + end
		}
		return c
	})
}

var renderings = []rendering{
	{"alone", func(v string) string { return v }},
	{"in a line", func(v string) string { return "token is " + v + ", keep it\r\n" }},
	{"in an environment", func(v string) string { return "PATH=/bin\nAPI_TOKEN=" + v + "\nHOME=/root\n" }},
	{"set -x", func(v string) string {
		return "+ export 'API_TOKEN=" + v + "'\n+ curl -H 'Authorization: Bearer " + v + "'\n"
	}},
	{"json", func(v string) string { return `{"token":"` + v + `","n":1}` }},
	{"json in json", func(v string) string { return `"{\"token\":\"` + v + `\"}"` }},
	{"url", func(v string) string { return "https://example.com/x?key=" + v + "&page=2#top" }},
	{"twice, nothing between", func(v string) string { return "=" + v + v + ";" }},
	{"wrapped at 40 columns", func(v string) string { return "  " + fold10(v, 40, "\r\n") }},
	{"fold -w10", func(v string) string { return fold10(v, 10, "\n") }},
	{"fold -w7", func(v string) string { return fold10(v, 7, "\r\n") }},
	{"one below the other", func(v string) string { return fold10(v, 1, "\r\n") }},
	{"indented", func(v string) string { return fold10(v, 16, "\r\n        ") }},
	{"in a box", func(v string) string { return "│ " + fold10(v, 18, " │\r\n│ ") + " │" }},
	{"in a box of ASCII", func(v string) string { return "| " + fold10(v, 18, " |\r\n| ") + " |" }},
	{"spaced", func(v string) string { return fold10(v, 1, " ") }},
	{"strings added up", func(v string) string { return `"` + fold10(v, 6, `" + "`) + `"` }},
	{"UTF-16", func(v string) string { return fold10(v, 1, "\x00") }},
	{"colour per character", func(v string) string {
		return each(v, func(i int, c string) string { return fmt.Sprintf("\x1b[38;2;%d;20;30m%s\x1b[0m", i, c) })
	}},
	{"grep --color", func(v string) string { return v[:12] + "\x1b[01;31m\x1b[K" + v[12:15] + "\x1b[m\x1b[K" + v[15:] }},
	{"256 colours before and after", func(v string) string { return "\x1b[38;5;196m" + v + "\x1b[39m\x1b[22m" }},
	{"private modes inside", func(v string) string { return v[:20] + "\x1b[?25l\x1b[?2026h" + v[20:] }},
	{"character set shifted inside", func(v string) string { return v[:20] + "\x1b(B\x0f" + v[20:] }},
	{"cursor set per character", func(v string) string {
		return each(v, func(i int, c string) string { return fmt.Sprintf("\x1b[%d;%dH%s", 5+i/40, 1+i%40, c) })
	}},
	{"written over after CR", func(v string) string { return "Loading 10%\rLoading 20%\r" + v + "\r\n" }},
	{"struck over", func(v string) string { return each(v, func(_ int, c string) string { return c + "\b" + c }) }},
	{"underlined", func(v string) string { return each(v, func(_ int, c string) string { return "_\b" + c }) }},
	{"taken back after it was printed", func(v string) string {
		return v + strings.Repeat("\b", len(v)) + strings.Repeat(" ", len(v))
	}},
	{"typed with a slip", func(v string) string { return v[:30] + "x\b \b" + v[30:] }},
	{"typed with dashes taken back", func(v string) string { return v[:30] + "--\b\b" + v[30:] }},
	{"window title", func(v string) string { return "\x1b]0;export TOKEN=" + v + "\x07$ " }},
	{"link", func(v string) string {
		return "see \x1b]8;;https://example.com/?k=" + v + "\x1b\\this\x1b]8;;\x1b\\ page"
	}},
	{"title inside", func(v string) string { return v[:25] + "\x1b]0;busy\x07" + v[25:] }},
	{"string without an end", func(v string) string { return "\x1b]0;" + v }},
	{"device string", func(v string) string { return "\x1bPtmux;" + v + "\x1b\\" }},
}

// A value is masked wherever its characters follow each other, whatever stands
// between, and nothing else changes. How the stream is cut shows at most three
// of its characters where the rest follows in time, seven where it never does.
func TestRenderings(t *testing.T) {
	const prefix = "sk-ant-api03-"
	value := random(newRand(3), base62, 80)
	masked := strings.Repeat("*", len(value))
	for _, c := range renderings {
		t.Run(c.name, func(t *testing.T) {
			in, want := c.show(value), c.show(masked)
			shown := strings.Count(in, value[:1]) // an upper limit of how often it begins
			r := newRand(4)
			for _, cut := range []struct {
				name  string
				cut   func(int) int
				flush bool
				most  int
			}{
				{"one write", atOnce, false, 0},
				{"byte by byte", byOne, false, 3 * shown},
				{"byte by byte, timer each time", byOne, true, 7 * shown},
				{"random chunks", randomly(r), false, 3 * shown},
			} {
				g := guardOf(t, Options{}, prefix+value)
				got := feed(g, in, cut.flush, cut.cut)
				n := readable(t, in, want, got)
				if c.name == "struck over" && cut.name != "one write" {
					cut.most += len(value) // printed before it was known to be struck over
				}
				if n > cut.most {
					t.Errorf("%s: %d characters readable, want at most %d\n got %q\nwant %q", cut.name, n, cut.most, got, want)
				}
				if g.Leaks() == 0 {
					t.Errorf("%s: not counted", cut.name)
				}
			}
		})
	}
}

// What the guard does not know. Each is a way that the sandbox, not the guard,
// must close until it is listed above or among the encodings.
func TestMisses(t *testing.T) {
	v := random(newRand(21), base62, 40)
	for _, c := range []struct{ name, value, in string }{
		{"base64 three times", v, base64Of(base64Of(base64Of(v)))},
		{"base32", v, base32Of(v)},
		{"packed", v, packed(v)},
		{"octal numbers", v, list(v, "%03o", " ")},
		{"pairs of bytes swapped, as od -x does", v, each(v, func(i int, _ string) string { return fmt.Sprintf("%02x", v[i^1]) })},
		{"letters moved on by 13", v, strings.Map(rot13, v)},
		{"every other letter in the other case", v, each(v, func(i int, c string) string { return []string{strings.ToUpper(c), strings.ToLower(c)}[i%2] })},
		{"numbered lines of 7", v, each(v, func(i int, c string) string {
			if i%7 == 0 {
				return fmt.Sprintf("\n%6d\t%s", i/7, c)
			}
			return c
		})},
		{"a spinner between cells", v, each(v, func(i int, c string) string { return fmt.Sprintf("\x1b[5;%dH%s\x1b[9;1H%d", i, c, i) })},
		{"even cells, then odd", v, each(v, func(i int, _ string) string {
			j := i * 2 % 40
			if i >= 20 {
				j++
			}
			return fmt.Sprintf("\x1b[1;%dH%c", j, v[j])
		})},
		{"only symbols", "!§$%&/()=?!§$%&/()=?", "!§$%&/()=?!§$%&/()=?"},
		{"another alphabet", "пароль-очень-секретный", "пароль-очень-секретный"},
		{"fewer than 8 at a time", v, "<" + v[:7] + ">" + "nothing" + "<" + v[9:16] + ">"},
	} {
		if got := feed(guardOf(t, Options{}, c.value), c.in, false, atOnce); got != c.in {
			t.Errorf("%s is known now: move it to the renderings\n got %q", c.name, got)
		}
	}
	g := guardOf(t, Options{}, "Summer2024!")
	if got := feed(g, "Summer2024", true, byOne); got != "Summer202*" {
		t.Errorf("a value known only whole, letter by letter: got %q", got)
	}
}

func base32Of(s string) string { return base32.StdEncoding.EncodeToString([]byte(s)) }

func packed(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(s))
	w.Close()
	return base64Of(b.String())
}

func rot13(c rune) rune {
	switch {
	case 'a' <= c|0x20 && c|0x20 <= 'm':
		return c + 13
	case 'n' <= c|0x20 && c|0x20 <= 'z':
		return c - 13
	}
	return c
}
