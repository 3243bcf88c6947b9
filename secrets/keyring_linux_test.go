package secrets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// busConfig is a session bus at run/bus that starts no services by itself.
const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path=%s</listen>%s
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`

// onBus runs the calling test again in a process of its own, on a session bus
// and with directories of its own: go-keyring keeps one connection for the life of
// a process. It is true in that process. services adds to the configuration.
func onBus(t *testing.T, services string) (inside bool) {
	t.Helper()
	if os.Getenv("WARD_TEST_BUS") == t.Name() {
		return true
	}
	needsPrograms(t, "dbus-run-session", "dbus-daemon")
	home := t.TempDir()
	run := filepath.Join(home, "run")
	config := filepath.Join(home, "bus.conf")
	err := errors.Join(os.Mkdir(run, 0o700),
		os.WriteFile(config, fmt.Appendf(nil, busConfig, filepath.Join(run, "bus"), services), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "dbus-run-session", "--config-file="+config, "--",
		self, "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=30s")
	cmd.Env = []string{"WARD_TEST_BUS=" + t.Name(), "WARD_NO_SKIP=" + os.Getenv("WARD_NO_SKIP"), "PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "HOME=" + home,
		"XDG_RUNTIME_DIR=" + run, "XDG_DATA_HOME=" + home + "/data", "XDG_CONFIG_HOME=" + home + "/config", "XDG_CACHE_HOME=" + home + "/cache"}
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if bytes.Contains(out, []byte("--- SKIP: "+t.Name())) {
		needs(t, "gnome-keyring-daemon and secret-tool")
	}
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// startKeyring starts GNOME Keyring with a login keyring that is unlocked, or
// with none if password is "".
func startKeyring(t *testing.T, password string) *Keyring {
	t.Helper()
	needsPrograms(t, "gnome-keyring-daemon", "secret-tool")
	args := []string{"--foreground", "--components=secrets"}
	if password != "" {
		args = append(args, "--unlock")
	}
	cmd := exec.Command("gnome-keyring-daemon", args...)
	cmd.Stdin = strings.NewReader(password)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a panic runs no Cleanup
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	awaitName(t, "org.freedesktop.secrets")
	k := &Keyring{Index: &Index{Path: filepath.Join(t.TempDir(), "index.json")}}
	var err error
	for range 100 {
		if err = k.Available(context.Background()); err == nil || password == "" && !strings.Contains(err.Error(), "no keyring service") {
			return k
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("gnome-keyring-daemon does not answer: %v", err)
	return nil
}

// awaitName waits until somebody has a name on the bus. To call the name before would make a bus that can start services
// start another keyring, a locked one.
func awaitName(t *testing.T, name string) {
	t.Helper()
	conn, err := dbus.Connect("unix:path=" + filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "bus"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for range 200 {
		owned := false
		if err := conn.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, name).Store(&owned); err != nil {
			t.Fatal(err)
		}
		if owned {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("nobody has the name %s on the bus", name)
}

func secretTool(t *testing.T, value string, args ...string) string {
	t.Helper()
	cmd := exec.Command("secret-tool", args...)
	cmd.Stdin = strings.NewReader(value)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("secret-tool %s: %v", args[0], err)
	}
	return string(out)
}

func TestKeyring(t *testing.T) {
	if onBus(t, "") {
		// Found by XDG_RUNTIME_DIR alone, by ward and by go-keyring.
		os.Unsetenv("DBUS_SESSION_BUS_ADDRESS")
		storeTest{startKeyring(t, "pw")}.run(t)
	}
}

// What other programs stored.
func TestKeyringServices(t *testing.T) {
	if !onBus(t, "") {
		return
	}
	k := startKeyring(t, "pw")
	sourceTest{
		source: k.Services(),
		path:   func(name string) string { return "some service/" + name },
		plant: func(t *testing.T, name string, value []byte) {
			secretTool(t, string(value), "store", "--label=l", "service", "some service", "username", name)
		},
		// secret-tool stops at a NUL, takes one newline for the end of typing, and reads 8 KiB.
		lacks: func(value []byte) bool {
			return bytes.IndexByte(value, 0) >= 0 || bytes.HasSuffix(value, []byte("\n")) || len(value) == 0 || len(value) > 8192
		},
		names: append(slices.Clone(edgeNames), "with space", "größe", "a:b?c"),
		hint:  "secret-tool search service some service",
	}.run(t)
	_, err := k.Services().Fetch(context.Background(), "nono/not_there")
	if want := "secret keyring://nono/not_there: not found in the keyring (service nono)"; fmt.Sprint(err) != want {
		t.Errorf("%v, want %s", err, want)
	}
	if _, err := k.Services().Fetch(context.Background(), "nono"); !errors.As(err, new(*RefError)) {
		t.Errorf("a service without an account: %v", err)
	}
}

// nono's items have a third attribute: they are found, and never changed.
func TestKeyringReadsNono(t *testing.T) {
	if !onBus(t, "") {
		return
	}
	ctx := context.Background()
	k := startKeyring(t, "pw")
	var notices []string
	k.Notice = func(s string) { notices = append(notices, s) }
	attributes := []string{"service", "nono", "username", "github_token", "target", "default"}
	secretTool(t, "nono's", append([]string{"store", "--label=x"}, attributes...)...)

	fetch := func(source Source, path, want string, told int) {
		t.Helper()
		b, err := source.Fetch(ctx, path)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(plain(t, b)); got != want || len(notices) != told {
			t.Errorf("%s is %q, and notices are %q", path, got, notices)
		}
	}
	fetch(k.Services(), "nono/github_token", "nono's", 0)
	fetch(k, "github_token", "nono's", 1)
	if want := "github_token: taken from nono's keyring entries; `ward set github_token` gives ward its own"; notices[0] != want {
		t.Errorf("told %q", notices[0])
	}
	if err := k.Delete(ctx, "github_token"); !errors.Is(err, ErrNotFound) {
		t.Errorf("Delete: %v", err)
	}
	if err := k.Put(ctx, "github_token", bufferOf(t, []byte("ward's"))); err != nil {
		t.Fatal(err)
	}
	fetch(k, "github_token", "ward's", 1)
	fetch(k.Services(), "nono/github_token", "nono's", 1)
	if err := k.Delete(ctx, "github_token"); err != nil {
		t.Error(err)
	}
	if got := secretTool(t, "", append([]string{"lookup"}, attributes...)...); got != "nono's" {
		t.Errorf("nono would find %q", got)
	}
	_, err := k.Fetch(ctx, "other")
	if want := "secret other: not found in the keyring (service ward), nor under service nono"; fmt.Sprint(err) != want || hintOf(err) != "ward set other" {
		t.Errorf("%v, hint %q; want %s", err, hintOf(err), want)
	}
}

// The list of names and the keyring may fall apart; neither way hides a value.
func TestKeyringIndex(t *testing.T) {
	if !onBus(t, "") {
		return
	}
	ctx := context.Background()
	k := startKeyring(t, "pw")
	value := bufferOf(t, []byte("v"))
	if _, err := k.Index.Add(ctx, "only_listed"); err != nil {
		t.Fatal(err)
	}
	if err := k.Delete(ctx, "only_listed"); err != nil {
		t.Errorf("removing a name without a value: %v", err)
	}
	if err := os.WriteFile(k.Index.Path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := k.Put(ctx, "a", value); err == nil || !strings.Contains(err.Error(), ": damaged: ") {
		t.Errorf("Put with a damaged index: %v", err)
	}
	if _, err := k.Fetch(ctx, "a"); !errors.Is(err, ErrNotFound) {
		t.Errorf("the value was stored all the same, unlisted: %v", err)
	}
	if _, err := k.Index.Recover(ctx); err != nil {
		t.Error(err)
	}
	if err := k.Put(ctx, "a", value); err != nil {
		t.Error(err)
	}
	noList := &Keyring{}
	if _, err := noList.List(ctx); err == nil {
		t.Error("a list without an index")
	}
	if err := errors.Join(noList.Put(ctx, "b", value), noList.Delete(ctx, "b")); err != nil {
		t.Error(err)
	}
}

// Locked, and nobody who could be asked: with GNOME's prompter missing, with
// one that cannot open a display, and with one that never answers.
func TestKeyringLocked(t *testing.T) {
	if onBus(t, "") {
		lockedKeyring(t, "its password was refused, or there is no desktop to ask for it")
	}
}

func TestKeyringLockedWithoutDisplay(t *testing.T) {
	if onBus(t, "<standard_session_servicedirs/>") {
		lockedKeyring(t, "its password was refused, or there is no desktop to ask for it")
	}
}

func TestKeyringLockedPrompterHangs(t *testing.T) {
	if !onBus(t, "") {
		return
	}
	conn, err := dbus.ConnectSessionBus()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	silent := map[string]any{"BeginPrompting": func(dbus.ObjectPath) *dbus.Error { return nil }}
	if err := conn.ExportMethodTable(silent, "/org/gnome/keyring/Prompter", "org.gnome.keyring.internal.Prompter"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.RequestName("org.gnome.keyring.SystemPrompter", 0); err != nil {
		t.Fatal(err)
	}
	lockedKeyring(t, "nobody entered its password in time")
}

func lockedKeyring(t *testing.T, want string) {
	ctx := context.Background()
	k := startKeyring(t, "pw")
	k.Patience = time.Second
	if err := k.Put(ctx, "here", bufferOf(t, []byte("v"))); err != nil {
		t.Fatal(err)
	}
	lock(t)
	if err := k.Available(ctx); err != nil {
		t.Errorf("a locked keyring is one all the same: %v", err)
	}
	started := time.Now()
	for what, err := range map[string]error{
		"Fetch":      fetchError(k, "here"),
		"of another": fetchError(k.Services(), "nono/x"),
		"Put":        k.Put(ctx, "new", bufferOf(t, []byte("v"))),
		"Delete":     k.Delete(ctx, "here"),
	} {
		if !errors.Is(err, ErrLocked) || !strings.HasSuffix(fmt.Sprint(err), ": locked: "+want) || !strings.Contains(hintOf(err), "vault://NAME") {
			t.Errorf("%s: %v, hint %q", what, err, hintOf(err))
		}
	}
	// Eight at once are one question.
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := fetchError(k, "here"); !errors.Is(err, ErrLocked) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if took := time.Since(started); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
	if names, err := k.List(ctx); err != nil || !slices.Equal(names, []string{"here"}) {
		t.Errorf("lists %q, %v", names, err)
	}
	short, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := k.Fetch(short, "here"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func fetchError(s Source, path string) error {
	b, err := s.Fetch(context.Background(), path)
	b.Destroy()
	return err
}

func lock(t *testing.T) {
	t.Helper()
	conn, err := dbus.ConnectSessionBus()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Object(ssName, ssPath).Call(ssService+".Lock", 0, []dbus.ObjectPath{ssLogin}).Err; err != nil {
		t.Fatal(err)
	}
}
