package main

import (
	"context"
	"os"
	"path/filepath"

	"ward/detect"
	"ward/launcher"
	"ward/launcher/session"
)

// allowed finds out who calls and whether they may do that. A refusal is lifted by a person who proves to be at the
// terminal, where that can be proved and ward was started there: an agent's tool has no terminal on stdin, and a
// question in the middle of the agent's screen would be answered by nobody.
func allowed(ctx context.Context, action detect.Action, about string) (detect.Caller, error) {
	caller, err := session.Caller()
	if err != nil {
		return caller, err
	}
	greet(ctx, caller)
	return caller, permitted(ctx, &caller, action, about)
}

// permitted asks the access table, and the person where that helps.
func permitted(ctx context.Context, caller *detect.Caller, action detect.Action, about string) error {
	err := caller.May(action)
	if err == nil || !isTerminal(os.Stdin) || !isTerminal(os.Stderr) ||
		launcher.TypeBack(ctx, *caller, caller.Who()+" asks for: ward "+string(action)+" "+about) != nil {
		return refused(err)
	}
	caller.Present = true
	return refused(caller.May(action))
}

// greet tells of an agent that was not seen before, once.
func greet(ctx context.Context, caller detect.Caller) {
	host, err := launcher.ThisHost()
	if err != nil || caller.Agent == "" || host.Nested {
		return
	}
	known := detect.Known{Path: filepath.Join(host.State, "known_callers.json")}
	isNew, err := known.See(ctx, caller)
	if err != nil {
		note("%v", err)
	} else if isNew {
		note("seen for the first time: %s (%s)", caller.Who(), caller.Path)
	}
}
