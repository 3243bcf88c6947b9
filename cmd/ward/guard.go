package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"ward/guard"
	"ward/launcher"
	"ward/launcher/broker"
)

type guardCmd struct {
	Hook      guardHookCmd      `cmd:"" help:"Answer the tool hook of an agent: what its tools print is masked before its model sees it."`
	Filter    guardFilterCmd    `cmd:"" help:"Mask stored secrets in a stream."`
	Scan      guardScanCmd      `cmd:"" help:"Look for stored secrets in files."`
	Install   guardInstallCmd   `cmd:"" help:"Add the tool hook to an agent's settings."`
	Uninstall guardUninstallCmd `cmd:"" help:"Take it out again."`
}

// Help is the example of `ward guard --help`.
func (guardCmd) Help() string {
	return "ward guard install claude\nward guard scan .\nmake deploy 2>&1 | ward guard filter"
}

type guardHookCmd struct {
	Agent   string `enum:",claude,codex,gemini,cursor" default:"" placeholder:"claude|codex|gemini|cursor" help:"Whose hook this is. Default: told from what it sends."`
	OnError string `enum:"stop,pass" default:"stop" help:"What happens to output that cannot be checked: ${enum}."`
	Launch  bool   `help:"Ask the launch around it and nobody else: of a hook that ward run added."`

	Within time.Duration `default:"45s" help:"How long the check may take before it counts as one that cannot be made."`
}

// Help is the example of `ward guard hook --help`.
func (guardHookCmd) Help() string {
	return "ward guard install claude writes it into the settings; it reads one JSON object on stdin and prints one, or nothing"
}

// maxPayload bounds what an agent sends, in bytes: as much as a broker takes.
const maxPayload = broker.MaxPayload

// Run is `ward guard hook`.
func (c *guardHookCmd) Run(stdout io.Writer) error {
	environ, err := launcher.Hide() // what comes may hold secrets
	if err != nil {
		return &exit{2, err}
	}
	// Agents wait for a minute, and some go on then as if there was no hook.
	ctx, stop := context.WithTimeout(context.Background(), c.Within)
	defer stop()
	answer := c.answer(guard.Hook{Agent: guard.Agent(c.Agent), Open: c.OnError == "pass", Mask: func(text []byte) ([]byte, error) {
		switch {
		case brokerAddr() != "":
			return maskInside(ctx, text)
		case c.Launch, launcher.Inside(): // where the store is out of reach, and would seem to have nothing in it
			return nil, errors.New("WARD_BROKER is not set, and nobody else knows the secrets of this launch")
		}
		return maskStored(ctx, text, environ)
	}})
	if len(answer.Stdout) > 0 {
		if _, err := stdout.Write(append(answer.Stdout, '\n')); err != nil {
			return &exit{code: 2, err: err}
		}
	}
	if answer.Stderr != "" {
		fmt.Fprintln(os.Stderr, launcher.Clean(answer.Stderr))
	}
	if answer.Code != 0 {
		return &exit{code: answer.Code}
	}
	return nil
}

// answer reads the payload. What is too much of it is read to its end: an agent that cannot write takes the hook for one
// that failed.
func (c *guardHookCmd) answer(hook guard.Hook) guard.Answer {
	payload, err := io.ReadAll(io.LimitReader(os.Stdin, maxPayload+1))
	if err == nil && len(payload) > maxPayload {
		_, err = io.Copy(io.Discard, os.Stdin)
		err = cmp.Or(err, fmt.Errorf("the payload has more than %d bytes", maxPayload))
	}
	if err != nil {
		return hook.Unchecked(err)
	}
	return hook.Answer(payload)
}

// maskInside asks the launch, which alone knows its secrets.
func maskInside(ctx context.Context, text []byte) ([]byte, error) {
	c, err := broker.Dial(brokerAddr())
	if err != nil {
		return nil, fmt.Errorf("ward's launch does not answer: %w", err)
	}
	defer c.Close()
	return c.Mask(ctx, text)
}

// maskStored reads the default store for one text: this process ends right after.
func maskStored(ctx context.Context, text []byte, environ io.ReaderAt) ([]byte, error) {
	key, err := guard.NewKey()
	if err != nil {
		return nil, err
	}
	stored, err := launcher.ReadStored(ctx, key, environ)
	if err != nil {
		return nil, err
	}
	if stored.Unread != "" {
		return nil, fmt.Errorf("%s", stored.Unread)
	}
	g := stored.Guard(key)
	defer g.Wipe()
	return guard.MaskJSON(g, text)
}

type guardFilterCmd struct {
	NoAsk bool `help:"Ask nobody to open the store; where it is locked, end with 1."`
}

// Help is the example of `ward guard filter --help`.
func (guardFilterCmd) Help() string { return "make test 2>&1 | ward guard filter > test.log" }

// Run is `ward guard filter`.
func (c *guardFilterCmd) Run(stdout io.Writer) error {
	key, stored, err := storedPrints(!c.NoAsk)
	if err != nil {
		return err
	}
	g, report := guard.New(key, stored.Prints, guard.Options{})
	defer g.Wipe()
	for _, u := range report.Unguarded {
		note("%s %s: it is not masked", u.Name, u.Why)
	}
	err = launcher.Filter(os.Stdin, stdout, g)
	for _, hit := range g.Stats() {
		note("masked %s %s", hit.Name, launcher.Times(hit.Count))
	}
	return err
}

// storedPrints fetches the fingerprints of what is stored. Where not all can be had there is an error: to look for some
// and say nothing was found would be worse than not to look.
func storedPrints(ask bool) (guard.Key, launcher.Stored, error) {
	key, err := guard.NewKey()
	if err != nil {
		return key, launcher.Stored{}, err
	}
	if launcher.Inside() {
		return key, launcher.Stored{}, &exit{codeRefused, launcher.Mistake("stored secrets: out of reach inside a launch", "what is printed here goes through the launch's guard")}
	}
	environ, err := launcher.Hide() // the stream or the files may hold secrets
	if err != nil {
		return key, launcher.Stored{}, err
	}
	stored, err := launcher.FetchStored(key, ask, environ)
	if err == nil && stored.Unread != "" {
		err = launcher.Mistake(stored.Unread, "unlock the store; the vault takes WARD_VAULT_PASSPHRASE_FILE too")
	}
	return key, stored, err
}
