package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"ward/detect"
	"ward/launcher"
	"ward/launcher/broker"
	"ward/launcher/session"
	"ward/secrets"
)

// codeRefused is the exit code of what is refused by policy, not by a mistake.
const codeRefused = 77

// stores opens the places of secrets for a command that a person types. Inside a launch there are none: the keyring
// and the vault are out of reach there, and saying so beats "not found".
func stores() (*launcher.Stores, error) {
	host, err := launcher.ThisHost()
	if err != nil {
		return nil, err
	}
	if host.Nested {
		return nil, &exit{codeRefused, launcher.Mistake("secrets: out of reach inside a launch", "run this outside; a launch gets its secrets from its profile")}
	}
	s, err := launcher.OpenStores(nil)
	if err != nil {
		return nil, err
	}
	s.Keyring.Notice = func(text string) { note("%s", text) }
	return s, nil
}

type setCmd struct {
	Key   string `arg:"" help:"Name, for example org/project/KEY."`
	Stdin bool   `help:"Read the value from stdin; one trailing newline is cut off."`
}

// Help is the example of `ward set --help`.
func (setCmd) Help() string {
	return "ward set github_token\npass show github | ward set github_token --stdin"
}

// Run is `ward set`.
func (c *setCmd) Run() error {
	s, err := stores()
	if err != nil {
		return err
	}
	if err := bareName(c.Key); err != nil {
		return err
	}
	ctx := context.Background()
	value, err := c.value()
	if err != nil {
		return err
	}
	defer value.Destroy()
	if value.Len() == 0 {
		return launcher.Mistake("secret "+c.Key+": the value is empty", "nothing was stored")
	}
	choice := s.Default(ctx)
	fresh := choice.Name == "vault" && !s.Vault.Exists()
	if err := choice.Store.Put(ctx, c.Key, value); err != nil {
		return err
	}
	if fresh {
		note("made a vault in %s, since there is no keyring here; its passphrase opens it", s.Vault.Dir)
	}
	note("stored %s in the %s", c.Key, choice.Name)
	return nil
}

func (c *setCmd) value() (*secrets.Buffer, error) {
	if !c.Stdin {
		value, err := launcher.AskSecret(c.Key, false)
		if err != nil {
			return nil, launcher.Mistake("secret "+c.Key+": there is no terminal to ask at", "--stdin reads the value from stdin")
		}
		return value, nil
	}
	all, err := secrets.ReadBuffer(os.Stdin, secrets.MaxValue)
	if err != nil {
		return nil, err
	}
	defer all.Destroy()
	size := all.Len()
	all.Use(func(v []byte) error {
		if size > 0 && v[size-1] == '\n' {
			size--
		}
		return nil
	})
	value, err := secrets.NewBuffer(size)
	if err != nil {
		return nil, err
	}
	err = all.Use(func(from []byte) error {
		return value.Use(func(to []byte) error { copy(to, from); return nil })
	})
	return value, err
}

// bareName refuses references where a name is wanted.
func bareName(key string) error {
	ref, err := secrets.ParseRef(key)
	if err != nil {
		return err
	}
	if ref.Scheme != "" {
		return launcher.Mistake(key+": is a reference, and a name is wanted", "ward writes to its own store only; use the other program for its own")
	}
	return nil
}

type getCmd struct {
	Key string `arg:"" help:"Name or reference."`
	Raw bool   `help:"Print the value to stdout."`
}

// Help is the example of `ward get --help`.
func (getCmd) Help() string { return "ward get github_token --raw | wc -c" }

// Run is `ward get`. Without --raw it prints a line that a shell evals, which holds no value.
func (c *getCmd) Run(stdout io.Writer) error {
	if brokerAddr() != "" {
		return getInside(stdout, c.Key, c.Raw)
	}
	caller, err := session.Caller()
	if err != nil {
		return err
	}
	action := detect.Get
	if c.Raw {
		action = detect.GetRaw
	}
	if err := caller.May(action); err != nil {
		return refused(err)
	}
	ref, err := secrets.ParseRef(c.Key)
	if err != nil {
		return err
	}
	value, err := fetch(ref, action, caller)
	if err != nil && !c.Raw {
		return fail(stdout, err)
	} else if err != nil {
		return err
	}
	defer value.Destroy()
	if !c.Raw {
		return handOff(stdout, ref, value, caller)
	}
	return value.Use(func(v []byte) error {
		_, err := stdout.Write(v)
		return err
	})
}

// fetch reads a secret out of the terminal's session, else where it is stored.
func fetch(ref secrets.Ref, action detect.Action, caller detect.Caller) (*secrets.Buffer, error) {
	if ref.Scheme == "" {
		value, err := launcher.FromSession(ref.Path, action, caller)
		if refusal := (*broker.Refusal)(nil); err == nil || errors.As(err, &refusal) {
			return value, refused(err)
		}
	}
	s, err := stores()
	if err != nil {
		return nil, err
	}
	found, err := s.Resolver().Resolve(context.Background(), []secrets.Ref{ref})
	if err != nil {
		return nil, err
	}
	return found[ref], nil
}

type lsCmd struct {
	Prefix string `arg:"" optional:"" help:"Only names that begin with it."`
	JSON   bool   `name:"json" help:"Print a JSON array."`
}

// Help is the example of `ward ls --help`.
func (lsCmd) Help() string { return "ward ls acme/" }

// Run is `ward ls`.
func (c *lsCmd) Run(stdout io.Writer) error {
	s, err := stores()
	if err != nil {
		return err
	}
	ctx := context.Background()
	all, err := s.Default(ctx).Store.List(ctx)
	if err != nil {
		return err
	}
	names := []string{}
	for _, name := range all {
		if strings.HasPrefix(name, c.Prefix) {
			names = append(names, name)
		}
	}
	if c.JSON {
		return json.NewEncoder(stdout).Encode(names)
	}
	for _, name := range names {
		if _, err := fmt.Fprintln(stdout, clean(name)); err != nil {
			return err
		}
	}
	return nil
}

type rmCmd struct {
	Key string `arg:"" help:"Name of the secret."`
}

// Help is the example of `ward rm --help`.
func (rmCmd) Help() string { return "ward rm github_token" }

// Run is `ward rm`.
func (c *rmCmd) Run() error {
	s, err := stores()
	if err != nil {
		return err
	}
	if err := bareName(c.Key); err != nil {
		return err
	}
	ctx := context.Background()
	choice := s.Default(ctx)
	if err := choice.Store.Delete(ctx, c.Key); err != nil {
		return err
	}
	note("removed %s from the %s", c.Key, choice.Name)
	return nil
}
