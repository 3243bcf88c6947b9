package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"ward/detect"
	"ward/launcher"
	"ward/secrets"
)

type loadCmd struct {
	storeFlag
	Prefix string `arg:"" help:"Which secrets: a name, or what it begins with up to a slash."`
}

// Help is the example of `ward load --help`.
func (loadCmd) Help() string { return `eval "$(ward load acme/api)"` }

// Run is `ward load`: a line of shell per secret.
func (c *loadCmd) Run(stdout io.Writer) error {
	return many{c.storeFlag, detect.Load, c.Prefix, secrets.WriteExport}.print(stdout, func(e secrets.Entry) bool {
		return launcher.Below(e.Name, c.Prefix)
	})
}

type bundleCmd struct {
	storeFlag
	Name string `arg:"" help:"Name of the bundle, as ward set --bundle gave it."`
}

// Help is the example of `ward bundle --help`.
func (bundleCmd) Help() string {
	return "ward set acme/api/TOKEN --bundle deploy\n" + `eval "$(ward bundle deploy)"`
}

// Run is `ward bundle`.
func (c *bundleCmd) Run(stdout io.Writer) error {
	return many{c.storeFlag, detect.Bundle, c.Name, secrets.WriteExport}.print(stdout, func(e secrets.Entry) bool {
		return e.Bundle == c.Name
	})
}

type exportCmd struct {
	storeFlag
	Prefix string `arg:"" help:"Which secrets: a name, or what it begins with up to a slash."`
}

// Help is the example of `ward export --help`.
func (exportCmd) Help() string { return "ward export acme/api > .env" }

// Run is `ward export`: a .env file.
func (c *exportCmd) Run(stdout io.Writer) error {
	return many{c.storeFlag, detect.Export, c.Prefix, secrets.WriteDotenv}.print(stdout, func(e secrets.Entry) bool {
		return launcher.Below(e.Name, c.Prefix)
	})
}

// many is what load, bundle and export have in common.
type many struct {
	storeFlag
	action detect.Action
	about  string
	write  func(io.Writer, string, *secrets.Buffer) error
}

// print writes all or nothing, and has a shell that evals it notice the latter.
func (m many) print(stdout io.Writer, which func(secrets.Entry) bool) error {
	err := m.run(stdout, which)
	if m.action == detect.Export {
		return err
	}
	return fail(stdout, err)
}

func (m many) run(stdout io.Writer, which func(secrets.Entry) bool) error {
	ctx := context.Background()
	s, err := m.open()
	if err != nil {
		return err
	}
	if err := bareName(strings.TrimSuffix(m.about, "/")); err != nil {
		return err
	}
	if isTerminal(stdout) {
		return launcher.Mistake(string(m.action)+": stdout is a terminal, where values would be shown", m.example())
	}
	caller, err := allowed(ctx, m.action, m.about)
	if err != nil {
		return err
	}
	keep := s.Keep(ctx)
	entries, err := keep.Entries(ctx)
	if err != nil {
		return err
	}
	variables, refs, err := assign(entries, which)
	if err != nil {
		return err
	}
	if len(refs) == 0 {
		return launcher.Mistake(string(m.action)+" "+m.about+": the "+keep.Name+" has nothing there", "ward ls shows what there is")
	}
	found, notices, err := s.Read(ctx, refs, m.action, caller)
	for _, n := range notices {
		note("%s", n)
	}
	if err != nil {
		return refused(err)
	}
	defer func() {
		for _, value := range found {
			value.Destroy()
		}
	}()
	// Twice: what cannot be written is known before anything is.
	for _, w := range []io.Writer{io.Discard, stdout} {
		var wrong []error
		for i, ref := range refs {
			if err := m.write(w, variables[i], found[ref]); err != nil {
				wrong = append(wrong, &secrets.Error{Name: ref.String(), Err: err, Fix: launcher.Hint(err)})
			}
		}
		if err := errors.Join(wrong...); err != nil {
			return err
		}
	}
	return nil
}

func (m many) example() string {
	if m.action == detect.Export {
		return "ward export " + m.about + " > .env"
	}
	return fmt.Sprintf(`eval "$(ward %s %s)"`, m.action, m.about)
}

// assign gives each secret its variable. Two for one variable are a mistake: one of them would be lost.
func assign(entries []secrets.Entry, which func(secrets.Entry) bool) (variables []string, refs []secrets.Ref, err error) {
	first := map[string]string{}
	var wrong []error
	for _, e := range entries {
		if !which(e) {
			continue
		}
		ref := secrets.Ref{Path: e.Name}
		variable := ref.Var()
		if other, taken := first[variable]; taken {
			wrong = append(wrong, launcher.Mistake(fmt.Sprintf("secret %s: goes into %s, as %s does", e.Name, variable, other), "name them apart, or take a longer prefix"))
		}
		if err := secrets.CheckVar(variable); err != nil {
			wrong = append(wrong, &secrets.Error{Name: e.Name, Err: err, Fix: "give it another name: ward mv " + e.Name + " " + strings.TrimSuffix(e.Name, "/") + "_SECRET"})
		}
		first[variable] = e.Name
		variables, refs = append(variables, variable), append(refs, ref)
	}
	return variables, refs, errors.Join(wrong...)
}
