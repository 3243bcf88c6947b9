package main

import (
	"context"
	"strings"
	"time"

	"ward/detect"
	"ward/launcher"
	"ward/launcher/session"
)

type unlockCmd struct {
	storeFlag
	Prefix string        `arg:"" help:"Which secrets: a name, or what it begins with up to a slash."`
	For    time.Duration `default:"4h" placeholder:"4h" help:"How long; time that the machine sleeps counts."`
}

// Help is the example of `ward unlock --help`.
func (unlockCmd) Help() string {
	return "ward unlock acme/api --for 4h\nward run --env-credential acme/api/token -- make deploy"
}

// Run is `ward unlock`.
func (c *unlockCmd) Run() error {
	if err := bareName(strings.TrimSuffix(c.Prefix, "/")); err != nil {
		return err
	}
	if c.For < session.Shortest || c.For > session.Longest {
		return launcher.Mistake("--for "+c.For.String()+": not between "+session.Shortest.String()+" and "+session.Longest.String(), "ward unlock "+c.Prefix+" --for 4h")
	}
	caller, err := session.Caller()
	if err != nil {
		return err
	}
	if err := caller.May(detect.Unlock); err != nil {
		return refused(err)
	}
	s, err := c.open()
	if err != nil {
		return err
	}
	done, strict, err := s.Unlock(context.Background(), c.Prefix, c.For, caller)
	if err != nil {
		return refused(err)
	}
	note("unlocked %s in this terminal: %s, until %s; ward lock ends it", c.Prefix, strings.Join(done.Names, ", "), done.Until.Format("15:04 on 2 January"))
	if len(strict) > 0 {
		note("asked for every time, since strict or not in the index: %s", strings.Join(strict, ", "))
	}
	return nil
}
