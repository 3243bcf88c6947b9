package guard

import (
	"fmt"
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
