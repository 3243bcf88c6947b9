package launcher

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ward/profiles"
	"ward/sandbox"
)

// Plan is one launch, decided: what will run, with what, and why. It is printed by --dry-run and run by [Plan.Run].
type Plan struct {
	Profile string   // the name it was asked for by
	Sources []string // the files that went into it, parents first
	Path    string   // of the command, absolute
	Argv    []string
	Dir     string

	Policy      sandbox.Policy
	Environment []Variable
	Credentials []Credential
	Guard       string   // redact, block, warn, off
	Exempt      []string // credentials, by reference or variable, that the guard does not look for
	Logins      []string // files whose content it looks for as well
	CIMask      bool     // tell the values to the runner of GitHub Actions
	Stored      string   // whether it looks for stored secrets that the launch does not use
	Terminal    Terminal
	Warnings    []string

	create []creation
	absent []string // protected paths that are not there: a mount covers what is, so the command may make them
	wipe   []string // variables of ward's own environment that are overwritten once the resolver has read them
	tokens []string // such variables that the resolver's programs get: see opensStore
	own    []string
	state  string   // ward's directory of what it remembers
	shared []string // the project, in which an earlier launch may have left links: see project
	links  links
}

// Variable is one of the command's environment that is no secret.
type Variable struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Why   string `json:"why,omitempty"`
}

// Terminal says how the command's descriptors are connected.
type Terminal struct {
	// PTY says which of stdin, stdout and stderr are a terminal inside.
	PTY [3]bool
	// Raw: ward's terminal is raw while the command runs, and every key goes to the terminal inside, which does
	// what the terminal outside would do. Only if stdin and stdout are both the terminal and ward is in front.
	Raw bool
}

// creation is something that a profile wants to be there before the launch.
type creation struct{ path, kind string }

// NewPlan decides. It starts nothing and changes nothing. Its errors are joined, each with what is wrong first.
func NewPlan(p *profiles.Profile, o Options, h Host) (*Plan, error) {
	dir, err := workdir(o, h)
	if err != nil {
		return nil, err
	}
	merged, err := profiles.Merge(p, o.profile(dir)).Expand(h.vars(dir))
	if err != nil {
		return nil, err
	}
	plan := &Plan{Profile: p.Meta.Name, Dir: dir, own: h.Own, state: h.State, shared: project(dir, h.WorkDir)}
	slices.Sort(plan.shared)
	plan.shared = slices.Compact(plan.shared)
	plan.Policy.Nested = h.Nested
	for _, s := range merged.Sources {
		plan.Sources = append(plan.Sources, s.Name)
	}
	var wrong []error
	add := func(err error) {
		if err != nil {
			wrong = append(wrong, err)
		}
	}
	if o.AllowCWD && (sandbox.Within(h.Home, dir) || sandbox.Within(h.realHome(), dir)) {
		add(Mistake("--allow-cwd: "+dir+" holds the home directory", "run ward in a project's directory, or name one with --workdir"))
	}
	add(plan.network(merged))
	add(plan.environment(merged, h))
	add(plan.command(merged, o, h))
	add(plan.files(merged, h))
	add(plan.sockets(merged))
	add(plan.workdirLinks(o, h))
	plan.guard(merged, o, h)
	plan.client(h)
	plan.hook(h)
	plan.ciMask(o, h)
	add(plan.terminal(o, h))
	if o.AllowDegraded {
		plan.Policy.Accept = []string{"all"}
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	return plan, nil
}

func workdir(o Options, h Host) (string, error) {
	dir := o.workdir(h)
	resolved, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", Mistake("--workdir "+dir+": "+reason(err), "name a directory that exists")
	}
	if info, err := os.Stat(resolved); err != nil || !info.IsDir() {
		return "", Mistake("--workdir "+dir+": not a directory", "name a directory that exists")
	}
	return resolved, nil
}

// workdir is the working directory as it was named.
func (o Options) workdir(h Host) string {
	if filepath.IsAbs(o.WorkDir) {
		return o.WorkDir
	}
	return filepath.Join(h.WorkDir, o.WorkDir)
}

// workdirLinks refuses rules for the working directory where that was named by a link that the command may exchange, or by
// --workdir and one in the project that leads out of it, as settle does for other grants.
func (p *Plan) workdirLinks(o Options, h Host) error {
	named := o.workdir(h)
	rest := sandbox.Policy{Rules: slices.DeleteFunc(slices.Clone(p.Policy.Rules), func(r sandbox.Rule) bool {
		return r.Access != 0 && r.Why != theCommand && sandbox.Within(r.Path, p.Dir)
	})}
	if named == p.Dir || len(rest.Rules) == len(p.Policy.Rules) {
		return nil
	}
	var places []string
	if o.WorkDir != "" {
		places = project(h.WorkDir)
	}
	if _, links := follow(named); planted(rest, places, links, p.Dir) {
		return misled("working directory "+named, p.Dir)
	}
	return nil
}

// profile writes the flags as a profile that is merged over the real one: a flag is the last child.
func (o Options) profile(dir string) *profiles.Profile {
	p := &profiles.Profile{Extends: []profiles.NameRule{}}
	paths := func(to *[]profiles.PathRule, flag string, list []string) {
		for _, path := range list {
			*to = append(*to, profiles.PathRule{Path: path, Why: profiles.Why{File: flag}})
		}
	}
	f := &p.Filesystem
	paths(&f.Allow, "--allow", o.Allow)
	if o.AllowCWD {
		paths(&f.Allow, "--allow-cwd", []string{strings.ReplaceAll(dir, "$", "$$")}) // a name, and no variable in it
	}
	paths(&f.Read, "--read", o.Read)
	paths(&f.Write, "--write", o.Write)
	paths(&f.Deny, "--deny", o.Deny)
	paths(&f.Protect, "--protect", o.Protect)
	paths(&f.Unprotect, "--unprotect", o.Unprotect)
	paths(&p.Network.AllowUnixSockets, "--allow-unix-socket", o.AllowUnixSockets)
	for _, name := range o.AllowVars {
		p.Environment.AllowVars = append(p.Environment.AllowVars, profiles.NameRule{Name: name, Why: profiles.Why{File: "--allow-var"}})
	}
	for name, value := range o.SetVars {
		if p.Environment.SetVars == nil {
			p.Environment.SetVars = map[string]profiles.SetVar{}
		}
		// "$" stands for itself on the command line, where the shell has had its turn.
		p.Environment.SetVars[name] = profiles.SetVar{Value: strings.ReplaceAll(value, "$", "$$"), Why: profiles.Why{File: "--set-var"}}
	}
	for _, port := range o.AllowPorts {
		p.Network.AllowPorts = append(p.Network.AllowPorts, profiles.PortRule{Port: port, Why: profiles.Why{File: "--allow-port"}})
	}
	switch {
	case o.BlockNet:
		p.Network.Mode, p.Network.ModeWhy = "blocked", profiles.Why{File: "--block-net"}
	case o.OpenNet:
		p.Network.Mode, p.Network.ModeWhy = "open", profiles.Why{File: "--allow-net"}
	}
	for _, c := range o.Credentials {
		p.EnvCredentials = append(p.EnvCredentials, profiles.EnvCredential{Ref: c.Ref, Var: c.Var, Optional: c.Optional, Why: profiles.Why{File: c.Why}})
	}
	return p
}

// network turns intent into what the mediator enforces. What needs the credential proxy ends here: leaving it out
// would open more than was asked for.
func (p *Plan) network(merged *profiles.Profile) error {
	n := merged.Network
	var wrong []error
	needsProxy := func(what string, why profiles.Why) {
		where := ""
		if s := why.String(); s != "" {
			where = s + ": "
		}
		wrong = append(wrong, Mistake(where+what+": needs the credential proxy, which this version does not have",
			"network mode open or blocked, and env_credentials, are what this version enforces"))
	}
	switch n.Mode {
	case "", "open":
	case "blocked":
		p.Policy.Net.Blocked = true
	default:
		needsProxy("network.mode "+n.Mode, n.ModeWhy)
	}
	if n.NetworkProfile != "" {
		needsProxy("network_profile "+n.NetworkProfile, n.NetworkProfileWhy)
	}
	for _, hosts := range [][]profiles.HostRule{n.AllowHosts, n.DenyHosts} {
		for _, host := range hosts {
			needsProxy("host "+host.Host, host.Why)
		}
	}
	for _, c := range n.Credentials {
		needsProxy("credential route "+c.Name, c.Why)
	}
	for _, port := range n.AllowPorts {
		p.Policy.Net.Ports = append(p.Policy.Net.Ports, port.Port)
	}
	for _, s := range n.AllowUnixSockets {
		p.Policy.Net.UnixSockets = append(p.Policy.Net.UnixSockets, resolveDir(s.Path))
	}
	if !p.Policy.Net.Blocked {
		p.Policy.Net.Resolvers = resolvers("/etc/resolv.conf")
	}
	return errors.Join(wrong...)
}

// resolveDir follows the links of the directory part, since a pattern itself cannot be followed.
func resolveDir(pattern string) string {
	if dir, err := filepath.EvalSymlinks(filepath.Dir(pattern)); err == nil {
		return filepath.Join(dir, filepath.Base(pattern))
	}
	return pattern
}

// sockets refuses a pattern whose directory is reached by a link that the command may exchange: an earlier launch may have
// put it there, to have this one open the sockets of another directory.
func (p *Plan) sockets(merged *profiles.Profile) error {
	var wrong []error
	for _, s := range merged.Network.AllowUnixSockets {
		if at, links := follow(filepath.Dir(s.Path)); p.planted(links, at) {
			wrong = append(wrong, misled(whyText(s)+": "+s.Path, at))
		}
	}
	return errors.Join(wrong...)
}

// resolvers reads the nameserver lines of resolv.conf(5); without any, libc asks 127.0.0.1.
func resolvers(path string) []netip.Addr {
	data, _ := os.ReadFile(path)
	var list []netip.Addr
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		if addr, err := netip.ParseAddr(fields[1]); err == nil {
			list = append(list, addr.WithZone("").Unmap())
		}
	}
	if len(list) == 0 {
		list = append(list, netip.MustParseAddr("127.0.0.1"))
	}
	return list
}

func (p *Plan) guard(merged *profiles.Profile, o Options, h Host) {
	p.Guard = cmp.Or(o.Guard, merged.Guard.Mode, "redact")
	for _, e := range merged.Guard.Exempt {
		p.Exempt = append(p.Exempt, e.Name)
	}
	switch {
	case o.GuardStored:
		p.Stored = storedAsk
	case h.Stored:
		p.Stored = storedQuiet
	}
	for _, f := range merged.Guard.Files {
		if path, err := p.links.resolve(f.Path); err == nil && p.Policy.Explain(path, sandbox.Read).Allowed {
			p.Logins = append(p.Logins, path)
		}
	}
}

// guarded says whether there is anything for the guard to look for.
func (p *Plan) guarded() bool {
	return p.Guard != "off" && (len(p.Credentials)+len(p.Logins) > 0 || p.Stored != storedNone)
}

// exempt says whether the guard passes a credential over.
func (p *Plan) exempt(c Credential) bool {
	return slices.Contains(p.Exempt, c.Var) || slices.Contains(p.Exempt, c.Ref.String())
}

// terminal decides who is a terminal inside. A terminal on stdin while stdout goes elsewhere (`ward run … | less`)
// is handed over as it is, read-only: reading ahead from it would take keys away from less.
func (p *Plan) terminal(o Options, h Host) error {
	t := &p.Terminal
	switch o.PTY {
	case "", "auto":
		t.PTY = h.TTY
		t.PTY[0] = h.TTY[0] && h.TTY[1]
		t.Raw = t.PTY[0] && h.Foreground
	case "always":
		t.PTY = [3]bool{h.TTY[0], true, true} // a file on stdin has to be read all the same
		t.Raw = h.TTY[0] && h.TTY[1] && h.Foreground
	case "never":
	default:
		return fmt.Errorf("--pty %s: not one of auto, always, never", o.PTY)
	}
	return nil
}
