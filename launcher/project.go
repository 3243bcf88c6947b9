package launcher

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ward/profiles"
	"ward/sandbox"
)

// project gives the places in which programs may have been planted by whoever writes the project: the directories, and
// the roots of the repositories that each is in, which are the parents with .git; by name and with links followed. An agent
// of an earlier launch, or a package that was installed, may have left a program there, and a .git below the real root.
//
// What holds the home directory is no project, be it home itself, /, or a home that is kept in git: ~/.local/bin has
// programs of one's own. There, only --allow and the profile say what the command may change.
func project(dirs ...string) (places []string) {
	home, _ := os.UserHomeDir()
	homes := []string{"/", home}
	if real, err := filepath.EvalSymlinks(home); err == nil {
		homes = append(homes, real)
	}
	add := func(dir string) bool {
		if slices.ContainsFunc(homes, func(h string) bool { return h != "" && sandbox.Within(h, dir) }) {
			return false
		}
		places = append(places, dir)
		return true
	}
	for _, dir := range dirs {
		names := []string{dir}
		if real, err := filepath.EvalSymlinks(dir); err == nil && real != dir {
			names = append(names, real)
		}
		for _, name := range names {
			if !filepath.IsAbs(name) || !add(name) {
				continue
			}
			for at := name; at != "/"; at = filepath.Dir(at) {
				if _, err := os.Lstat(filepath.Join(at, ".git")); err == nil && !add(at) {
					break
				}
			}
		}
	}
	return places
}

// here is the project that ward was started in.
func here() []string {
	dir, err := os.Getwd()
	if err != nil {
		return nil // it was removed: there is nothing in it
	}
	return project(dir)
}

// around gives what is protected in the working directory for the root of its repository too, where a rule lets the command
// write beside the working directory: that is where git and agents look. A flag says itself what it means.
func (p *Plan) around(protected []profiles.PathRule) (more []profiles.PathRule) {
	for _, root := range p.shared {
		if root == p.Dir || !sandbox.Within(p.Dir, root) || !slices.ContainsFunc(p.Policy.Rules, func(r sandbox.Rule) bool {
			return r.Access&sandbox.Write != 0 && !sandbox.Within(r.Path, p.Dir) && (sandbox.Within(r.Path, root) || sandbox.Within(root, r.Path))
		}) {
			continue
		}
		for _, r := range protected {
			if r.Path != p.Dir && sandbox.Within(r.Path, p.Dir) && !strings.HasPrefix(r.Why.File, "--") {
				r.Path = root + r.Path[len(p.Dir):]
				more = append(more, r)
			}
		}
	}
	return more
}
