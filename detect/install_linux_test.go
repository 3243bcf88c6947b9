package detect

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// installed gives the directory of an agent's command. The agent is installed
// from npm on first use, where cmd/ward's tests keep theirs.
func installed(t *testing.T, name, pkg string) string {
	t.Helper()
	for _, tool := range []string{"npm", "node", "bash"} {
		needsProgram(t, tool)
	}
	cache, err := testCache()
	if err != nil {
		needs(t, "a cache directory: "+err.Error())
	}
	versioned := name + pkg[strings.LastIndexByte(pkg, '@'):]
	if name == "claude" { // cmd/ward's tests have it already
		versioned = "claude-code" + pkg[strings.LastIndexByte(pkg, '@'):]
	}
	dir := filepath.Join(cache, "npm", strings.Replace(versioned, "@", "-", 1))
	bin := filepath.Join(dir, "node_modules", ".bin")
	if err := install(dir, filepath.Join(bin, name), pkg); err != nil {
		needs(t, pkg+" from npm: "+err.Error())
	}
	return bin
}

// testCache is outside the tree, so that the next run finds it again.
func testCache() (string, error) {
	if dir := os.Getenv("WARD_TEST_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	if os.Getuid() == 0 {
		return "/var/cache/ward-test", nil
	}
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "ward-test"), err
}

// install leaves a whole installation or none: it is made under another name.
// Of several test processes one installs, and the others wait for it.
func install(dir, command, pkg string) error {
	if _, err := os.Stat(command); err == nil {
		return nil
	}
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
	if _, err := os.Stat(command); err == nil {
		return nil // another process was first
	}
	partial := dir + ".partial"
	if err := errors.Join(os.RemoveAll(partial), os.Mkdir(partial, 0o755)); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	npm := exec.CommandContext(ctx, "npm", "install", "--prefix", partial, "--no-audit", "--no-fund", "--loglevel=error", pkg)
	npm.Dir = partial
	npm.WaitDelay = 5 * time.Second
	if out, err := npm.CombinedOutput(); err != nil {
		return fmt.Errorf("npm install: %w\n%s", err, out)
	}
	if err := os.RemoveAll(dir); err != nil { // what an older test left there
		return err
	}
	return os.Rename(partial, dir)
}
