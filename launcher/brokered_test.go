package launcher

import (
	"slices"
	"testing"

	"ward/guard"
)

// However often the broker masks a secret, it is one line to remember; one of the launch's own and a stored one of the same
// name are two.
func TestMetIsCounted(t *testing.T) {
	var s session
	for range 1000 {
		others := s.met([]guard.Hit{{Name: "A", Count: 2}, {Name: "B", Count: 1, Stored: true}, {Name: "A", Count: 1, Stored: true}})
		if len(others) != 2 || others[0].Name != "B" || others[1].Count != 1 {
			t.Fatalf("not given were %+v", others)
		}
	}
	want := []guard.Hit{{Name: "A", Count: 2000}, {Name: "B", Count: 1000, Stored: true}, {Name: "A", Count: 1000, Stored: true}}
	if !slices.Equal(s.asked, want) {
		t.Errorf("%d are remembered: %+v, want %+v", len(s.asked), s.asked[:min(len(s.asked), 9)], want)
	}
}
