package main_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// agentVersion is pinned: what the tests assert about screens and requests
// was seen with this version. It is one 380 MB program of its own; node is
// needed only for npm and for what the hijacked model runs.
const agentVersion = "2.1.330"

// agentNeeds skips the test because the machine lacks something, and says
// what; where skips are forbidden it fails instead.
func agentNeeds(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("WARD_NO_SKIP") == "1" {
		t.Fatalf("needs %s, and WARD_NO_SKIP forbids to skip", what)
	}
	t.Skipf("needs %s", what)
}

// agentInstalled gives the directory that holds the claude command. It is
// installed from npm on first use and kept for the next run.
func agentInstalled(t *testing.T) string {
	t.Helper()
	return agentPackage(t, "claude-code-"+agentVersion, "@anthropic-ai/claude-code@"+agentVersion, "claude")
}

// agentPackage does so for any agent: dir is below the cache, pkg what npm
// calls it, command its program.
func agentPackage(t *testing.T, dir, pkg, command string) string {
	t.Helper()
	for _, tool := range []string{"npm", "node", "bash"} {
		if _, err := exec.LookPath(tool); err != nil {
			agentNeeds(t, tool)
		}
	}
	cache, err := agentCache()
	if err != nil {
		agentNeeds(t, "a cache directory: "+err.Error())
	}
	dir = filepath.Join(cache, "npm", dir)
	bin := filepath.Join(dir, "node_modules", ".bin")
	if agentPresent(bin, command) {
		return bin
	}
	if err := agentInstall(dir, pkg, command); err != nil {
		agentNeeds(t, pkg+" from npm: "+err.Error())
	}
	if !agentPresent(bin, command) {
		t.Fatalf("npm installed no %s in %s", command, bin)
	}
	return bin
}

func agentPresent(bin, command string) bool {
	_, err := os.Stat(filepath.Join(bin, command))
	return err == nil
}

// agentCache is where the agent and the tests' homes live. Root's own cache
// is closed to the ordinary user that root also runs the tests as, so root
// has another one. It is not below /tmp, because a launch has a /tmp of its
// own: there, a file that cannot be read would prove nothing.
func agentCache() (string, error) {
	if dir := os.Getenv("WARD_TEST_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	if os.Getuid() == 0 {
		return "/var/cache/ward-test", nil
	}
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "ward-test"), err
}

// agentInstall installs into a directory of another name and renames it, so
// that a half-made installation is never taken for a whole one. Of several
// test processes one installs, and the others wait for it.
func agentInstall(dir, pkg, command string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	lock, err := os.OpenFile(dir+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer lock.Close() // and so unlocks
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	if agentPresent(filepath.Join(dir, "node_modules", ".bin"), command) {
		return nil // another process was first
	}
	partial := dir + ".partial"
	if err := errors.Join(os.RemoveAll(partial), os.Mkdir(partial, 0o755)); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	npm := exec.CommandContext(ctx, "npm", "install", "--prefix", partial, "--no-audit", "--no-fund",
		"--loglevel=error", pkg)
	npm.Dir = partial
	npm.WaitDelay = 5 * time.Second
	if out, err := npm.CombinedOutput(); err != nil {
		return fmt.Errorf("npm install: %w\n%s", err, out)
	}
	return os.Rename(partial, dir)
}
