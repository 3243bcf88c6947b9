package secrets

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// WriteExport writes one line for a POSIX shell to evaluate: the variable gets
// the value byte for byte, whatever is in it. What no variable can hold (a NUL
// byte) and what no secret should be (see CheckVar) is an error, and nothing
// was written then.
//
// The line has to reach the shell as one word: eval "$(ward load …)". Without
// the quotes the shell splits it at spaces and expands stars first.
func WriteExport(w io.Writer, variable string, value *Buffer) error {
	if err := CheckVar(variable); err != nil {
		return err
	}
	return value.Use(func(v []byte) error {
		if bytes.IndexByte(v, 0) >= 0 {
			return errors.New("holds a NUL byte, which no environment variable can")
		}
		// Between single quotes nothing is special but the quote itself, which goes between '…' and '…' as \'.
		if _, err := io.WriteString(w, "export "+variable+"='"); err != nil {
			return err
		}
		for {
			plain, rest, more := bytes.Cut(v, []byte{'\''})
			if _, err := w.Write(plain); err != nil {
				return err
			}
			if !more {
				break
			}
			if _, err := io.WriteString(w, `'\''`); err != nil {
				return err
			}
			v = rest
		}
		_, err := io.WriteString(w, "'\n")
		return err
	})
}

// CheckVar says why a secret is not put into a variable of that name: the
// shell, the dynamic linker or a language runtime would run code by it, find
// its programs by it, or refuse to have it changed. Whoever may store a secret
// could otherwise have the next `load` run a program.
func CheckVar(variable string) error {
	if variable == "" || variable[0] >= '0' && variable[0] <= '9' || strings.ContainsFunc(variable, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_')
	}) {
		return errors.New("is not the name of a variable")
	}
	fixed := []string{
		"BASHOPTS", "BASH_ENV", "BROWSER", "CDPATH", "CLASSPATH", "EDITOR", "ENV", "EUID", "FPATH", "GIT_ASKPASS", "GIT_EDITOR",
		"GIT_EXEC_PATH", "GIT_EXTERNAL_DIFF", "GIT_PAGER", "GIT_SSH", "GIT_SSH_COMMAND", "HOME", "IFS", "JAVA_TOOL_OPTIONS",
		"LESSCLOSE", "LESSOPEN", "MANPAGER", "NODE_OPTIONS", "NODE_PATH", "PAGER", "PATH", "PERL5DB", "PERL5LIB", "PERL5OPT", "PPID",
		"PROMPT", "PROMPT_COMMAND", "PS0", "PS1", "PS2", "PS3", "PS4", "PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "RPROMPT",
		"RUBYLIB", "RUBYOPT", "SHELL", "SHELLOPTS", "SSH_ASKPASS", "TMPDIR", "UID", "VISUAL", "ZDOTDIR", "_",
	}
	_, found := slices.BinarySearch(fixed, variable)
	for _, prefix := range []string{"LD_", "DYLD_", "BASH_FUNC_", "WARD_"} {
		found = found || strings.HasPrefix(variable, prefix)
	}
	if found {
		return fmt.Errorf("would go into %s, which shells or programs act on", variable)
	}
	return nil
}
