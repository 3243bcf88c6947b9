package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ward/launcher"
	"ward/profiles"
)

type profileCmd struct {
	List     profileListCmd     `cmd:"" help:"Name the profiles there are."`
	Show     profileShowCmd     `cmd:"" help:"Print a profile, with all that it extends, as JSON."`
	Validate profileValidateCmd `cmd:"" help:"Check profile files."`
}

// Help is the example of `ward profile --help`.
func (profileCmd) Help() string { return "ward profile show claude\nward profile validate ./my.json" }

type profileListCmd struct{}

// Run is `ward profile list`.
func (profileListCmd) Run(stdout io.Writer) error {
	host, err := launcher.ThisHost()
	if err != nil {
		return err
	}
	names := profiles.Builtins()
	entries, _ := os.ReadDir(filepath.Join(host.Config, "profiles"))
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".json"); ok && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if _, err := fmt.Fprintln(stdout, launcher.Clean(name)); err != nil {
			return err
		}
	}
	return nil
}

type profileShowCmd struct {
	Name string `arg:"" help:"Name or path."`
}

// Run is `ward profile show`.
func (c *profileShowCmd) Run(stdout io.Writer) error {
	host, err := launcher.ThisHost()
	if err != nil {
		return err
	}
	p, err := profiles.Load(c.Name, host.Config)
	if err != nil {
		return err
	}
	return printJSON(stdout, p)
}

type profileValidateCmd struct {
	Files []string `arg:"" help:"Names or paths."`
}

// Run is `ward profile validate`: every mistake of every file, and exit 1 if there is one.
func (c *profileValidateCmd) Run() error {
	host, err := launcher.ThisHost()
	if err != nil {
		return err
	}
	wrong := false
	for _, name := range c.Files {
		if _, err := profiles.Load(name, host.Config); err != nil {
			complain(err)
			wrong = true
		}
	}
	if wrong {
		return &exit{code: 1}
	}
	return nil
}
