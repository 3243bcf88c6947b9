package main

import (
	"fmt"
	"io"

	"ward/detect"
	"ward/guard"
	"ward/launcher"
	"ward/launcher/session"
)

// hookFlags are those of install and uninstall.
type hookFlags struct {
	Agent string `arg:"" enum:"claude,codex,gemini,cursor" help:"One of ${enum}."`
	Yes   bool   `short:"y" help:"Do not ask."`
}

type guardInstallCmd struct{ hookFlags }

// Help is the example of `ward guard install --help`.
func (guardInstallCmd) Help() string { return "ward guard install claude" }

// Run is `ward guard install`.
func (c *guardInstallCmd) Run(stdout io.Writer) error { return c.change(stdout, true) }

type guardUninstallCmd struct{ hookFlags }

// Help is the example of `ward guard uninstall --help`.
func (guardUninstallCmd) Help() string { return "ward guard uninstall claude" }

// Run is `ward guard uninstall`.
func (c *guardUninstallCmd) Run(stdout io.Writer) error { return c.change(stdout, false) }

// change shows what would be changed, asks, and does it.
func (f hookFlags) change(stdout io.Writer, install bool) error {
	caller, err := session.Caller()
	if err != nil {
		return err
	}
	action := detect.GuardUninstall
	if install {
		action = detect.GuardInstall
	}
	if err := caller.May(action); err != nil {
		return refused(err)
	}
	change, err := launcher.PlanHooks(guard.Agent(f.Agent), install)
	if err != nil {
		return err
	}
	if change.Diff == "" {
		note("%s: nothing to change", change.Path)
		return nil
	}
	if _, err := fmt.Fprint(stdout, change.Diff); err != nil {
		return err
	}
	if !f.Yes {
		ok, err := launcher.Confirm("change " + change.Path)
		if err != nil {
			return err
		}
		if !ok {
			return &exit{code: 1, err: launcher.Mistake(change.Path+": not changed", "")}
		}
	}
	backup, err := change.Make()
	if err != nil {
		return err
	}
	note("changed %s", change.Path)
	if backup != "" {
		note("what it held before is in %s", backup)
	}
	for _, line := range change.Notes {
		note("%s", line)
	}
	return nil
}
