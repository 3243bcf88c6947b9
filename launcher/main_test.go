package launcher

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ward/sandbox"
)

// TestMain lets this binary be all that a launch consists of: stage two, the resolver, and, as a helper of its tests,
// the supervisor.
func TestMain(m *testing.M) {
	sandbox.Enter()
	EnterResolver()
	EnterClipboard()
	name := os.Getenv("WARD_TEST_HELPER")
	if name == "" {
		os.Exit(m.Run())
	}
	os.Exit(helpers()[name]())
}

// helper is a command that runs this binary as the helper of that name.
func helper(t *testing.T, name string, env ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append([]string{"PATH=/usr/bin:/bin", "HOME=" + t.TempDir(), "WARD_TEST_HELPER=" + name}, env...)
	return cmd
}

// tree makes files: a name that ends in / is a directory, one with " -> " a link, others are executable, or not after
// "plain:", and hold what stands after "=".
func tree(t *testing.T, names ...string) (root string) {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		plant(t, root, name)
	}
	return root
}

func plant(t *testing.T, root, name string) {
	t.Helper()
	err := func() error {
		if link, target, ok := strings.Cut(name, " -> "); ok {
			link = filepath.Join(root, link)
			return errors.Join(os.MkdirAll(filepath.Dir(link), 0o755), os.Symlink(target, link))
		}
		if dir, ok := strings.CutSuffix(name, "/"); ok {
			return os.MkdirAll(filepath.Join(root, dir), 0o755)
		}
		file, content, _ := strings.Cut(name, "=")
		mode := os.FileMode(0o755)
		if plain, ok := strings.CutPrefix(file, "plain:"); ok {
			file, mode = plain, 0o644
		}
		file = filepath.Join(root, file)
		return errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(content), mode))
	}()
	if err != nil {
		t.Fatal(err)
	}
}

func hintOf(err error) string {
	if h, ok := err.(interface{ Hint() string }); ok {
		return h.Hint()
	}
	return ""
}

// needs ends a test that this machine cannot run, by name.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, name := range programs {
		if _, err := exec.LookPath(name); err == nil {
			continue
		}
		if os.Getenv("WARD_NO_SKIP") == "1" {
			t.Fatal("needs " + name)
		}
		t.Skip("needs " + name)
	}
}
