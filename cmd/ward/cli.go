package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"

	"ward/launcher"
)

// cli is the grammar.
type cli struct {
	Run     runCmd     `cmd:"" help:"Run a command confined, with its credentials, behind the guard."`
	Shell   shellCmd   `cmd:"" help:"Run your shell the same way."`
	Set     setCmd     `cmd:"" help:"Store a secret. The value is asked for, or comes on stdin."`
	Get     getCmd     `cmd:"" help:"Read a secret: into the clipboard, or into a variable of a shell."`
	Ls      lsCmd      `cmd:"" help:"List secrets, without their values."`
	Peek    peekCmd    `cmd:"" help:"Show the first characters of a secret."`
	Rm      rmCmd      `cmd:"" help:"Remove a secret."`
	Mv      mvCmd      `cmd:"" help:"Rename a secret."`
	Rotate  rotateCmd  `cmd:"" help:"Give a secret a new value."`
	Check   checkCmd   `cmd:"" help:"Find secrets that have expired, or that something is wrong with."`
	Import  importCmd  `cmd:"" help:"Store what a .env file holds."`
	Export  exportCmd  `cmd:"" help:"Print secrets as a .env file."`
	Load    loadCmd    `cmd:"" help:"Print secrets as exports for a shell to eval."`
	Bundle  bundleCmd  `cmd:"" help:"The same for the secrets of a bundle."`
	Unlock  unlockCmd  `cmd:"" help:"Keep secrets unlocked in this terminal for a while."`
	Lock    lockCmd    `cmd:"" help:"End that."`
	Handoff handoffCmd `cmd:"" name:"__handoff" hidden:"" help:"The part of a hand-off that the shell calls."`
	Guard   guardCmd   `cmd:"" help:"Mask secrets elsewhere: in an agent's tools, a stream, files."`
	Profile profileCmd `cmd:"" help:"Look at profiles."`
	Doctor  doctorCmd  `cmd:"" help:"Show what this machine can enforce."`

	Completion completionCmd `cmd:"" help:"Print the completion of ward's command line for a shell."`
	Version    versionCmd    `cmd:"" help:"Print the version."`
}

// runOnly is the part of the grammar that a launch needs. kong reads the tags of every flag by reflection, and the
// other commands have as many again: a launch does not wait for them.
type runOnly struct {
	Run runCmd `cmd:"" help:"Run a command confined, with its credentials, behind the guard."`
}

// hookOnly is the part that an agent waits for after every tool.
type hookOnly struct {
	Guard struct {
		Hook guardHookCmd `cmd:"" help:"Answer the tool hook of an agent."`
	} `cmd:"" help:"Mask secrets elsewhere."`
}

func grammar(args []string) any {
	if len(args) > 1 && args[0] == "guard" && args[1] == "hook" {
		return &hookOnly{}
	}
	if len(args) > 0 && args[0] == "run" {
		return &runOnly{}
	}
	return &cli{}
}

// exit carries an exit code through kong, whose Context.Run joins errors: only errors.As finds it again.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exit) Unwrap() error { return e.err }

// codeUsage is the exit code of a command line that does not parse. run has its own: nothing ran.
const codeUsage = 2

// begin starts ahead what a launch waits for. A command line that only asks for help or a plan gets nothing.
func begin(args []string) *launcher.Early {
	if len(args) == 0 || args[0] != "run" || os.Getenv("WARD_DRY_RUN") != "" {
		return nil
	}
	credentials := false
	for _, a := range args[1:] {
		if a == "--" {
			break
		}
		if a == "--dry-run" || a == "--help" || a == "-h" {
			return nil
		}
		credentials = credentials || strings.HasPrefix(a, "--env-credential")
	}
	return launcher.Begin(credentials)
}

// stopped is what kong's Exit panics with, since os.Exit belongs to main alone.
type stopped int

func run(args []string) (code int) {
	defer func() {
		if r := recover(); r != nil {
			s, ok := r.(stopped)
			if !ok {
				panic(r)
			}
			code = int(s)
		}
	}()
	early := begin(args)
	defer early.Cancel()
	parser, err := kong.New(grammar(args),
		kong.Name("ward"),
		kong.Description("Starts an agent with the secrets it needs, confines it, and lets none of them out."),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.Exit(func(code int) { panic(stopped(code)) }),
		kong.Writers(os.Stdout, os.Stderr),
		kong.BindTo(os.Stdout, (*io.Writer)(nil)),
		kong.Bind(early),
		kong.TypeMapper(reflect.TypeFor[credentials](), kong.MapperFunc(decodeCredential)),
		kong.TypeMapper(reflect.TypeFor[words](), kong.MapperFunc(decodeWords)),
	)
	if err != nil {
		complain(err)
		return codeUsage
	}
	ctx, err := parser.Parse(args)
	if err != nil {
		if len(args) > 0 && args[0] == "set" && strings.HasPrefix(err.Error(), "unexpected argument") {
			// Not repeated: it may be the value.
			err = launcher.Mistake("set takes one name; the value is never an argument", "ward set KEY asks for it, and --stdin reads it")
		}
		complain(err)
		if len(args) > 0 && (args[0] == "run" || args[0] == "shell") {
			return launcher.ExitLaunch
		}
		return codeUsage
	}
	err = ctx.Run()
	if err == nil {
		return 0
	}
	e, ok := errors.AsType[*exit](err)
	if !ok {
		complain(err)
		return 1
	}
	if e.err != nil {
		complain(e.err)
	}
	return e.code
}
