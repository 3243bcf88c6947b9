package guard

import "bytes"

// stretch is a piece of a value.
type stretch struct {
	text   []byte
	inner  bool // a letter or digit of the value stands right before it
	secret bool // what the value is said to hold it for, by its place or its name
	copied bool // text is a copy, to be wiped
}

func (s stretch) wipe() {
	if s.copied {
		clear(s.text)
	}
}

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
	found  []stretch
	inner  bool
	secret bool
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
			p.found = append(p.found, stretch{text: before, inner: inner, secret: p.secret})
			rest, inner = after, class(infix[len(infix)-1]) < classSymbol
		}
	}
	p.found = append(p.found, stretch{text: rest, inner: inner, secret: p.secret})
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
		first := len(p.found)
		p.plain(bytes.TrimSpace(bytes.ReplaceAll(part, []byte(`\n`), []byte("\n"))))
		for i := first; i < len(p.found); i++ {
			p.found[i].copied = true
		}
	}
}

// json takes the strings of a document that are no names. Where one is written
// with escapes, its pieces between them are taken.
func (p *splitter) json(text []byte, depth int) bool {
	type leaf struct {
		text   []byte
		secret bool
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
		leaves = append(leaves, leaf{inside, saysSecret(name)})
	}
	for _, l := range leaves {
		p.under(l.secret, func() { p.unescaped(l.text, depth) })
	}
	return len(leaves) > 0
}

// unescaped splits the inside of a JSON string, at each escape if it has some:
// a PEM file in a document has one at the end of each line.
func (p *splitter) unescaped(text []byte, depth int) {
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
		size := 2
		if text[at+1] == 'u' {
			size = 6
		}
		text = text[min(at+size, len(text)):]
	}
}

func (p *splitter) under(secret bool, f func()) {
	before := p.secret
	p.secret = before || secret
	f()
	p.secret = before
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
			p.part(segment, false, depth)
		}
	}
	if at := bytes.LastIndexByte(authority, '@'); at >= 0 {
		user, password, both := bytes.Cut(authority[:at], []byte(":"))
		p.part(user, !both, depth)
		p.part(password, true, depth)
	}
	for pair := range bytes.SplitSeq(query, []byte("&")) {
		name, value, _ := bytes.Cut(pair, []byte("="))
		p.part(value, saysSecret(string(name)), depth)
	}
	p.part(fragment, false, depth)
	return true
}

// part takes a component of an address, and what it means.
func (p *splitter) part(text []byte, secret bool, depth int) {
	if len(text) == 0 {
		return
	}
	p.under(secret, func() { p.split(text, depth+1) })
	if bytes.IndexByte(text, '%') < 0 {
		return
	}
	decoded := unpercent(text)
	first := len(p.found)
	p.under(secret, func() { p.plain(decoded) })
	for i := first; i < len(p.found); i++ {
		p.found[i].copied = true
	}
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
			p.under(saysSecret(string(name)), func() { p.split(value, depth+1) })
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

// saysSecret reports whether a name is one that people give to secrets.
func saysSecret(name string) bool {
	lower := bytes.ToLower([]byte(name))
	for _, word := range []string{"pass", "pwd", "secret", "token", "key", "credential", "auth", "sig"} {
		if bytes.Contains(lower, []byte(word)) {
			return true
		}
	}
	return false
}
