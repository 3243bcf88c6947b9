package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

// agentUser is whom root runs the tests as a second time: a launch by root
// and one by a user take different ways through the kernel (user namespace,
// capabilities). No account needs to go with the number.
const agentUser = 1000

// agentAsBoth runs test under a fresh ward, as whoever runs the tests and, if
// that is root, as an ordinary user too.
func agentAsBoth(t *testing.T, test func(t *testing.T, bin, ward string)) {
	t.Helper()
	if runtime.GOOS != "linux" {
		agentNeeds(t, "Linux")
	}
	bin := agentInstalled(t)
	ward := agentWard(t)
	name := t.Name()
	t.Run(fmt.Sprint("uid ", os.Getuid()), func(t *testing.T) { test(t, bin, ward) })
	if os.Getuid() == 0 {
		t.Run(fmt.Sprint("uid ", agentUser), func(t *testing.T) { agentAgain(t, name, ward) })
	}
}

// agentWard builds ward, or takes the one that the test as root has built.
func agentWard(t *testing.T) string {
	t.Helper()
	if ward := os.Getenv("WARD_TEST_BINARY"); ward != "" {
		return ward
	}
	ward := filepath.Join(agentDir(t), "ward")
	build := exec.Command("go", "build", "-o", ward, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return ward
}

// agentAgain runs the test of that name in a process of the ordinary user.
// Root has found everything that it needs, so it must not skip there.
func agentAgain(t *testing.T, name, ward string) {
	t.Helper()
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	dir := agentDir(t)
	binary := filepath.Join(dir, "ward.test")
	if err := os.WriteFile(binary, self, 0o755); err != nil {
		t.Fatal(err)
	}
	cache, err := agentCache()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, "-test.run=^"+name+"$", "-test.count=1", "-test.timeout=60s")
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + dir,
		"WARD_NO_SKIP=1",
		"WARD_TEST_CACHE=" + cache,
		"WARD_TEST_BINARY=" + ward,
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: agentUser, Gid: agentUser}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("as uid %d: %v\n%s", agentUser, err, out)
	}
}
