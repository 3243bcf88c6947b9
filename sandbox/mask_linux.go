package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// masks covers the paths that must not be read, or must not change, although a rule around them allows it. A directory
// that was closed on the way since the launch was planned, as another launch may do, ends this one: it may be opened again.
//
// What is not there cannot be mounted over: a protected path that is missing can be created by the command. A file that
// has a second name (a hard link) inside a rule can be read by that name. What is removed outside, or has another file
// renamed over it, loses its mount in every namespace (detach_mounts in the kernel).
func (v *view) masks() error {
	for _, m := range v.policy.Masks {
		path, info, err := v.follow(m.Path)
		if beyondReach(err) && !(errors.Is(err, unix.EACCES) && m.reached(v.policy.Rules)) {
			continue
		}
		if err == nil {
			err = v.cover(Mask{Path: path, Fixed: m.Fixed, But: m.But}, info)
		}
		if err != nil {
			return fmt.Errorf("mask %s: %w", m.Path, err)
		}
	}
	return nil
}

// cover mounts over a path that is free of symbolic links, if a rule reaches it.
func (v *view) cover(m Mask, info fs.FileInfo) error {
	if !m.reached(v.policy.Rules) {
		return nil
	}
	source := m.Path
	if !m.Fixed {
		void, err := v.emptiness(info.IsDir())
		if err != nil {
			return err
		}
		defer unix.Close(void)
		source = descriptor(void)
	}
	open, err := v.kept(m)
	if err != nil {
		return err
	}
	if err := unix.Mount(source, m.Path, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	if err := freeze(unix.AT_FDCWD, m.Path, 0); err != nil {
		return err
	}
	for _, t := range open {
		if err := attach(t.fd, t.path); err != nil {
			return fmt.Errorf("%s: %w", t.path, err)
		}
	}
	return nil
}

// emptiness opens what a mask shows. A link in its place, as an earlier launch leaves one where TMPDIR lies in a project,
// would have the mask show what that leads to.
func (v *view) emptiness(dir bool) (int, error) {
	name, kind := "void.f", uint32(unix.S_IFREG)
	if dir {
		name, kind = "void.d", unix.S_IFDIR
	}
	fd, err := unix.Openat(v.scratch, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("%s: %w", name, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != kind {
		unix.Close(fd)
		return -1, fmt.Errorf("%s in the directory of this launch: is not what ward made", name)
	}
	return fd, nil
}

// holds says whether a launch around this one masks the path already: it is on a read-only mount and, if it is to be
// hidden, empty or closed. The mode of a file says nothing, since its owner can change that.
func (m Mask) holds() bool {
	var mount unix.Statfs_t
	if err := unix.Statfs(m.Path, &mount); err != nil {
		return beyondReach(err) && !errors.Is(err, unix.EACCES)
	}
	if mount.Flags&unix.ST_RDONLY == 0 || m.Fixed {
		return mount.Flags&unix.ST_RDONLY != 0
	}
	f, err := os.OpenFile(m.Path, os.O_RDONLY|unix.O_NONBLOCK, 0) // a FIFO would wait for a writer
	if err != nil {
		return true
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Mode().Type() == fs.ModeNamedPipe {
		return false
	}
	if _, err = f.Read(make([]byte, 1)); errors.Is(err, unix.EISDIR) {
		_, err = f.Readdirnames(1)
	}
	return err != nil
}

// kept copies what stays as it is inside a mask, with the masks that are mounted there already.
func (v *view) kept(m Mask) (open []tree, err error) {
	for _, path := range m.But {
		t, needed, err := take(place{path: path})
		if err != nil && !beyondReach(err) {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if err == nil && needed {
			open = append(open, t)
		}
	}
	return open, nil
}

// maxLinks is how many symbolic links the kernel follows in one path (path_resolution(7)).
const maxLinks = 40

// follow gives the path that the kernel would find, and pins what it passes. `mv .git x; mkdir .git` would lift a mask
// below .git, since the mount goes with the old name; and a symbolic link on the way could be exchanged for another.
func (v *view) follow(path string) (string, fs.FileInfo, error) {
	at, rest := "/", parts(path)
	var info fs.FileInfo
	for links := 0; len(rest) > 0; {
		next := filepath.Join(at, rest[0])
		rest = rest[1:]
		if v.real[next] && len(rest) > 0 {
			at = next
			continue
		}
		var err error
		if info, err = os.Lstat(next); err != nil {
			return "", nil, err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			if at = next; len(rest) > 0 {
				v.real[at] = true
				if err := v.pin(at, unix.MS_REC); err != nil {
					return "", nil, err
				}
			}
			continue
		}
		target, err := os.Readlink(next)
		if err != nil {
			return "", nil, err
		}
		if links++; links > maxLinks {
			return "", nil, unix.ELOOP
		}
		if err := v.pin(next, 0); err != nil {
			return "", nil, err
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		rest = append(parts(target), rest...)
	}
	return at, info, nil
}

func parts(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

// pin makes a directory or a symbolic link a mount point of its own, which cannot be renamed or removed.
func (v *view) pin(path string, flags uintptr) error {
	if !v.policy.changeable(path) {
		return nil
	}
	// By descriptor, because a path would be followed to what the link means.
	fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Mount(descriptor(fd), descriptor(fd), "", unix.MS_BIND|flags, ""); err != nil {
		return fmt.Errorf("pin %s: %w", path, err)
	}
	return nil
}
