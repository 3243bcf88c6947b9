package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/alecthomas/kong"

	"ward/launcher"
	"ward/profiles"
	"ward/secrets"
)

// runFlags are those of run and shell. Each has a WARD_… twin in the environment, except those that weaken.
type runFlags struct {
	Profile string `short:"p" placeholder:"NAME|PATH" env:"WARD_PROFILE" help:"Profile: built-in, your own, or a file. Default: the one for the command, else \"default\"."`

	Allow     []string `short:"a" aliases:"allow-file" sep:"none" placeholder:"PATH" env:"WARD_ALLOW" help:"Open a directory or file for reading and writing."`
	Read      []string `short:"r" aliases:"read-file" sep:"none" placeholder:"PATH" env:"WARD_READ" help:"Open it for reading."`
	Write     []string `short:"w" aliases:"write-file" sep:"none" placeholder:"PATH" env:"WARD_WRITE" help:"Open it for writing."`
	AllowCWD  bool     `name:"allow-cwd" env:"WARD_ALLOW_CWD" help:"Open the working directory for reading and writing."`
	Deny      []string `sep:"none" placeholder:"PATH" env:"WARD_DENY" help:"Close a path inside what is open."`
	Protect   []string `sep:"none" placeholder:"PATH" env:"WARD_PROTECT" help:"Keep a path from changing."`
	Unprotect []string `sep:"none" placeholder:"PATH" help:"Lift the protection of a path."`
	Workdir   string   `placeholder:"DIR" env:"WARD_WORKDIR" help:"Working directory of the command."`

	EnvCredential    []string    `placeholder:"NAME" env:"WARD_ENV_CREDENTIAL" help:"Secret to put into the variable of its name."`
	EnvCredentialMap credentials `placeholder:"REF VAR" help:"Any reference, and the variable it goes to: two words. WARD_ENV_CREDENTIAL_MAP takes a JSON object."`

	Credential     []string `placeholder:"ROUTE" env:"WARD_CREDENTIAL" help:"Proxy route to enable (needs the credential proxy)."`
	NetworkProfile string   `placeholder:"NAME" env:"WARD_NETWORK_PROFILE" help:"Named set of hosts (needs the credential proxy)."`
	AllowHost      []string `aliases:"allow-domain" placeholder:"HOST" env:"WARD_ALLOW_HOST" help:"Host to reach (needs the credential proxy)."`
	DenyHost       []string `aliases:"deny-domain" placeholder:"HOST" env:"WARD_DENY_HOST" help:"Host not to reach (needs the credential proxy)."`
	AllowPort      []uint16 `placeholder:"N" env:"WARD_ALLOW_PORT" help:"Loopback port to connect to, or port to serve on."`
	BlockNet       bool     `xor:"net" env:"WARD_BLOCK_NET" help:"No network but loopback ports of its own."`
	AllowNet       bool     `xor:"net" env:"WARD_ALLOW_NET" help:"Open network, whatever the profile says."`

	AllowUnixSocket []string          `sep:"none" placeholder:"PATH" env:"WARD_ALLOW_UNIX_SOCKET" help:"Unix socket to connect to; * and /** match."`
	AllowVar        []string          `placeholder:"NAME" env:"WARD_ALLOW_VAR" help:"Variable of the environment to pass on."`
	SetVar          map[string]string `mapsep:"none" placeholder:"K=V" env:"WARD_SET_VAR" help:"Variable to set."`

	Guard         string `enum:",redact,block,warn,off" default:"" placeholder:"redact|block|warn|off" help:"What happens to a secret in the output."`
	CIMask        bool   `name:"ci-mask" env:"WARD_CI_MASK" help:"On GitHub Actions: register the values with the runner's own masker."`
	GuardStored   bool   `env:"WARD_GUARD_STORED" help:"Look for stored secrets that the command was not given too, though their store has to be opened for it."`
	PTY           string `name:"pty" enum:"auto,always,never" default:"auto" env:"WARD_PTY" help:"Give the command a terminal: ${enum}."`
	DryRun        bool   `env:"WARD_DRY_RUN" help:"Print what would be done, and why, and stop."`
	JSON          bool   `name:"json" env:"WARD_JSON" help:"With --dry-run: print it as JSON."`
	AllowDegraded bool   `help:"Go on where this kernel cannot enforce a layer."`
	AuditLog      string `placeholder:"PATH|-" env:"WARD_AUDIT_LOG" help:"Write the audit record there."`
	NoAudit       bool   `help:"Write no audit record."`
	Silent        bool   `env:"WARD_SILENT" help:"Print nothing of ward's own but errors and what was masked."`
	Verbose       bool   `short:"v" env:"WARD_VERBOSE" help:"Say more."`
}

type runCmd struct {
	runFlags
	Argv words `arg:"" optional:"" passthrough:"partial" name:"command" help:"The command and its arguments."`
}

// Help is the example of `ward run --help`.
func (runCmd) Help() string {
	return `ward run --allow-cwd --env-credential github_token -- sh -c 'git push'
ward run -p claude --allow-cwd -- claude
ward run --allow-cwd --env-credential-map op://Work/API/key API_KEY -- make deploy`
}

// Run is `ward run`.
func (c *runCmd) Run(stdout io.Writer, e *launcher.Early) error {
	argv := c.Argv
	if len(argv) > 0 && argv[0] == "--" {
		argv = argv[1:]
	}
	return c.launch(stdout, e, argv)
}

type shellCmd struct {
	runFlags
}

// Help is the example of `ward shell --help`.
func (shellCmd) Help() string { return "ward shell --allow-cwd" }

// Run is `ward shell`.
func (c *shellCmd) Run(stdout io.Writer, e *launcher.Early) error {
	return c.launch(stdout, e, []string{cmp.Or(os.Getenv("SHELL"), "/bin/sh")})
}

func (f *runFlags) launch(stdout io.Writer, e *launcher.Early, argv []string) error {
	plan, err := f.plan(argv)
	if err != nil {
		return &exit{commandCode(err), err}
	}
	switch {
	case f.DryRun && f.JSON:
		return printJSON(stdout, plan)
	case f.DryRun:
		return plan.WriteText(stdout)
	}
	if err := plan.RecordAt(f.AuditLog); err != nil {
		return &exit{launcher.ExitLaunch, err}
	}
	code, err := plan.Run(launcher.RunOptions{
		Silent: f.Silent, Verbose: f.Verbose, AuditLog: f.AuditLog, NoAudit: f.NoAudit, Early: e,
	})
	if code == 0 && err == nil {
		return nil
	}
	return &exit{code, err}
}

func (f *runFlags) plan(argv []string) (*launcher.Plan, error) {
	host, err := launcher.ThisHost()
	if err != nil {
		return nil, err
	}
	if len(argv) == 0 {
		return nil, launcher.Mistake("no command", "ward run [flags] -- COMMAND [ARG…]")
	}
	profile, err := profiles.Load(cmp.Or(f.Profile, profiles.Select(argv[0])), host.Config)
	if err != nil {
		return nil, err
	}
	f.proxied(profile)
	options, err := f.options(argv)
	if err != nil {
		return nil, err
	}
	return launcher.NewPlan(profile, options, host)
}

// proxied puts the flags that only the proxy can enforce into the profile, where they are refused with their reason.
func (f *runFlags) proxied(p *profiles.Profile) {
	n := &p.Network
	for _, name := range f.Credential {
		n.Credentials = append(n.Credentials, profiles.NameRule{Name: name, Why: profiles.Why{File: "--credential"}})
	}
	if f.NetworkProfile != "" {
		n.NetworkProfile, n.NetworkProfileWhy = f.NetworkProfile, profiles.Why{File: "--network-profile"}
	}
	for _, host := range f.AllowHost {
		n.AllowHosts = append(n.AllowHosts, profiles.HostRule{Host: host, Why: profiles.Why{File: "--allow-host"}})
	}
	for _, host := range f.DenyHost {
		n.DenyHosts = append(n.DenyHosts, profiles.HostRule{Host: host, Why: profiles.Why{File: "--deny-host"}})
	}
}

func (f *runFlags) options(argv []string) (launcher.Options, error) {
	o := launcher.Options{
		Argv: argv, ByName: f.Profile == "" && profiles.Select(argv[0]) != "default", WorkDir: f.Workdir,
		Allow: absolute(f.Allow), Read: absolute(f.Read), Write: absolute(f.Write), Deny: absolute(f.Deny),
		Protect: absolute(f.Protect), Unprotect: absolute(f.Unprotect), AllowCWD: f.AllowCWD,
		AllowVars: f.AllowVar, SetVars: f.SetVar, AllowPorts: f.AllowPort, AllowUnixSockets: absolute(f.AllowUnixSocket),
		BlockNet: f.BlockNet, OpenNet: f.AllowNet, Guard: f.Guard, GuardStored: f.GuardStored,
		CIMask: f.CIMask, PTY: f.PTY, AllowDegraded: f.AllowDegraded,
	}
	for _, list := range []struct {
		flag  string
		paths []string
	}{
		{"--allow", f.Allow}, {"--read", f.Read}, {"--write", f.Write}, {"--deny", f.Deny}, {"--protect", f.Protect}, {"--unprotect", f.Unprotect},
		{"--allow-unix-socket", f.AllowUnixSocket},
	} {
		if slices.Contains(list.paths, "") { // "$UNSET" does not mean the working directory
			return o, launcher.Mistake(list.flag+": the path is empty", "name a path, or leave it out, and its WARD_ variable too")
		}
	}
	for _, path := range slices.Concat(f.Deny, f.Protect) {
		if strings.ContainsRune(path, utf8.RuneError) { // kong's: see words. It would close a path that is not there
			return o, launcher.Mistake("--deny, --protect: "+path+": the path is not valid UTF-8", "close the directory that it is in")
		}
	}
	for _, name := range f.EnvCredential {
		ref, err := secrets.ParseRef(name)
		if err != nil {
			return o, err
		}
		o.Credentials = append(o.Credentials, launcher.Credential{Ref: ref, Var: ref.Var(), Why: "--env-credential"})
	}
	fromEnv, err := envCredentialMap(os.Getenv("WARD_ENV_CREDENTIAL_MAP"))
	if err != nil {
		return o, err
	}
	for _, c := range append(fromEnv, f.EnvCredentialMap...) {
		o.Credentials = append(o.Credentials, launcher.Credential{Ref: c.ref, Var: c.variable, Why: "--env-credential-map"})
	}
	return o, nil
}

// absolute makes the paths of flags independent of --workdir: they mean what they mean where they are typed.
func absolute(paths []string) []string {
	wd, err := os.Getwd()
	if err != nil {
		return paths
	}
	out := slices.Clone(paths)
	for i, path := range out {
		if !filepath.IsAbs(path) && !strings.HasPrefix(path, "~") && !strings.HasPrefix(path, "$") {
			out[i] = filepath.Join(strings.ReplaceAll(wd, "$", "$$"), path) // a name, and no variable in it
		}
	}
	return out
}

// commandCode gives a plan's error its exit code: a command that does not exist is told apart from all else.
func commandCode(err error) int {
	if all := launcher.Parts(err); len(all) == 1 {
		if c, ok := all[0].(*launcher.CommandError); ok && c.Missing {
			return 127
		} else if ok {
			return 126
		}
	}
	return launcher.ExitLaunch
}

// words are passed on byte for byte: kong's own decoding of strings goes through JSON, which replaces what is not UTF-8.
type words []string

func decodeWords(ctx *kong.DecodeContext, target reflect.Value) error {
	for _, token := range ctx.Scan.PopWhile(func(t kong.Token) bool { return t.IsValue() }) {
		word, ok := token.Value.(string)
		if !ok {
			return fmt.Errorf("unexpected %s", token)
		}
		target.Set(reflect.Append(target, reflect.ValueOf(word)))
	}
	return nil
}

// credential is one --env-credential-map: two words.
type credential struct {
	ref      secrets.Ref
	variable string
}

// credentials is a type of its own, since kong gives the elements of a plain slice one word each.
type credentials []credential

// decodeCredential reads two words from the command line.
func decodeCredential(ctx *kong.DecodeContext, target reflect.Value) error {
	var words [2]string
	for i, name := range []string{"REF", "VAR"} {
		token := ctx.Scan.Pop()
		word, ok := token.Value.(string)
		if token.IsEOL() || !ok {
			return fmt.Errorf("expected two words, REF and VAR: %s is missing", name)
		}
		words[i] = word
	}
	c, err := newCredential(words[0], words[1])
	if err != nil {
		return err
	}
	target.Set(reflect.Append(target, reflect.ValueOf(c)))
	return nil
}

func newCredential(text, variable string) (credential, error) {
	ref, err := secrets.ParseRef(text)
	if err != nil {
		return credential{}, err
	}
	if !profiles.IsVariable(variable) {
		// Not repeated: whoever swaps the two words may have put a secret here.
		return credential{}, launcher.Mistake(ref.String()+": the second word is not a variable's name", "letters, digits and _, not a digit first")
	}
	return credential{ref, variable}, nil
}

// envCredentialMap reads the flag's twin: {"REF": "VAR", …}.
func envCredentialMap(text string) ([]credential, error) {
	if text == "" {
		return nil, nil
	}
	var pairs map[string]string
	if err := json.Unmarshal([]byte(text), &pairs); err != nil {
		return nil, launcher.Mistake("WARD_ENV_CREDENTIAL_MAP: not a JSON object of references and variables", `WARD_ENV_CREDENTIAL_MAP='{"env://DEMO": "TOKEN"}'`)
	}
	var list []credential
	for _, ref := range slices.Sorted(maps.Keys(pairs)) {
		c, err := newCredential(ref, pairs[ref])
		if err != nil {
			return nil, fmt.Errorf("WARD_ENV_CREDENTIAL_MAP: %w", err)
		}
		list = append(list, c)
	}
	return list, nil
}
