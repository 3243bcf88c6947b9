package secrets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// File gives the contents of a file: file:///PATH, at most MaxValue bytes,
// less one newline at the end ("\n" or "\r\n"), which editors and echo add and
// no token has. Symlinks are followed (Kubernetes mounts secrets as such), and
// permissions are the owner's business: a file that others may read is read.
type File struct {
	// Opened, if set, may refuse what was opened, by its real path. It is not
	// asked on systems that do not tell that.
	Opened func(path, real string) error
}

// Fetch reads the file at the absolute path. Anything but a regular file is
// refused without waiting for it: opening a FIFO would block for ever.
func (s File) Fetch(ctx context.Context, path string) (*Buffer, error) {
	b, err := s.read(ctx, path)
	switch {
	case err == nil:
		return b, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, &Error{Name: path, Err: ErrNotFound, Fix: "there is no such file, or a directory on the way is missing"}
	}
	// The name is in front already.
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return nil, &Error{Name: path, Err: err}
}

func (s File) read(ctx context.Context, path string) (*Buffer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !filepath.IsAbs(path) {
		return nil, errors.New("the path must be absolute")
	}
	f, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if real, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd())); err == nil && s.Opened != nil {
		if err := s.Opened(path, real); err != nil {
			return nil, err
		}
	}
	b, err := ReadBuffer(f, MaxValue)
	if err != nil {
		return nil, err
	}
	b.chomp()
	return b, nil
}

// openRegular opens a file for reading, and nothing else: to open a FIFO waits for
// a writer, without end and whatever the signal.
func openRegular(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: errors.New("not a regular file")}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// readRegular reads such a file.
func readRegular(path string) ([]byte, error) {
	f, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	data := bytes.NewBuffer(make([]byte, 0, info.Size()+bytes.MinRead))
	_, err = data.ReadFrom(f)
	return data.Bytes(), err
}

// chomp takes one newline off the end: "\n" or "\r\n".
func (b *Buffer) chomp() {
	n := b.Len()
	_ = b.Use(func(value []byte) error {
		if n > 0 && value[n-1] == '\n' {
			if n--; n > 0 && value[n-1] == '\r' {
				n--
			}
		}
		return nil
	})
	b.keep(0, n)
}
