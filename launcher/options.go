// Package launcher makes one launch: it turns a profile and the flags into a [Plan], which can be printed, and runs
// it. Nothing decides after the Plan, and nothing runs before it.
package launcher

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"ward/profiles"
	"ward/secrets"
)

// Options is what the command line asks for on top of a profile.
type Options struct {
	Argv    []string // the command and its arguments, passed on byte for byte
	ByName  bool     // the profile is an agent's for the command's name; nobody asked for it
	WorkDir string   // "": where ward was started

	Allow, Read, Write, Deny, Protect, Unprotect []string
	AllowCWD                                     bool

	Credentials []Credential
	AllowVars   []string
	SetVars     map[string]string

	AllowPorts       []uint16
	AllowUnixSockets []string
	BlockNet         bool
	OpenNet          bool

	GuardStored   bool   // look for stored secrets too, though somebody has to be asked for it
	Guard         string // redact, block, warn, off; "": the profile's, else redact
	CIMask        bool   // tell the values to the runner of GitHub Actions, if there is one
	PTY           string // auto, always, never; "" is auto
	AllowDegraded bool
}

// Credential is a secret that the command gets in its environment.
type Credential struct {
	Ref      secrets.Ref
	Var      string
	Optional bool   // where it is not found the launch goes on without it
	Why      string // the profile and line, or the flag
	// Command prints the value of a cmd:// reference; the profile declares it. Timeout 0 is the default.
	Command []string
	Timeout time.Duration
}

// Host is the machine as far as a Plan depends on it, so that tests can have another one.
type Host struct {
	OS      string
	Home    string
	UID     int
	WorkDir string
	Environ []string
	TTY     [3]bool // whether stdin, stdout and stderr are terminals
	// Foreground: ward is in the foreground of its terminal.
	Foreground bool
	// Self is ward's own program, which asks the launch's broker from inside; "" if it cannot be found.
	Self string
	// Nested: ward runs inside a launch of ward.
	Nested bool
	// Config and State are ward's directories for its configuration and for what it remembers.
	Config, State string
	// Own are all of ward's directories. Nothing inside a launch reaches them.
	Own []string
	// Stored: there is an index of stored secrets.
	Stored bool
}

// ThisHost looks at the machine.
func ThisHost() (Host, error) {
	home, err := os.UserHomeDir()
	if err != nil || !filepath.IsAbs(home) {
		return Host{}, Mistake("HOME: not set to an absolute path", "export HOME=/path/of/your/home")
	}
	wd, err := os.Getwd()
	if err != nil {
		return Host{}, Mistake("working directory: "+reason(err), "change to a directory that exists")
	}
	h := Host{OS: runtime.GOOS, Home: home, UID: os.Getuid(), WorkDir: wd, Environ: os.Environ()}
	for i, f := range []*os.File{os.Stdin, os.Stdout, os.Stderr} {
		h.TTY[i] = isTerminal(int(f.Fd()))
	}
	h.Foreground = foreground()
	h.Nested = nested()
	h.Self, _ = os.Executable()
	if h.Own, err = ownDirs(h.env); err != nil {
		return Host{}, err
	}
	h.Config, h.State, h.Stored = h.Own[0], h.Own[2], hasIndex(h.Own[1])
	return h, nil
}

// realHome is Home with links followed, as other paths are when they are compared with it.
func (h Host) realHome() string {
	if real, err := filepath.EvalSymlinks(h.Home); err == nil {
		return real
	}
	return h.Home
}

func (h Host) env(name string) string {
	for _, e := range h.Environ {
		if value, ok := strings.CutPrefix(e, name+"="); ok {
			return value
		}
	}
	return ""
}

func (h Host) vars(workdir string) profiles.Vars {
	return profiles.Vars{OS: h.OS, Home: h.Home, WorkDir: workdir, TempDir: "/tmp", UID: h.UID, Env: h.env}
}

// ownDirs are the places of ward's files: configuration, data, state and sockets, in this order. The defaults come behind
// where the variables say otherwise: a launch that has those is not to write what one without them reads.
func ownDirs(env func(string) string) (dirs []string, err error) {
	for _, env := range []func(string) string{env, func(string) string { return "" }} {
		for i, variable := range []string{"XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"} {
			dir, err := secrets.OwnDir(variable, env)
			if err != nil {
				return nil, err
			}
			if len(dirs) == i || !slices.Contains(dirs, dir) { // the first four have their places
				dirs = append(dirs, dir)
			}
		}
	}
	return dirs, nil
}
