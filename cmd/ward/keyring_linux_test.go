package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// keyring starts a session bus and a real gnome-keyring-daemon on it, unlocked, as the person, and puts their address
// into the person's environment.
func (p *person) keyring(t *testing.T) (bus string) {
	t.Helper()
	needs(t, "dbus-daemon", "gnome-keyring-daemon", "secret-tool")
	bus = filepath.Join(p.home, "bus")
	p.env = append(p.env, "DBUS_SESSION_BUS_ADDRESS=unix:path="+bus, "XDG_RUNTIME_DIR="+p.home)
	daemon := p.command(t, "dbus-daemon", "--session", "--nofork", "--address=unix:path="+bus)
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "the bus", func() bool { _, err := os.Stat(bus); return err == nil })
	ring := p.command(t, "gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets")
	ring.Stdin = strings.NewReader("pw")
	if err := ring.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ring.Cancel()
		daemon.Cancel()
		ring.Wait()
		daemon.Wait()
	})
	until(t, "the keyring", func() bool {
		return end(t, p.command(t, "secret-tool", "lookup", "service", "none", "username", "none")).stderr == ""
	})
	return bus
}

// The credentials of a launch come from the keyring next door, and the command inside cannot get at it: not by the
// bus's address, not with the directory of its socket granted. That the same works outside, and inside where the
// socket is named, shows that it is ward that stands between.
func TestKeyring(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		bus := p.keyring(t)
		value := secretValue()
		store := p.command(t, "secret-tool", "store", "--label=x", "service", "nono", "username", "API_KEY", "target", "default")
		store.Stdin = strings.NewReader(value)
		if o := end(t, store); o.code != 0 {
			t.Fatalf("secret-tool store: %+v", o)
		}
		lookup := []string{"secret-tool", "lookup", "service", "nono", "username", "API_KEY"}
		if o := end(t, p.command(t, lookup...)); o.stdout != value {
			t.Fatalf("outside, secret-tool gives %d bytes, want the value", len(o.stdout))
		}

		for _, ref := range []string{"keyring://nono/API_KEY", "API_KEY"} {
			o := end(t, p.run(t, "--env-credential-map", ref, "KEY", "--", "sh", "-c", "printf %s \"$KEY\" | sha256sum; printf '%s\\n' \"$KEY\""))
			sum := end(t, p.command(t, "sh", "-c", "printf %s '"+value+"' | sha256sum")).stdout
			if !strings.HasPrefix(o.stdout, sum) || strings.Contains(o.stdout, value[8:]) || o.code != 0 {
				t.Errorf("%s: the command has another value, or it was not masked: %+v", ref, o)
			}
			if ref == "API_KEY" && !strings.Contains(o.stderr, "nono") {
				t.Errorf("a value taken from nono's entries is not said to be: %q", o.stderr)
			}
		}

		inside := []string{"--allow-var", "DBUS_SESSION_BUS_ADDRESS", "--allow", bus, "--"}
		o := end(t, p.run(t, append(inside, lookup...)...))
		if o.code == 0 || strings.Contains(o.stdout+o.stderr, value) {
			t.Errorf("inside, secret-tool reaches the keyring: %+v", o)
		}
		named := append([]string{"--allow-unix-socket", bus, "--silent"}, inside...)
		if o := end(t, p.run(t, append(named, lookup...)...)); o.stdout != value {
			t.Errorf("inside, with the socket named, secret-tool gives %q and says %q", o.stdout, o.stderr)
		}
	})
}
