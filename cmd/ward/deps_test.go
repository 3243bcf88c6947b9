package main_test

import (
	"debug/elf"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// room is what a directory of the house may import. Its tests may import what they like of the standard library.
type room struct {
	ours   []string // other rooms
	others []string // packages that are not ours
	tests  []string // such packages that only its tests import
	never  []string // what it must not reach, not even through the packages above
}

// rooms is the import graph, as docs/architecture.md has it. Change the design first, then this table: a build that
// fails here is a question about the house, not about the table.
//
// A room that does not exist yet may have its row, so that its first line of code is bound by it.
func rooms() map[string]room {
	unix := "golang.org/x/sys/unix"
	dbus := "github.com/godbus/dbus/v5"
	// Nothing that ward is made of today speaks HTTP, and a launcher that could would be one mistake away from it.
	http := []string{"net/http", "crypto/tls", "testing"}
	// Whoever decides about bytes or a process table can do it without reaching anything.
	pure := []string{"net", "net/http", "os/exec", "testing"}
	return map[string]room{
		"secrets": {
			others: []string{
				"filippo.io/age", "github.com/compose-spec/compose-go/v2/dotenv", dbus, "github.com/tailscale/hujson",
				"github.com/zalando/go-keyring", unix,
			},
			never: http,
		},
		"profiles": {
			ours:   []string{"secrets"}, // for Ref
			others: []string{"github.com/tailscale/hujson"},
			never:  http,
		},
		"guard":  {others: []string{unix}, tests: []string{"github.com/hinshun/vt10x", "github.com/creack/pty"}, never: pure},
		"detect": {others: []string{unix}, never: pure},
		"sandbox": {
			others: []string{
				"github.com/creack/pty", "github.com/landlock-lsm/go-landlock/landlock/syscall", unix,
			},
			never: http,
		},
		"launcher/audit": {never: pure},
		"launcher/broker": {
			ours:  []string{"secrets", "detect", "launcher/audit"},
			tests: []string{unix},
			never: http,
		},
		"launcher/session": {
			ours:   []string{"secrets", "detect", "launcher/broker"}, // for the frames
			others: []string{unix},
			tests:  []string{"github.com/creack/pty"},
			never:  http,
		},
		"launcher/hooks": {ours: []string{"guard"}, others: []string{"github.com/tailscale/hujson"}, never: pure},
		"launcher/scan":  {ours: []string{"guard"}, never: http},
		"launcher": {
			ours: []string{
				"profiles", "secrets", "detect", "guard", "sandbox", "launcher/audit", "launcher/broker", "launcher/session",
				"launcher/hooks",
			},
			others: []string{unix},
			tests:  []string{"github.com/creack/pty", "github.com/hinshun/vt10x"},
			never:  http,
		},
		"cmd/ward": {
			ours: []string{
				"profiles", "secrets", "detect", "guard", "sandbox", "launcher", "launcher/audit", "launcher/broker", "launcher/session",
				"launcher/scan",
			},
			others: []string{"github.com/alecthomas/kong", unix},
			tests: []string{
				"github.com/creack/pty", "github.com/hinshun/vt10x", dbus, "github.com/rogpeppe/go-internal/testscript",
			},
			never: http,
		},
	}
}

// standard says whether an import path is of the standard library: its first element has no dot, and it is not ours.
func standard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".") && first != "ward"
}

// TestDepsRooms reads the imports of every file, also of those for other systems.
func TestDepsRooms(t *testing.T) {
	table := rooms()
	for _, s := range sources(t) {
		name := path.Dir(s.path)
		r, ok := table[name]
		if !ok {
			t.Errorf("%s: %s is not a room of the house: change the design first, then the table", s.path, name)
			continue
		}
		for _, spec := range s.tree.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if why := r.refuses(name, imported, s.isTest()); why != "" {
				t.Errorf("%s: imports %s: %s", s.at(spec), imported, why)
			}
		}
	}
}

// refuses gives the reason why a file of the room may not import something, or "".
func (r room) refuses(name, imported string, test bool) string {
	ours, isOurs := strings.CutPrefix(imported, "ward/")
	switch {
	case isOurs && (slices.Contains(r.ours, ours) || test && ours == name):
		return ""
	case isOurs:
		return fmt.Sprintf("%s may import %q of ours", name, r.ours)
	case imported == "C":
		return "ward is built without cgo"
	case !standard(imported):
		if slices.Contains(r.others, imported) || test && slices.Contains(r.tests, imported) {
			return ""
		}
		return "a dependency earns its line in docs/architecture.md first, and then one in the table"
	case !test && slices.Contains(r.never, imported):
		return name + " does without"
	}
	return ""
}

// TestDepsRefuses shows that each rule of the table bites.
func TestDepsRefuses(t *testing.T) {
	r := room{ours: []string{"secrets"}, others: []string{"example.org/a"}, tests: []string{"example.org/b"}, never: []string{"net"}}
	for _, c := range []struct {
		imported   string
		code, test bool // allowed there
	}{
		{"ward/secrets", true, true},
		{"ward/sandbox", false, false},
		{"ward/guard", false, true}, // itself, from its outer test package
		{"example.org/a", true, true},
		{"example.org/b", false, true},
		{"example.org/c", false, false},
		{"net", false, true},
		{"net/netip", true, true},
		{"C", false, false},
	} {
		if got := r.refuses("guard", c.imported, false) == ""; got != c.code {
			t.Errorf("%s in code: allowed %v, want %v", c.imported, got, c.code)
		}
		if got := r.refuses("guard", c.imported, true) == ""; got != c.test {
			t.Errorf("%s in a test: allowed %v, want %v", c.imported, got, c.test)
		}
	}
}

// TestDepsNever follows the imports of imports, on each system that ward is built for.
func TestDepsNever(t *testing.T) {
	for _, system := range []string{"linux", "darwin"} {
		for name, r := range rooms() {
			if _, err := os.Stat(filepath.Join(shapeRoot(), name)); err != nil {
				continue
			}
			reached := strings.Fields(goTool(t, system, "list", "-deps", "./"+name))
			if len(reached) == 0 {
				t.Fatalf("go list -deps ./%s gives nothing", name)
			}
			for _, p := range r.never {
				if slices.Contains(reached, p) {
					t.Errorf("%s on %s reaches %s: go list -deps ./%s", name, system, p, name)
				}
			}
		}
	}
}

// TestDepsExplained wants a line about every dependency, since each is code that runs beside the secrets.
func TestDepsExplained(t *testing.T) {
	text := documents(t)["docs/architecture.md"]
	mod, err := os.ReadFile(filepath.Join(shapeRoot(), "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	direct := regexp.MustCompile(`(?m)^(?:require )?\s*([\w./-]+\.[\w./-]+) v\S+$`).FindAllStringSubmatch(string(mod), -1)
	if len(direct) < 5 {
		t.Fatalf("read %d direct dependencies from go.mod", len(direct))
	}
	for _, m := range direct {
		if !strings.Contains(text, "`"+m[1]+"`") {
			t.Errorf("docs/architecture.md does not say why ward has `%s`", m[1])
		}
	}
}

// goTool runs the go command at the top of the project for the given system, without cgo.
func goTool(t *testing.T, system string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = shapeRoot()
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// maxBinary is in bytes, of the stripped binary for Linux.
const maxBinary = 12_000_000

// TestDepsBinary looks into the file that people run: what the linker took in, and how big it is.
func TestDepsBinary(t *testing.T) {
	dir := t.TempDir()
	whole, stripped := filepath.Join(dir, "whole"), filepath.Join(dir, "stripped")
	goTool(t, "linux", "build", "-o", whole, "./cmd/ward")
	goTool(t, "linux", "build", "-trimpath", "-ldflags=-s -w", "-o", stripped, "./cmd/ward")
	linked := linkedPackages(t, whole)
	for _, p := range []string{"ward/launcher", "ward/sandbox", "os/exec"} {
		if !linked[p] {
			t.Fatalf("found nothing of %s among %d packages: this test cannot read the binary", p, len(linked))
		}
	}
	for _, p := range rooms()["cmd/ward"].never {
		if linked[p] {
			t.Errorf("the binary holds %s", p)
		}
	}
	info, err := os.Stat(stripped)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() >= maxBinary {
		t.Errorf("the stripped binary has %d bytes, want less than %d", info.Size(), maxBinary)
	}
}

// linkedPackages reads the packages from the names of a binary's functions: "net/http.(*Client).Do".
func linkedPackages(t *testing.T, file string) map[string]bool {
	t.Helper()
	binary, err := elf.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer binary.Close()
	symbols, err := binary.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	linked := map[string]bool{}
	for _, s := range symbols {
		if elf.ST_TYPE(s.Info) != elf.STT_FUNC {
			continue
		}
		dir, base := path.Split(s.Name)
		name, _, _ := strings.Cut(base, ".")
		linked[dir+name] = true
	}
	return linked
}

// maxInit bounds what all packages together do before main, which stage two and the resolver do again in each launch.
const maxInit = time.Millisecond

// TestDepsInit takes the best of some runs, since the machine may be busy with other things.
func TestDepsInit(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ward")
	goTool(t, runtime.GOOS, "build", "-o", file, "./cmd/ward")
	took := regexp.MustCompile(`(?m)^init (\S+) @\S+ ms, (\S+) ms clock`)
	best, slowest := time.Hour, map[string]time.Duration{}
	for range 10 {
		cmd := exec.CommandContext(t.Context(), file, "version")
		cmd.Env = []string{"GODEBUG=inittrace=1", "HOME=/"}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		sum, each := time.Duration(0), map[string]time.Duration{}
		for _, m := range took.FindAllStringSubmatch(string(out), -1) {
			d, err := time.ParseDuration(m[2] + "ms")
			if err != nil {
				t.Fatal(err)
			}
			sum += d
			each[m[1]] = d
		}
		if sum == 0 {
			t.Fatalf("no package initialisation in\n%s", out)
		}
		if sum < best {
			best, slowest = sum, each
		}
	}
	if best >= maxInit {
		names := slices.SortedFunc(maps.Keys(slowest), func(a, b string) int { return int(slowest[b] - slowest[a]) })
		t.Errorf("package initialisation takes %v, want less than %v; most of it in %q", best, maxInit, names[:min(5, len(names))])
	}
}
