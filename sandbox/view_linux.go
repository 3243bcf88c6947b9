package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// view is what the command sees of the file system, while stage two builds it in a mount namespace of its own: all of
// the machine's tree read-only, what may be written mounted over it as it is outside, private terminals, shared memory
// and /tmp, and masks.
//
// Landlock says what of it may be used. The read-only mount keeps what Landlock has no right for: changing modes,
// owners, times and extended attributes (landlock(7)), and truncating on kernels before 6.2.
type view struct {
	policy  *Policy
	trees   []tree
	tmp     map[string]int // a copy of the launch's own directory for each path that it is mounted over
	scratch int            // the open directory that holds void.d and void.f: /tmp is about to be covered
	real    map[string]bool
}

// tree is a detached copy of the mount at a place, taken before anything is covered or read-only.
type tree struct {
	place
	fd  int
	dir bool
}

// newView takes the copies. scratch is an open Policy.Scratch. Nothing is changed yet but that mounts are no longer
// exchanged with the outside, where a mount made here as root would appear. So it is also the probe: Ubuntu lets anyone
// make a user namespace and then refuses every mount in it.
func newView(p *Policy, scratch int) (*view, error) {
	err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	if err != nil {
		return nil, fmt.Errorf("making / private: %w", err)
	}
	v := &view{policy: p, tmp: map[string]int{}, real: map[string]bool{}, scratch: scratch}
	for _, dir := range []string{"/tmp", "/var/tmp"} {
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() {
			continue
		}
		if v.tmp[dir], err = clone(scratch, "tmp"); err != nil {
			return nil, fmt.Errorf("mounting %s: %w", dir, err)
		}
	}
	for _, at := range p.places() {
		if at.path == "/" {
			continue // all of it is writable: see build
		}
		if at.access == 0 { // the working directory, to be there and no more
			v.trees = append(v.trees, tree{place: at, fd: -1, dir: true})
			continue
		}
		t, needed, err := take(at)
		if beyondReach(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("mounting %s: %w", at.path, err)
		}
		if needed {
			v.trees = append(v.trees, t)
		}
	}
	return v, nil
}

// take copies the mount at a place. A device, a FIFO or a socket can be written on a read-only mount, and needs none.
func take(at place) (t tree, needed bool, err error) {
	path, err := openReal(at.path)
	if err != nil {
		return tree{}, false, err
	}
	defer unix.Close(path)
	var st unix.Stat_t
	if err := unix.Fstat(path, &st); err != nil {
		return tree{}, false, err
	}
	kind := st.Mode & unix.S_IFMT
	if ownRoot(at.path) == "" && kind != unix.S_IFDIR && kind != unix.S_IFREG {
		return tree{}, false, nil
	}
	fd, err := clone(path, "")
	return tree{at, fd, kind == unix.S_IFDIR}, true, err
}

// beyondReach says that a path is missing, or so to the user that ward runs as; then it is to the command too. So is one
// whose links lead back to themselves.
func beyondReach(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.EACCES)
}

func descriptor(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// clone copies the mount at path below dir, which is no link, or at dir itself, with everything mounted below it. The copy
// keeps the flags that the original has, also those that a user namespace may not take off. One that is not attached is
// costly to give up: the kernel waits until nobody can be looking at it.
func clone(dir int, path string) (int, error) {
	return unix.OpenTree(dir, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE|unix.AT_EMPTY_PATH|unix.AT_SYMLINK_NOFOLLOW)
}

// attach mounts a copy at path.
func attach(fd int, path string) error {
	defer unix.Close(fd)
	return unix.MoveMount(fd, "", unix.AT_FDCWD, path, unix.MOVE_MOUNT_F_EMPTY_PATH)
}

// freeze makes mounts read-only. mount_setattr(2) only adds that. A remount would have to repeat the flags that a mount
// has and that a user namespace may not take off (nosuid, nodev, noexec, atime).
func freeze(dir int, path string, flags uint) error {
	return unix.MountSetattr(dir, path, flags|unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
}

// build makes the view. fresh says that the process namespace is new, so that /proc has to be mounted again; listed is
// why that was refused. Where a container covers parts of /proc, the kernel refuses a fresh one to a user namespace. The
// old one stays then: /proc/self works there too, other processes remain listed, and Landlock guards what is in them.
func (v *view) build(fresh bool) (listed error, err error) {
	if places := v.policy.places(); len(places) == 0 || places[0].path != "/" {
		if err := freeze(unix.AT_FDCWD, "/", 0); err != nil {
			return nil, fmt.Errorf("making / read-only: %w", err)
		}
	}
	if fresh {
		listed = unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
		if listed != nil && !errors.Is(listed, unix.EPERM) {
			return nil, fmt.Errorf("mounting /proc: %w", listed)
		}
	}
	if err := privateTerminals(); err != nil {
		return nil, err
	}
	// POSIX shared memory and semaphores of other processes are theirs.
	if err := unix.Mount("tmpfs", "/dev/shm", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777"); err != nil && !errors.Is(err, unix.ENOENT) {
		return nil, fmt.Errorf("mounting /dev/shm: %w", err)
	}
	for dir, fd := range v.tmp {
		if err := attach(fd, dir); err != nil {
			return nil, fmt.Errorf("mounting %s: %w", dir, err)
		}
	}
	for _, t := range v.trees {
		if err := t.restore(); err != nil {
			return nil, fmt.Errorf("mounting %s: %w", t.path, err)
		}
	}
	return listed, v.masks()
}

// restore puts a place back where it was. Inside a directory of the launch its mount point has to be made first, and
// what is not writable has to be kept so: Landlock's rule for /tmp reaches into everything mounted below it.
func (t tree) restore() error {
	if ownRoot(t.path) != "" {
		if err := mountPoint(t.path, t.dir); err != nil || t.access == 0 {
			return err
		}
		if t.access&Write == 0 {
			if err := freeze(t.fd, "", unix.AT_EMPTY_PATH); err != nil {
				return err
			}
		}
	}
	return attach(t.fd, t.path)
}

func mountPoint(path string, dir bool) error {
	if dir {
		return os.MkdirAll(path, 0o700)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// privateTerminals mounts an instance of devpts that holds the terminals of this launch only: a grant on the
// machine's /dev/pts would open the user's other terminals.
func privateTerminals() error {
	err := unix.Mount("devpts", "/dev/pts", "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620")
	if err != nil {
		return fmt.Errorf("mounting /dev/pts: %w", err)
	}
	if info, err := os.Lstat("/dev/ptmx"); err == nil && info.Mode()&os.ModeSymlink == 0 {
		if err := unix.Mount("/dev/pts/ptmx", "/dev/ptmx", "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("binding /dev/ptmx: %w", err)
		}
	}
	return nil
}
