package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"ward/detect"
	"ward/launcher"
	"ward/launcher/broker"
	"ward/launcher/session"
	"ward/profiles"
	"ward/secrets"
)

// refused gives an error that is a refusal its exit code.
func refused(err error) error {
	var r *broker.Refusal
	var d *detect.Refusal
	if errors.As(err, &d) || errors.As(err, &r) && r.Policy {
		return &exit{codeRefused, err}
	}
	return err
}

// brokerAddr is the launch's broker, "" outside a launch.
func brokerAddr() string { return os.Getenv("WARD_BROKER") }

// getInside is `ward get` inside a launch: the line that a shell evals to ask the broker. The broker is asked already
// whether it would give the secret, so that what is refused is said here and not in the middle of a script.
func getInside(stdout io.Writer, name string, raw bool) error {
	caller, err := session.Caller()
	if err != nil {
		return err
	}
	caller.Inside = true
	action := detect.Get
	if raw {
		action = detect.GetRaw
	}
	if err := caller.May(action); err != nil {
		return refused(err)
	}
	ref, err := secrets.ParseRef(name)
	if err != nil {
		return fail(stdout, err)
	}
	c, err := broker.Dial(brokerAddr())
	if err != nil {
		return fail(stdout, err)
	}
	defer c.Close()
	if err := c.Has(context.Background(), name); err != nil {
		return fail(stdout, refused(err))
	}
	self, err := os.Executable()
	if err != nil {
		return fail(stdout, err)
	}
	return line(stdout, name, session.BrokerLine(self, name, ref.Var()))
}

// handOff prints the line that a shell evals to get a value, outside a launch: it sources a script that works once.
func handOff(stdout io.Writer, ref secrets.Ref, value *secrets.Buffer, caller detect.Caller) error {
	bound, err := session.Shell(caller)
	if err != nil {
		return fail(stdout, err)
	}
	self, err := os.Executable()
	if err != nil {
		return fail(stdout, err)
	}
	script, err := session.HandOff{Var: ref.Var(), Ward: self, Bound: bound}.Prepare(value)
	if err != nil {
		return fail(stdout, fmt.Errorf("secret %s: %w", ref, err))
	}
	return line(stdout, ref.String(), session.Line(script))
}

// line prints what a shell evals. At a terminal it would only be shown.
func line(stdout io.Writer, name, text string) error {
	if isTerminal(stdout) {
		note(`eval "$(ward get %s)" puts it into a variable of this shell`, name)
		return nil
	}
	_, err := fmt.Fprintln(stdout, text)
	return err
}

// fail has the shell that evals the output notice: eval of nothing succeeds.
func fail(stdout io.Writer, err error) error {
	if err != nil && !isTerminal(stdout) {
		fmt.Fprintln(stdout, "false")
	}
	return err
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && launcher.IsTerminal(f)
}

// handoffCmd is the part of a hand-off that the shell calls. It prints a value, which the shell reads into a variable, and
// a dot, so that no newline at the end is lost.
type handoffCmd struct {
	Broker bool   `help:"Ask the launch's broker; the first word is a secret's name."`
	From   string `arg:"" help:"Directory of the hand-off."`
	Var    string `arg:"" help:"Variable."`
}

// Run is `ward __handoff`.
func (c *handoffCmd) Run(stdout io.Writer) error {
	if !profiles.IsVariable(c.Var) {
		return launcher.Mistake("the second word is not a variable's name", "ward get prints the line that calls this")
	}
	if isTerminal(stdout) {
		return &exit{codeRefused, launcher.Mistake("a value is not shown", `eval "$(ward get KEY)" puts it into a variable`)}
	}
	value, err := c.value()
	if err != nil {
		return refused(err)
	}
	defer value.Destroy()
	// Not before: whoever gave it wanted to see which program asks.
	if _, err := launcher.Hide(); err != nil {
		return err
	}
	err = value.Use(func(v []byte) error { _, err := stdout.Write(v); return err })
	if err != nil {
		return err
	}
	_, err = io.WriteString(stdout, ".")
	return err
}

func (c *handoffCmd) value() (*secrets.Buffer, error) {
	if !c.Broker {
		return session.Receive(c.From, c.Var, os.Stdin)
	}
	client, err := broker.Dial(brokerAddr())
	if err != nil {
		return nil, err
	}
	defer client.Close()
	return client.Get(context.Background(), c.From)
}
