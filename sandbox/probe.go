package sandbox

// Machine is what can be enforced here, for `ward doctor`.
type Machine struct {
	Kernel   string   // release, as uname -r prints it
	Landlock int      // ABI version; 0: none
	Layers   []Status // in the order of Table
}

// Status is a row of Table as this machine has it.
type Status struct {
	Support
	// Missing is why the layer cannot be had here; empty: it is enforced.
	Missing string
	// Instead is what stands in for it in a launch whose masks all lie outside its grants. Empty, where the layer is
	// missing: a launch ends, unless the user accepts that.
	Instead string
}

// Enforced says whether the layer is.
func (s Status) Enforced() bool { return s.Missing == "" }

// statuses joins the table with what a launch without promises reported.
func statuses(gaps []Gap) []Status {
	gone := map[Layer]bool{}
	for _, g := range gaps {
		gone[g.Layer] = true
	}
	var all []Status
	for _, row := range Table() {
		s := Status{Support: row}
		for _, g := range gaps {
			if g.Layer != row.Layer || s.Missing != "" {
				continue
			}
			s.Missing = g.Reason
			// Each gap was reported before the later ones were known; here all are.
			if whole, err := (&Policy{}).substitute(row.Layer, g.Reason, gone); err == nil {
				s.Instead = whole.Substitute
			}
		}
		all = append(all, s)
	}
	return all
}
