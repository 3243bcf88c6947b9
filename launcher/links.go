package launcher

import (
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// links follows symbolic links and remembers directories: two hundred credential paths lie in a dozen of them, and
// most are not there, which one look tells. The zero value is ready.
type links map[string]resolution

type resolution struct {
	path string
	err  error
}

// resolve is filepath.EvalSymlinks for an absolute, clean path.
func (l *links) resolve(path string) (string, error) {
	if path == "/" {
		return path, nil
	}
	dir, err := l.directory(filepath.Dir(path))
	if err != nil {
		return "", err
	}
	full := filepath.Join(dir, filepath.Base(path))
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

func (l *links) directory(dir string) (string, error) {
	if r, ok := (*l)[dir]; ok {
		return r.path, r.err
	}
	if *l == nil {
		*l = links{}
	}
	path, err := l.resolve(dir)
	(*l)[dir] = resolution{path, err}
	return path, err
}
