package launcher

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What links says of a path is what the system says, however often a directory was asked before.
func TestLinksSayWhatTheSystemSays(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"plain", "accents", "large"} {
		if err := os.MkdirAll(filepath.Join(root, dir, "sub"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{"plain/.ssh", "plain/.AWS", "plain/x", "accents/.ssh", "accents/.\u212aube", "accents/é"} {
		if err := os.WriteFile(filepath.Join(root, f), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 4000 {
		if err := os.WriteFile(filepath.Join(root, "large", fmt.Sprintf("entry-with-a-long-name-%d", i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"plain/link": "sub", "plain/dangling": "nowhere", "plain/loop": "loop"} {
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	asked := []string{".ssh", ".SSH", ".aws", ".AWS", "x", "X", "sub", "link", "dangling", "loop", "link/below", ".kube", "é", "É",
		"ssh", ".ssh.old", "x/below", "entry-with-a-long-name-3999", "entry-with-a-long-name-4000"}
	for _, dir := range []string{root, root + "/plain", root + "/accents", root + "/large", "/proc/self", "/etc", root + "/none"} {
		t.Run(strings.TrimPrefix(dir, root), func(t *testing.T) {
			var l links
			for range 3 { // before the directory is listed, and after
				for _, name := range asked {
					path := filepath.Join(dir, name)
					want, werr := filepath.EvalSymlinks(path)
					got, err := l.resolve(path)
					if got != want || (err == nil) != (werr == nil) || os.IsNotExist(err) != os.IsNotExist(werr) {
						t.Errorf("resolve(%s) = %q, %v, want %q, %v", name, got, err, want, werr)
					}
				}
			}
		})
	}
}
