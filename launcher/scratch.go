package launcher

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// scratch is the directory on disk of one launch: "tmp" becomes its /tmp, "void.d" and "void.f" are what masks show.
// It is kept for a day, since agents leave things in /tmp that people look for.
type scratch struct {
	dir  string
	lock *os.File // held as long as the launch lives
}

const keepScratch = 24 * time.Hour

// newScratch makes TMPDIR/ward-UID/ID. The directory in between belongs to the user alone, or the launch ends: in /tmp
// anybody can have made it.
func newScratch(id string) (*scratch, error) {
	base := scratchBase()
	if err := os.Mkdir(base, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, Mistake(base+": "+reason(err), "TMPDIR must name a directory that can be written")
	}
	info, err := os.Lstat(base)
	if err != nil {
		return nil, Mistake(base+": "+reason(err), "")
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || info.Mode().Perm() != 0o700 || !ok || int(owner.Uid) != os.Getuid() {
		return nil, Mistake(base+": is not a directory of mode 0700 that belongs to you", "somebody else made it: remove it, or set TMPDIR")
	}
	s := &scratch{dir: filepath.Join(base, id)}
	if err := s.fill(); err != nil {
		return nil, Mistake(s.dir+": "+reason(err), "TMPDIR must name a directory that can be written")
	}
	return s, nil
}

func scratchBase() string {
	return filepath.Join(os.TempDir(), "ward-"+strconv.Itoa(os.Getuid()))
}

func (s *scratch) fill() error {
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(s.dir, "void.d"), 0o555); err != nil {
		return err
	}
	lock, err := os.OpenFile(filepath.Join(s.dir, "void.f"), os.O_CREATE|os.O_RDONLY, 0o444)
	if err != nil {
		return err
	}
	s.lock = lock
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_SH|unix.LOCK_NB); err != nil {
		return err
	}
	tmp := filepath.Join(s.dir, "tmp")
	if err := os.Mkdir(tmp, 0o700); err != nil {
		return err
	}
	// As /tmp is: programs of other users run inside where root starts them. Nobody gets here from outside.
	return os.Chmod(tmp, os.ModeSticky|0o777)
}

// close removes the directory if the command left nothing in it, and those of launches that ended a day ago.
func (s *scratch) close() {
	if s == nil {
		return
	}
	s.lock.Close()
	if s.empty() {
		os.RemoveAll(s.dir)
	}
	base := filepath.Dir(s.dir)
	entries, err := os.ReadDir(base)
	if err != nil {
		return
	}
	for _, e := range entries {
		dir := filepath.Join(base, e.Name())
		info, err := e.Info()
		if err != nil || time.Since(info.ModTime()) < keepScratch || alive(dir) {
			continue
		}
		os.RemoveAll(dir)
	}
}

// empty says whether nothing was left in /tmp but the empty directories that mounts were bound on.
func (s *scratch) empty() bool {
	found := false
	filepath.WalkDir(filepath.Join(s.dir, "tmp"), func(_ string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() {
			found = true
			return fs.SkipAll
		}
		return nil
	})
	return !found
}

// alive says whether a launch still holds its directory.
func alive(dir string) bool {
	f, err := os.Open(filepath.Join(dir, "void.f"))
	if err != nil {
		return false
	}
	defer f.Close()
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil
}
