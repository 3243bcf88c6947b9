package secrets

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

// What go-keyring cannot do is done here by D-Bus itself: find the bus without
// starting one, see that a keyring is there, see that it is locked, and ask
// for its password in bounded time. Names and calls are those of the
// freedesktop.org Secret Service API, draft 0.2.
const (
	ssName       = "org.freedesktop.secrets"
	ssPath       = "/org/freedesktop/secrets"
	ssService    = "org.freedesktop.Secret.Service"
	ssCollection = "org.freedesktop.Secret.Collection"
	ssPrompt     = "org.freedesktop.Secret.Prompt"
	ssLogin      = dbus.ObjectPath("/org/freedesktop/secrets/collection/login")
	ssNone       = dbus.ObjectPath("/")
)

// itemLimit: the Secret Service has none of its own; 1 MiB goes through.
const itemLimit = 0

// keyringAnswers is nil if there is a keyring with a collection to store in.
func keyringAnswers(ctx context.Context) error {
	conn, err := sessionBus(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, _, err = collection(ctx, conn)
	return err
}

// unlock makes sure that the collection go-keyring uses is unlocked.
func (k *Keyring) unlock(ctx context.Context) error {
	short, cancel := context.WithTimeout(ctx, k.timeout())
	defer cancel()
	// The prompt belongs to the connection that asked for it: the bus must
	// stay open as long as a person may take.
	conn, err := sessionBus(short)
	if err != nil {
		return err
	}
	defer conn.Close()
	path, locked, err := collection(short, conn)
	if err != nil || !locked {
		return err
	}
	if k.Quiet {
		return lockedError("nobody was asked to unlock it")
	}
	var unlocked []dbus.ObjectPath
	var prompt dbus.ObjectPath
	err = conn.Object(ssName, ssPath).CallWithContext(short, ssService+".Unlock", 0,
		[]dbus.ObjectPath{path}).Store(&unlocked, &prompt)
	if err != nil {
		return busError(err)
	}
	if prompt == ssNone && slices.Contains(unlocked, path) {
		return nil
	}
	ctx, cancel = context.WithTimeout(ctx, cmp.Or(k.Patience, 2*time.Minute))
	defer cancel()
	if prompt != ssNone {
		if err := ask(ctx, conn, prompt); err != nil {
			return err
		}
	}
	if _, locked, err = collection(ctx, conn); err == nil && locked {
		err = lockedError("it stayed locked")
	}
	return err
}

// ask has the keyring ask for its password, in a window of its own, and waits
// for the outcome. GNOME Keyring starts a prompter for it by D-Bus; where that
// cannot run, as without a display, the prompt completes at once as dismissed.
func ask(ctx context.Context, conn *dbus.Conn, prompt dbus.ObjectPath) error {
	if err := conn.AddMatchSignalContext(ctx, dbus.WithMatchObjectPath(prompt), dbus.WithMatchInterface(ssPrompt)); err != nil {
		return busError(err)
	}
	signals := make(chan *dbus.Signal, 16)
	conn.Signal(signals)
	object := conn.Object(ssName, prompt)
	if err := object.CallWithContext(ctx, ssPrompt+".Prompt", 0, "").Err; err != nil {
		return busError(err)
	}
	for {
		select {
		case signal, open := <-signals:
			switch {
			case !open:
				return errors.New("the session bus closed the connection")
			case signal.Path != prompt || signal.Name != ssPrompt+".Completed":
			case len(signal.Body) > 0 && signal.Body[0] == false:
				return nil
			default:
				return lockedError("its password was refused, or there is no desktop to ask for it")
			}
		case <-ctx.Done():
			// The prompt is left to end with the connection: its Dismiss ends
			// gnome-keyring-daemon 42 by an assertion in gkd-secret-unlock.c.
			if errors.Is(ctx.Err(), context.Canceled) {
				return ctx.Err()
			}
			return lockedError("nobody entered its password in time")
		}
	}
}

func lockedError(why string) error {
	return &Error{
		Err: fmt.Errorf("%w: %s", ErrLocked, why),
		Fix: "unlock the keyring in the desktop session, or keep the secret in ward's vault (vault://NAME)",
	}
}

// collection finds the one go-keyring uses: login if there is one, else the default.
func collection(ctx context.Context, conn *dbus.Conn) (path dbus.ObjectPath, locked bool, err error) {
	var all []dbus.ObjectPath
	service := conn.Object(ssName, ssPath)
	if err := property(ctx, service, ssService, "Collections", &all); err != nil {
		return "", false, busError(err)
	}
	path = ssLogin
	if !slices.Contains(all, ssLogin) {
		if err := service.CallWithContext(ctx, ssService+".ReadAlias", 0, "default").Store(&path); err != nil {
			return "", false, busError(err)
		}
		if path == ssNone {
			return "", false, errors.New("the keyring service runs, but no keyring was ever made")
		}
	}
	if err := property(ctx, conn.Object(ssName, path), ssCollection, "Locked", &locked); err != nil {
		return "", false, busError(err)
	}
	return path, locked, nil
}

func property(ctx context.Context, object dbus.BusObject, iface, name string, into any) error {
	var value dbus.Variant
	if err := object.CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0, iface, name).Store(&value); err != nil {
		return err
	}
	return value.Store(into)
}

// busError puts into words that nobody offers a keyring on this bus.
func busError(err error) error {
	if e, ok := errors.AsType[dbus.Error](err); ok {
		if e.Name == "org.freedesktop.DBus.Error.ServiceUnknown" || strings.HasPrefix(e.Name, "org.freedesktop.DBus.Error.Spawn.") {
			return errors.New("no keyring service on the session bus")
		}
	}
	return err
}

// sessionBus opens a connection of its own, which ends with ctx's cancellation
// at the latest: godbus' shared one may be shared with a caller that hangs.
func sessionBus(ctx context.Context) (*dbus.Conn, error) {
	address, err := busAddress()
	if err != nil {
		return nil, err
	}
	conn, err := dbus.Dial(address)
	if err != nil {
		return nil, fmt.Errorf("session bus: %w", err)
	}
	// Closing is what wakes Auth and Hello up, which know no context.
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	err = conn.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(os.Geteuid()))})
	if err == nil {
		err = conn.Hello()
	}
	if err != nil {
		conn.Close()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("session bus: %w", err)
	}
	return conn, nil
}

// busAddress finds the session bus and sees to it that godbus, which go-keyring
// uses, takes the same: left alone it would run dbus-launch where it knows
// none, and a daemon of its own would hold an empty keyring and stay behind.
func busAddress() (string, error) {
	address := os.Getenv("DBUS_SESSION_BUS_ADDRESS")
	if address == "" || strings.HasPrefix(address, "autolaunch:") {
		socket := ""
		for _, dir := range []string{os.Getenv("XDG_RUNTIME_DIR"), "/run/user/" + strconv.Itoa(os.Geteuid())} {
			if info, err := os.Stat(dir + "/bus"); dir != "" && err == nil && info.Mode()&fs.ModeSocket != 0 {
				socket = dir + "/bus"
				break
			}
		}
		if socket == "" {
			return "", errors.New("no session bus (DBUS_SESSION_BUS_ADDRESS is not set, and there is no socket bus in XDG_RUNTIME_DIR)")
		}
		address = "unix:path=" + dbus.EscapeBusAddressValue(socket)
		if err := os.Setenv("DBUS_SESSION_BUS_ADDRESS", address); err != nil {
			return "", err
		}
	}
	// Secrets do not go over a network, and ward opens no such socket.
	for one := range strings.SplitSeq(address, ";") {
		if one != "" && !strings.HasPrefix(one, "unix:") {
			return "", errors.New("session bus: DBUS_SESSION_BUS_ADDRESS is not a unix socket")
		}
	}
	return address, nil
}
