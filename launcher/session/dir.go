// Package session keeps secrets unlocked for one terminal, and hands one over to a shell.
//
// A session is a small process in the background. It holds the values of one prefix in locked memory, and gives them by a
// unix socket to programs that descend from the process that it is bound to: the one that leads the terminal. It ends
// when its time is over, when that process ends, or when it is told to.
//
// A hand-off is a process of the same kind. It holds the key of one encrypted value for a minute, and gives it once.
package session

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"ward/secrets"
)

// places are where the sockets may be, best first: $XDG_RUNTIME_DIR/ward, which where the variable is not set is looked for
// under /run/user/UID, and run in ward's state directory for machines that have neither, or have it read-only.
func places() ([]string, error) {
	runtime, err := secrets.OwnDir("XDG_RUNTIME_DIR", os.Getenv)
	if err != nil {
		return nil, err
	}
	state, err := secrets.OwnDir("XDG_STATE_HOME", os.Getenv)
	return []string{runtime, filepath.Join(state, "run")}, err
}

// own makes a directory that is nobody else's, or says why it is.
func own(dir string) error {
	// Of what is above it, only ward's own level is made: a runtime directory that is missing is missing for a reason.
	above := filepath.Dir(dir)
	if filepath.Base(above) == "ward" {
		if err := os.MkdirAll(above, 0o700); err != nil {
			return err
		}
	}
	if err := settled(above); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err == nil {
		if err := os.Chmod(dir, 0o700); err != nil { // whatever the umask is
			return err
		}
	} else if !errors.Is(err, os.ErrExist) {
		return err
	}
	return mine(dir)
}

// mine says why a directory is not this user's alone: what lies in another may be anybody's, now or in a moment.
func mine(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if err := alone(info); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	return settled(filepath.Dir(dir))
}

func alone(info os.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() || int(st.Uid) != os.Getuid() || info.Mode().Perm()&0o077 != 0 {
		return errors.New("is not a directory of yours alone")
	}
	return nil
}

// errNowhere says what was wrong with each place.
type errNowhere struct{ errs []error }

func (e *errNowhere) Error() string {
	var all []string
	for _, err := range e.errs {
		all = append(all, err.Error())
	}
	return "no directory for ward's sockets: " + strings.Join(all, "; ")
}

// Hint says what to do.
func (e *errNowhere) Hint() string {
	return "set XDG_RUNTIME_DIR to a directory that only you can enter, and that can be written"
}

// somewhere calls f with each directory until one is good.
func somewhere(f func(dir string) error) error {
	dirs, err := places()
	if err != nil {
		return err
	}
	nowhere := &errNowhere{}
	for _, dir := range dirs {
		err := own(dir)
		if err == nil {
			err = f(dir)
		}
		if err == nil {
			return nil
		}
		nowhere.errs = append(nowhere.errs, err)
	}
	return nowhere
}

// sessionPrefix begins the names of sessions' sockets; the PID of the bound process follows, and something random.
const sessionPrefix = "session-"

// maxSessions bounds how many are asked.
const maxSessions = 256

// sockets lists the sessions' sockets. A place that is not the user's alone has none: another's session would give
// another's values.
func sockets() ([]string, error) {
	dirs, err := places()
	if err != nil {
		return nil, err
	}
	var list []string
	for _, dir := range dirs {
		if mine(dir) != nil {
			continue // there is none, or none of ours
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), sessionPrefix) && len(list) < maxSessions {
				list = append(list, filepath.Join(dir, e.Name()))
			}
		}
	}
	return list, nil
}
