package secrets

import (
	"bytes"
	"crypto/rand"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// nasty are values that mean something to a shell at one place or another.
func nasty() map[string][]byte {
	every := make([]byte, 0, 2*255)
	for c := 1; c < 256; c++ {
		every = append(every, byte(c))
	}
	for c := 255; c > 0; c-- {
		every = append(every, byte(c))
	}
	random := make([]byte, 64<<10)
	rand.Read(random)
	random = bytes.ReplaceAll(random, []byte{0}, []byte{1})
	return map[string][]byte{
		"plain":             []byte("value"),
		"empty":             {},
		"one quote":         []byte("'"),
		"quotes":            []byte(`''"'"'` + "`'"),
		"command":           []byte("'; touch ran; echo '"),
		"substitution":      []byte("$(touch ran)`touch ran`${HOME}$HOME"),
		"ends in backslash": []byte(`a\`),
		"backslashes":       []byte(`\\\n\'\"`),
		"newlines":          []byte("\n\nfirst\n\r\nlast\n\n"),
		"stars":             []byte("*  ?  [a-z]   ~ {a,b} !! !1"),
		"spaces":            []byte("  \t  "),
		"not UTF-8":         []byte("\xff\xfe\xc3("),
		"control":           []byte("\x01\x7f\x1b[31m\x01\x01"),
		"like an option":    []byte("-n -e"),
		"comment":           []byte("# not a comment"),
		"every byte":        every,
		"random":            random,
	}
}

// Each shell gets all values by one eval of what WriteExport wrote, and a program that it starts gives them back.
func TestWriteExportByShells(t *testing.T) {
	for _, shell := range []string{"dash", "bash", "zsh"} {
		t.Run(shell, func(t *testing.T) {
			needsPrograms(t, shell, "printenv")
			for name, value := range nasty() {
				var line bytes.Buffer
				if err := WriteExport(&line, "A_VALUE", bufferOf(t, value)); err != nil {
					t.Fatal(err)
				}
				dir := t.TempDir()
				if err := os.WriteFile(dir+"/line", line.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
				cmd := exec.Command(shell, "-c", `A_VALUE=before; eval "$(cat line)" && exec printenv A_VALUE`)
				cmd.Dir = dir
				cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=/nowhere", "LC_ALL=C.UTF-8"}
				out, err := cmd.Output()
				if got, ok := bytes.CutSuffix(out, []byte("\n")); err != nil || !ok || !bytes.Equal(got, value) {
					t.Errorf("%s: %d bytes came back of %d (%v)", name, len(got), len(value), err)
				}
				if left, _ := os.ReadDir(dir); len(left) != 1 {
					t.Errorf("%s: the value was run as a command", name)
				}
			}
		})
	}
}

func TestWriteExportRefuses(t *testing.T) {
	for _, c := range []struct{ variable, value, want string }{
		{"TOKEN", "a\x00b", "NUL"},
		{"PATH", "a", "act on"},
		{"LD_PRELOAD", "a", "act on"},
		{"WARD_VAULT_PASSPHRASE", "a", "act on"},
		{"_", "a", "act on"},
		{"", "a", "not the name"},
		{"1A", "a", "not the name"},
		{"A B", "a", "not the name"},
		{"A;touch ran", "a", "not the name"},
		{"A=B", "a", "not the name"},
		{"PATH_TOKEN", "a", ""},
		{"BASH_TOKEN", "a", ""},
	} {
		var out bytes.Buffer
		err := WriteExport(&out, c.variable, bufferOf(t, []byte(c.value)))
		if c.want == "" && (err != nil || !strings.HasPrefix(out.String(), "export ")) {
			t.Errorf("%s: %v", c.variable, err)
		}
		if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || out.Len() > 0) {
			t.Errorf("%q: %v and %d bytes, want an error with %q and none", c.variable, err, out.Len(), c.want)
		}
	}
}

// What shells and tools act on is let through under no name, and what only looks like it is.
func TestCheckVar(t *testing.T) {
	for _, name := range []string{
		"BASHOPTS", "BASH_ENV", "CDPATH", "GIT_SSH", "IFS", "PATH", "PS1", "PYTHONPATH", "SHELLOPTS", "TMPDIR", "UID", "ZDOTDIR",
		// An agent may store what has git, tar, vim or every program that uses OpenSSL run something.
		"GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_0", "GIT_CONFIG_GLOBAL", "GIT_SEQUENCE_EDITOR", "TAR_OPTIONS", "VIMINIT", "OPENSSL_CONF", "GCONV_PATH",
		"RSYNC_RSH", "PSQLRC", "LUA_INIT_5_4", "MAKEFLAGS", "RUSTC_WRAPPER", "GOFLAGS", "PERL5SHELL", "R_PROFILE", "_JAVA_OPTIONS", "AWS_CONFIG_FILE",
		// What git traces goes to the end of any file, the names of directories too; a .bashrc runs what is in $( ).
		"GIT_TRACE", "GIT_TRACE_SETUP", "GIT_TRACE2_EVENT", "GNUMAKEFLAGS", "COMPILER_PATH", "GCC_EXEC_PREFIX", "CFLAGS", "CONFIG_SITE",
		"GROFF_BIN_PATH", "PYTHONPYCACHEPREFIX", "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER", "CARGO_HOME", "RIPGREP_CONFIG_PATH",
		"XDG_CONFIG_HOME", "HISTFILE", "INPUTRC", "MAILPATH", "READNULLCMD", "NODE_TLS_REJECT_UNAUTHORIZED",
	} {
		if CheckVar(name) == nil {
			t.Errorf("%s is let through", name)
		}
	}
	for _, name := range []string{
		"AWS_SECRET_ACCESS_KEY", "CARGO_REGISTRY_TOKEN", "DATABASE_URL", "GH_TOKEN", "GITHUB_TOKEN", "GIT_PASSWORD", "GIT_TOKEN", "HTTPS_PROXY", "MAIL_PASSWORD", "NODE_AUTH_TOKEN",
		"NPM_CONFIG_TOKEN", "NPM_TOKEN", "OPENSSL_KEY", "PIP_INDEX_URL", "PYTHONANYWHERE_TOKEN", "VAULT_TOKEN",
	} {
		if err := CheckVar(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
