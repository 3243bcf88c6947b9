package detect

import (
	"path"
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

// takesValue names the options whose value is the next word. Others have
// theirs behind "=", or none.
func takesValue(k kind, word string) bool {
	if k == loader {
		return slices.Contains([]string{"--library-path", "--preload", "--argv0", "--audit", "--glibc-hwcaps-prepend", "-0", "-L", "-E", "-U"}, word)
	}
	return slices.Contains([]string{"-r", "--require", "--import", "--loader", "--experimental-loader", "-C", "--conditions",
		"--preload", "-c", "--config", "--env-file", "--cwd"}, word)
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

// script gives the file that an interpreter runs, resolved by a function that
// gives "" where it cannot; "" for other programs.
func (p Process) script(resolve func(string) string) string {
	k := interpreter(p.Exe)
	if k == 0 {
		return ""
	}
	script := parseRun(k, p.Argv).script
	if script == "" {
		return ""
	}
	return resolve(script)
}
