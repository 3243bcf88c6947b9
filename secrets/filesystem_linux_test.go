package secrets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A disk that is full or read-only loses nothing, and says so. Both are made
// in a mount namespace of this test's own.
func TestVaultOnBadFileSystems(t *testing.T) {
	cmd := helper(t, "filesystems", "WARD_TEST_DIR="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC) || bytes.HasPrefix(out, []byte("mount: ")) {
		needs(t, "user and mount namespaces")
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func filesystemProbe() int {
	dir := os.Getenv("WARD_TEST_DIR")
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k,mode=0700"); err != nil {
		fmt.Println("mount:", err)
		return 1
	}
	if err := errors.Join(fullDisk(dir), readOnlyDisk(dir)); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

func probeVault(dir string) *Vault {
	return &Vault{Dir: filepath.Join(dir, "vault"), Passphrase: func(context.Context, string, bool) (*Buffer, error) {
		return ReadBuffer(strings.NewReader("a passphrase"), 100)
	}}
}

func expect(v *Vault, name, want string) error {
	b, err := v.Fetch(context.Background(), name)
	if err != nil {
		return err
	}
	defer b.Destroy()
	return b.Use(func(got []byte) error {
		if string(got) != want {
			return fmt.Errorf("%s is %d other bytes", name, len(got))
		}
		return nil
	})
}

func fullDisk(dir string) error {
	ctx := context.Background()
	v := probeVault(dir)
	small, err := ReadBuffer(strings.NewReader("small"), 10)
	if err != nil {
		return err
	}
	big, err := ReadBuffer(bytes.NewReader(random(60_000)), 60_000)
	if err != nil {
		return err
	}
	if err := v.Put(ctx, "kept", small); err != nil {
		return err
	}
	for _, name := range []string{"kept", "new"} {
		if err := v.Put(ctx, name, big); !errors.Is(err, unix.ENOSPC) || !strings.HasPrefix(err.Error(), "secret "+name+": the vault ") {
			return fmt.Errorf("on a full disk Put of %s ends with: %v", name, err)
		}
	}
	if left, _ := filepath.Glob(v.Dir + "/.ward-*"); left != nil {
		return fmt.Errorf("left behind: %q", left)
	}
	if names, err := v.List(ctx); err != nil || !slices.Equal(names, []string{"kept"}) {
		return fmt.Errorf("lists %q, %v", names, err)
	}
	x := &Index{Path: filepath.Join(dir, "index.json")}
	if _, err := x.Add(ctx, "first"); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "filler"), random(60_000), 0o600); !errors.Is(err, unix.ENOSPC) {
		return fmt.Errorf("filling the disk: %v", err)
	}
	if _, err := x.Add(ctx, "second"); !errors.Is(err, unix.ENOSPC) {
		return fmt.Errorf("the index on a full disk: %v", err)
	}
	if names, err := x.Names(); err != nil || !slices.Equal(names, []string{"first"}) {
		return fmt.Errorf("the index lists %q, %v", names, err)
	}
	return expect(v, "kept", "small")
}

func readOnlyDisk(dir string) error {
	ctx := context.Background()
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	v := probeVault(dir)
	value, err := ReadBuffer(strings.NewReader("v"), 10)
	if err != nil {
		return err
	}
	if err := v.Put(ctx, "kept", value); !errors.Is(err, unix.EROFS) {
		return fmt.Errorf("Put on a read-only disk: %v", err)
	}
	if err := v.Delete(ctx, "kept"); !errors.Is(err, unix.EROFS) {
		return fmt.Errorf("Delete on a read-only disk: %v", err)
	}
	if err := probeVault(filepath.Join(dir, "none")).Create(ctx); !errors.Is(err, unix.EROFS) {
		return fmt.Errorf("Create on a read-only disk: %v", err)
	}
	// Reading needs no right to write.
	return expect(v, "kept", "small")
}
