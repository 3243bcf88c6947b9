package sandbox

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A layer that this kernel, or a container around ward, refuses: a named substitute, or an error that says so and what
// to do, with nothing started. The refusals are real: a filter answers the calls.
func TestRefusedLayers(t *testing.T) {
	both(t, func(t *testing.T) {
		root := os.Getuid() == 0
		for _, c := range []struct {
			refused, errno, accept string
			gaps                   []string // the layers with a substitute
			open                   []string // the layers that were accepted as missing
			err                    string   // the layer of the error
		}{
			{refused: "clone3,memfd,closerange,readv", errno: "ENOSYS"},
			{refused: "clone3,memfd,closerange,readv,diag", errno: "EPERM"},
			{refused: "namespaces", errno: "EPERM", gaps: []string{"namespaces", "mounts"}},
			{refused: "userns", errno: "EPERM", gaps: userGaps(root, "namespaces", "mounts")},
			{refused: "mount", errno: "EPERM", gaps: []string{"mounts"}},
			{refused: "newmount", errno: "ENOSYS", gaps: []string{"mounts"}},
			{refused: "landlock", errno: "ENOSYS", err: "landlock"},
			{refused: "landlock", errno: "EPERM", err: "landlock"},
			{refused: "restrict", errno: "EPERM", err: "landlock"},
			{refused: "landlock", errno: "ENOSYS", accept: "landlock", gaps: []string{"scope"}, open: []string{"landlock"}},
			{refused: "landlock,namespaces", errno: "EPERM", accept: "landlock", err: "scope"},
			{refused: "listener", errno: "EPERM", err: "notifications"},
			{refused: "listener", errno: "EPERM", accept: "notifications", open: []string{"notifications"}},
			{refused: "getfd", errno: "EPERM", err: "notifications"},
			{refused: "getfd", errno: "ENOSYS", accept: "all", open: []string{"notifications"}},
			// Docker's own filter and capabilities: no namespaces, no mounts, no pidfd_getfd, landlock and seccomp allowed.
			{refused: "namespaces,mount,newmount,getfd", errno: "EPERM", err: "notifications"},
			{refused: "namespaces,mount,newmount,getfd", errno: "EPERM", accept: "notifications", gaps: []string{"namespaces", "mounts"}, open: []string{"notifications"}},
		} {
			secret := write(t, filepath.Join(outdoors(t), "secret"), "content")
			out := wrapped(t, c.refused, c.errno, c.accept, "files", "own="+secret)
			name := c.refused + " " + c.errno + " accepting " + c.accept
			if c.err != "" {
				if !strings.HasPrefix(out, "error: "+c.err+": this kernel refuses it (") || !strings.Contains(out, "\nhint: ward doctor") || strings.Contains(out, "own ") {
					t.Errorf("%s: %q, want an error about %s", name, out, c.err)
				}
				continue
			}
			if !strings.Contains(out, "own read: EACCES") && len(c.open) == 0 || !strings.Contains(out, "ended: exit 0") {
				t.Errorf("%s: the command did not run, or read what it may not: %q", name, out)
			}
			for line := range strings.Lines(out) {
				if gap, ok := strings.CutPrefix(line, "gap: "); ok {
					layer, _, _ := strings.Cut(gap, " ")
					accepted := strings.Contains(gap, "accepted by --allow-degraded")
					if !accepted && !contains(c.gaps, layer) || accepted && !contains(c.open, layer) {
						t.Errorf("%s: unexpected gap %q", name, line)
					}
				}
			}
			if n := strings.Count(out, "gap: "); n != len(c.gaps)+len(c.open) {
				t.Errorf("%s: %d gaps, want %v and %v\n%s", name, n, c.gaps, c.open, out)
			}
		}
	})
}

// userGaps are the gaps of an ordinary user: root needs no user namespace.
func userGaps(root bool, gaps ...string) []string {
	if root {
		return nil
	}
	return gaps
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

// Behind each refusal that leaves a working launch, the protection still holds.
func TestProtectionBehindRefusals(t *testing.T) {
	both(t, func(t *testing.T) {
		for _, refused := range []string{"clone3,memfd,closerange,readv,diag", "namespaces", "mount", "newmount", "namespaces,mount,newmount,closerange"} {
			foreign := serve(t, "tcp4", "127.0.0.1:0")
			out := wrapped(t, refused, "EPERM", "", "connect", "127.0.0.1:"+foreign.port, "127.0.0.1:1")
			if !strings.Contains(out, "\nconnect 127.0.0.1:"+foreign.port+": EACCES") && !strings.HasPrefix(out, "connect 127.0.0.1:"+foreign.port+": EACCES") ||
				!strings.Contains(out, "connect 127.0.0.1:1: ECONNREFUSED") || foreign.visits() != 0 {
				t.Errorf("%s: %q", refused, out)
			}
			outside := exec.Command("/bin/sleep", "60")
			if err := outside.Start(); err != nil {
				t.Fatal(err)
			}
			out = wrapped(t, refused, "EPERM", "", "processes", strconv.Itoa(outside.Process.Pid), strconv.Itoa(os.Getpid()), "0")
			for line := range strings.Lines(out) {
				if strings.Contains(line, ": ok") && line != "end: ok\n" {
					t.Errorf("%s: %s", refused, line)
				}
			}
			if !strings.Contains(out, "end: ok\n") || !strings.Contains(out, "ended: exit 0") {
				t.Errorf("%s: %q", refused, out)
			}
			outside.Process.Kill()
			outside.Wait()
		}
	})
}

// The supervisor is killed behind refusals: nothing survives there either.
func TestSupervisorKilledBehindRefusals(t *testing.T) {
	both(t, func(t *testing.T) {
		for _, refused := range []string{"namespaces", "mount", "namespaces,mount,newmount,closerange,clone3"} {
			dir := outdoors(t)
			for _, d := range []string{"own", "scratch/tmp", "scratch/void.d"} {
				if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			own := filepath.Join(dir, "own")
			cmd := exec.Command(testBinary(t))
			cmd.Args = []string{wrapperName, refused, "EPERM", "", dir, "daemon", own, "wait"}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the daemons write", func() bool {
				data, _ := os.ReadFile(filepath.Join(own, "pids"))
				return strings.Count(string(data), "\n") == 4
			})
			cmd.Process.Kill()
			cmd.Wait()
			start := time.Now()
			eventually(t, refused+": everything ends", func() bool { return !alive(t, own) })
			t.Logf("%s: ended within %v", refused, time.Since(start).Round(100*time.Millisecond))
		}
	})
}

// Layers that are switched off, as the tests and `ward doctor` do, have the same substitutes.
func TestWithout(t *testing.T) {
	both(t, func(t *testing.T) {
		for _, c := range []struct {
			without []Layer
			accept  []string
			mask    bool
			want    string // gaps, or the error's layer behind "error "
		}{
			{without: nil, want: ""},
			{without: []Layer{LayerNamespaces}, want: "namespaces"},
			{without: []Layer{LayerMounts}, want: "mounts"},
			{without: []Layer{LayerScope}, want: "scope"},
			{without: []Layer{LayerNamespaces, LayerScope}, want: "error namespaces"},
			{without: []Layer{LayerMounts}, mask: true, want: "error mounts"},
			{without: []Layer{LayerMounts}, mask: true, accept: []string{"mounts"}, want: "mounts"},
			{without: []Layer{LayerCapabilities}, want: "error capabilities"},
			{without: []Layer{LayerLandlock}, want: "error landlock"},
			{without: []Layer{LayerFilter}, want: "error seccomp"},
			{without: []Layer{LayerNotify}, want: "error notifications"},
			{without: []Layer{LayerNotify, LayerFilter}, accept: []string{"all"}, want: "seccomp notifications"},
		} {
			dir := outdoors(t)
			secret := write(t, filepath.Join(dir, "secret"), "content")
			l := shell("echo $TMPDIR").allow(Read, dir)
			l.Env = append(l.Env, "TMPDIR=/somewhere")
			l.Without, l.Policy.Accept = c.without, c.accept
			if c.mask {
				l.Policy.Masks = []Mask{{Path: secret}}
			}
			err := l.tryBegin(t)
			var got []string
			if layer, ok := err.(*LayerError); ok {
				got = []string{"error", string(layer.Layer)}
				if c.mask && (len(layer.Paths) != 1 || layer.Paths[0] != secret) {
					t.Errorf("without %v: open would be %v, want %s", c.without, layer.Paths, secret)
				}
			} else if err != nil {
				t.Errorf("without %v: %v", c.without, err)
			} else {
				l.end(t)
				for _, g := range l.Gaps {
					got = append(got, string(g.Layer))
				}
				want := "/somewhere\n"
				if contains(got, "mounts") {
					want = filepath.Join(l.Policy.Scratch, "tmp") + "\n"
				}
				if l.out.String() != want {
					t.Errorf("without %v: TMPDIR %q, want %q", c.without, l.out.String(), want)
				}
			}
			if s := strings.Join(got, " "); s != c.want {
				t.Errorf("without %v accepting %v: %q, want %q", c.without, c.accept, s, c.want)
			}
		}
	})
}

// What `ward doctor` says is what a launch would find.
func TestProbe(t *testing.T) {
	both(t, func(t *testing.T) {
		for _, c := range []struct {
			refused string
			missing map[Layer]string // "true" where something stands in
		}{
			{"clone3", nil},
			{"namespaces", map[Layer]string{LayerNamespaces: "true", LayerMounts: "true"}},
			{"newmount", map[Layer]string{LayerMounts: "true"}},
			{"landlock", map[Layer]string{LayerLandlock: "false", LayerScope: "true"}},
			{"landlock,namespaces", map[Layer]string{LayerLandlock: "false", LayerScope: "false", LayerNamespaces: "false", LayerMounts: "true"}},
			{"getfd", map[Layer]string{LayerNotify: "false"}},
			{"listener", map[Layer]string{LayerNotify: "false"}},
		} {
			cmd := exec.Command(testBinary(t))
			cmd.Args = []string{wrapperName, c.refused, "EPERM"}
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]string{"probe": "true <nil>"}
			for _, l := range layers() {
				want[string(l)] = "true false"
				if instead, ok := c.missing[l]; ok {
					want[string(l)] = "false " + instead
				}
			}
			compare(t, verdicts(t, string(out)), want)
		}
		m, err := Probe()
		if err != nil || m.Kernel == "" || len(m.Layers) != len(Table()) {
			t.Errorf("%+v %v", m, err)
		}
	})
}
