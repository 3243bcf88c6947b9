package launcher

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ward/secrets"
)

// display starts a real X server without a screen, and puts its name into DISPLAY.
func display(t *testing.T) {
	t.Helper()
	needs(t, "Xvfb")
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	server := exec.Command("Xvfb", "-displayfd", "3", "-nolisten", "tcp", "-screen", "0", "64x64x8")
	server.ExtraFiles = []*os.File{write}
	err = server.Start()
	write.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Signal(os.Interrupt)
		server.Wait()
	})
	read.SetReadDeadline(time.Now().Add(20 * time.Second))
	number, err := bufio.NewReader(read).ReadString('\n')
	if err != nil {
		t.Fatalf("Xvfb gives no display: %v", err)
	}
	t.Setenv("WAYLAND_DISPLAY", "")
	t.Setenv("DISPLAY", ":"+strings.TrimSpace(number))
}

// clipboards are those of the desktop that runs, each of which must be there.
func clipboards(t *testing.T, want int) (list []Clipboard) {
	t.Helper()
	list = clipPrograms("linux", os.Getenv)
	if len(list) != want {
		t.Fatalf("%d programs, want %d", len(list), want)
	}
	for _, c := range list {
		for _, argv := range [][]string{c.copy, c.paste, c.clear} {
			if err := absoluteProgram(argv); err != nil || !filepath.IsAbs(argv[0]) {
				t.Fatalf("%v: %v", argv, err)
			}
		}
	}
	return list
}

func locked(t *testing.T, value []byte) *secrets.Buffer {
	t.Helper()
	b, err := secrets.ReadBuffer(bytes.NewReader(value), secrets.MaxValue)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Destroy)
	return b
}

func TestClipboard(t *testing.T) {
	onDesktops(t, func(t *testing.T, list []Clipboard, content func(*testing.T) string) {
		for _, c := range list {
			t.Run(c.Name, func(t *testing.T) { roundTrip(t, c, content) })
		}
	})
}

// roundTrip copies and pastes. content is what another program finds.
func roundTrip(t *testing.T, c Clipboard, content func(*testing.T) string) {
	sizes := 4000 // repetitions of 26 bytes
	if c.Name == "xsel" {
		sizes = 150 // now and then xsel hangs, or gives nothing, where a value needs several messages
	}
	for _, value := range []string{rand.Text(), "two\nlines\n", "", strings.Repeat(rand.Text(), sizes)} {
		if err := c.Write(context.Background(), locked(t, []byte(value))); err != nil {
			t.Fatal(err)
		}
		if got := content(t); got != value {
			t.Errorf("%d bytes are in the clipboard, want %d", len(got), len(value))
		}
		got, err := c.Read(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if !got.Equal(locked(t, []byte(value))) {
			t.Errorf("read %d bytes, want %d", got.Len(), len(value))
		}
		got.Destroy()
	}
}

// The clipboard is emptied in the end, by a process that knows only a hash of what it looks for, and not if something
// else was put into it.
func TestClipboardClearLater(t *testing.T) {
	onDesktops(t, func(t *testing.T, list []Clipboard, content func(*testing.T) string) {
		for _, c := range list {
			for _, replaced := range []string{"", "the person's own words"} {
				t.Run(c.Name+" "+replaced, func(t *testing.T) { clearedLater(t, c, replaced, content) })
			}
		}
	})
}

func clearedLater(t *testing.T, c Clipboard, replaced string, content func(*testing.T) string) {
	value := rand.Text() + rand.Text()
	if err := c.Write(context.Background(), locked(t, []byte(value))); err != nil {
		t.Fatal(err)
	}
	if err := c.ClearLater(locked(t, []byte(value)), 4*time.Second); err != nil {
		t.Fatal(err)
	}
	pid := clipper(t)
	if memory := memoryOf(t, pid); bytes.Contains(memory, []byte(value[4:])) {
		t.Error("the clearing process holds the value")
	}
	if got := content(t); got != value {
		t.Errorf("the clipboard lost its content at once: %q", got)
	}
	if replaced != "" {
		if err := c.Write(context.Background(), locked(t, []byte(replaced))); err != nil {
			t.Fatal(err)
		}
	}
	for limit := time.Now().Add(20 * time.Second); alive(pid); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("the clearing process stays")
		}
	}
	got := content(t)
	// xclip ends before the process that it leaves behind has told the X server whose the clipboard is.
	for limit := time.Now().Add(5 * time.Second); got != replaced && time.Now().Before(limit); got = content(t) {
		time.Sleep(20 * time.Millisecond)
	}
	if got != replaced {
		t.Errorf("afterwards %q is in the clipboard, want %q", got, replaced)
	}
}

// clipper finds the clearing process, a child of this one, by its name.
func clipper(t *testing.T) string {
	t.Helper()
	for limit := time.Now().Add(20 * time.Second); time.Now().Before(limit); time.Sleep(5 * time.Millisecond) {
		paths, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, path := range paths {
			data, _ := os.ReadFile(path)
			if string(data) == clipperName+"\x00" {
				dir := filepath.Dir(path)
				stat, _ := os.ReadFile(dir + "/stat") // its exe is hidden from ordinary users
				if strings.Contains(string(stat), fmt.Sprintf(") S %d ", os.Getpid())) {
					return filepath.Base(dir)
				}
			}
		}
	}
	t.Fatal("there is no clearing process")
	return ""
}

// alive says whether the process still runs. Its parent is this one, which does not wait for it.
func alive(pid string) bool {
	data, err := os.ReadFile("/proc/" + pid + "/stat")
	return err == nil && !bytes.Contains(data, []byte(") Z "))
}

// memoryOf is all writable memory of a process, read as root can.
func memoryOf(t *testing.T, pid string) (all []byte) {
	t.Helper()
	if os.Getuid() != 0 {
		return nil // it is not dumpable: only root can look
	}
	time.Sleep(200 * time.Millisecond) // it has read its order by then
	memory, err := os.Open("/proc/" + pid + "/mem")
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	maps, err := os.ReadFile("/proc/" + pid + "/maps")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(maps)) {
		var from, to int64
		var mode string
		if n, _ := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); n != 3 || !strings.HasPrefix(mode, "rw") || to-from > 64<<20 {
			continue
		}
		part := make([]byte, to-from)
		n, _ := memory.ReadAt(part, from)
		all = append(all, part[:n]...)
	}
	if len(all) < 64<<10 {
		t.Fatalf("read %d bytes of memory: this test cannot look into the process", len(all))
	}
	return all
}

func TestClipboardNone(t *testing.T) {
	for _, c := range []struct{ wayland, x11, path, want string }{
		{"", "", "/usr/bin:/bin", "there is none here"},
	} {
		t.Setenv("WAYLAND_DISPLAY", c.wayland)
		t.Setenv("DISPLAY", c.x11)
		t.Setenv("PATH", c.path)
		_, err := FindClipboard("ward get --raw prints it")
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(hintOf(err), "--raw") {
			t.Errorf("%+v: %v (%s)", c, err, hintOf(err))
		}
	}
	// A display that does not answer is told, and does not hang.
	t.Setenv("DISPLAY", ":32767")
	needs(t, "xclip")
	c, err := FindClipboard("")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Write(context.Background(), locked(t, []byte("x"))); err == nil || !strings.HasPrefix(err.Error(), "clipboard: xclip: ") {
		t.Errorf("no X server: %v", err)
	}
}

// Neither a relative directory in PATH nor the project is where the program is taken from.
func TestAbsoluteProgram(t *testing.T) {
	root, own := tree(t, "bin/clip"), tree(t, "bin/clip")
	t.Chdir(root)
	for path, want := range map[string]string{"bin": "", root + "/bin": "", root + "/bin:" + own + "/bin": "", own + "/bin": own + "/bin/clip", "/nowhere": ""} {
		t.Setenv("PATH", path)
		argv := []string{"clip"}
		if err := absoluteProgram(argv); (err == nil) != (want != "") || want != "" && argv[0] != want {
			t.Errorf("PATH=%s: %q, %v, want %q", path, argv[0], err, want)
		}
	}
	argv := []string{"sh"}
	t.Setenv("PATH", root+"/bin")
	if err := absoluteProgram(argv); err != nil || argv[0] != "/usr/bin/sh" && argv[0] != "/bin/sh" {
		t.Errorf("sh is %q, %v", argv[0], err)
	}
}
