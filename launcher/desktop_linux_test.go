package launcher

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// onDesktops runs f on a real X server and on a real Wayland compositor, neither of which has a screen. content is what
// the desktop's own program finds in the clipboard.
func onDesktops(t *testing.T, f func(t *testing.T, list []Clipboard, content func(*testing.T) string)) {
	t.Run("x11", func(t *testing.T) {
		needs(t, "xclip", "xsel")
		display(t)
		f(t, clipboards(t, 2), pasted("xclip", "-selection", "clipboard", "-out"))
	})
	t.Run("wayland", func(t *testing.T) {
		needs(t, "wl-copy", "wl-paste")
		compositor(t)
		f(t, clipboards(t, 1), pasted("wl-paste", "--no-newline"))
	})
}

func pasted(argv ...string) func(*testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		out, _ := exec.CommandContext(ctx, argv[0], argv[1:]...).Output() // it fails where nothing is in it
		return string(out)
	}
}

// compositor starts sway without an output, and puts its name into WAYLAND_DISPLAY. As root it would refuse, so that it
// is an ordinary user's.
func compositor(t *testing.T) {
	t.Helper()
	needs(t, "sway")
	dir, err := os.MkdirTemp("", "ward-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	config := filepath.Join(dir, "config")
	if err := os.WriteFile(config, []byte("xwayland disable\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	server := exec.Command("sway", "-c", config)
	server.Dir = "/"
	server.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "XDG_RUNTIME_DIR=" + dir,
		"WLR_BACKENDS=headless", "WLR_LIBINPUT_NO_DEVICES=1", "WLR_RENDERER=pixman"}
	if os.Getuid() == 0 {
		server.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 1000, Gid: 1000}}
		if err := os.Chown(dir, 1000, 1000); err != nil {
			t.Fatal(err)
		}
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Signal(os.Interrupt)
		server.Wait()
	})
	t.Setenv("XDG_RUNTIME_DIR", dir)
	t.Setenv("DISPLAY", "")
	for limit := time.Now().Add(20 * time.Second); time.Now().Before(limit); time.Sleep(20 * time.Millisecond) {
		names, _ := filepath.Glob(filepath.Join(dir, "wayland-*"))
		for _, name := range names {
			if !strings.HasSuffix(name, ".lock") {
				t.Setenv("WAYLAND_DISPLAY", filepath.Base(name))
				return
			}
		}
	}
	t.Fatal("the compositor makes no socket")
}
