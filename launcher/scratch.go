package launcher

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// scratch is the directory on disk that one launch has to itself: "tmp" becomes its /tmp, "void.d" and "void.f" are what
// masks show. It is a slot that stays for the next launch if the command left nothing in it, since making directories is
// a good part of what a launch costs. Otherwise it is put aside for a day: agents leave things in /tmp that people
// look for.
type scratch struct {
	dir  string
	id   string
	slot *os.File // locked as long as the launch lives
}

const (
	keepScratch = 24 * time.Hour
	sweepEvery  = time.Hour
	maxSlots    = 4096 // launches at one time
	maxEmpty    = 1024 // directories that are removed at the end of a launch: a command can leave any number
	keptPrefix  = "kept-"
)

// newScratch takes a free slot of TMPDIR/ward-UID. That directory belongs to the user alone, or the launch ends: in
// /tmp anybody can have made it.
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
	for n := range maxSlots {
		s := &scratch{dir: filepath.Join(base, strconv.Itoa(n)), id: id}
		free, err := s.take()
		if err != nil {
			return nil, Mistake(s.dir+": "+reason(err), "TMPDIR must name a directory that can be written")
		}
		if free {
			return s, nil
		}
	}
	return nil, fmt.Errorf("%s: %d launches at one time", base, maxSlots)
}

// scratchBase is an absolute path, as far as the working directory has one.
func scratchBase() string {
	base := filepath.Join(os.TempDir(), "ward-"+strconv.Itoa(os.Getuid()))
	if abs, err := filepath.Abs(base); err == nil {
		return abs
	}
	return base
}

// take locks the slot and sees to it that it is as new. It gives false if another launch has it.
func (s *scratch) take() (free bool, err error) {
	for {
		s.slot, err = os.OpenFile(s.dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
		if errors.Is(err, fs.ErrNotExist) {
			if err = os.Mkdir(s.dir, 0o700); err == nil || errors.Is(err, fs.ErrExist) {
				continue
			}
		}
		if err != nil {
			return false, err
		}
		if err := unix.Flock(int(s.slot.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			s.slot.Close()
			return false, nil
		}
		if !s.same() { // put aside between the opening and the lock
			s.slot.Close()
			continue
		}
		if _, empty := s.left(); empty {
			return true, s.fill()
		}
		// A launch was killed before it could put this aside. Its name has the slot's number too: this launch may do so
		// to more than one, and its own /tmp needs a name at the end.
		err := s.aside(s.kept() + "-" + filepath.Base(s.dir))
		s.slot.Close()
		if errors.Is(err, fs.ErrExist) {
			return false, nil // and so was the launch that had the slot between
		}
		if err != nil {
			return false, err
		}
	}
}

// same says whether the slot's name still means the directory that is locked.
func (s *scratch) same() bool {
	locked, err := s.slot.Stat()
	if err != nil {
		return false
	}
	named, err := os.Lstat(s.dir)
	return err == nil && os.SameFile(locked, named)
}

// fill makes what is missing, and gives "tmp" the mode that /tmp has: programs of other users run inside where root
// starts them. Nobody gets here from outside.
func (s *scratch) fill() error {
	tmp := filepath.Join(s.dir, "tmp")
	if unix.Chmod(tmp, unix.S_ISVTX|0o777) == nil {
		return nil // made last, so all is there
	}
	if err := os.Mkdir(filepath.Join(s.dir, "void.d"), 0o555); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	f, err := os.OpenFile(filepath.Join(s.dir, "void.f"), os.O_CREATE|os.O_RDONLY, 0o444)
	if err != nil {
		return err
	}
	f.Close()
	if err := os.Mkdir(tmp, 0o700); err != nil {
		return err
	}
	return unix.Chmod(tmp, unix.S_ISVTX|0o777)
}

// close lets the slot go, or puts it aside with what the command left in it.
func (s *scratch) close() {
	if s == nil {
		return
	}
	defer s.slot.Close()
	directories, empty := s.left()
	if !empty {
		s.aside(s.kept())
		return
	}
	for _, d := range slices.Backward(directories) { // those that grants were bound on: their names are this launch's
		unix.Rmdir(d)
	}
}

// kept is where the directory goes if something was left in it.
func (s *scratch) kept() string {
	return filepath.Join(filepath.Dir(s.dir), keptPrefix+s.id)
}

func (s *scratch) aside(to string) error {
	now := time.Now()
	if err := os.Rename(s.dir, to); err != nil {
		return err
	}
	return os.Chtimes(to, now, now)
}

// sweep removes what was put aside more than a day ago. A launch does it while it waits for stage two, and not more than
// once in an hour: whoever launches all day has thousands of directories there, and to look at them takes longer than
// the launch.
func sweep(base string, now time.Time) {
	marker := filepath.Join(base, "swept")
	if info, err := os.Lstat(marker); err == nil && now.Sub(info.ModTime()).Abs() < sweepEvery {
		return
	}
	if f, err := os.OpenFile(marker, os.O_CREATE|os.O_WRONLY|unix.O_NOFOLLOW, 0o600); err == nil {
		f.Close()
		os.Chtimes(marker, now, now)
	}
	entries, err := os.ReadDir(base)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), keptPrefix) {
			continue
		}
		if info, err := e.Info(); err == nil && now.Sub(info.ModTime()) > keepScratch {
			os.RemoveAll(filepath.Join(base, e.Name()))
		}
	}
}

// left gives the directories in "tmp", each after the one that holds it, and says whether there is nothing but them. A
// slot that is not filled yet is empty too; one with very many directories is not, since to remove them would keep ward
// from ending.
func (s *scratch) left() (directories []string, empty bool) {
	tmp := filepath.Join(s.dir, "tmp")
	empty = true
	filepath.WalkDir(tmp, func(path string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil || !e.IsDir() || len(directories) == maxEmpty:
			empty = false
			return fs.SkipAll
		case path != tmp:
			directories = append(directories, path)
		}
		return nil
	})
	return directories, empty
}
