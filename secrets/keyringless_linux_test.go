package secrets

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// No keyring: each way has its own words, and the vault is taken.
func TestKeyringAbsent(t *testing.T) {
	if onBus(t, "") {
		absent(t, &Keyring{}, "no keyring service on the session bus")
	}
}

func TestKeyringNeverMade(t *testing.T) {
	if onBus(t, "") {
		absent(t, startKeyring(t, ""), "the keyring service runs, but no keyring was ever made")
	}
}

func TestKeyringWithoutBus(t *testing.T) {
	if _, err := os.Stat(fmt.Sprintf("/run/user/%d/bus", os.Geteuid())); err == nil {
		needs(t, "a user without a session bus at its fixed place")
	}
	// Left alone godbus would run this.
	dir := t.TempDir()
	launched := filepath.Join(dir, "launched")
	if err := os.WriteFile(filepath.Join(dir, "dbus-launch"), []byte("#!/bin/sh\n: > "+launched+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Setenv("XDG_RUNTIME_DIR", dir)
	for _, address := range []string{"", "autolaunch:", "autolaunch:scope=*user"} {
		t.Setenv("DBUS_SESSION_BUS_ADDRESS", address)
		absent(t, &Keyring{}, "no session bus")
	}
	if _, err := os.Stat(launched); err == nil {
		t.Error("dbus-launch was run")
	}
	for _, address := range []string{"tcp:host=localhost,port=1", "unix:path=/x;tcp:host=localhost,port=1", "unixexec:path=/bin/true"} {
		t.Setenv("DBUS_SESSION_BUS_ADDRESS", address)
		absent(t, &Keyring{}, "session bus: DBUS_SESSION_BUS_ADDRESS is not a unix socket")
	}
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path="+dir+"/none")
	absent(t, &Keyring{}, "session bus: dial unix")
}

func absent(t *testing.T, k *Keyring, want string) {
	t.Helper()
	ctx := context.Background()
	if err := k.Available(ctx); err == nil || !strings.HasPrefix(err.Error(), "keyring: "+want) {
		t.Errorf("Available: %v, want %s", err, want)
	}
	want = "the keyring (service ward): " + want
	for what, err := range map[string]error{
		"Fetch":  fetchError(k, "x"),
		"Put":    k.Put(ctx, "x", bufferOf(t, []byte("v"))),
		"Delete": k.Delete(ctx, "x"),
	} {
		if err == nil || !strings.HasPrefix(err.Error(), "secret x: "+want) {
			t.Errorf("%s: %v, want %s", what, err, want)
		}
	}
	if k.Index != nil {
		if names, err := k.List(ctx); err != nil || len(names) > 0 {
			t.Errorf("lists %q, %v", names, err)
		}
	}
	v := &Vault{Dir: "/v"}
	if c := Default(ctx, k, v); c.Store != v || c.Name != "vault" || !strings.HasPrefix(c.Why, "the vault /v, since no keyring answers: "+strings.TrimPrefix(want, "the keyring (service ward): ")) {
		t.Errorf("the default is %s: %s", c.Name, c.Why)
	}
}

// A bus that takes connections and never says a word.
func TestKeyringBusHangs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bus")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path="+path)
	k := &Keyring{Timeout: 200 * time.Millisecond}
	started := time.Now()
	absent(t, k, "no answer in time")
	if err := fetchError(k, "x"); !errors.Is(err, context.DeadlineExceeded) || hintOf(err) == "" {
		t.Errorf("%v, hint %q", err, hintOf(err))
	}
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}
