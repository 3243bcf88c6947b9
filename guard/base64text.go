package guard

// leastText is how many printable characters in a row must be behind base64 for it to be taken for that of a text. In random
// base64 that is met once in a million characters.
const leastText = 16

// unread gives the stretches from from to to that are not base64 of a text: of a name and a password, JSON, a PEM file. Most
// of a text may be known, and what is secret in it may stand in the value by itself, too. It has fewer bits in a character of
// base64 than that could hold: a mark of one in hexadecimal would be found by trying 24 bits.
func (s *squeezed) unread(raw []byte, from, to int) (rest [][2]int) {
	if from == to {
		return nil
	}
	const both = kindUpper | kindLower
	if kinds, _ := kindsOf(s.text[from:to]); kinds&both != both { // base32 is, by chance, of some text rather often
		return [][2]int{{from, to}}
	}
	base := s.steps[from]
	word := raw[base : s.steps[to-1]+1]
	text := make([]bool, len(word))
	for phase := range 4 { // the text may begin at any character
		markText(word[min(phase, len(word)):], text[min(phase, len(word)):])
	}
	for first, i := from, from; i <= to; i++ {
		if i < to && !text[s.steps[i]-base] {
			continue
		}
		if first < i {
			rest = append(rest, [2]int{first, i})
		}
		first = i + 1
	}
	return rest
}

// markText marks in text the characters of word, whose first one begins a byte, that are base64 of a text.
func markText(word []byte, text []bool) {
	window, first := uint32(0), 0 // of the leastText bytes
	count := 0
	for i, c := range word {
		six, _ := sixBits(c)
		window = window<<6 | uint32(six)
		if i%4 == 0 {
			continue
		}
		c := byte(window >> (6 - 2*(i%4)))
		if c != 0 && (c < '\t' || c > '\r') && (c < ' ' || c > '~') {
			count = 0
			continue
		}
		if count++; count == 1 {
			first = i - 1
		}
		if count >= leastText {
			for ; first <= i; first++ {
				text[first] = true
			}
		}
	}
}
