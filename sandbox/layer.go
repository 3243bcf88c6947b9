package sandbox

import (
	"slices"
	"strings"
)

// Layer names one thing that the kernel enforces. The names are part of the interface: `--allow-degraded` and
// `ward doctor` print them.
type Layer string

// The layers.
const (
	LayerNamespaces   Layer = "namespaces"    // user, process and IPC namespace: nothing outlives the launch or sees other processes
	LayerMounts       Layer = "mounts"        // mount namespace: masks, all else read-only, private /tmp and terminals
	LayerCapabilities Layer = "capabilities"  // no capability that reaches around the other layers
	LayerLandlock     Layer = "landlock"      // files
	LayerScope        Layer = "scope"         // Landlock ABI 6: signals and abstract sockets stay inside
	LayerFilter       Layer = "seccomp"       // system calls
	LayerNotify       Layer = "notifications" // connect, bind and listen are decided and made by the supervisor
)

// Support is one row of the table layer × kernel × substitute.
type Support struct {
	Layer Layer
	// Kernel is the first Linux release that has the layer.
	Kernel string
	// Does says what the layer keeps.
	Does string
	// Substitute says what stands in where the layer is refused; empty where nothing does, and then the launch ends
	// unless the user accepted the layer's absence by name.
	Substitute string
}

// Table is the table that `ward doctor` and the documentation print.
func Table() []Support {
	return []Support{
		{LayerNamespaces, "3.8", "nothing inside outlives the launch; other processes and their shared memory are out of sight",
			"stage two ends all that it started; signals by the scope layer; no System V shared memory, no message queues"},
		{LayerMounts, "5.12", "masks inside grants; modes, owners and times outside; a /tmp of this launch, private terminals",
			"Landlock alone where no mask lies inside a grant, so modes, owners and times of own files can be changed; a TMPDIR of this launch; only the own terminal"},
		{LayerCapabilities, "3.8", "no reading around Landlock as root", ""},
		{LayerLandlock, "5.13", "files outside the rules", ""},
		{LayerScope, "6.12", "no signal and no abstract socket to processes outside",
			"the process namespace for signals, the notifications for abstract sockets"},
		{LayerFilter, "3.17", "system calls that no agent needs; TCP fast open, UDP where the network is narrowed", ""},
		{LayerNotify, "5.9", "where connections go: keyring, docker and ssh-agent sockets, loopback services", ""},
	}
}

// Gap is a layer that this kernel refused, with the reason and what stands in for it.
type Gap struct {
	Layer      Layer
	Reason     string
	Substitute string // empty: nothing does, and the user accepted that by name
}

func (g Gap) String() string {
	if g.Substitute == "" {
		return string(g.Layer) + " is not enforced here (" + g.Reason + "): accepted by --allow-degraded"
	}
	return string(g.Layer) + " is not enforced here (" + g.Reason + "): " + g.Substitute
}

// LayerError is a layer that the plan promises, the kernel refuses, and nothing replaces.
type LayerError struct {
	Layer  Layer
	Reason string
	// Paths are what would be left open, if that can be named.
	Paths []string
}

func (e *LayerError) Error() string {
	s := string(e.Layer) + ": this kernel refuses it (" + e.Reason + ")"
	if len(e.Paths) > 0 {
		s += "; open would be " + strings.Join(e.Paths, ", ")
	}
	return s
}

// Hint says what the user can do.
func (e *LayerError) Hint() string {
	return "ward doctor shows what this machine enforces; --allow-degraded accepts less"
}

// accepted says whether the user accepted the absence of the layer.
func (p *Policy) accepted(l Layer) bool {
	return slices.Contains(p.Accept, "all") || slices.Contains(p.Accept, string(l))
}

// substitute decides what a refused layer means for this policy: a gap that the launch can live with, or an error.
// The rest of what was refused (gone) matters, since some layers stand in for each other. It is pure, so every
// combination is tested on any kernel.
func (p *Policy) substitute(l Layer, reason string, gone map[Layer]bool) (Gap, error) {
	gap := Gap{Layer: l, Reason: reason}
	var paths []string
	switch l {
	case LayerNamespaces:
		if !gone[LayerScope] {
			gap.Substitute = "stage two ends what it started, Landlock keeps signals inside, System V shared memory is refused"
		}
	case LayerMounts:
		for _, m := range p.Inside() {
			paths = append(paths, m.Path)
		}
		if len(paths) == 0 {
			gap.Substitute = "Landlock alone, which does not guard modes, owners and times of files; TMPDIR instead of a private /tmp"
		}
	case LayerScope:
		if !gone[LayerNamespaces] && !gone[LayerNotify] {
			gap.Substitute = "the process namespace keeps signals inside, the supervisor decides on abstract sockets"
		}
	}
	if p.Nested && (l == LayerNamespaces || l == LayerMounts && len(paths) == 0 || l == LayerNotify) {
		gap.Substitute = "the launch around this one has it"
	}
	if gap.Substitute == "" && !p.accepted(l) {
		return gap, &LayerError{Layer: l, Reason: reason, Paths: paths}
	}
	return gap, nil
}
