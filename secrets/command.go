package secrets

import (
	"context"
	"errors"
	"strings"
	"time"
)

// Command is a program that prints one secret.
type Command struct {
	Argv    []string      // a name in PATH or an absolute path, and its arguments
	Timeout time.Duration // 0: the Runner's
}

// Commands reads cmd://NAME: what the command of that name prints, less one
// newline at the end ("\n" or "\r\n"), as of a file. How it came to its value,
// and whom it asked, is its own.
type Commands struct {
	*Runner
	Declared map[string]Command
}

// Fetch runs the command.
func (c Commands) Fetch(ctx context.Context, name string) (*Buffer, error) {
	if _, err := ParseRef("cmd://" + name); err != nil {
		return nil, err
	}
	command, ok := c.Declared[name]
	if !ok || len(command.Argv) == 0 {
		return nil, &Error{Name: name, Where: "the profile's credential_capture", Err: ErrNotFound,
			Fix: `declare it: "credential_capture": {"` + name + `": {"command": ["PROGRAM", "ARGUMENT"]}}`}
	}
	program := command.Argv[0]
	where := "the command " + program
	a, err := c.run(ctx, job{argv: command.Argv, timeout: command.Timeout})
	if err != nil {
		e := failed(name, where, program, "install it, or write its absolute path into the profile", err)
		if errors.Is(err, context.DeadlineExceeded) {
			e.Fix = `give it longer: "timeout" in credential_capture`
		}
		return nil, e
	}
	defer a.said.Destroy()
	e := &Error{Name: name, Where: where, Fix: "see what it says: " + commandLine(command.Argv) + " >/dev/null"}
	if err := a.ended(); err != nil {
		a.value.Destroy()
		e.Err = err
		return nil, e
	}
	a.value.chomp()
	if a.value.Len() == 0 {
		a.value.Destroy()
		e.Err = errors.New("it printed nothing")
		return nil, e
	}
	return a.value, nil
}

// commandLine writes a list of words as a person types it.
func commandLine(argv []string) string {
	words := make([]string, len(argv))
	for i, word := range argv {
		words[i] = pasteable(word)
	}
	return strings.Join(words, " ")
}
