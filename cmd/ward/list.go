package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"ward/detect"
	"ward/launcher"
	"ward/secrets"
)

// described is an entry as --json shows it: all but the marks.
type described struct {
	Name    string `json:"name"`
	Type    string `json:"type,omitempty"`
	Peek    string `json:"peek,omitempty"`
	Expires string `json:"expires,omitempty"`
	Strict  bool   `json:"strict,omitempty"`
	Rotate  string `json:"rotate,omitempty"`
	Bundle  string `json:"bundle,omitempty"`
	Desc    string `json:"desc,omitempty"`
	Changed string `json:"changed,omitempty"`
	Store   string `json:"store"`
}

func describe(e secrets.Entry, store string) described {
	return described{
		Name: e.Name, Type: e.Type, Peek: e.Peek, Expires: date(e.Expires), Strict: e.Strict, Rotate: e.Rotate, Bundle: e.Bundle,
		Desc: e.Desc, Changed: date(e.Changed), Store: store,
	}
}

// date is the day, or the moment where that is not midnight; "" is never.
func date(t time.Time) string {
	switch {
	case t.IsZero():
		return ""
	case t.Equal(t.Truncate(24 * time.Hour)):
		return t.Format(time.DateOnly)
	}
	return t.Format(time.RFC3339)
}

type lsCmd struct {
	storeFlag
	Prefix string `arg:"" optional:"" help:"Only names that begin with it."`
	JSON   bool   `name:"json" help:"Print a JSON array."`
}

// Help is the example of `ward ls --help`.
func (lsCmd) Help() string {
	return "ward ls acme/\nward ls --json | jq -r '.[] | select(.strict) | .name'"
}

// Run is `ward ls`: a table on a terminal, in a pipe the names alone.
func (c *lsCmd) Run(stdout io.Writer) error {
	ctx := context.Background()
	s, err := c.open()
	if err != nil {
		return err
	}
	if _, err := allowed(ctx, detect.List, c.Prefix); err != nil {
		return err
	}
	keep := s.Keep(ctx)
	entries, err := keep.Entries(ctx)
	if err != nil {
		return err
	}
	entries = slices.DeleteFunc(entries, func(e secrets.Entry) bool { return !strings.HasPrefix(e.Name, c.Prefix) })
	switch {
	case c.JSON:
		list := []described{}
		for _, e := range entries {
			list = append(list, describe(e, keep.Name))
		}
		return printJSON(stdout, list)
	case isTerminal(stdout):
		if len(entries) == 0 {
			note("nothing there in the %s", keep.Name)
			return nil
		}
		return table(stdout, entries)
	}
	for _, e := range entries {
		if _, err := fmt.Fprintln(stdout, launcher.Clean(e.Name)); err != nil {
			return err
		}
	}
	return nil
}

func table(w io.Writer, entries []secrets.Entry) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tTYPE\tEXPIRES\tCHANGED\tBUNDLE\t\tDESCRIPTION")
	for _, e := range entries {
		strict := ""
		if e.Strict {
			strict = "strict"
		}
		day := ""
		if !e.Changed.IsZero() {
			day = e.Changed.Format(time.DateOnly)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", launcher.Clean(e.Name), launcher.Clean(e.Type), date(e.Expires), day, launcher.Clean(e.Bundle), strict, launcher.Clean(e.Desc))
	}
	return t.Flush()
}

type peekCmd struct {
	storeFlag
	Key  string `arg:"" help:"Name of the secret."`
	JSON bool   `name:"json" help:"Print a JSON object."`
}

// Help is the example of `ward peek --help`.
func (peekCmd) Help() string { return "ward peek acme/api/TOKEN" }

// Run is `ward peek`: the first characters, at most 8 and at most a quarter of the value, from the index alone.
func (c *peekCmd) Run(stdout io.Writer) error {
	ctx := context.Background()
	s, _, err := c.begin(ctx, detect.Peek, c.Key)
	if err != nil {
		return err
	}
	keep := s.Keep(ctx)
	entries, err := keep.Entries(ctx)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(entries, func(e secrets.Entry) bool { return e.Name == c.Key })
	if at < 0 {
		return &secrets.Error{Name: c.Key, Where: "the " + keep.Name, Err: secrets.ErrNotFound, Fix: "ward ls shows what there is"}
	}
	e := entries[at]
	switch {
	case c.JSON:
		return printJSON(stdout, describe(e, keep.Name))
	case e.Changed.IsZero():
		return launcher.Mistake("secret "+c.Key+": nothing is known about its value", "ward set "+c.Key+" stores it anew")
	case e.Peek == "":
		note("%s is there; of a value under 16 characters, or of several lines, nothing is shown", c.Key)
		return nil
	}
	_, err = fmt.Fprintln(stdout, launcher.Clean(e.Peek)+"…")
	return err
}

type checkCmd struct {
	storeFlag
	JSON   bool `name:"json" help:"Print a JSON array."`
	Repair bool `help:"Bring a damaged index back to what it was before its last change. No secret is touched."`
}

// repairIndex is no row of the access table, and so refused to agents: an older index may say less of what is strict.
const repairIndex detect.Action = "check --repair"

// Help is the example of `ward check --help`.
func (checkCmd) Help() string {
	return "ward check\nward check --json | jq -r '.[] | select(.wrong) | .name'"
}

// Run is `ward check`. It ends with 1 if something has to be done.
func (c *checkCmd) Run(stdout io.Writer) error {
	ctx := context.Background()
	s, err := c.open()
	if err != nil {
		return err
	}
	if _, err := allowed(ctx, detect.Check, ""); err != nil {
		return err
	}
	keep := s.Keep(ctx)
	if c.Repair {
		if err := repair(ctx, keep); err != nil {
			return err
		}
	}
	list, err := keep.Check(ctx, time.Now())
	if err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(stdout, list)
	} else {
		t := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
		for _, f := range list {
			fmt.Fprintf(t, "%s\t%s\t%s\n", launcher.Clean(f.Name), launcher.Clean(f.What), launcher.Clean(f.Fix))
		}
		err = t.Flush()
	}
	if err == nil && slices.ContainsFunc(list, func(f secrets.Finding) bool { return f.Wrong }) {
		return &exit{1, nil}
	}
	if err == nil && len(list) == 0 {
		note("nothing is wrong")
	}
	return err
}

func repair(ctx context.Context, keep secrets.Keep) error {
	if _, err := allowed(ctx, repairIndex, ""); err != nil {
		return err
	}
	done, err := keep.Index.Recover(ctx)
	if err == nil && !done.Damaged {
		note("the index is sound")
	} else if err == nil {
		note("the index has %d names again; the damaged one is %s", done.Names, done.Aside)
	}
	return err
}
