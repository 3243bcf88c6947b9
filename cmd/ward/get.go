package main

import (
	"context"
	"io"

	"ward/detect"
	"ward/launcher"
	"ward/secrets"
)

type getCmd struct {
	storeFlag
	Key string `arg:"" help:"Name or reference."`
	Raw bool   `help:"Print the value to stdout."`
}

// Help is the example of `ward get --help`.
func (getCmd) Help() string {
	return `ward get acme/api/TOKEN            (at a terminal: to the clipboard, for 30 s)
eval "$(ward get acme/api/TOKEN)"  (into $TOKEN of this shell, unseen)
ward get acme/api/TOKEN --raw | wc -c`
}

// Run is `ward get`. A person at a terminal gets the value into the clipboard; whoever reads stdout gets a line to eval.
func (c *getCmd) Run(stdout io.Writer) error {
	if brokerAddr() != "" {
		return getInside(stdout, c.Key, c.Raw)
	}
	ctx := context.Background()
	s, err := c.open()
	if err != nil {
		return fail(stdout, err)
	}
	ref, err := secrets.ParseRef(c.Key)
	if err != nil {
		return fail(stdout, err)
	}
	action := detect.Get
	if c.Raw {
		action = detect.GetRaw
	}
	caller, err := allowed(ctx, action, ref.String())
	if err != nil {
		return c.fail(stdout, err)
	}
	found, notices, err := s.Read(ctx, []secrets.Ref{ref}, action, caller)
	for _, n := range notices {
		note("%s", n)
	}
	if err != nil {
		return c.fail(stdout, refused(err))
	}
	value := found[ref]
	defer value.Destroy()
	switch {
	case c.Raw:
		return value.Use(func(v []byte) error {
			_, err := stdout.Write(v)
			return err
		})
	case isTerminal(stdout) && caller.Agent == "":
		return toClipboard(ctx, ref, value)
	}
	if err := secrets.CheckVar(ref.Var()); err != nil {
		return fail(stdout, &secrets.Error{Name: ref.String(), Err: err, Fix: "give it another name: ward mv"})
	}
	return handOff(stdout, ref, value, caller)
}

// fail is for whoever evals; --raw is not for that.
func (c *getCmd) fail(stdout io.Writer, err error) error {
	if c.Raw {
		return err
	}
	return fail(stdout, err)
}

func toClipboard(ctx context.Context, ref secrets.Ref, value *secrets.Buffer) error {
	clip, err := launcher.FindClipboard("ward get " + ref.String() + " --raw prints it")
	if err != nil {
		return err
	}
	if err := clip.Write(ctx, value); err != nil {
		return err
	}
	note("%s is in the clipboard for %v", ref, launcher.ClipboardTime)
	return clip.ClearLater(value, launcher.ClipboardTime)
}
