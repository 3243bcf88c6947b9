package launcher

import (
	"io/fs"
	"os"
	"path/filepath"
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
	info, err := os.Lstat(full)
	if err != nil {
		return "", err
	}
	if info.Mode()&fs.ModeSymlink == 0 {
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
