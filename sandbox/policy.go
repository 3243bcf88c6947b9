// Package sandbox is what the kernel forbids. It turns a Policy into a confined process and knows nothing of
// profiles, secrets or terminals' users: it gets paths, ports and file descriptors.
//
// On Linux a launch has two processes of ward beside the command. The supervisor calls [Cmd.Launch]; stage two is the
// same binary started again (see [Enter]). Stage two builds the mounts, takes Landlock, drops capabilities and
// installs the seccomp filter on itself, then forks the command, which inherits all of it, and stays behind as the
// init of the launch: it reaps, it is the parent that makes job control work, and when it ends the kernel ends
// everything inside.
package sandbox

import (
	"path/filepath"
	"slices"
	"strings"
)

// Access is what a rule allows below its path.
type Access uint8

const (
	// Read is reading and executing files and listing directories.
	Read Access = 1 << iota
	// Write is creating, changing, renaming and removing. It does not imply Read.
	Write
	// Device adds ioctl on device files. Landlock has it as a right of its own since ABI 5.
	Device
)

func (a Access) String() string {
	var words []string
	if a&Read != 0 {
		words = append(words, "read")
	}
	if a&Write != 0 {
		words = append(words, "write")
	}
	if a&Device != 0 {
		words = append(words, "device")
	}
	return strings.Join(words, "+")
}

// Rule allows Access below Path, which is absolute and free of symbolic links. A path that is missing when the launch
// starts is passed over. Why names where the rule came from: a profile and its line, or a flag.
type Rule struct {
	Path   string
	Access Access
	Why    string
}

// Mask hides or fixes a path that lies inside a wider rule. Landlock only adds rights, so a mask needs the mount
// namespace.
type Mask struct {
	Path string
	// Fixed leaves the path readable and only refuses changes. Otherwise it reads as empty.
	Fixed bool
	// But are paths inside a fixed one that stay as they are.
	But []string
	Why string
}

// governs says whether the mask refuses want at path.
func (m *Mask) governs(path string, want Access) bool {
	if !Within(path, m.Path) || m.Fixed && want&Write == 0 {
		return false
	}
	return !slices.ContainsFunc(m.But, func(open string) bool { return Within(path, open) })
}

// Policy is everything that the kernel is asked to enforce for one launch.
type Policy struct {
	Rules []Rule
	Masks []Mask
	Net   Net
	// Scratch is a directory on disk that belongs to this launch. Its subdirectory "tmp" is mounted over /tmp and
	// /var/tmp; "void.d" and "void.f" are the empty directory and file that masks show.
	Scratch string
	// Accept names the layers whose absence the user accepted ("all": every layer).
	Accept []string
	// Nested says that ward runs inside another launch: the outer one has the mounts, the process namespace and the
	// only notification listener that the kernel gives a chain of filters.
	Nested bool

	// own are the rules for what the launch has for itself: mounted over the machine's directories of the same names,
	// or beside them. They are known once stage two is ready.
	own []Rule
}

// Within says whether path is dir or lies below it. Both are absolute and clean.
func Within(path, dir string) bool {
	if dir == "/" || path == dir {
		return true
	}
	return len(path) > len(dir) && path[len(dir)] == '/' && path[:len(dir)] == dir
}

// Verdict is the answer to "may it?" and the rule or mask that decided. Why is empty where nothing allows it.
type Verdict struct {
	Allowed bool
	Path    string
	Why     string
}

// Explain decides, without a kernel, what the policy says about want below path. Masks beat rules, since they are
// mounted over what the rules allow.
func (p *Policy) Explain(path string, want Access) Verdict {
	path = filepath.Clean(path)
	for _, m := range p.Masks {
		if m.governs(path, want) {
			return Verdict{Path: m.Path, Why: m.Why}
		}
	}
	var have Access
	best := Verdict{}
	for _, r := range p.rules(path) {
		have |= r.Access
		if len(r.Path) >= len(best.Path) {
			best.Path, best.Why = r.Path, r.Why
		}
	}
	if have&want != want {
		return Verdict{Path: best.Path}
	}
	best.Allowed = true
	return best
}

// rules are the ones that path lies in. A grant inside /tmp is mounted back over the launch's own /tmp, whose rule then
// ends there: it says nothing about the machine's files. But it cannot be kept from reading what is mounted inside it,
// so a grant to write only is one to read too there.
func (p *Policy) rules(path string) []Rule {
	var in []Rule
	for _, r := range p.Rules {
		if Within(path, r.Path) {
			in = append(in, r)
		}
	}
	for _, o := range p.own {
		if !Within(path, o.Path) {
			continue
		}
		back := slices.IndexFunc(in, func(r Rule) bool { return r.Path != o.Path && Within(r.Path, o.Path) })
		switch {
		case back < 0:
			in = append(in, o)
		case slices.ContainsFunc(in, func(r Rule) bool { return r.Access != 0 && r.Path != o.Path }):
			in = append(in, Rule{o.Path, Read, in[back].Why})
		}
	}
	return in
}

// place is a part of the machine's tree that needs a mount of its own in the command's view.
type place struct {
	path   string
	access Access
}

// places lists them, outer ones first: what may be written, since all else is mounted read-only, and what lies inside
// a directory that the launch has for itself. A place that a wider one brings along is left out.
func (p *Policy) places() []place {
	var all []place
	for _, r := range p.Rules {
		root := ownRoot(r.Path)
		if r.Path == root || root == "" && r.Access&Write == 0 {
			continue
		}
		at := place{path: r.Path}
		for _, o := range p.Rules {
			if Within(r.Path, o.Path) && (root == "" || o.Path != root) {
				at.access |= o.Access
			}
		}
		all = append(all, at)
	}
	slices.SortFunc(all, func(a, b place) int { return strings.Compare(a.path, b.path) })
	var kept []place
	for _, at := range all {
		brought := false
		for _, k := range kept {
			if Within(at.path, k.path) && ownRoot(at.path) == ownRoot(k.path) {
				brought = k.access == at.access || k.access&Write != 0 // the last one is the innermost
			}
		}
		if !brought {
			kept = append(kept, at)
		}
	}
	return kept
}

// ownRoots are the directories in whose place the launch gets empty ones.
func ownRoots() []string { return []string{"/tmp", "/var/tmp", "/dev/shm"} }

// ownRoot is the one of ownRoots that path lies in, or "".
func ownRoot(path string) string {
	for _, root := range ownRoots() {
		if Within(path, root) {
			return root
		}
	}
	return ""
}

// changeable says whether a rule lets the command rename or remove what is at path.
func (p *Policy) changeable(path string) bool {
	return slices.ContainsFunc(p.Rules, func(r Rule) bool {
		return r.Access&Write != 0 && path != r.Path && Within(path, r.Path)
	})
}

// Inside gives the masks that lie below a rule: the ones that Landlock alone cannot keep.
func (p *Policy) Inside() []Mask {
	var inside []Mask
	for _, m := range p.Masks {
		if m.reached(p.Rules) {
			inside = append(inside, m)
		}
	}
	return inside
}

// reached says whether a rule opens what the mask is to close. What may only be written there is to be hidden too.
func (m *Mask) reached(rules []Rule) bool {
	want := Read | Write
	if m.Fixed {
		want = Write
	}
	return slices.ContainsFunc(rules, func(r Rule) bool {
		return r.Access&want != 0 && (Within(m.Path, r.Path) || Within(r.Path, m.Path))
	})
}
