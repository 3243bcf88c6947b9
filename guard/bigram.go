package guard

import _ "embed"

// The model of ordinary text: for each pair of character classes how
// surprising the second is after the first, in sixteenths of a bit. It was
// counted over the Go distribution's own sources, see TestBigramTable, which
// makes it again (go generate).
//
//go:generate go test -run ^TestBigramTable$ -update
//go:embed bigram.bin
var bigrams string

const (
	classes     = 64
	classSymbol = 62 // a character that joins words in paths, addresses and keys
	classOther  = 63
)

// class numbers the 62 letters and digits, the joining symbols and the rest.
func class(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'A' <= c && c <= 'Z':
		return c - 'A' + 10
	case 'a' <= c && c <= 'z':
		return c - 'a' + 36
	}
	switch c {
	case '-', '_', '.', '/', '+', '=', '~', ':', '@', '%', '&', '?', '#', '$':
		return classSymbol
	}
	return classOther
}

// surprisal tells how unlike ordinary text it is that b follows a, in
// sixteenths of a bit.
func surprisal(a, b byte) int {
	return int(bigrams[int(class(a))*classes+int(class(b))])
}
