package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"ward/detect"
	"ward/launcher"
)

type importCmd struct {
	storeFlag
	File   string `arg:"" help:"A .env file."`
	Prefix string `placeholder:"ORG/PROJECT" help:"What goes in front of the variables' names."`
	Delete bool   `help:"Remove the file once every value was read back."`
	Force  bool   `help:"Replace what is stored under these names."`
	DryRun bool   `help:"Only show what would be done."`
	JSON   bool   `name:"json" help:"Print a JSON array."`
}

// Help is the example of `ward import --help`.
func (importCmd) Help() string {
	return "ward import .env --prefix acme/api --dry-run\nward import .env --prefix acme/api --delete"
}

// Run is `ward import`.
func (c *importCmd) Run(stdout io.Writer) error {
	ctx := context.Background()
	s, err := c.open()
	if err != nil {
		return err
	}
	prefix := strings.TrimSuffix(c.Prefix, "/")
	if prefix != "" {
		if err := bareName(prefix); err != nil {
			return fmt.Errorf("--prefix: %w", err)
		}
	}
	caller, err := allowed(ctx, detect.Import, c.File)
	if err != nil {
		return err
	}
	for _, more := range []struct {
		asked  bool
		action detect.Action
	}{{c.Delete, detect.ImportDelete}, {c.Force, detect.SetOver}} {
		if more.asked {
			if err := permitted(ctx, &caller, more.action, c.File); err != nil {
				return err
			}
		}
	}
	keep := s.Keep(ctx)
	fresh := !c.DryRun && keep.Name == "vault" && !s.Vault.Exists()
	rows, deleted, err := s.Import(ctx, keep, launcher.Import{File: c.File, Prefix: prefix, Over: c.Force, Delete: c.Delete, Dry: c.DryRun})
	if fresh && s.Vault.Exists() {
		newVault(s)
	}
	if werr := c.show(stdout, rows); werr != nil {
		return werr
	}
	if err != nil {
		return err
	}
	switch kept := slices.ContainsFunc(rows, func(r launcher.Imported) bool { return r.Kept() }); {
	case len(rows) == 0:
		note("%s sets no variable", c.File)
	case deleted:
		note("every value was read back; %s is removed", c.File)
	case kept && !c.DryRun:
		return &exit{1, launcher.Mistake(c.File+": not everything was stored", "--force replaces what is stored")}
	case !c.DryRun:
		note("%s is still there, with the values in it; --delete removes it", c.File)
	}
	return nil
}

func (c *importCmd) show(stdout io.Writer, rows []launcher.Imported) error {
	if c.JSON {
		if rows == nil {
			rows = []launcher.Imported{}
		}
		return printJSON(stdout, rows)
	}
	t := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintf(t, "%s\tline %d\t%s\n", launcher.Clean(r.Name), r.Line, r.Status)
	}
	return t.Flush()
}
