package secrets

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func needsSecretMemory(t *testing.T) {
	t.Helper()
	if fd, err := unix.MemfdSecret(0); err != nil {
		needs(t, "memfd_secret (Linux 5.14, not disabled)")
	} else {
		unix.Close(fd)
	}
}

// The value is searched for in everything that /proc/self/mem shows. The test
// itself holds it only xored, and its reading buffer is left out.
func TestMemoryOfABuffer(t *testing.T) {
	for _, c := range []struct {
		name    string
		lock    mapper
		visible bool // in /proc/self/mem while it lives
	}{
		{"memfd_secret", secretMemory, false},
		{"mlock", mlocked, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !c.visible {
				needsSecretMemory(t)
			}
			masked := make([]byte, 40)
			rand.Read(masked)
			b, err := newBuffer(40, c.lock)
			if err != nil {
				t.Fatal(err)
			}
			_ = b.Use(func(v []byte) error {
				for i := range v {
					v[i] = masked[i] ^ 0xA5
				}
				return nil
			})
			if n := searchMemory(t, masked); (n > 0) != c.visible {
				t.Errorf("while it lives the value is found %d times", n)
			}
			if flags := vmFlags(t, uintptr(b.m.addr)); !strings.Contains(flags, " lo") || !strings.Contains(flags, " dd") || !strings.Contains(flags, " dc") {
				t.Errorf("the mapping is not locked, or dumped, or inherited by a fork: %s", flags)
			}
			addr := int64(uintptr(b.m.addr))
			one := make([]byte, 8)
			mem, err := os.Open("/proc/self/mem")
			if err != nil {
				t.Fatal(err)
			}
			defer mem.Close()
			if _, err := mem.ReadAt(one, addr); (err == nil) != c.visible {
				t.Errorf("reading it by /proc/self/mem: %v", err)
			}
			b.Destroy()
			if n := searchMemory(t, masked); n > 0 {
				t.Errorf("after Destroy the value is found %d times", n)
			}
		})
	}
}

// Growing must leave nothing behind either: the value goes through a pipe, as
// the resolver's do, and is longer than several mappings. The signal makes the
// kernel put this thread's vector registers on the signal stack.
func TestReadBufferLeavesNoCopy(t *testing.T) {
	for name, lock := range mappers() {
		t.Run(name, func(t *testing.T) {
			masked := make([]byte, 40)
			rand.Read(masked)
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			go func() {
				defer w.Close()
				one := make([]byte, 1)
				for i := range 20_000 { // byte by byte: no run of it on this side
					one[0] = masked[i%40] ^ 0xA5
					if _, err := w.Write(one); err != nil {
						return
					}
				}
			}()
			// A thread of its own, idle while the search runs on another one:
			// the next signal would overwrite what this one left.
			handled, searched := make(chan error), make(chan bool)
			defer close(searched)
			go func() {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				b, err := readBuffer(r, 1<<20, lock)
				if err == nil {
					b.keep(40, 240)
					err = unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGURG)
					b.Destroy()
				}
				handled <- err
				<-searched
			}()
			if err := <-handled; err != nil {
				t.Fatal(err)
			}
			if n := searchMemory(t, masked); n > 0 {
				t.Errorf("the value is found %d times", n)
			}
		})
	}
}

// searchMemory counts where masked^0xA5 lies in this process.
func searchMemory(t *testing.T, masked []byte) (hits int) {
	t.Helper()
	const chunk = 1 << 20
	own, err := unix.MmapPtr(-1, 0, nil, chunk, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.MunmapPtr(own, chunk)
	buf := unsafe.Slice((*byte)(own), chunk)
	mem, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(maps)) {
		var from, to uint64
		var perms string
		fmt.Sscanf(line, "%x-%x %s", &from, &to, &perms)
		if perms[0] != 'r' || from == uint64(uintptr(own)) || strings.Contains(line, "[v") {
			continue
		}
		for at := from; at < to; at += chunk - uint64(len(masked)) {
			n, err := mem.ReadAt(buf[:min(chunk, to-at)], int64(at))
			if err != nil && n == 0 {
				break // secret memory, or gone
			}
			for i := 0; i+len(masked) <= n; i++ {
				same := 0
				for same < len(masked) && buf[i+same] == masked[same]^0xA5 {
					same++
				}
				if same == len(masked) {
					hits++
				}
			}
		}
	}
	clear(buf)
	return hits
}

func vmFlags(t *testing.T, addr uintptr) string {
	t.Helper()
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	inside := false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var from, to uintptr
		if n, _ := fmt.Sscanf(lines.Text(), "%x-%x", &from, &to); n == 2 {
			inside = from <= addr && addr < to
		} else if flags, ok := strings.CutPrefix(lines.Text(), "VmFlags:"); ok && inside {
			return flags
		}
	}
	return ""
}

// What was half written when filling failed is wiped with the buffer, and so is its memory given back.
func TestFillBuffer(t *testing.T) {
	b, err := FillBuffer(3, func(v []byte) error { copy(v, "abc"); return nil })
	if err != nil {
		t.Fatal(err)
	}
	defer b.Destroy()
	if got := string(plain(t, b)); got != "abc" {
		t.Errorf("holds %q", got)
	}
	broken := errors.New("broken")
	var addr uintptr
	none, err := FillBuffer(3, func(v []byte) error {
		addr = uintptr(unsafe.Pointer(&v[0]))
		if !strings.Contains(vmFlags(t, addr), " lo") {
			t.Error("it is filled outside of locked memory")
		}
		return broken
	})
	if none != nil || err != broken {
		t.Errorf("a buffer that could not be filled: %v, %v", none, err)
	}
	if flags := vmFlags(t, addr); strings.Contains(flags, " lo") {
		t.Errorf("its memory is still there: %s", flags)
	}
}

// Without a right to lock memory nothing is held in unlocked memory instead.
func TestLockedMemoryIsRefused(t *testing.T) {
	cmd := helper(t, "memlock")
	cmd.Path = "/proc/self/exe" // another user may not get to where this binary lies
	if os.Geteuid() == 0 {      // root may lock what it likes
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	out, err := cmd.CombinedOutput()
	if errors.As(err, new(*exec.Error)) || errors.Is(err, os.ErrPermission) {
		needs(t, "the right to start a program as another user")
	}
	want := "locked memory: cannot lock 4096 bytes: "
	if err != nil || !bytes.HasPrefix(out, []byte(want)) || !bytes.Contains(out, []byte("ulimit -l")) {
		t.Errorf("%v\n%swant %s… and a hint with ulimit -l", err, out, want)
	}
}

func memlockProbe() int {
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{}); err != nil {
		fmt.Println(err)
		return 1
	}
	if _, err := ReadBuffer(io.LimitReader(os.Stdin, 10), 10); err != nil {
		fmt.Println(err)
		fmt.Println(hintOf(err))
		return 0
	}
	return 1
}
