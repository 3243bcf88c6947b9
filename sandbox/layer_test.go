package sandbox

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

// layers are all rows of the table.
func layers() []Layer {
	var all []Layer
	for _, row := range Table() {
		all = append(all, row.Layer)
	}
	return all
}

// Every combination of a refused layer, what else is missing, masks, what the user accepted, and nesting, against the
// rule in words: a layer has a substitute only where the one that stands in for it is there.
func TestSubstitute(t *testing.T) {
	all := layers()
	if len(all) != 7 {
		t.Fatalf("%d layers: this test knows 7", len(all))
	}
	combinations := 0
	for _, l := range all {
		for bits := range 1 << len(all) {
			gone := map[Layer]bool{l: true}
			for i, other := range all {
				if bits&(1<<i) != 0 {
					gone[other] = true
				}
			}
			for _, masked := range []bool{false, true} {
				for _, accept := range [][]string{nil, {"all"}, {string(l)}, {"something else"}} {
					for _, nested := range []bool{false, true} {
						combinations++
						p := &Policy{Rules: []Rule{{"/work", Read, ""}}, Accept: accept, Nested: nested}
						if masked {
							p.Masks = []Mask{{Path: "/work/secret"}}
						}
						checkSubstitute(t, p, l, gone, masked)
					}
				}
			}
		}
	}
	if combinations != 7*128*2*4*2 {
		t.Errorf("%d combinations", combinations)
	}
}

func checkSubstitute(t *testing.T, p *Policy, l Layer, gone map[Layer]bool, masked bool) {
	t.Helper()
	var stands bool
	switch l {
	case LayerNamespaces:
		stands = p.Nested || !gone[LayerScope]
	case LayerMounts:
		stands = !masked
	case LayerScope:
		stands = !gone[LayerNamespaces] && !gone[LayerNotify]
	case LayerNotify:
		stands = p.Nested
	}
	accepted := slices.Contains(p.Accept, "all") || slices.Contains(p.Accept, string(l))
	gap, err := p.substitute(l, "a reason", gone)
	var layer *LayerError
	switch {
	case stands && (err != nil || gap.Substitute == "" || gap.Reason != "a reason" || gap.Layer != l):
		t.Fatalf("%s without %v, %+v: %+v %v, want a substitute", l, gone, p, gap, err)
	case !stands && accepted && (err != nil || gap.Substitute != ""):
		t.Fatalf("%s without %v, %+v: %+v %v, want an open gap", l, gone, p, gap, err)
	case !stands && !accepted && (!errors.As(err, &layer) || layer.Layer != l || layer.Hint() == ""):
		t.Fatalf("%s without %v, %+v: %+v %v, want an error", l, gone, p, gap, err)
	case layer != nil && l == LayerMounts && fmt.Sprint(layer.Paths) != "[/work/secret]":
		t.Fatalf("%s: open would be %v", l, layer.Paths)
	}
}

func TestLayerWords(t *testing.T) {
	for _, c := range []struct {
		got  fmt.Stringer
		want string
	}{
		{Gap{LayerScope, "landlock ABI 4, 6 has it", "something"}, "scope is not enforced here (landlock ABI 4, 6 has it): something"},
		{Gap{LayerMounts, "EPERM", ""}, "mounts is not enforced here (EPERM): accepted by --allow-degraded"},
	} {
		if got := c.got.String(); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
	err := &LayerError{Layer: LayerMounts, Reason: "EPERM", Paths: []string{"/a", "/b"}}
	if want := "mounts: this kernel refuses it (EPERM); open would be /a, /b"; err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	for _, row := range Table() {
		if row.Kernel == "" || row.Does == "" {
			t.Errorf("%+v", row)
		}
	}
}
