package session

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// settled says whether another user could put something else in the place of a directory: its own mode says nothing about
// that, since whoever may write the one above it may rename it. A shell sources what lies there, so that would be another
// user's script. It happens where a runtime directory stayed in the environment of `su`.
//
// Every directory on the way, through links too, has to belong to this user or to root, and not be for others to write;
// but where names can be taken away by their owner only (the sticky bit, as in /tmp) others may add theirs.
func settled(path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("%s: is not an absolute path", path)
	}
	return settledBy(filepath.Clean(path), 8)
}

func settledBy(path string, links int) error {
	if links == 0 {
		return fmt.Errorf("%s: too many links", path)
	}
	at := "/"
	for _, part := range strings.Split(path, "/") {
		at = filepath.Join(at, part)
		info, err := os.Lstat(at)
		if err != nil {
			return err
		}
		if info.Mode()&os.ModeSymlink == 0 {
			if err := kept(info); err != nil {
				return fmt.Errorf("%s: %w", at, err)
			}
			continue
		}
		to, err := os.Readlink(at)
		if err != nil {
			return err
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(at), to)
		}
		if err := errors.Join(owned(info), settledBy(filepath.Clean(to), links-1)); err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
	}
	return nil
}

var errAnothers = errors.New("another user can exchange what is in it")

// owned says whether a file is this user's or root's.
func owned(info os.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Uid != 0 && int(st.Uid) != os.Getuid() && !(st.Uid == nobody && single()) {
		return errAnothers
	}
	return nil
}

// nobody is who owns what belongs to users that a user namespace has no numbers for.
const nobody = 65534

// single says whether this is a user namespace with this user in it and nobody else, as other sandboxes make it: root's
// files are nobody's there. Who came from another user's session, by su, is not in one.
func single() bool {
	data, err := os.ReadFile("/proc/self/uid_map") // inside, outside, how many
	if err != nil {
		return false
	}
	fields := strings.Fields(string(data))
	return len(fields) == 3 && fields[0] == strconv.Itoa(os.Getuid()) && fields[2] == "1"
}

// kept says whether only this user and root take names out of a directory. Many systems give each user a group of the same
// number and let it write; nobody else is in that.
func kept(info os.FileInfo) error {
	if err := owned(info); err != nil {
		return err
	}
	open := info.Mode().Perm() & 0o022
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Gid) == os.Getuid() {
		open &^= 0o020
	}
	if open != 0 && info.Mode()&os.ModeSticky == 0 {
		return errAnothers
	}
	return nil
}
