package launcher

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// names are the names in a directory as getdents64(2) gave them, in lower case: on a file system that takes names in
// any case, a path is there though it is written otherwise.
type names []byte

// mayHold says whether name, which has no letter outside ASCII where it is one of ward's own list, may be there.
func (n names) mayHold(name string) bool {
	var buf [unix.NAME_MAX + 2]byte
	looked := append(buf[:0], 0)
	for i := range len(name) {
		c := name[i]
		if c >= 0x80 || len(name) > unix.NAME_MAX {
			return true
		}
		looked = append(looked, lower(c))
	}
	return bytes.Contains(n, append(looked, 0))
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// maxListed is how much of a directory is read; in a larger one single looks are quicker.
const maxListed = 64 << 10

// list reads a directory. It gives nil where a name that it does not show may be there all the same: a directory that
// cannot be read, a file system that makes entries when they are asked for (autofs, some of FUSE), one that takes
// letters outside ASCII for others.
func list(path string) names {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	var at unix.Statfs_t
	if unix.Fstatfs(fd, &at) != nil {
		return nil
	}
	switch at.Type {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC, unix.TMPFS_MAGIC, unix.OVERLAYFS_SUPER_MAGIC:
	default:
		return nil
	}
	buf := make([]byte, 16<<10)
	all := names{0}
	for read := 0; read < maxListed; {
		n, err := unix.Getdents(fd, buf)
		if err != nil {
			return nil
		}
		if n == 0 {
			return all
		}
		read += n
		if all = all.add(buf[:n]); all == nil {
			return nil
		}
	}
	return nil
}

// add takes the names out of linux_dirent64 records: inode 8 bytes, offset 8, length of the record 2, type 1, name.
func (n names) add(records []byte) names {
	const nameAt = 19
	for len(records) > nameAt {
		size := int(binary.NativeEndian.Uint16(records[16:]))
		if size <= nameAt || size > len(records) {
			return nil
		}
		name, _, _ := bytes.Cut(records[nameAt:size], []byte{0})
		for _, c := range name {
			if c >= 0x80 {
				return nil
			}
			n = append(n, lower(c))
		}
		n = append(n, 0)
		records = records[size:]
	}
	return n
}
