package main

import (
	"io"
)

type doctorCmd struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Run is `ward doctor`.
func (c *doctorCmd) Run(stdout io.Writer) error { return nil }
