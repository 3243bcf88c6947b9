package secrets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
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
func TestStoresOnBadFileSystems(t *testing.T) {
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

// fullDisk has everything fail that writes, and compares every file: what was
// there is there, the versions before too, and nothing else is.
func fullDisk(dir string) error {
	ctx := context.Background()
	v, x := probeVault(dir), &Index{Path: filepath.Join(dir, "index.json")}
	k := &Keyring{Index: x}
	for _, value := range []string{"older", "small"} {
		b, err := ReadBuffer(strings.NewReader(value), 10)
		if err != nil {
			return err
		}
		change := func(m *Meta) error { m.Desc = value; return nil }
		if err := errors.Join(v.Put(ctx, "kept", b), x.Update(ctx, "kept", change)); err != nil {
			return err
		}
	}
	big, err := ReadBuffer(bytes.NewReader(random(60_000)), 60_000)
	if err != nil {
		return err
	}
	if err := errors.Join(os.Mkdir(k.sealedDir(), 0o700), os.WriteFile(filepath.Join(dir, "index.json.lock"), nil, 0o600)); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "filler"), random(60_000), 0o600); !errors.Is(err, unix.ENOSPC) {
		return fmt.Errorf("filling the disk: %v", err)
	}
	before, err := snapshot(dir)
	if err != nil {
		return err
	}
	_, added := x.Add(ctx, "new")
	_, sealed := k.seal("new", string(random(60_000)))
	where, index := "the vault "+v.Dir, "index "+x.Path+": "
	for want, err := range map[string]error{
		"secret kept: " + where: v.Put(ctx, "kept", big), "secret new: " + where: v.Put(ctx, "new", big),
		index + "write": added, index: x.copy(ctx, "kept", "new"),
		index + "w": x.Update(ctx, "kept", func(m *Meta) error { m.Marks = random(4000); return nil }),
		"write ":    sealed,
	} {
		if !errors.Is(err, unix.ENOSPC) || !strings.HasPrefix(err.Error(), want) {
			return fmt.Errorf("on a full disk: %v; want %s", err, want)
		}
	}
	after, err := snapshot(dir)
	if err != nil || !maps.Equal(before, after) {
		return fmt.Errorf("the files became other ones: %q to %q, %v", slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(after)), err)
	}
	return expect(v, "kept", "small")
}

// snapshot is every file below dir and its content.
func snapshot(dir string) (map[string]string, error) {
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			var data []byte
			data, err = os.ReadFile(path)
			files[path] = string(data)
		}
		return err
	})
	return files, err
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
	if err := makeVault(ctx, probeVault(filepath.Join(dir, "none"))); !errors.Is(err, unix.EROFS) {
		return fmt.Errorf("Create on a read-only disk: %v", err)
	}
	x := &Index{Path: filepath.Join(dir, "index.json")}
	if _, err := x.Add(ctx, "second"); !errors.Is(err, unix.EROFS) {
		return fmt.Errorf("the index on a read-only disk: %v", err)
	}
	k := &Keyring{Index: x}
	if _, err := k.seal("large", "value"); !errors.Is(err, unix.EROFS) {
		return fmt.Errorf("a file of the keyring on a read-only disk: %v", err)
	}
	// Reading needs no right to write.
	if names, err := indexNames(x); err != nil || !slices.Equal(names, []string{"kept"}) {
		return fmt.Errorf("the index lists %q, %v", names, err)
	}
	return expect(v, "kept", "small")
}
