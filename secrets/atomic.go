package secrets

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// replaceFile puts data under path, mode 0600, so that at every moment, a
// crash and a full disk included, path holds the old bytes or the new ones.
// A process that is killed may leave a file ".ward-*" beside it.
func replaceFile(path string, data []byte) error {
	return replaceAfter(path, data, func() error { return nil })
}

// replaceAfter is replaceFile that runs last when the new bytes are on disk
// and path still has the old ones: to keep those elsewhere. Where the new ones
// find no room, what was kept before is still kept.
func replaceAfter(path string, data []byte, last func() error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".ward-*")
	if err != nil {
		return err
	}
	return become(f, path, data, last)
}

// replaceLocked is replaceFile for who holds a lock on path: it keeps what path
// held, and what a kill leaves is written over by the next one.
func replaceLocked(path string, data []byte) error {
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	return become(f, path, data, func() error { return keepPrevious(path) })
}

// become fills f, runs last, and gives f the name path.
func become(f *os.File, path string, data []byte, last func() error) (err error) {
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(data); err != nil {
		return err
	}
	// Some file systems report a full disk or quota only here or at close.
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := last(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// sweep removes from dir what killed calls of replaceFile left. One that is
// still running has begun within the hour. Best effort: what stays does no harm.
func sweep(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, entry := range entries {
		info, err := entry.Info()
		if err == nil && strings.HasPrefix(entry.Name(), ".ward-") && info.Mode().IsRegular() && time.Since(info.ModTime()) > time.Hour {
			os.Remove(filepath.Join(dir, entry.Name()))
		}
	}
}

// syncDir makes renames and removals in dir survive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	// EINVAL: file systems without it (some FUSE, CIFS) keep directories in step themselves.
	if err := d.Sync(); err != nil && !errors.Is(err, unix.EINVAL) {
		return err
	}
	return nil
}

// previousSuffix goes behind the name of a file for what it held before.
const previousSuffix = ".prev"

// keepPrevious gives what path holds a second name, from where the next
// replaceFile does not take it. Where there is nothing there is nothing to keep.
func keepPrevious(path string) error {
	fresh := path + previousSuffix + ".new"
	defer os.Remove(fresh) // what a kill left, and a rename of two names of one file, which does nothing
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := secondName(path, fresh); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	return os.Rename(fresh, path+previousSuffix)
}

// secondName is a hard link, or a copy where the file system has no links
// (FAT, some network mounts). It replaces nothing.
func secondName(path, second string) error {
	err := os.Link(path, second)
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, unix.EMLINK) {
		return err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return replaceFile(second, data)
}

// lockFile takes an exclusive flock on path, created if need be and never
// removed: removing it would let two processes lock two different files. The
// kernel drops the lock when its holder dies. It waits until ctx ends, and at
// most 10 s, for nobody holds one for longer than a few writes.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	// The kernel's queue gives everybody a turn, where asking again and again
	// starves whoever is slow. A wait that was given up goes on alone, and lets
	// go of the lock when it gets it.
	took, gone := make(chan error), make(chan struct{})
	go func() {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX)
		for err == unix.EINTR {
			err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		}
		select {
		case took <- err:
		case <-gone:
			f.Close()
		}
	}()
	select {
	case err := <-took:
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		return func() { f.Close() }, nil
	case <-ctx.Done():
		close(gone)
		return nil, fmt.Errorf("%s is held by another process: %w", path, ctx.Err())
	}
}
