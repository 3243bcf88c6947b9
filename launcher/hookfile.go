package launcher

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ward/guard"
	"ward/launcher/hooks"
)

// HookChange is a change of an agent's settings, decided and not made yet.
type HookChange struct {
	Path  string
	Diff  string   // for people; "" where nothing would change
	Notes []string // what the agent wants besides

	before, after []byte
	mode          fs.FileMode
	fresh         bool
}

// PlanHooks reads the agent's settings and decides what would change.
func PlanHooks(agent guard.Agent, install bool) (*HookChange, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, Mistake("HOME: "+reason(err), "export HOME=/path/of/your/home")
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &HookChange{Path: hooks.Path(agent, home), mode: 0o600}
	if target, err := filepath.EvalSymlinks(c.Path); err == nil {
		c.Path = target // the link stays
	} else if _, there := os.Readlink(c.Path); there == nil {
		return nil, Mistake(c.Path+": is a link to a file that is not there: "+reason(err), "make that file first; nothing was changed")
	}
	info, err := os.Stat(c.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.fresh = true
	case err != nil:
		return nil, Mistake(c.Path+": "+reason(err), "")
	case !info.Mode().IsRegular():
		return nil, Mistake(c.Path+": is not a regular file", "")
	default:
		c.mode = info.Mode().Perm()
		if c.before, err = os.ReadFile(c.Path); err != nil {
			return nil, Mistake(c.Path+": "+reason(err), "")
		}
	}
	if install {
		c.after, err = hooks.Add(agent, c.before, self)
	} else {
		c.after, err = hooks.Remove(agent, c.before)
	}
	if err != nil {
		return nil, Mistake(c.Path+": "+err.Error(), "correct the file first; nothing was changed")
	}
	c.Diff = hooks.Diff(c.Path, c.before, c.after)
	if install && agent == guard.Codex {
		c.Notes = append(c.Notes, "codex runs a hook only after you have trusted it: /hooks in codex")
	}
	if install && agent == guard.Cursor {
		c.Notes = append(c.Notes, "cursor lets no hook hide the output of its shell: run it under ward run")
	}
	return c, nil
}

// Make writes the change in one step, and keeps what was there before beside it.
func (c *HookChange) Make() (backup string, err error) {
	now, err := os.ReadFile(c.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", Mistake(c.Path+": "+reason(err), "")
	}
	if string(now) != string(c.before) {
		return "", Mistake(c.Path+": changed meanwhile", "start again")
	}
	if err := os.MkdirAll(filepath.Dir(c.Path), 0o700); err != nil {
		return "", Mistake(filepath.Dir(c.Path)+": "+reason(err), "")
	}
	if !c.fresh {
		backup = c.Path + ".before-ward"
		if err := replace(backup, c.before, c.mode); err != nil {
			return "", err
		}
	}
	return backup, replace(c.Path, c.after, c.mode)
}

// replace writes a file beside path and renames it.
func replace(path string, data []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return Mistake(path+": "+reason(err), "")
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return Mistake(path+": "+reason(err), "")
	}
	return nil
}

// Confirm asks a yes or no question at the terminal; its error says that there is none.
func Confirm(what string) (bool, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return false, Mistake(what+": there is no terminal to ask at", "--yes does it without asking")
	}
	defer tty.Close()
	if _, err := tty.WriteString("ward: " + Clean(what) + "? [y/N] "); err != nil {
		return false, err
	}
	line := make([]byte, 0, 16)
	for one := make([]byte, 1); len(line) < cap(line); {
		if n, err := tty.Read(one); n == 0 || err != nil || one[0] == '\n' {
			break
		}
		line = append(line, one[0])
	}
	answer := strings.ToLower(strings.TrimSpace(string(line)))
	return answer == "y" || answer == "yes", nil
}
