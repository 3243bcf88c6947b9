package detect

import (
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// kind is the way in which an interpreter's command line is read. Shells are
// not among them: what a shell script starts is a process of its own.
type kind int

const (
	node   kind = iota + 1
	bun         // and deno: their script may follow a command
	python      // has modules
	loader      // ld.so and emulators run a program, not a script
)

// interpreter tells by the base name: 0 for other programs. Versions count as
// the name: python3.12, node22.
func interpreter(file string) kind {
	base := path.Base(file)
	switch strings.TrimRight(base, "0123456789.") {
	case "node", "nodejs", "electron":
		return node
	case "bun", "deno":
		return bun
	case "python", "pypy", "Python":
		return python
	case "rosetta":
		return loader
	}
	for _, prefix := range []string{"ld-linux", "ld-musl", "qemu-"} {
		if strings.HasPrefix(base, prefix) && !strings.HasPrefix(base, "qemu-system") {
			return loader
		}
	}
	return 0
}

// run is what an interpreter was told to run.
type run struct{ script, module string }

// parseRun reads the command line up to the script or module. What follows is
// the program's own and says nothing about what it is.
func parseRun(k kind, argv []string) run {
	if len(argv) == 0 {
		return run{}
	}
	rest := argv[1:]
	if k == python {
		return parsePython(rest)
	}
	commands := 0
	for len(rest) > 0 {
		word := rest[0]
		rest = rest[1:]
		switch {
		case word == "--" && len(rest) > 0:
			return run{script: rest[0]}
		case slices.Contains([]string{"-e", "--eval", "-p", "--print", "-pe", "-"}, word):
			return run{}
		case takesValue(k, word):
			rest = rest[min(1, len(rest)):]
		case strings.HasPrefix(word, "-"):
		case k == bun && commands == 0 && slices.Contains([]string{"run", "x", "exec"}, word):
			commands++
		default:
			return run{script: word}
		}
	}
	return run{}
}

// takesValue names the options whose value may be the next word. Others have
// theirs behind "=", as all of V8's, or none.
func takesValue(k kind, word string) bool {
	switch k {
	case node:
		_, found := slices.BinarySearch(nodeOptions(), word)
		return found
	case bun:
		return slices.Contains([]string{"-r", "--require", "--preload", "-c", "--config", "--env-file", "--cwd", "--import-map"}, word)
	case loader:
		return slices.Contains([]string{"--library-path", "--preload", "--argv0", "--audit", "--glibc-hwcaps-prepend",
			"-0", "-L", "-E", "-U"}, word)
	}
	return false
}

// nodeOptions is sorted: what node --help shows with a value in version 20,
// and some that came later.
func nodeOptions() []string {
	return []string{
		"--allow-fs-read", "--allow-fs-write", "--build-snapshot-config", "--conditions", "--cpu-prof-dir",
		"--cpu-prof-interval", "--cpu-prof-name", "--debug-port", "--diagnostic-dir", "--disable-proto",
		"--disable-warning", "--dns-result-order", "--env-file", "--env-file-if-exists",
		"--experimental-config-file", "--experimental-default-type", "--experimental-loader",
		"--experimental-policy", "--experimental-sea-config", "--heap-prof-dir", "--heap-prof-interval",
		"--heap-prof-name", "--heapsnapshot-near-heap-limit", "--heapsnapshot-signal", "--icu-data-dir", "--import",
		"--input-type", "--inspect-port", "--inspect-publish-uid", "--loader", "--localstorage-file",
		"--max-http-header-size", "--network-family-autoselection-attempt-timeout", "--openssl-config",
		"--policy-integrity", "--redirect-warnings", "--report-dir", "--report-directory", "--report-filename",
		"--report-signal", "--require", "--secure-heap", "--secure-heap-min", "--snapshot-blob",
		"--test-concurrency", "--test-coverage-exclude", "--test-coverage-include", "--test-global-setup",
		"--test-name-pattern", "--test-reporter", "--test-reporter-destination", "--test-shard", "--test-timeout",
		"--title", "--tls-cipher-list", "--tls-keylog", "--trace-event-categories", "--trace-event-file-pattern",
		"--trace-require-module", "--unhandled-rejections", "--use-largepages", "--v8-pool-size", "--watch-path",
		"-C", "-r",
	}
}

// parsePython knows that letters may share a dash and a value may follow its
// letter at once: -Im aider, -maider, -Wignore.
func parsePython(rest []string) run {
	for len(rest) > 0 {
		word := rest[0]
		rest = rest[1:]
		switch {
		case word == "--check-hash-based-pycs":
			rest = rest[min(1, len(rest)):]
			continue
		case word == "-":
			return run{}
		case strings.HasPrefix(word, "--"):
			continue
		case !strings.HasPrefix(word, "-"):
			return run{script: word}
		}
		at := strings.IndexAny(word, "mcWX")
		if at < 0 {
			continue
		}
		value := word[at+1:]
		if value == "" && len(rest) > 0 {
			value, rest = rest[0], rest[1:]
		}
		switch word[at] {
		case 'm':
			return run{module: value}
		case 'c':
			return run{}
		}
	}
	return run{}
}

// script gives the file that an interpreter runs, with its links resolved; ""
// for other programs, and where it cannot be found. cwd tells where the process
// stands, which a relative file begins at.
func (p Process) script(cwd func() (string, error)) string {
	k := interpreter(p.Exe)
	if k == 0 {
		return ""
	}
	script := parseRun(k, p.Argv).script
	if script == "" {
		return ""
	}
	if !filepath.IsAbs(script) {
		dir, err := cwd()
		if err != nil {
			return ""
		}
		script = filepath.Join(dir, script)
	}
	resolved, err := filepath.EvalSymlinks(script)
	if err != nil {
		return ""
	}
	return resolved
}
