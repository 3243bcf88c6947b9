package main

import (
	"context"
	"errors"
	"time"

	"ward/detect"
	"ward/launcher"
	"ward/secrets"
)

type rmCmd struct {
	storeFlag
	Key string `arg:"" help:"Name of the secret."`
}

// Help is the example of `ward rm --help`.
func (rmCmd) Help() string { return "ward rm github_token" }

// Run is `ward rm`.
func (c *rmCmd) Run() error {
	ctx := context.Background()
	s, _, err := c.begin(ctx, detect.Remove, c.Key)
	if err != nil {
		return err
	}
	keep := s.Keep(ctx)
	if err := keep.Delete(ctx, c.Key); err != nil {
		return err
	}
	note("removed %s from the %s", c.Key, keep.Name)
	return nil
}

type mvCmd struct {
	storeFlag
	Old string `arg:"" help:"Name of the secret."`
	New string `arg:"" help:"Its new name, which must be free."`
}

// Help is the example of `ward mv --help`.
func (mvCmd) Help() string { return "ward mv github_token acme/ci/GITHUB_TOKEN" }

// Run is `ward mv`.
func (c *mvCmd) Run() error {
	ctx := context.Background()
	s, _, err := c.begin(ctx, detect.Move, c.Old, c.New)
	if err != nil {
		return err
	}
	keep := s.Keep(ctx)
	if err := keep.Rename(ctx, c.Old, c.New); err != nil {
		if e, ok := errors.AsType[*secrets.Error](err); ok && errors.Is(err, secrets.ErrExists) {
			return launcher.Mistake(e.Error(), "nothing was changed; ward rm "+c.New+" makes room")
		}
		return err
	}
	note("renamed %s to %s in the %s", c.Old, c.New, keep.Name)
	return nil
}

type rotateCmd struct {
	storeFlag
	Key string `arg:"" help:"Name of the secret."`
	valueFlags
	Expires string `placeholder:"DATE" help:"When the new value expires: 2030-12-31, or 90d."`
}

// Help is the example of `ward rotate --help`.
func (rotateCmd) Help() string { return "ward rotate acme/api/TOKEN --expires 90d" }

// Run is `ward rotate`: it tells where a new value is made, reads it, and lets go of the old one when the new one was
// read back.
func (c *rotateCmd) Run() error {
	ctx := context.Background()
	s, _, err := c.begin(ctx, detect.Rotate, c.Key)
	if err != nil {
		return err
	}
	keep := s.Keep(ctx)
	if has, err := keep.Has(ctx, c.Key); err != nil {
		return err
	} else if !has {
		return &secrets.Error{Name: c.Key, Where: "the " + keep.Name, Err: secrets.ErrNotFound, Fix: "ward set " + c.Key}
	}
	meta, _, err := keep.Index.Get(c.Key)
	if err != nil {
		return err
	}
	change, err := metaFlags{Expires: c.Expires}.change(c.Key)
	if err != nil {
		return err
	}
	if meta.Rotate != "" {
		note("%s is renewed at %s", c.Key, meta.Rotate)
	}
	value, err := c.read(ctx, c.Key, "New value of "+c.Key)
	if err != nil {
		return err
	}
	defer value.Destroy()
	err = keep.Rotate(ctx, c.Key, value, func(m *secrets.Meta) error {
		if c.Expires == "" {
			m.Expires = time.Time{} // it was the old value's
		}
		return change(m)
	})
	if err != nil {
		return err
	}
	note("rotated %s in the %s", c.Key, keep.Name)
	if c.Expires == "" && !meta.Expires.IsZero() {
		note("the old value's date of expiry went with it; --expires says when the new one does")
	}
	unguarded(c.Key, value)
	return nil
}
