package main_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ward/launcher"
	"ward/profiles"
	"ward/sandbox"
)

// grove is a small tree of random shape: files whose content is their own name, and links.
type grove struct {
	root  string
	dirs  []string
	files []string
	links []string
}

func newGrove(t *testing.T, r *rand.Rand, root string, uid int) *grove {
	t.Helper()
	g := &grove{root: root}
	g.grow(t, r, root, 0)
	for range 3 {
		link := filepath.Join(g.dirs[r.IntN(len(g.dirs))], "l")
		if os.Symlink(g.dirs[r.IntN(len(g.dirs))], link) == nil {
			g.links = append(g.links, link)
		}
	}
	for _, path := range slices.Concat(g.dirs, g.files, g.links) {
		if err := os.Lchown(path, uid, uid); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

func (g *grove) grow(t *testing.T, r *rand.Rand, dir string, depth int) {
	t.Helper()
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	g.dirs = append(g.dirs, dir)
	file := filepath.Join(dir, "f")
	if err := os.WriteFile(file, []byte(file+" old\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	g.files = append(g.files, file)
	for _, name := range []string{"a", "b"} {
		if depth < 1 || depth < 4 && r.IntN(5) < 2 {
			g.grow(t, r, filepath.Join(dir, name), depth+1)
		}
	}
}

// some is a path of the tree, perhaps by way of a link, perhaps one that is not there.
func (g *grove) some(r *rand.Rand) string {
	switch path := g.dirs[r.IntN(len(g.dirs))]; r.IntN(8) {
	case 0:
		return filepath.Join(path, "l")
	case 1:
		return filepath.Join(path, "l", "a")
	case 2, 3:
		return filepath.Join(path, "f")
	default:
		return path
	}
}

// rules are random options, and the flags that say the same.
func (g *grove) rules(r *rand.Rand) (o launcher.Options, flags []string) {
	lists := []struct {
		flag string
		list *[]string
	}{
		{"--allow", &o.Allow}, {"--read", &o.Read}, {"--allow", &o.Allow}, {"--write", &o.Write},
		{"--deny", &o.Deny}, {"--deny", &o.Deny}, {"--deny", &o.Deny}, {"--protect", &o.Protect},
	}
	if sandbox.Within(g.root, "/tmp") {
		lists = slices.Delete(lists, 3, 4) // what may be written there can be read, which is another test's matter
	}
	wide := lists[r.IntN(len(lists)-4)]
	*wide.list, flags = append(*wide.list, g.root), append(flags, wide.flag, g.root)
	for range 1 + r.IntN(8) {
		path, l := g.some(r), lists[r.IntN(len(lists))]
		if _, err := os.Stat(path); err == nil {
			*l.list, flags = append(*l.list, path), append(flags, l.flag, path)
		}
	}
	if len(o.Allow)+len(o.Write) == 0 {
		return o, flags
	}
	// By way of a link that may be exchanged, nothing is granted.
	for i := 0; i < len(flags); i += 2 {
		if real, err := filepath.EvalSymlinks(flags[i+1]); err == nil && flags[i] != "--deny" && flags[i] != "--protect" {
			flags[i+1] = real
		}
	}
	for _, list := range [][]string{o.Allow, o.Read, o.Write} {
		for i := range list {
			list[i], _ = filepath.EvalSymlinks(list[i])
		}
	}
	return o, flags
}

// look reads and writes each file, and makes a new one in each directory.
const look = `for f; do read x < $f && echo "$x"; [ -e $f ] && echo new >> $f; done; for d in $DIRS; do echo new > $d/new; done; true`

// ransack moves, replaces and removes what it can, and reads all that there is then.
const ransack = `for d in $DIRS; do
	mv $d/f $d/g; ln $d/f $d/h; mv $d/a $d/c; mkdir -p $d/a; echo new > $d/a/f; ln -sfn . $d/l; mv $d/new $d/f; mv $d/b $d/a/b; mkdir -p $d/b
done
cat $(find $1 -type f) < /dev/null
for d in $DIRS; do rm -rf $d/*; mkdir -p $d; echo new > $d/f; done
true`

// What a plan says of each path is what the kernel does, however grants, denials and protected paths lie inside each
// other: nothing is read or changed that it says is closed, by whatever name, and what it says is open is so.
func TestExplainedIsEnforced(t *testing.T) {
	profile, err := profiles.Load("default", "")
	if err != nil {
		t.Fatal(err)
	}
	asEach(t, func(t *testing.T, p *person) {
		for seed := range uint64(groves) {
			r := rand.New(rand.NewPCG(seed, 0))
			base := p.home
			if seed%3 == 2 {
				base = t.TempDir() // in /tmp
				for at := base; at != "/tmp"; at = filepath.Dir(at) {
					os.Chmod(at, 0o777)
				}
			}
			g := newGrove(t, r, filepath.Join(base, fmt.Sprint("grove", seed)), p.uid)
			o, flags := g.rules(r)
			o.Argv = []string{"sh"}
			plan, err := launcher.NewPlan(profile, o, launcher.Host{OS: "linux", Home: p.home, WorkDir: p.project, Environ: []string{"PATH=/usr/bin:/bin"}})
			if err != nil {
				t.Fatalf("%v: %v", flags, err)
			}
			g.granted(t, plan, o)
			g.enforced(t, p, plan, flags)
		}
	})
}

// groves are as many as take some seconds.
const groves = 16

// granted is what the rules mean, in the words of the documentation: of the rules around a path those count that lie inside
// what denies it; with none there it is closed. What is protected is not changed.
func granted(t *testing.T, path string, o launcher.Options) (access sandbox.Access) {
	t.Helper()
	around := func(list []string) (all []string) {
		for _, rule := range list {
			real, err := filepath.EvalSymlinks(rule)
			if err != nil {
				t.Fatal(err)
			}
			if sandbox.Within(path, real) {
				all = append(all, real)
			}
		}
		return all
	}
	denied := 0
	for _, d := range around(o.Deny) {
		denied = max(denied, len(d))
	}
	var inside bool
	for _, g := range []struct {
		list   []string
		access sandbox.Access
	}{{o.Allow, sandbox.Read | sandbox.Write}, {o.Read, sandbox.Read}, {o.Write, sandbox.Write}} {
		for _, rule := range around(g.list) {
			access |= g.access & sandbox.Read // a mount cannot be for writing alone
			if len(rule) > denied {
				inside, access = true, access|g.access
			}
		}
	}
	if !inside {
		return 0
	}
	if len(around(o.Protect)) > 0 {
		access &^= sandbox.Write
	}
	return access
}

// granted compares what a plan says with what the rules mean. A directory that leads to something open can be listed.
func (g *grove) granted(t *testing.T, plan *launcher.Plan, o launcher.Options) {
	t.Helper()
	paths := slices.Clone(g.files)
	for _, d := range g.dirs {
		paths = append(paths, filepath.Join(d, "new"))
	}
	for _, path := range paths {
		want := granted(t, path, o)
		if v := plan.Policy.Explain(path, sandbox.Write); v.Allowed != (want&sandbox.Write != 0) {
			t.Errorf("%+v: %s is said to be written: %+v, granted is %v", o, path, v, want)
		}
		if v := plan.Policy.Explain(path, sandbox.Read); v.Allowed != (want&sandbox.Read != 0) && filepath.Base(path) != "new" {
			t.Errorf("%+v: %s is said to be read: %+v, granted is %v", o, path, v, want)
		}
	}
}

func (g *grove) enforced(t *testing.T, p *person, plan *launcher.Plan, flags []string) {
	t.Helper()
	said := strings.Join(flags, " ")
	run := func(script string, args ...string) string {
		argv := slices.Concat([]string{p.ward, "run", "--silent", "--set-var", "DIRS=" + strings.Join(g.dirs, " ")}, flags, []string{"--", "sh", "-c", script, "sh"}, args)
		o := end(t, p.command(t, argv...))
		if o.code != 0 {
			t.Fatalf("%s: %+v", said, o)
		}
		return o.stdout
	}
	out := run(look, g.files...)
	for _, f := range g.files {
		read, write := plan.Policy.Explain(f, sandbox.Read), plan.Policy.Explain(f, sandbox.Write)
		if got := strings.Contains(out, f+" old\n"); got != read.Allowed {
			t.Errorf("%s: %s is read: %t, said %+v", said, f, got, read)
		}
		if got := g.content(f) != f+" old\n"; got != write.Allowed {
			t.Errorf("%s: %s is written: %t, said %+v", said, f, got, write)
		}
	}
	for _, d := range g.dirs {
		made := filepath.Join(d, "new")
		if v := plan.Policy.Explain(made, sandbox.Write); v.Allowed != (g.content(made) != "") {
			t.Errorf("%s: %s is made: %q, said %+v", said, made, g.content(made), v)
		}
	}
	out = run(ransack, g.root)
	for _, f := range g.files {
		read, write := plan.Policy.Explain(f, sandbox.Read), plan.Policy.Explain(f, sandbox.Write)
		if strings.Contains(out, f+" old\n") && !read.Allowed {
			t.Errorf("%s: %s is read by another way, said %+v", said, f, read)
		}
		if got := g.content(f); got != f+" old\n" && !write.Allowed {
			t.Errorf("%s: %s is changed to %q by another way, said %+v", said, f, got, write)
		}
	}
}

// content is what a file holds, outside.
func (g *grove) content(file string) string {
	data, _ := os.ReadFile(file)
	return string(data)
}
