package sandbox

import (
	"os/exec"
	"testing"
)

// BenchmarkLaunch is one launch of /bin/true, beside a bare start and one by bubblewrap in the same run: the machine's
// pace drifts, so only the ratios mean something.
func BenchmarkLaunch(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		for b.Loop() {
			if err := exec.Command("/bin/true").Run(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bwrap", func(b *testing.B) {
		bwrap := needsProgram(b, "bwrap")
		for b.Loop() {
			cmd := exec.Command(bwrap, "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--unshare-pid", "--unshare-net", "--new-session", "--die-with-parent", "/bin/true")
			if err := cmd.Run(); err != nil {
				b.Fatal(err)
			}
		}
	})
	dir := scratch(b)
	work := b.TempDir()
	b.Run("ward", func(b *testing.B) {
		for b.Loop() {
			l := command("/bin/true").allow(Read|Write, work)
			l.Policy.Scratch = dir
			if status := l.run(b); status != 0 {
				b.Fatal(ending(status))
			}
		}
	})
}
