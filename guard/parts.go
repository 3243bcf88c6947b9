package guard

import (
	"bytes"
	"unicode/utf8"
)

// stretch is a piece of a value.
type stretch struct {
	text   []byte
	inner  bool     // a letter or digit of the value stands right before it
	claim  claim    // what the value is said to hold it for, by its place or its name
	copies [][]byte // of the value, to be wiped: it and those behind it are of one
}

func (s stretch) wipe() {
	for _, text := range s.copies {
		clear(text)
	}
}

// claim is what something is said to be. A password that a person thought out may have no piece that could be known.
type claim uint8

const (
	claimNothing claim = iota
	claimSecret
	claimPassword
)

// parts gives those stretches of value that are secret, as slices of it: past
// vendors' prefixes, what is inside a PEM file, the signature of a JSON Web
// Token, the strings of a JSON document, the passwords and parameters of an
// address or a connection string.
func parts(value []byte) []stretch {
	var p splitter
	p.split(value, 0)
	return p.found
}

type splitter struct {
	found []stretch
	inner bool
	claim claim
}

const deepest = 4 // composites in composites

func (p *splitter) split(value []byte, depth int) {
	trimmed := bytes.TrimSpace(value)
	switch {
	case len(trimmed) == 0:
	case depth > deepest:
		p.plain(value)
	case isToken(trimmed):
		p.plain(trimmed[bytes.LastIndexByte(trimmed, '.')+1:])
	case (trimmed[0] == '{' || trimmed[0] == '[') && p.json(trimmed, depth):
	case bytes.HasPrefix(trimmed, []byte("-----")) || bytes.Contains(value, []byte("-----BEGIN ")):
		p.armoured(value)
	case p.address(trimmed, depth):
	case p.pairs(trimmed, depth):
	default:
		p.plain(value)
	}
}

// isToken reports whether text is a JSON Web Token: two fields of base64 that
// say who it is for, and a signature.
func isToken(text []byte) bool {
	return bytes.HasPrefix(text, []byte("eyJ")) && bytes.Count(text, []byte(".")) == 2
}

// plain takes text past its vendor's prefix, on both sides of what stands in
// the middle of all keys of a vendor.
func (p *splitter) plain(text []byte) {
	skip := prefixLen(text)
	inner := p.inner
	if skip > 0 {
		inner = class(text[skip-1]) < classSymbol
	}
	rest := text[skip:]
	for _, infix := range infixes {
		before, after, cut := bytes.Cut(rest, []byte(infix))
		if cut {
			p.found = append(p.found, stretch{text: before, inner: inner, claim: p.claim})
			rest, inner = after, class(infix[len(infix)-1]) < classSymbol
		}
	}
	p.found = append(p.found, stretch{text: rest, inner: inner, claim: p.claim})
}

// armoured takes what is between the first and last lines of PEM files. A
// variable may hold one as a single line, with "\n" where lines end, or nothing.
func (p *splitter) armoured(value []byte) {
	for len(value) > 0 {
		armour := bytes.Index(value, []byte("-----"))
		if armour == 0 {
			line, after, _ := bytes.Cut(value, []byte("\n"))
			if _, behind, _ := bytes.Cut(line[5:], []byte("-----")); len(bytes.TrimSpace(behind)) > 0 {
				after = value[len(line)-len(behind):]
			}
			value = after
			continue
		}
		part := value
		if armour > 0 {
			part = value[:armour]
		}
		value = value[len(part):]
		if !bytes.Contains(part, []byte(`\n`)) {
			p.plain(part)
			continue
		}
		lines := bytes.ReplaceAll(part, []byte(`\n`), []byte("\n"))
		p.copied(lines, func() { p.plain(bytes.TrimSpace(lines)) })
	}
}

// copied takes what f finds in a copy of a part of the value.
func (p *splitter) copied(text []byte, f func()) {
	first := len(p.found)
	if f(); first == len(p.found) {
		clear(text)
		return
	}
	p.found[first].copies = append(p.found[first].copies, text)
}

// json takes the strings of a document that are no names. Where one is written
// with escapes it is taken as it is meant.
func (p *splitter) json(text []byte, depth int) bool {
	type leaf struct {
		text  []byte
		claim claim
	}
	var leaves []leaf
	name := ""
	for i := 0; i < len(text); {
		if text[i] != '"' {
			i++
			continue
		}
		end := i + 1
		for end < len(text) && text[end] != '"' {
			end += 1 + oneIf(text[end] == '\\')
		}
		if end >= len(text) {
			return false
		}
		inside := text[i+1 : end]
		i = end + 1
		if rest := bytes.TrimLeft(text[i:], " \t\r\n"); len(rest) > 0 && rest[0] == ':' {
			name = string(inside)
			continue
		}
		leaves = append(leaves, leaf{inside, claimOf(name)})
	}
	for _, l := range leaves {
		p.under(l.claim, func() { p.unescaped(l.text, depth) })
	}
	return len(leaves) > 0
}

// unescaped splits the inside of a JSON string, at the ends of its lines if no
// other escapes are in it: a PEM file in a document has one behind each line.
func (p *splitter) unescaped(text []byte, depth int) {
	for rest := text; ; {
		at := bytes.IndexByte(rest, '\\')
		if at < 0 || at+1 >= len(rest) {
			break
		}
		if c := rest[at+1]; c != 'n' && c != 'r' && c != 't' {
			meant := meaning(text)
			p.copied(meant, func() { p.split(meant, depth+1) })
			return
		}
		rest = rest[at+2:]
	}
	for {
		at := bytes.IndexByte(text, '\\')
		if at < 0 || at+1 >= len(text) {
			if !bytes.HasPrefix(text, []byte("-----")) {
				p.split(text, depth+1)
			}
			return
		}
		if line := text[:at]; !bytes.HasPrefix(line, []byte("-----")) {
			p.split(line, depth+1)
		}
		text = text[at+2:]
	}
}

// meaning gives what the inside of a JSON string stands for, which is no longer than that. Halves of surrogate pairs are
// taken apart, as where strings are masked.
func meaning(text []byte) []byte {
	meant := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			meant = append(meant, text[i])
			continue
		}
		i++
		r := rune(text[i])
		if at := bytes.IndexByte([]byte("bfnrt"), text[i]); at >= 0 {
			r = rune("\b\f\n\r\t"[at])
		} else if r == 'u' && i+4 < len(text) {
			r = 0
			for _, c := range text[i+1 : i+5] {
				r = r<<4 | rune(nibble(c)&15)
			}
			i += 4
		}
		meant = utf8.AppendRune(meant, r)
	}
	return meant
}

func (p *splitter) under(claim claim, f func()) {
	before := p.claim
	p.claim = max(before, claim)
	f()
	p.claim = before
}

// address takes from SCHEME://USER:PASSWORD@HOST/PATH?NAME=VALUE#REST all but
// the scheme and the host. What is written there with percent signs is taken
// as it is meant, too.
func (p *splitter) address(text []byte, depth int) bool {
	scheme, rest, ok := bytes.Cut(text, []byte("://"))
	if !ok || len(scheme) == 0 || len(scheme) > 24 || bytes.ContainsAny(scheme, " \t\n\"'=;,") || bytes.ContainsAny(rest, " \t\n\"'") {
		return false
	}
	rest, fragment, _ := bytes.Cut(rest, []byte("#"))
	rest, query, _ := bytes.Cut(rest, []byte("?"))
	authority := rest
	if i := bytes.IndexByte(rest, '/'); i >= 0 {
		// A password may hold a slash that should have been written %2F.
		if at := bytes.LastIndexByte(rest, '@'); at > i {
			i = len(rest)
			if slash := bytes.IndexByte(rest[at:], '/'); slash >= 0 {
				i = at + slash
			}
		}
		authority = rest[:i]
		for segment := range bytes.SplitSeq(rest[i:], []byte("/")) {
			p.part(segment, claimNothing, depth)
		}
	}
	if at := bytes.LastIndexByte(authority, '@'); at >= 0 {
		user, password, both := bytes.Cut(authority[:at], []byte(":"))
		who := claimNothing
		if !both {
			who = claimPassword
		}
		p.part(user, who, depth)
		p.part(password, claimPassword, depth)
	}
	for pair := range bytes.SplitSeq(query, []byte("&")) {
		name, value, _ := bytes.Cut(pair, []byte("="))
		p.part(value, claimOf(string(name)), depth)
	}
	p.part(fragment, claimNothing, depth)
	return true
}

// part takes a component of an address, and what it means.
func (p *splitter) part(text []byte, claim claim, depth int) {
	if len(text) == 0 {
		return
	}
	p.under(claim, func() { p.split(text, depth+1) })
	if bytes.IndexByte(text, '%') < 0 {
		return
	}
	decoded := unpercent(text)
	p.copied(decoded, func() { p.under(claim, func() { p.plain(decoded) }) })
}

func unpercent(text []byte) []byte {
	decoded := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+2 < len(text) {
			high, low := nibble(text[i+1]), nibble(text[i+2])
			if high < 16 && low < 16 {
				decoded = append(decoded, high<<4|low)
				i += 2
				continue
			}
		}
		decoded = append(decoded, text[i])
	}
	return decoded
}

// nibble is the value of a hexadecimal digit, 16 and more for what is none.
func nibble(c byte) byte {
	switch k := class(c); {
	case k < 16:
		return k
	case 36 <= k && k < 42:
		return k - 26
	}
	return 255
}

// pairs takes the values of NAME=VALUE;NAME=VALUE (ODBC, .NET, Azure) and of
// NAME=VALUE NAME=VALUE (libpq).
func (p *splitter) pairs(text []byte, depth int) bool {
	for _, between := range []string{";", " "} {
		fields := bytes.Split(bytes.TrimRight(text, between), []byte(between))
		if len(fields) < 2 {
			continue
		}
		named := true
		for _, f := range fields {
			name, _, ok := bytes.Cut(f, []byte("="))
			named = named && ok && isName(bytes.TrimSpace(name))
		}
		if !named {
			continue
		}
		for _, f := range fields {
			name, value, _ := bytes.Cut(f, []byte("="))
			value = bytes.Trim(bytes.TrimSpace(value), `'"`)
			p.under(claimOf(string(name)), func() { p.split(value, depth+1) })
		}
		return true
	}
	return false
}

func isName(text []byte) bool {
	if len(text) == 0 || len(text) > 40 {
		return false
	}
	for _, c := range text {
		if class(c) > classSymbol || c == '+' || c == '=' || c == '/' {
			if c != ' ' {
				return false
			}
		}
	}
	return true
}

// claimOf tells what a name claims, of those that people give to secrets.
func claimOf(name string) claim {
	lower := bytes.ToLower([]byte(name))
	for _, word := range []string{"pass", "pwd"} {
		if bytes.Contains(lower, []byte(word)) {
			return claimPassword
		}
	}
	for _, word := range []string{"secret", "token", "key", "credential", "auth", "sig"} {
		if bytes.Contains(lower, []byte(word)) {
			return claimSecret
		}
	}
	return claimNothing
}
