package launcher

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"ward/sandbox"
)

// links follows symbolic links and remembers directories: two hundred credential paths lie in a dozen of them, and
// most are not there. The zero value is ready.
type links map[string]*directory

// directory is one directory that was asked for: where it is, and once it was asked for often, what is in it.
type directory struct {
	path  string
	err   error
	asked int
	names names // nil: not listed, or cannot be relied on
}

// listAfter is how many single looks cost about as much as reading a directory of ordinary size.
const listAfter = 8

// resolve is filepath.EvalSymlinks for an absolute, clean path.
func (l *links) resolve(path string) (string, error) {
	if path == "/" {
		return path, nil
	}
	slash := strings.LastIndexByte(path, '/')
	dir, name := l.directory(path[:max(slash, 1)]), path[slash+1:]
	if dir.err != nil {
		return "", dir.err
	}
	if dir.lacks(name) {
		return "", fs.ErrNotExist
	}
	full := strings.TrimSuffix(dir.path, "/") + "/" + name
	var st unix.Stat_t // os.Lstat makes an object for each of the many paths that are not there
	switch err := unix.Lstat(full, &st); {
	case err == unix.ENOENT:
		return "", fs.ErrNotExist
	case err != nil:
		return "", &fs.PathError{Op: "lstat", Path: full, Err: err}
	case st.Mode&unix.S_IFMT != unix.S_IFLNK:
		return full, nil
	}
	return filepath.EvalSymlinks(full)
}

func (l *links) directory(path string) *directory {
	if d, ok := (*l)[path]; ok {
		return d
	}
	if *l == nil {
		*l = links{}
	}
	d := &directory{}
	d.path, d.err = l.resolve(path)
	(*l)[path] = d
	return d
}

// lacks says that name is not in the directory. False says nothing.
func (d *directory) lacks(name string) bool {
	d.asked++
	if d.asked == listAfter {
		d.names = list(d.path)
	}
	return d.names != nil && !d.names.mayHold(name)
}

// planted says whether one of the links on the way to a path outside may be a command's: this launch's, or an earlier one's
// in the project.
func (p *Plan) planted(links []string, at string) bool { return planted(p.Policy, p.shared, links, at) }

// planted is the same for other rules, and for other places in which an earlier launch may have left links.
func planted(open sandbox.Policy, places, links []string, at string) bool {
	open.Rules = slices.Clone(open.Rules)
	for _, dir := range places {
		open.Rules = append(open.Rules, sandbox.Rule{Path: dir, Access: sandbox.Write})
	}
	changeable := func(path string) bool { return open.Explain(path, sandbox.Write).Allowed }
	return slices.ContainsFunc(links, changeable) && !changeable(at)
}

// misled is the mistake of naming what such a link leads to.
func misled(what, at string) error {
	return Mistake(what+": leads to "+at+" by a link that a command may have put there", "if that is what you mean, name "+at+" itself")
}

// inProject says whether a path is one of the project's.
func (p *Plan) inProject(path string) bool {
	return slices.ContainsFunc(p.shared, func(dir string) bool { return sandbox.Within(path, dir) })
}

// leadsTo is where something will be that is made at path, which is missing: links are followed, also those that lead
// nowhere yet.
func leadsTo(path string) string {
	at, _ := follow(path)
	return at
}

// follow is leadsTo, and gives the links on the way too, each where it really is.
func follow(path string) (at string, passed []string) {
	const most = 40 // as many as the kernel follows (path_resolution(7))
	at = "/"
	for rest := strings.Split(path, "/"); len(rest) > 0; {
		next := filepath.Join(at, rest[0])
		rest = rest[1:]
		target, err := os.Readlink(next)
		if err != nil || len(passed) == most {
			at = next
			continue
		}
		passed = append(passed, next)
		if filepath.IsAbs(target) {
			at = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return at, passed
}
