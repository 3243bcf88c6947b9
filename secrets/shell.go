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
// shell, the dynamic linker, a language runtime or a tool that everybody has
// would run code by it, find its programs by it, or refuse to have it changed.
// Whoever may store a secret could otherwise have the next `load` run a program.
// No list of them is complete.
func CheckVar(variable string) error {
	if variable == "" || variable[0] >= '0' && variable[0] <= '9' || strings.ContainsFunc(variable, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_')
	}) {
		return errors.New("is not the name of a variable")
	}
	if slices.Contains(strings.Fields(actedOn), variable) || slices.ContainsFunc(strings.Fields(actedOnFamilies), func(family string) bool {
		return strings.HasPrefix(variable, family)
	}) {
		return fmt.Errorf("would go into %s, which shells or programs act on", variable)
	}
	return nil
}

// actedOnFamilies are beginnings of names of which all are acted on.
const actedOnFamilies = "BASH_FUNC_ CARGO_BUILD_ CARGO_TARGET_ CMAKE_ CORECLR_ DYLD_ FZF_ GIT_CONFIG GIT_TRACE GROFF_ LD_ LUA_CPATH " +
	"LUA_INIT LUA_PATH WARD_ XDG_"

// actedOn are variables that have a shell, the C library, a runtime or a tool run something or read its settings or its
// code from elsewhere. Those of proxies and of servers are not among them: their addresses hold passwords, and are
// secrets themselves.
const actedOn = `
	_ BASHOPTS BASH_ENV BASH_LOADABLES_PATH BASH_XTRACEFD CDPATH ENV EUID FCEDIT FPATH GLOBIGNORE HISTFILE HOME IFS INPUTRC
	MAILPATH MODULE_PATH NULLCMD OLDPWD PATH POSTEDIT PPID PROMPT PROMPT2 PROMPT3 PROMPT4 PROMPT_COMMAND PS0 PS1 PS2 PS3 PS4 PWD
	READNULLCMD RPROMPT RPROMPT2 RPS1 RPS2 SHELL SHELLOPTS SPROMPT TMPDIR TMPPREFIX UID ZDOTDIR
	GCONV_PATH HOSTALIASES LOCPATH NLSPATH OPENSSL_CONF OPENSSL_ENGINES OPENSSL_MODULES SSLKEYLOGFILE TERMCAP TERMINFO TERMINFO_DIRS
	CURL_CA_BUNDLE NODE_EXTRA_CA_CERTS NODE_TLS_REJECT_UNAUTHORIZED REQUESTS_CA_BUNDLE SSL_CERT_DIR SSL_CERT_FILE
	BAT_PAGER BROWSER DELTA_PAGER EDITOR EXINIT GH_BROWSER GH_EDITOR GH_PAGER GVIMINIT KUBE_EDITOR LESS LESSCLOSE LESSEDIT LESSKEY
	LESSKEYIN LESSOPEN MANOPT MANPAGER MANROFFOPT MORE PAGER RIPGREP_CONFIG_PATH SUDO_ASKPASS SUDO_EDITOR SYSTEMD_EDITOR
	SYSTEMD_PAGER VIM VIMINIT VIMRUNTIME VISUAL
	GIT_ASKPASS GIT_DIR GIT_EDITOR GIT_EXEC_PATH GIT_EXTERNAL_DIFF GIT_PAGER GIT_PROXY_COMMAND GIT_SEQUENCE_EDITOR GIT_SSH
	GIT_SSH_COMMAND GIT_SSL_NO_VERIFY GIT_TEMPLATE_DIR GIT_WORK_TREE HGEDITOR HGRCPATH SVN_SSH
	AWS_CONFIG_FILE AWS_SHARED_CREDENTIALS_FILE CLOUDSDK_CONFIG CLOUDSDK_PYTHON CURL_HOME CVS_RSH DOCKER_CONFIG GNUPGHOME KUBECONFIG
	PSQLRC PSQL_EDITOR PSQL_PAGER RSYNC_CONNECT_PROG RSYNC_RSH SSH_ASKPASS SSH_AUTH_SOCK TAR_OPTIONS UNZIP WGETRC ZIPOPT
	CLASSPATH GRADLE_OPTS JAVA_HOME JAVA_OPTS JAVA_TOOL_OPTIONS JDK_JAVA_OPTIONS MAVEN_ARGS MAVEN_OPTS _JAVA_OPTIONS
	NODE_OPTIONS NODE_PATH NODE_REPL_EXTERNAL_MODULE NPM_CONFIG_GIT NPM_CONFIG_GLOBALCONFIG NPM_CONFIG_NODE_OPTIONS
	NPM_CONFIG_PREFIX NPM_CONFIG_SCRIPT_SHELL NPM_CONFIG_USERCONFIG
	PIP_CONFIG_FILE PYTHONBREAKPOINT PYTHONEXECUTABLE PYTHONHOME PYTHONINSPECT PYTHONPATH PYTHONPLATLIBDIR PYTHONPYCACHEPREFIX
	PYTHONSTARTUP PYTHONUSERBASE PYTHONWARNINGS
	BUNDLE_GEMFILE GEM_HOME GEM_PATH PERL5DB PERL5LIB PERL5OPT PERL5SHELL PERLLIB RUBYLIB RUBYOPT RUBYSHELL
	DOTNET_STARTUP_HOOKS ERL_AFLAGS ERL_FLAGS ERL_ZFLAGS JULIA_DEPOT_PATH JULIA_LOAD_PATH PHPRC PHP_INI_SCAN_DIR R_ENVIRON
	R_ENVIRON_USER R_HOME R_PROFILE R_PROFILE_USER
	AR AS CARGO_HOME CC CFLAGS COMPILER_PATH CONFIG_SITE CPPFLAGS CXX CXXFLAGS GCC_EXEC_PREFIX GNUMAKEFLAGS GOENV GOFLAGS GOROOT
	GOTOOLCHAIN LD LDFLAGS MAKE MAKEFILES MAKEFLAGS PKG_CONFIG PKG_CONFIG_PATH RUSTC RUSTC_WORKSPACE_WRAPPER RUSTC_WRAPPER
	RUSTFLAGS RUSTUP_HOME RUSTUP_TOOLCHAIN`
