package guard

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Only every fourth place of a text is looked at, or every sixteenth: each window is found all the same, wherever it
// begins.
func TestWindowsAnywhere(t *testing.T) {
	// Each stretch of twelve of it is unlike ordinary text, of others not.
	hexadecimal := random(newRand(6), hexa, 48)
	asNumbers := func(text string) (b string) {
		for _, c := range []byte(text) {
			b += fmt.Sprintf(`\u%04x`, c)
		}
		return b
	}
	plain := func(text string) string { return text }
	for _, c := range []struct {
		name  string
		value string
		width int
		write func(string) string
	}{
		{"eight characters", fuzzValue, 8, plain},
		{"twelve of a hexadecimal number", hexadecimal, 12, plain},
		{"eight as numbers", fuzzValue, 8, asNumbers},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := guardOf(t, Options{}, c.value)
			hidden := c.write(strings.Repeat("*", c.width))
			for at := 0; at+c.width <= len(c.value); at++ {
				for n := range 40 {
					before := strings.Repeat("no ", n)[:n]
					if got := feed(g, before+" "+c.write(c.value[at:at+c.width])+" ", false, atOnce); !strings.HasSuffix(got, " "+hidden+" ") {
						t.Fatalf("character %d of the value behind %d others: got %q, want %q at its end", at, n, got, hidden)
					}
				}
			}
		})
	}
}

// What is passed over because it lies in what is found already does lie in it: of each window that is known, wherever it
// stands among others, all characters are found.
func TestNothingPassedOver(t *testing.T) {
	r := newRand(41)
	write := []func(string) string{
		func(v string) string { return v }, base64Of, func(v string) string { return base64Of(base64Of(v)) }, strings.ToUpper,
		func(v string) string { return fmt.Sprintf("%x", v) }, func(v string) string { return list(v, "%d", "") },
	}
	for round := range 1500 {
		value := apiKey(r, round)
		g := guardOf(t, Options{}, value)
		var text []byte
		for len(text) < 500 {
			form := lettersAndDigits(write[r.IntN(len(write))](value))
			at := r.IntN(len(form))
			text = append(text, form[at:at+r.IntN(len(form)-at+1)]...)
			text = append(text, random(r, base62, r.IntN(5))...)
		}
		text = append(text, make([]byte, slack)...)[:len(text)]
		table := g.tables[0]
		found := make([]bool, len(text))
		for _, s := range table.scan(text, 0, nil) {
			for i := s.start; i < s.end; i++ {
				found[i] = true
			}
		}
		for _, width := range []int{8, 12, 16, 24, 40, 64} {
			for at := range text {
				if s, ok := table.known(text, at, width); ok && slices.Contains(found[s.start:s.end], false) {
					t.Fatalf("%q: %d characters from %d on are known, and not all found", text, width, at)
				}
			}
		}
	}
}

// Pieces of five characters would tell too much of a mark on a disk.
func TestMarksHaveNoPieces(t *testing.T) {
	p, err := ReadMarks("NAME", MakeMarks(testKey, []byte(random(newRand(6), base62, 64))))
	if err != nil {
		t.Fatal(err)
	}
	for _, group := range p.groups {
		if group.width == minWidth && (len(group.windows) == 0 || len(group.anchors) > 0) {
			t.Errorf("%d windows of %d characters with %d pieces", len(group.windows), group.width, len(group.anchors))
		}
	}
	if windowsOf(p) == 0 {
		t.Error("no marks")
	}
}
