package sandbox

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestWithin(t *testing.T) {
	for _, c := range []struct {
		path, dir string
		want      bool
	}{
		{"/a", "/a", true}, {"/a/b", "/a", true}, {"/ab", "/a", false}, {"/a", "/a/b", false}, {"/a", "/", true}, {"/", "/", true}, {"/", "/a", false},
	} {
		if got := Within(c.path, c.dir); got != c.want {
			t.Errorf("Within(%q, %q) = %v", c.path, c.dir, got)
		}
	}
}

func TestExplain(t *testing.T) {
	p := &Policy{
		Rules: []Rule{
			{"/work", Read | Write, "project"}, {"/usr", Read, "system"}, {"/usr/local/share", Write, "share"},
			{"/tmp/in", Read, "granted in /tmp"}, {"/tmp/out", Write, "to write in /tmp"}, {"/tmp/cwd", 0, "working directory"},
		},
		Masks: []Mask{{Path: "/work/.env", Why: "deny"}, {Path: "/work/.git/hooks", Fixed: true, Why: "protect"}},
	}
	for _, c := range []struct {
		own  bool // after the launch's own rules are known
		path string
		want Access
		out  Verdict
	}{
		{false, "/work/a", Read | Write, Verdict{true, "/work", "project"}},
		{false, "/work", Write, Verdict{true, "/work", "project"}},
		{false, "/workshop", Read, Verdict{}},
		{false, "/work/../etc", Read, Verdict{}},
		{false, "/work/.env", Read, Verdict{false, "/work/.env", "deny"}},
		{false, "/work/.env/x", Write, Verdict{false, "/work/.env", "deny"}},
		{false, "/work/.git/hooks/pre", Read, Verdict{true, "/work", "project"}},
		{false, "/work/.git/hooks/pre", Write, Verdict{false, "/work/.git/hooks", "protect"}},
		{false, "/usr/bin", Read, Verdict{true, "/usr", "system"}},
		{false, "/usr/bin", Write, Verdict{false, "/usr", ""}},
		{false, "/usr/local/share/x", Read | Write, Verdict{true, "/usr/local/share", "share"}}, // rights add up
		{false, "/usr/bin", Read | Device, Verdict{false, "/usr", ""}},
		{false, "/tmp/x", Read, Verdict{}},
		{true, "/tmp/x", Read | Write, Verdict{true, "/tmp", "the /tmp of this launch"}},
		{true, "/tmp/in/x", Read, Verdict{true, "/tmp/in", "granted in /tmp"}},
		{true, "/tmp/in/x", Write, Verdict{false, "/tmp/in", ""}}, // mounted back read-only
		{true, "/tmp/out/x", Read | Write, Verdict{true, "/tmp/out", "to write in /tmp"}},
		{true, "/tmp/cwd/x", Read, Verdict{false, "/tmp/cwd", ""}},
		{true, "/dev/shm/x", Write, Verdict{true, "/dev/shm", "shared memory of this launch"}},
	} {
		p.own = nil
		if c.own {
			p.own = []Rule{{"/tmp", Read | Write, "the /tmp of this launch"}, {"/dev/shm", Read | Write, "shared memory of this launch"}}
		}
		if got := p.Explain(c.path, c.want); got != c.out {
			t.Errorf("Explain(%q, %v) = %+v, want %+v", c.path, c.want, got, c.out)
		}
	}
}

func TestInside(t *testing.T) {
	p := &Policy{
		Rules: []Rule{{"/work", Read | Write, ""}, {"/usr", Read, ""}, {"/drop", Write, ""}, {"/dev/pts", Device, ""}},
		Masks: []Mask{
			{Path: "/work/a"}, {Path: "/usr/a"}, {Path: "/drop/a"}, {Path: "/else"}, {Path: "/"}, {Path: "/dev/pts/a"},
			{Path: "/work/b", Fixed: true}, {Path: "/usr/b", Fixed: true}, // nothing can change it anyway
		},
	}
	var got []string
	for _, m := range p.Inside() {
		got = append(got, m.Path)
	}
	if want := []string{"/work/a", "/usr/a", "/drop/a", "/", "/work/b"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// What gets a mount of its own in the view.
func TestPlaces(t *testing.T) {
	for _, c := range []struct {
		rules []Rule
		want  string
	}{
		{nil, ""},
		{[]Rule{{"/usr", Read, ""}, {"/work", Read | Write, ""}}, "/work read+write"},
		{[]Rule{{"/work", Read | Write, ""}, {"/work/a", Read | Write, ""}, {"/work-b", Write, ""}, {"/work/c", Read, ""}}, "/work read+write, /work-b write"},
		{[]Rule{{"/home", Read, ""}, {"/home/a", Write, ""}}, "/home/a read+write"},
		{[]Rule{{"/", Read | Write, ""}, {"/work", Read, ""}}, "/ read+write"},
		{[]Rule{{"/tmp", Read | Write, ""}, {"/tmp/a", Read, ""}, {"/tmp/a/b", Read | Write, ""}, {"/tmp/a/c", Read, ""}}, "/tmp/a read, /tmp/a/b read+write"},
		{[]Rule{{"/tmp/a", Read | Write, ""}, {"/tmp/a-b", Read, ""}, {"/tmp/a/c", Read, ""}}, "/tmp/a read+write, /tmp/a-b read"},
		{[]Rule{{"/tmp/cwd", 0, ""}, {"/tmp/cwd/a", Read, ""}}, "/tmp/cwd , /tmp/cwd/a read"},
		{[]Rule{{"/", Read | Write, ""}, {"/tmp/a", Read, ""}}, "/ read+write, /tmp/a read+write"},
		{[]Rule{{"/var/tmp/a", Read, ""}, {"/dev/shm/a", Write, ""}, {"/tmpfile", Read, ""}}, "/dev/shm/a write, /var/tmp/a read"},
	} {
		var got []string
		for _, at := range (&Policy{Rules: c.rules}).places() {
			got = append(got, at.path+" "+at.access.String())
		}
		if s := strings.Join(got, ", "); s != c.want {
			t.Errorf("%v: %s, want %s", c.rules, s, c.want)
		}
	}
}

func TestChangeable(t *testing.T) {
	p := &Policy{Rules: []Rule{{"/work", Read | Write, ""}, {"/usr", Read, ""}}}
	for path, want := range map[string]bool{"/work": false, "/work/a": true, "/work/a/b": true, "/usr/a": false, "/": false} {
		if got := p.changeable(path); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}

func TestAccessString(t *testing.T) {
	for access, want := range map[Access]string{0: "", Read: "read", Read | Write: "read+write", Read | Write | Device: "read+write+device"} {
		if got := fmt.Sprint(access); got != want {
			t.Errorf("%d: %q, want %q", access, got, want)
		}
	}
}

func TestShownAndPasted(t *testing.T) {
	for _, c := range []struct{ name, shown, flag string }{
		{"/run/user/1000/bus", "/run/user/1000/bus", "-f /run/user/1000/bus"},
		{"/tmp/a b", "/tmp/a b", "-f '/tmp/a b'"},
		{"/tmp/x; rm -r ~", "/tmp/x; rm -r ~", "-f '/tmp/x; rm -r ~'"},
		{"/tmp/it's", "/tmp/it's", `-f '/tmp/it'\''s'`},
		{"/tmp/$(id)", "/tmp/$(id)", "-f '/tmp/$(id)'"},
		{"/tmp/ü", "/tmp/ü", "-f '/tmp/ü'"},
		{"/tmp/\x1b[2J", `"/tmp/\x1b[2J"`, ""},
		{"/tmp/a\nward: all is well", `"/tmp/a\nward: all is well"`, ""},
		{"/tmp/\u202egnp", `"/tmp/\u202egnp"`, ""},
		{"/tmp/\xff", `"/tmp/\xff"`, ""},
		{"", "", ""},
	} {
		if got := shown(c.name); got != c.shown {
			t.Errorf("shown(%q) = %s, want %s", c.name, got, c.shown)
		}
		if got := flag("-f", c.name); got != c.flag {
			t.Errorf("flag(%q) = %s, want %s", c.name, got, c.flag)
		}
	}
}
