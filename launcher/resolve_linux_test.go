package launcher

import (
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ward/guard"
)

// openPipes names the pipes that this process has.
func openPipes(t *testing.T) map[string]bool {
	t.Helper()
	pipes := map[string]bool{}
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && strings.HasPrefix(to, "pipe:") {
			pipes[to] = true
		}
	}
	return pipes
}

// What goes to stage two and to the resolver and comes from it goes by nothing that another process of the user could open
// in /proc/PID/fd: whoever read the request and the report could search for the values, and whoever took the report away had
// the guard know nothing.
func TestBeginWithoutPipes(t *testing.T) {
	before := openPipes(t)
	e := Begin(true)
	defer e.Cancel()
	if e.stageTwo == nil || e.resolver == nil {
		t.Fatal("stage two and the resolver do not begin")
	}
	for pipe := range openPipes(t) {
		if !before[pipe] {
			t.Errorf("%s is new", pipe)
		}
	}
}

// A resolver that says nothing is an error however it ends: without its report nothing would be masked.
func TestNoReport(t *testing.T) {
	for _, c := range []struct{ program, report, want string }{
		{"true", "", "resolver: it ended without a report"},
		{"false", "", "resolver: exit status 1"},
		{"true", "{}\n", ""},
	} {
		needs(t, c.program)
		reports, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := write.WriteString(c.report); err != nil {
			t.Fatal(err)
		}
		write.Close()
		r := &resolving{cmd: exec.Command(c.program), done: make(chan struct{})}
		if err := r.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		r.follow(reports)
		switch err := r.wait(nil); {
		case c.want == "" && err != nil, c.want != "" && (err == nil || err.Error() != c.want):
			t.Errorf("%s says %q: got %v, want %q", c.program, c.report, err, c.want)
		}
	}
}

// A login that became a link after the launch was planned is not made known to the guard.
func TestLoginBecameALink(t *testing.T) {
	root := tree(t, "login="+rand.Text(), "other="+rand.Text(), "link -> other")
	for name, known := range map[string]bool{"login": true, "link": false} {
		var rep report
		req := request{Key: make([]byte, len(guard.Key{})), Logins: []string{filepath.Join(root, name)}}
		if prints := req.logins(&rep); len(prints) > 0 != known || len(rep.Notices) > 0 == known {
			t.Errorf("%s: %d bytes, %q", name, len(prints), rep.Notices)
		}
	}
}
