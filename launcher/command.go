package launcher

import (
	"bufio"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"ward/profiles"
	"ward/sandbox"
)

// CommandError is a command that cannot be started. Missing: there is none of that name (exit 127); otherwise it is
// there and cannot be executed (exit 126).
type CommandError struct {
	Name    string
	Missing bool
	Why     string
	Fix     string
}

func (e *CommandError) Error() string { return e.Name + ": " + e.Why }

// Hint says what to do.
func (e *CommandError) Hint() string { return e.Fix }

// command finds what argv[0] means and opens what it needs to start: itself, the files its links lead through, its
// interpreter, and the package that it is part of.
func (p *Plan) command(merged *profiles.Profile, o Options, h Host) error {
	if len(o.Argv) == 0 {
		return Mistake("no command", "ward run [flags] -- COMMAND [ARG…]")
	}
	path, err := find(o.Argv[0], p.Dir, p.searchPath())
	if err != nil {
		return err
	}
	if err := p.impostor(path, o); err != nil {
		return err
	}
	p.Path = path
	p.Argv = append([]string{o.Argv[0]}, merged.CommandArgs...)
	p.Argv = append(p.Argv, o.Argv[1:]...)
	p.open(path, h, 0)
	return nil
}

// impostor refuses a program of the project that would get an agent's profile, and with that the agent's login, for its name
// alone: an earlier launch may have left it there, and PATH led to it.
func (p *Plan) impostor(path string, o Options) error {
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil || !o.ByName || strings.Contains(o.Argv[0], "/") || !p.inProject(path) && !p.inProject(resolved) {
		return nil
	}
	return &CommandError{o.Argv[0], false, "is " + path + ", a file of the project, and would get profile " + p.Profile + " by its name",
		"if that is what you mean: -p " + p.Profile + "; if not, take its directory out of PATH"}
}

// find searches as a shell does: a name with a slash is a path, any other is looked for in PATH.
func find(name, dir, path string) (string, error) {
	if strings.Contains(name, "/") {
		file := name
		if !filepath.IsAbs(file) {
			file = filepath.Join(dir, file)
		}
		return file, executable(name, file)
	}
	if name == "" {
		return "", &CommandError{"''", true, "command not found", "the name of the command is empty"}
	}
	var denied error
	for _, d := range filepath.SplitList(path) {
		if !filepath.IsAbs(d) {
			continue // an empty or relative entry would run whatever lies in the project
		}
		file := filepath.Join(d, name)
		err := executable(name, file)
		if err == nil {
			return file, nil
		}
		if e, ok := errors.AsType[*CommandError](err); ok && !e.Missing && denied == nil {
			denied = err
		}
	}
	if denied != nil {
		return "", denied
	}
	return "", &CommandError{name, true, "command not found", "looked in PATH: " + path}
}

func executable(name, file string) error {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return &CommandError{name, true, "command not found", "there is no " + file}
	case err != nil:
		return &CommandError{name, false, reason(err), file + " cannot be looked at"}
	case info.IsDir():
		return &CommandError{name, false, "is a directory", ""}
	case !info.Mode().IsRegular():
		return &CommandError{name, false, "is not a regular file", ""} // to open a pipe would wait for a writer
	case !mayExecute(file):
		return &CommandError{name, false, "permission denied", "chmod +x " + file + " makes it executable"}
	}
	return nil
}

// maxHops bounds interpreters of interpreters; the kernel takes five.
const maxHops = 5

// theCommand is why a rule is there that opens what is to be started. It lifts no mask.
const theCommand = "the command"

func (p *Plan) open(path string, h Host, hops int) {
	home := h.realHome()
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil || hops > maxHops {
		return
	}
	grant := func(path string) {
		p.Policy.Rules = append(p.Policy.Rules, sandbox.Rule{Path: path, Access: sandbox.Read, Why: theCommand})
	}
	grant(resolved)
	if root := packageRoot(resolved, home); root != "" {
		grant(root)
	}
	// A virtual environment's python is a link: its library lies beside the link. The project may have named another link
	// node_modules, which leads anywhere, so that counts only if it leads to such a directory.
	if root := packageRoot(path, home); root != "" && path != resolved && path == filepath.Clean(path) {
		if real, err := filepath.EvalSymlinks(root); err == nil && packageRoot(real+path[len(root):], home) == real {
			grant(real)
		}
	}
	interpreter := interpreterOf(resolved, p.searchPath())
	if interpreter != "" && !filepath.IsAbs(interpreter) {
		interpreter = p.Dir + "/" + interpreter // not joined: what ".." is behind a link, the kernel decides
	}
	// The kernel would not run any other, and the name of a directory or of a file with data opens that.
	if executable(interpreter, interpreter) == nil {
		p.open(interpreter, h, hops+1)
	}
}

// packageRoot is the directory that holds a program's own files: the outermost node_modules around it, or the prefix
// whose bin it lies in, if that prefix is one (a Python environment, a Node installation) and not the home directory.
func packageRoot(path, home string) string {
	if i := strings.Index(path, "/node_modules/"); i >= 0 {
		return path[:i+len("/node_modules")]
	}
	bin := filepath.Dir(path)
	if filepath.Base(bin) != "bin" {
		return ""
	}
	prefix := filepath.Dir(bin)
	// /usr is the system's, and what of it may be read is for the profile to say.
	if prefix == "/usr" || sandbox.Within(home, prefix) || prefix == filepath.Join(home, ".local") {
		return ""
	}
	for _, mark := range []string{"pyvenv.cfg", "conda-meta", "lib/node_modules", "include/node"} {
		if _, err := os.Stat(filepath.Join(prefix, mark)); err == nil {
			return prefix
		}
	}
	// Not by a pattern: what is a part of one may be a part of the prefix's name.
	entries, _ := os.ReadDir(filepath.Join(prefix, "lib"))
	if slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return strings.HasPrefix(e.Name(), "python3") }) {
		return prefix
	}
	return ""
}

// interpreterOf reads a "#!" line as the kernel does, and looks through env(1), which most of them name. A name ends at a
// space, a tab or a NUL, and at no other white space: a script could have one file opened, and be run by another.
func interpreterOf(path, search string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	// The kernel reads 256 bytes (BINPRM_BUF_SIZE).
	line, _ := bufio.NewReaderSize(f, 256).ReadSlice('\n')
	rest, ok := bytes.CutPrefix(line, []byte("#!"))
	if !ok {
		return ""
	}
	rest, _, _ = bytes.Cut(bytes.TrimSuffix(rest, []byte("\n")), []byte{0})
	fields := strings.FieldsFunc(string(rest), func(r rune) bool { return r == ' ' || r == '\t' })
	if len(fields) == 0 {
		return ""
	}
	if filepath.Base(fields[0]) != "env" {
		return fields[0]
	}
	for _, name := range fields[1:] {
		if strings.HasPrefix(name, "-") || strings.ContainsAny(name, "=/") { // a path may belong to an option, as of -u
			continue
		}
		if found, err := find(name, "/", search); err == nil {
			return found
		}
		break
	}
	return ""
}
