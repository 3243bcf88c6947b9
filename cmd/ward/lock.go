package main

import (
	"strings"

	"ward/launcher/session"
)

type lockCmd struct {
	All bool `help:"End the sessions of every terminal."`
}

// Help is the example of `ward lock --help`.
func (lockCmd) Help() string { return "ward lock\nward lock --all" }

// Run is `ward lock`.
func (c *lockCmd) Run() error {
	caller, err := session.Caller()
	if err != nil {
		return err
	}
	ended, err := session.End(caller, c.All)
	var prefixes []string
	for _, s := range ended {
		prefixes = append(prefixes, s.Prefix)
	}
	switch {
	case len(prefixes) > 0:
		note("locked %s", strings.Join(prefixes, ", "))
	case err == nil:
		note("nothing was unlocked")
	}
	return err
}
