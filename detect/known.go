package detect

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Known remembers callers that were seen before, so that a new one is
// reported once. A caller is an agent, or none, and the file that it is: no
// command line, and no directory that it was called in.
type Known struct {
	Path string // $XDG_STATE_HOME/ward/known_callers.json; the lock is Path + ".lock"
}

// Bounds of the file. What is added beyond maxKnown takes the place of the
// oldest.
const (
	maxKnown     = 500
	maxKnownFile = 4 << 20 // bytes
	maxKnownPath = 1024    // bytes
)

// knownFile is the JSON form, in the order in which callers came.
type knownFile struct {
	Version int           `json:"version"` // 1
	Callers []knownCaller `json:"callers"`
}

type knownCaller struct {
	Agent string    `json:"agent,omitempty"`
	Path  string    `json:"path"`
	First time.Time `json:"first"`
}

// See says whether this caller is new, and remembers it. An error is no
// reason to refuse anything: without a memory, callers are new each time, and
// a file that is damaged is put aside under a name that the error tells.
func (k *Known) See(ctx context.Context, c Caller) (isNew bool, err error) {
	who := knownCaller{Agent: c.Agent, Path: bounded(c.Path), First: time.Now().UTC().Truncate(time.Second)}
	// Most callers are known: no lock and no write for them.
	if f, err := k.read(); err == nil && f.has(who) {
		return false, nil
	}
	if err := os.MkdirAll(filepath.Dir(k.Path), 0o700); err != nil {
		return true, k.fail(err)
	}
	unlock, err := lock(ctx, k.Path+".lock")
	if err != nil {
		return true, k.fail(err)
	}
	defer unlock()
	f, err := k.read()
	var aside error
	if errors.Is(err, errDamaged) {
		if aside, err = k.putAside(err); err == nil {
			f = knownFile{Version: 1}
		}
	}
	if err != nil {
		return true, k.fail(err)
	}
	if f.has(who) { // another process was first
		return false, aside
	}
	f.Callers = append(f.Callers, who)
	if extra := len(f.Callers) - maxKnown; extra > 0 {
		f.Callers = slices.Delete(f.Callers, 0, extra)
	}
	if err := k.write(f); err != nil {
		return true, k.fail(err)
	}
	return true, aside
}

func (f knownFile) has(who knownCaller) bool {
	return slices.ContainsFunc(f.Callers, func(c knownCaller) bool { return c.Agent == who.Agent && c.Path == who.Path })
}

// bounded makes a path fit for the file: JSON holds text, and paths are bytes.
func bounded(path string) string {
	path = strings.ToValidUTF8(path, "\uFFFD")
	if len(path) > maxKnownPath {
		path = strings.ToValidUTF8(path[:maxKnownPath], "")
	}
	return path
}

func (k *Known) fail(err error) error { return fmt.Errorf("known callers: %w", err) }

var errDamaged = errors.New("damaged")

// read gives an empty file where there is none.
func (k *Known) read() (knownFile, error) {
	f := knownFile{Version: 1}
	file, err := os.OpenFile(k.Path, os.O_RDONLY|unix.O_NONBLOCK, 0) // to open a FIFO would wait for a writer
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return f, err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return f, cmp.Or(err, errors.New(k.Path+" is not a regular file"))
	}
	data, err := io.ReadAll(io.LimitReader(file, maxKnownFile+1))
	if err != nil {
		return f, err
	}
	if len(data) > maxKnownFile {
		return f, fmt.Errorf("%w: more than %d bytes", errDamaged, maxKnownFile)
	}
	f.Version = 0
	d := json.NewDecoder(bytes.NewReader(data))
	switch err := d.Decode(&f); {
	case err != nil:
		return f, fmt.Errorf("%w: %w", errDamaged, err)
	case f.Version < 1:
		return f, fmt.Errorf("%w: no version", errDamaged)
	case f.Version > 1:
		// Of a later ward: not for this one to put aside.
		return f, fmt.Errorf("%s is of version %d, and this ward knows version 1", k.Path, f.Version)
	}
	if _, err := d.Token(); err != io.EOF {
		return f, fmt.Errorf("%w: something follows its end", errDamaged)
	}
	return f, nil
}

// putAside renames a damaged file and gives the error that tells so.
func (k *Known) putAside(cause error) (told, err error) {
	to := k.Path + ".damaged-" + time.Now().UTC().Format("20060102T150405.000000000")
	if err := os.Rename(k.Path, to); err != nil {
		return nil, fmt.Errorf("%w; and it cannot be put aside: %w", cause, err)
	}
	return k.fail(fmt.Errorf("%w; it is kept as %s, and a new one was begun", cause, to)), nil
}

// write replaces the file, so that at every moment it is the old or the new
// one, after a power cut too.
func (k *Known) write(f knownFile) (err error) {
	data, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(k.Path), ".ward-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(tmp.Name())
		}
	}()
	_, err = tmp.Write(append(data, '\n'))
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), k.Path)
}
