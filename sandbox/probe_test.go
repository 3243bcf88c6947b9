package sandbox

import (
	"slices"
	"testing"
)

func TestStatuses(t *testing.T) {
	for _, c := range []struct {
		gaps    []Gap
		instead map[Layer]string // "yes": something stands in; "": nothing does
	}{
		{nil, nil},
		{[]Gap{{Layer: LayerNamespaces, Reason: "EPERM", Substitute: "stage two"}, {Layer: LayerMounts, Reason: "EPERM", Substitute: "Landlock"}},
			map[Layer]string{LayerNamespaces: "yes", LayerMounts: "yes"}},
		{[]Gap{{Layer: LayerNotify, Reason: "EPERM"}}, map[Layer]string{LayerNotify: ""}},
		// Reported one after the other, the first still hoped for the second.
		{[]Gap{{Layer: LayerNamespaces, Reason: "EPERM", Substitute: "scope"}, {Layer: LayerScope, Reason: "ABI 4"}}, map[Layer]string{LayerNamespaces: "", LayerScope: ""}},
	} {
		got := statuses(c.gaps)
		if len(got) != len(Table()) {
			t.Fatalf("%d rows", len(got))
		}
		for _, s := range got {
			want, missing := c.instead[s.Layer]
			if s.Enforced() == missing || (s.Instead != "") != (want != "") {
				t.Errorf("%v: %s enforced %v, instead %q", c.gaps, s.Layer, s.Enforced(), s.Instead)
			}
			if missing && !slices.ContainsFunc(c.gaps, func(g Gap) bool { return g.Layer == s.Layer && g.Reason == s.Missing }) {
				t.Errorf("%s: %q", s.Layer, s.Missing)
			}
		}
	}
}
