package launcher

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"ward/profiles"
	"ward/sandbox"
)

// files turns the profile's paths into rules and masks: links followed, conditions decided, missing ones named.
func (p *Plan) files(merged *profiles.Profile, h Host) error {
	var wrong []error
	var grants []grant
	f := &merged.Filesystem
	for _, list := range []struct {
		rules  []profiles.PathRule
		access sandbox.Access
	}{
		{f.Allow, sandbox.Read | sandbox.Write},
		{f.Read, sandbox.Read},
		{f.Write, sandbox.Write},
	} {
		for _, r := range list.rules {
			switch g, err := p.grant(r, list.access); {
			case err != nil:
				wrong = append(wrong, err)
			case g.Path != "":
				grants = append(grants, g)
			}
		}
	}
	wrong = append(wrong, p.settle(grants)...)
	p.Policy.Rules = append(p.Policy.Rules, devices()...)
	// No right, only a place: a working directory below /tmp has to be there when /tmp is the launch's own.
	p.Policy.Rules = append(p.Policy.Rules, sandbox.Rule{Path: p.Dir, Why: "working directory"})

	// The next launch would be what the command makes of it.
	if h.Self != "" && !h.Nested && p.Policy.Explain(h.Self, sandbox.Write).Allowed {
		f.Protect = append(slices.Clip(f.Protect), profiles.PathRule{Path: h.Self, Why: profiles.Why{Text: "ward: its own program"}})
	}
	f.Protect = append(slices.Clip(f.Protect), p.around(f.Protect)...)
	masked, err := profiles.ExpandPaths(profiles.Credentials(), h.vars(p.Dir))
	if err != nil {
		return errors.Join(append(wrong, err)...)
	}
	return errors.Join(append(wrong, p.masks(f, masked))...)
}

// devices are the device files that programs take for granted. Landlock has the ioctls of devices as a right of its
// own; none of these has one that reaches beyond it.
func devices() []sandbox.Rule {
	const why = "ward: devices that every program expects"
	rules := []sandbox.Rule{
		{Path: "/dev/tty", Access: sandbox.Read | sandbox.Write | sandbox.Device, Why: why},
		{Path: "/dev/null", Access: sandbox.Read | sandbox.Write | sandbox.Device, Why: why},
	}
	for _, path := range []string{"/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"} {
		rules = append(rules, sandbox.Rule{Path: path, Access: sandbox.Read | sandbox.Write, Why: why})
	}
	return rules
}

// grant is a rule of the profile's, by its real path, which is "" where there is nothing to open.
type grant struct {
	sandbox.Rule
	from  profiles.PathRule
	links []string // on the way from the path as it is written
}

func (p *Plan) grant(r profiles.PathRule, access sandbox.Access) (grant, error) {
	resolved, err := p.links.resolve(r.Path)
	switch {
	case err == nil:
	case !errors.Is(err, fs.ErrNotExist):
		return grant{}, Mistake(whyText(r)+": "+r.Path+": "+reason(err), "")
	case r.Create != "":
		made := p.wanted(r)
		resolved = made.path
		p.create = append(p.create, made)
	case r.When.Exists:
		return grant{}, nil
	default:
		return grant{}, Mistake(whyText(r)+": "+r.Path+": no such file or directory",
			"create it, correct the path, or leave it out")
	}
	for _, own := range p.own {
		if sandbox.Within(resolved, own) {
			return grant{}, Mistake(whyText(r)+": "+r.Path+": ward's own files are never open inside a launch", "leave it out")
		}
	}
	g := grant{Rule: sandbox.Rule{Path: resolved, Access: access, Why: r.Why.String()}, from: r}
	if resolved != r.Path {
		var at string
		if at, g.links = follow(r.Path); err == nil && at != resolved {
			return grant{}, Mistake(whyText(r)+": "+r.Path+": leads to "+resolved+", and to "+at+" a moment later", "see who changes it, and start again")
		}
	}
	return g, nil
}

// settle makes rules of the grants, but for those by way of a link that the command may exchange, or that lies in the
// project and leads out of it: an earlier launch may have made it, to have this one open what it likes, also what stays
// masked as long as nobody names it. Where other rules open as much, such a grant is left out.
func (p *Plan) settle(grants []grant) (wrong []error) {
	var unsure []grant
	first := len(p.Policy.Rules)
	exchanged := func(link string) bool {
		return slices.ContainsFunc(grants, func(by grant) bool {
			return by.Access&sandbox.Write != 0 && link != by.Path && sandbox.Within(link, by.Path)
		})
	}
	for _, g := range grants {
		left := func(link string) bool { return p.inProject(link) && !p.inProject(g.Path) }
		at := slices.IndexFunc(g.links, func(link string) bool { return left(link) || exchanged(link) })
		if at < 0 {
			p.Policy.Rules = append(p.Policy.Rules, g.Rule)
		} else {
			g.links = g.links[at:]
			unsure = append(unsure, g)
		}
	}
	for _, g := range unsure {
		open := sandbox.Policy{Rules: p.Policy.Rules[first:]}
		leads := whyText(g.from) + ": " + g.from.Path + ": leads to " + g.Path + " by a link that a command may have put there, " + g.links[0]
		hint := "if that is what you mean, name " + g.Path + " itself"
		optional := g.from.When.Exists && !slices.ContainsFunc(g.links, exchanged) // a profile's, wherever ward is started
		switch is := open.Explain(g.Path, g.Access).Allowed; {
		case !is && !optional:
			wrong = append(wrong, Mistake(leads, hint))
		case !is || !g.from.When.Exists:
			p.Warnings = append(p.Warnings, leads+"; it opens nothing more: "+hint)
		}
	}
	return wrong
}

// wanted is what a rule wants to be made, and where that will be.
func (p *Plan) wanted(r profiles.PathRule) creation {
	for dir := filepath.Dir(r.Path); dir != "/"; dir = filepath.Dir(dir) {
		if resolved, err := p.links.resolve(dir); err == nil {
			return creation{resolved + r.Path[len(dir):], r.Create}
		}
	}
	return creation{r.Path, r.Create}
}

func whyText(r profiles.PathRule) string { return cmp.Or(r.Why.String(), "profile") }

// masks lists what stays closed or unchanged inside the rules: what the profile denies, credential paths and ward's
// own files, and what it protects. A grant at the same path as a credential opens it; a grant below a mask makes the
// mask step aside for it.
func (p *Plan) masks(f *profiles.Filesystem, credentials []profiles.PathRule) error {
	for _, r := range slices.Concat(f.Deny, f.Protect) {
		p.missing(r)
	}
	for _, r := range f.Deny {
		p.hide(r.Path, whyText(r), false)
	}
	for _, r := range credentials {
		p.hide(r.Path, "credentials: "+r.Why.Text, true)
	}
	for _, own := range p.own {
		p.hideOwn(own)
	}
	// Whoever may write there, as where TMPDIR lies in the project, decides what the next launch mounts over its /tmp. A
	// launch inside another one mounts nothing.
	if base := scratchBase(); !p.Policy.Nested && p.Policy.Explain(base, sandbox.Write).Allowed {
		p.hideOwn(base)
	}
	var wrong []error
	for _, u := range f.Unprotect {
		p.idle(u, f.Protect)
	}
	for _, r := range f.Protect {
		lifted := false
		for _, u := range f.Unprotect {
			if u.Path != r.Path && sandbox.Within(u.Path, r.Path) {
				wrong = append(wrong, Mistake(whyText(u)+": "+u.Path+": is protected as a part of "+r.Path, "unprotect all of that, or nothing"))
			}
			lifted = lifted || u.Path == r.Path
		}
		if !lifted {
			p.protect(r)
		}
	}
	return errors.Join(wrong...)
}

// missing warns of a path on the command line that is not there: it may be mistyped. Profiles are for several machines.
func (p *Plan) missing(r profiles.PathRule) {
	if _, err := os.Lstat(r.Path); errors.Is(err, fs.ErrNotExist) && strings.HasPrefix(r.Why.File, "--") {
		p.Warnings = append(p.Warnings, whyText(r)+": "+r.Path+": is not there, and is open if it is made")
	}
}

// idle warns of a rule that lifts no protection.
func (p *Plan) idle(u profiles.PathRule, protected []profiles.PathRule) {
	var inside []string
	for _, r := range protected {
		if sandbox.Within(u.Path, r.Path) {
			return
		}
		if sandbox.Within(r.Path, u.Path) && len(inside) < 8 {
			inside = append(inside, r.Path)
		}
	}
	warning := whyText(u) + ": " + u.Path + ": is not protected itself"
	if len(inside) > 0 {
		warning += "; what is, in it: " + strings.Join(inside, ", ")
	}
	p.Warnings = append(p.Warnings, warning)
}

// protect fixes a path. What is missing is made, if the rule says what and the command could make it.
func (p *Plan) protect(r profiles.PathRule) {
	resolved, err := p.links.resolve(r.Path)
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrNotExist):
		made := p.wanted(r)
		if resolved = leadsTo(made.path); resolved != made.path {
			// A link that leads nowhere stays as it is: what is made there would be made elsewhere.
			p.absent = append(p.absent, resolved)
			p.Policy.Masks = append(p.Policy.Masks, sandbox.Mask{Path: r.Path, Fixed: true, Why: whyText(r)})
			return
		}
		if r.Create == "" || !p.Policy.Explain(resolved, sandbox.Write).Allowed {
			p.absent = append(p.absent, r.Path)
			return
		}
		p.create = append(p.create, made)
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrPermission):
		// A file stands where the directory would be, as .git does in a work tree, and says where that is instead; or the
		// command may open the directory again that is closed on the way.
		r.Path = filepath.Dir(r.Path)
		p.protect(r)
		return
	default: // a link that leads to itself stays too
		resolved = r.Path
	}
	p.mask(sandbox.Mask{Path: resolved, Fixed: true, Why: whyText(r)}, r.Path)
}

// mask adds a mask, and one for its path as it is written too: the sandbox pins the links on the way, which could be
// exchanged for others.
func (p *Plan) mask(m sandbox.Mask, written string) {
	p.Policy.Masks = append(p.Policy.Masks, m)
	if written != m.Path {
		m.Path = written
		p.Policy.Masks = append(p.Policy.Masks, m)
	}
}

// hideOwn masks one of ward's own directories. Where a rule lets the command write around it, it is made first if it
// is missing: a command that could make it would write the next launch's profile.
func (p *Plan) hideOwn(dir string) {
	resolved, err := p.links.resolve(dir)
	if err != nil {
		resolved = leadsTo(dir)
		switch {
		case p.Policy.Explain(resolved, sandbox.Write).Allowed:
			p.create = append(p.create, creation{resolved, "dir"})
		case resolved == dir:
			return
		}
	}
	p.mask(sandbox.Mask{Path: resolved, Why: "ward: its own files"}, dir)
}

// hide masks path, or, where a rule names something below it, everything in it but that. One that yields is opened by a
// rule for path itself: to be read, if that says no more.
func (p *Plan) hide(path, why string, yields bool) {
	resolved, err := p.links.resolve(path)
	if errors.Is(err, fs.ErrPermission) {
		// The command may open the directory again that is closed on the way, if it is its user's.
		p.hide(filepath.Dir(path), why, yields)
		return
	}
	if err != nil {
		return // what is not there needs no mask
	}
	var inside, writable []string
	open := false
	for _, r := range p.Policy.Rules {
		switch {
		case r.Access == 0 || r.Why == theCommand:
		case r.Path == resolved && yields:
			if r.Access&sandbox.Write != 0 {
				return
			}
			open = true
		case r.Path != resolved && sandbox.Within(r.Path, resolved):
			inside = append(inside, r.Path)
			if r.Access&sandbox.Write != 0 {
				writable = append(writable, r.Path)
			}
		}
	}
	switch {
	case !open && len(inside) == 0:
		p.mask(sandbox.Mask{Path: resolved, Why: why}, path)
		return
	case path != resolved || p.Policy.Explain(resolved, sandbox.Write).Allowed:
		// A wider rule would let the command write what is open for reading only, and make new files around it.
		p.mask(sandbox.Mask{Path: resolved, Fixed: true, But: writable, Why: why}, path)
	}
	if !open {
		p.carve(resolved, why, inside)
	}
}

// carve masks a path around the paths that stay open in it. What somebody outside puts there later is not masked: a mount
// covers what is there.
func (p *Plan) carve(path, why string, open []string) {
	if slices.Contains(open, path) {
		return
	}
	if !slices.ContainsFunc(open, func(o string) bool { return sandbox.Within(o, path) }) {
		p.Policy.Masks = append(p.Policy.Masks, sandbox.Mask{Path: path, Why: why})
		return
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		p.Policy.Masks = append(p.Policy.Masks, sandbox.Mask{Path: path, Why: why})
		return
	}
	for _, e := range entries {
		if e.Type()&fs.ModeSymlink == 0 {
			p.carve(filepath.Join(path, e.Name()), why, open)
		}
	}
}

// prepare makes what the profile wants to be there.
func (p *Plan) prepare() error {
	for _, c := range p.create {
		if err := c.make(); err != nil {
			return Mistake(c.path+": cannot be made: "+reason(err), "the profile wants it to be there before the launch")
		}
	}
	return nil
}

func (c creation) make() error {
	if c.kind == "dir" {
		return os.MkdirAll(c.path, 0o700)
	}
	if err := os.MkdirAll(filepath.Dir(c.path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(c.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if c.kind == "json" {
		_, err = f.WriteString("{}\n")
	}
	return errors.Join(err, f.Close())
}
