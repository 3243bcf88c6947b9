package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"ward/launcher"
	"ward/sandbox"
	"ward/secrets"
)

type doctorCmd struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Help says what doctor does.
func (doctorCmd) Help() string {
	return `Tries every layer on this machine, by really putting it on, and says where secrets are kept.
Exits with 1 if a launch would end here without --allow-degraded.

ward doctor --json | jq -r .store`
}

// diagnosis is what doctor prints.
type diagnosis struct {
	Kernel   string      `json:"kernel"`
	Landlock int         `json:"landlock_abi"`
	Layers   []layerRow  `json:"layers"`
	Store    string      `json:"store"`
	StoreWhy string      `json:"store_why"`
	Inside   bool        `json:"inside_a_launch"`
	Memory   lockedTrial `json:"locked_memory"`
}

type layerRow struct {
	Layer    sandbox.Layer `json:"layer"`
	Enforced bool          `json:"enforced"`
	Does     string        `json:"does"`
	Since    string        `json:"since"` // Linux release
	Missing  string        `json:"missing,omitempty"`
	Instead  string        `json:"instead,omitempty"`
}

type lockedTrial struct {
	OK      bool   `json:"ok"`
	Missing string `json:"missing,omitempty"`
}

// Run is `ward doctor`.
func (c *doctorCmd) Run(stdout io.Writer) error {
	d, err := examine()
	if err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(stdout, d)
	} else {
		err = d.print(stdout)
	}
	if err == nil && !d.launches() {
		return &exit{code: 1}
	}
	return err
}

func examine() (*diagnosis, error) {
	host, err := launcher.ThisHost()
	if err != nil {
		return nil, err
	}
	m, err := sandbox.Probe()
	if err != nil {
		return nil, err
	}
	d := &diagnosis{Kernel: m.Kernel, Landlock: m.Landlock, Inside: host.Nested}
	for _, s := range m.Layers {
		if host.Nested && !s.Enforced() {
			s.Instead = "the launch around this one has it"
		}
		d.Layers = append(d.Layers, layerRow{
			Layer: s.Layer, Enforced: s.Enforced(), Does: s.Does, Since: s.Kernel, Missing: s.Missing, Instead: s.Instead,
		})
	}
	if b, err := secrets.NewBuffer(1); err != nil {
		d.Memory.Missing = err.Error()
	} else {
		b.Destroy()
		d.Memory.OK = true
	}
	d.Store, d.StoreWhy = "none", "out of reach inside a launch"
	if !host.Nested {
		stores, err := launcher.OpenStores(nil)
		if err != nil {
			return nil, err
		}
		choice := stores.Default(context.Background())
		d.Store, d.StoreWhy = choice.Name, choice.Why
	}
	return d, nil
}

// launches says whether a launch without --allow-degraded would start here.
func (d *diagnosis) launches() bool {
	return !slices.ContainsFunc(d.Layers, func(l layerRow) bool { return !l.Enforced && l.Instead == "" })
}

func (d *diagnosis) print(w io.Writer) error {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("kernel     %s, landlock ABI %d", launcher.Clean(d.Kernel), d.Landlock)
	if d.Inside {
		line("inside     a launch of ward: this is what it left")
	}
	for _, l := range d.Layers {
		switch {
		case l.Enforced:
			line("yes        %-13s %s", l.Layer, l.Does)
		case l.Instead != "":
			line("instead    %-13s %s", l.Layer, launcher.Clean(l.Missing))
			line("           %-13s %s", "", l.Instead)
		default:
			line("NO         %-13s %s", l.Layer, launcher.Clean(l.Missing))
			line("           %-13s %s: Linux %s has it; a launch ends here unless --allow-degraded", "", l.Does, l.Since)
		}
	}
	if d.Memory.OK {
		line("yes        %-13s secrets stay out of swap and core files", "locked memory")
	} else {
		line("NO         %-13s %s", "locked memory", launcher.Clean(d.Memory.Missing))
	}
	line("secrets    %-13s %s", d.Store, launcher.Clean(d.StoreWhy))
	_, err := io.WriteString(w, b.String())
	return err
}
