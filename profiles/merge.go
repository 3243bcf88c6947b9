package profiles

import (
	"cmp"
	"maps"
	"slices"
)

// Merge gives what child means over parent; neither is changed. Lists are joined, the parent's items first,
// and an item that is there already is dropped. Of single values, and of the values under one name (a
// variable, a route, a capture), the child's counts. A child that blocks or opens the network drops the
// routes and hosts it inherits that its own mode would contradict. Meta and Commands are the child's own.
func Merge(parent, child *Profile) *Profile {
	p := &Profile{
		Meta:     child.Meta,
		Extends:  child.Extends,
		Commands: child.Commands,
		Environment: Environment{
			AllowVars: union(parent.Environment.AllowVars, child.Environment.AllowVars, NameRule.key),
			DenyVars:  union(parent.Environment.DenyVars, child.Environment.DenyVars, NameRule.key),
			SetVars:   overrideMap(parent.Environment.SetVars, child.Environment.SetVars),
		},
		EnvCredentials: overrideVars(parent.EnvCredentials, child.EnvCredentials),
		Guard: Guard{
			Mode:    cmp.Or(child.Guard.Mode, parent.Guard.Mode),
			ModeWhy: whyOf(child.Guard.Mode, child.Guard.ModeWhy, parent.Guard.ModeWhy),
			Exempt:  union(parent.Guard.Exempt, child.Guard.Exempt, NameRule.key),
			Files:   union(parent.Guard.Files, child.Guard.Files, PathRule.key),
		},
		Network:           mergeNetwork(parent.Network, child.Network),
		CredentialCapture: overrideMap(parent.CredentialCapture, child.CredentialCapture),
		CommandArgs:       slices.Concat(parent.CommandArgs, child.CommandArgs), // words, not a set: "-c a -c b"
		Sources:           union(parent.Sources, child.Sources, func(s Source) Source { return s }),
	}
	p.Filesystem = child.Filesystem
	for i, l := range p.Filesystem.lists() {
		*l.rules = union(*parent.Filesystem.lists()[i].rules, *l.rules, PathRule.key)
	}
	return p
}

func mergeNetwork(parent, child Network) Network {
	switch child.Mode {
	case "blocked":
		parent.AllowHosts, parent.NetworkProfile, parent.Credentials = nil, "", nil
	case "open":
		parent.AllowHosts, parent.NetworkProfile = nil, ""
	}
	return Network{
		Mode:              cmp.Or(child.Mode, parent.Mode),
		ModeWhy:           whyOf(child.Mode, child.ModeWhy, parent.ModeWhy),
		NetworkProfile:    cmp.Or(child.NetworkProfile, parent.NetworkProfile),
		NetworkProfileWhy: whyOf(child.NetworkProfile, child.NetworkProfileWhy, parent.NetworkProfileWhy),
		AllowHosts:        union(parent.AllowHosts, child.AllowHosts, func(r HostRule) string { return r.Host }),
		DenyHosts:         union(parent.DenyHosts, child.DenyHosts, func(r HostRule) string { return r.Host }),
		AllowPorts:        union(parent.AllowPorts, child.AllowPorts, func(r PortRule) uint16 { return r.Port }),
		AllowUnixSockets:  union(parent.AllowUnixSockets, child.AllowUnixSockets, PathRule.key),
		Credentials:       union(parent.Credentials, child.Credentials, NameRule.key),
		CustomCredentials: overrideMap(parent.CustomCredentials, child.CustomCredentials),
	}
}

func whyOf(own string, child, parent Why) Why {
	if own != "" {
		return child
	}
	return parent
}

func (r NameRule) key() string { return r.Name }

// key is what makes two rules the same; under other conditions a path is another rule.
func (r PathRule) key() PathRule {
	r.Why = Why{}
	return r
}

// union joins two lists, and keeps the first of items with the same key.
func union[T any, K comparable](parent, child []T, key func(T) K) []T {
	if len(parent) == 0 || len(child) == 0 {
		return slices.Clip(append(parent[:len(parent):len(parent)], child...))
	}
	out := make([]T, 0, len(parent)+len(child))
	seen := make(map[K]bool, cap(out))
	for _, item := range slices.Concat(parent, child) {
		if k := key(item); !seen[k] {
			seen[k] = true
			out = append(out, item)
		}
	}
	return out
}

// overrideVars joins two lists; a variable that both fill is filled by the child.
func overrideVars(parent, child EnvCredentials) EnvCredentials {
	out := slices.DeleteFunc(slices.Clone(parent), func(p EnvCredential) bool {
		return slices.ContainsFunc(child, func(c EnvCredential) bool { return c.Var == p.Var })
	})
	return append(out, child...)
}

func overrideMap[T any](parent, child map[string]T) map[string]T {
	if parent == nil && child == nil {
		return nil
	}
	out := maps.Clone(parent)
	if out == nil {
		out = map[string]T{}
	}
	maps.Copy(out, child)
	return out
}
