package launcher

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"

	"ward/secrets"
)

// ClipboardTime is how long a secret stays in the clipboard.
const ClipboardTime = 30 * time.Second

// clipperName is argv[0] of the process that clears the clipboard: see [Clipboard.ClearLater].
const clipperName = "ward: clipboard"

// clipPatience bounds a call of a clipboard program: the owner of an X selection may be a program that hangs.
const clipPatience = 5 * time.Second

// Clipboard is the desktop's clipboard, through one of the programs that desktops have for it. They are called by
// absolute path, a value goes through a pipe only, and they get of the environment what they need to find the desktop.
//
// The programs keep the value in memory of their own until it is replaced (wl-copy in a file under /tmp that has no
// name any more), and a clipboard history keeps what it likes: nothing here reaches into that.
type Clipboard struct {
	Name               string // the program that writes, for messages
	copy, paste, clear []string
	late               bool // the program returns before others get to see what it copied
}

// clipPrograms are the programs by desktop: what writes, reads and empties the clipboard.
func clipPrograms(system string, env func(string) string) (list []Clipboard) {
	if system == "darwin" {
		return []Clipboard{{"pbcopy", []string{"pbcopy"}, []string{"pbpaste"}, []string{"pbcopy"}, false}}
	}
	if env("WAYLAND_DISPLAY") != "" {
		// Without a type wl-copy guesses one from the content, with the help of a program of its own.
		list = append(list, Clipboard{"wl-copy", []string{"wl-copy", "--type", "text/plain"},
			[]string{"wl-paste", "--no-newline"}, []string{"wl-copy", "--clear"}, true})
	}
	if env("DISPLAY") != "" {
		list = append(list,
			Clipboard{"xclip", []string{"xclip", "-selection", "clipboard", "-in"},
				[]string{"xclip", "-selection", "clipboard", "-out"}, []string{"xclip", "-selection", "clipboard", "-in"}, true},
			Clipboard{"xsel", []string{"xsel", "--clipboard", "--input"},
				[]string{"xsel", "--clipboard", "--output"}, []string{"xsel", "--clipboard", "--clear"}, true})
	}
	return list
}

// FindClipboard looks for the clipboard of this desktop session. instead ends the hint of its error: what to do
// without one.
func FindClipboard(instead string) (*Clipboard, error) {
	candidates := clipPrograms(runtime.GOOS, os.Getenv)
	if len(candidates) == 0 {
		return nil, Mistake("clipboard: there is none here: neither WAYLAND_DISPLAY nor DISPLAY is set", instead)
	}
	for _, c := range candidates {
		if err := errors.Join(absoluteProgram(c.copy), absoluteProgram(c.paste), absoluteProgram(c.clear)); err == nil {
			return &c, nil
		}
	}
	return nil, Mistake("clipboard: no program for it was found", "install wl-clipboard (Wayland), xclip or xsel (X11), or: "+instead)
}

// absoluteProgram replaces argv[0]. The system's own directories come first: a project can put a directory into PATH.
// What lies in the project is not taken at all.
func absoluteProgram(argv []string) error {
	for _, dir := range []string{"/usr/bin", "/bin", "/usr/local/bin"} {
		path := filepath.Join(dir, argv[0])
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			argv[0] = path
			return nil
		}
	}
	path, err := (&secrets.Runner{Project: here()}).Find(argv[0])
	if err != nil {
		return err
	}
	argv[0] = path
	return nil
}

// clipEnviron is what the programs get: where the desktop is, and nothing else.
func clipEnviron() (environ []string) {
	for _, name := range []string{
		"PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "DISPLAY", "XAUTHORITY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR",
		"__CF_USER_TEXT_ENCODING", // how pbcopy reads text
	} {
		if value, set := os.LookupEnv(name); set {
			environ = append(environ, name+"="+value)
		}
	}
	return environ
}

// program is a call of one, bounded in time. Its output goes nowhere: xclip and wl-copy leave a process behind that
// serves the clipboard, which would hold a pipe open.
func (c *Clipboard) program(ctx context.Context, argv []string) (*exec.Cmd, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, clipPatience)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env, cmd.Dir = clipEnviron(), "/"
	cmd.WaitDelay = time.Second
	// What serves the clipboard must not end with the terminal, nor get its Ctrl-C.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd, cancel
}

func (c *Clipboard) fail(what string, err error) error {
	return Mistake(fmt.Sprintf("clipboard: %s: %s", what, reason(err)), "see whether "+c.Name+" works in this terminal")
}

// Write puts the value into the clipboard.
func (c *Clipboard) Write(ctx context.Context, value *secrets.Buffer) error {
	cmd, cancel := c.program(ctx, c.copy)
	defer cancel()
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd.Stdin = read // a file, so that os/exec makes no copy of the value
	err = cmd.Start()
	read.Close()
	if err != nil {
		write.Close()
		return c.fail(c.Name, err)
	}
	werr := value.Use(func(v []byte) error { _, err := write.Write(v); return err })
	write.Close()
	if err := cmd.Wait(); err != nil {
		return c.fail(c.Name, err)
	}
	if werr != nil {
		return c.fail(c.Name, werr)
	}
	if c.late {
		return c.settle(ctx, value)
	}
	return nil
}

// settle waits until the clipboard gives what was put into it. A read that finds the selection between two owners may
// wait for an answer that never comes, so that it is tried again.
func (c *Clipboard) settle(ctx context.Context, value *secrets.Buffer) error {
	err := c.fail(c.Name, errors.New("the clipboard keeps something else"))
	for limit := time.Now().Add(clipPatience); time.Now().Before(limit); time.Sleep(5 * time.Millisecond) {
		once, cancel := context.WithTimeout(ctx, clipPatience/5)
		now, rerr := c.Read(once)
		cancel()
		if rerr != nil {
			err = rerr
			continue
		}
		same := now.Equal(value)
		now.Destroy()
		if same {
			return nil
		}
	}
	return err
}

// Read gives what is in the clipboard, in locked memory. An empty clipboard is an empty value.
func (c *Clipboard) Read(ctx context.Context) (*secrets.Buffer, error) {
	cmd, cancel := c.program(ctx, c.paste)
	defer cancel()
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer read.Close()
	cmd.Stdout = write
	err = cmd.Start()
	write.Close()
	if err != nil {
		return nil, c.fail(filepath.Base(c.paste[0]), err)
	}
	value, rerr := secrets.ReadBuffer(read, secrets.MaxValue)
	read.Close() // a program that has more to say ends by it
	werr := cmd.Wait()
	if rerr != nil {
		return nil, c.fail("its content", rerr)
	}
	// xclip and wl-paste end with 1 where nothing, or nothing textual, is in it.
	if exit, ok := errors.AsType[*exec.ExitError](werr); ok && exit.ExitCode() == 1 && value.Len() == 0 {
		return value, nil
	}
	if werr != nil {
		value.Destroy()
		return nil, c.fail(filepath.Base(c.paste[0]), werr)
	}
	return value, nil
}

// empty makes the clipboard hold nothing.
func (c *Clipboard) empty(ctx context.Context) error {
	cmd, cancel := c.program(ctx, c.clear) // stdin is the null device
	defer cancel()
	return cmd.Run()
}

// clipOrder is what the clearing process is told. The value is not in it: its keyed hash is enough to know it again.
type clipOrder struct {
	Copy, Paste, Clear []string
	Key, Tag           []byte
	After              time.Duration
}

// ClearLater starts a process in the background that empties the clipboard after that time if it still holds value.
func (c *Clipboard) ClearLater(value *secrets.Buffer, after time.Duration) error {
	order := clipOrder{Copy: c.copy, Paste: c.paste, Clear: c.clear, Key: make([]byte, sha256.Size), After: after}
	rand.Read(order.Key)
	order.Tag = clipTag(order.Key, value)
	data, err := json.Marshal(order)
	if err != nil {
		return err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer write.Close()
	// A session of its own: it outlives the terminal, and Ctrl-C there does not end it.
	cmd := &exec.Cmd{Path: selfPath(), Args: []string{clipperName}, Env: clipEnviron(), Dir: "/", Stdin: read,
		SysProcAttr: &syscall.SysProcAttr{Setsid: true}}
	err = cmd.Start()
	read.Close()
	if err != nil {
		return Mistake("clipboard: nothing will empty it: "+reason(err), "copy something else over it when you are done")
	}
	if _, err := write.Write(data); err != nil {
		return err
	}
	return cmd.Process.Release()
}

func clipTag(key []byte, value *secrets.Buffer) (tag []byte) {
	value.Use(func(v []byte) error {
		mac := hmac.New(sha256.New, key)
		mac.Write(v)
		tag = mac.Sum(nil)
		return nil
	})
	return tag
}

// EnterClipboard turns the process into the one that clears the clipboard if it was started as such, and then does not
// return.
func EnterClipboard() {
	if len(os.Args) == 0 || os.Args[0] != clipperName {
		return
	}
	secrets.HideProcess()
	if err := clearClipboard(os.Stdin); err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

func clearClipboard(in io.Reader) error {
	var order clipOrder
	if err := json.NewDecoder(in).Decode(&order); err != nil {
		return err
	}
	time.Sleep(order.After)
	c := Clipboard{copy: order.Copy, paste: order.Paste, clear: order.Clear}
	if slices.ContainsFunc([][]string{c.copy, c.paste, c.clear}, func(argv []string) bool { return len(argv) == 0 }) {
		return errors.New("an order without programs")
	}
	ctx := context.Background()
	// A large value is another one, as is what cannot be read: it is left alone.
	now, err := c.Read(ctx)
	if err != nil {
		return err
	}
	defer now.Destroy()
	if !hmac.Equal(clipTag(order.Key, now), order.Tag) {
		return nil
	}
	return c.empty(ctx)
}
