package secrets

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"testing"
)

// What the index says of a name counts for the store that it was said of.
func TestKeepKnowsItsOwnStore(t *testing.T) {
	x := &Index{Path: filepath.Join(t.TempDir(), "index.json")}
	for name, place := range map[string]string{"ring": "", "vaulted": "vault", reserved + "marks": "", reserved + "other": "vault"} {
		if err := x.Update(context.Background(), name, func(m *Meta) error { m.Place = place; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	for store, want := range map[string][]string{"keyring": {"ring"}, "vault": {"vaulted"}} {
		known, err := Keep{Choice: Choice{Name: store}, Index: x}.Known()
		if got := slices.Sorted(maps.Keys(known)); err != nil || !slices.Equal(got, want) {
			t.Errorf("of the %s it knows %q, %v, want %q", store, got, err, want)
		}
	}
}
