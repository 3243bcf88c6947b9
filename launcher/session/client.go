package session

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ward/detect"
	"ward/launcher/broker"
	"ward/secrets"
)

// Info is what a session tells about itself.
type Info struct {
	Prefix string
	Names  []string
	Bound  Bound
	Until  time.Time
	PID    int

	socket string
}

// ErrNone is where no session of this terminal has the secret.
var ErrNone = errors.New("no session of this terminal has it")

// The bounds of how long a session may last.
const (
	Shortest = time.Second
	Longest  = 7 * 24 * time.Hour
)

// Open starts a session that holds values, by name, and is bound to a process. It replaces the session of the same prefix
// and process. Presence is for the caller to have proved.
func Open(prefix string, last time.Duration, at Bound, values map[string]*secrets.Buffer) (Info, error) {
	if last < Shortest || last > Longest {
		return Info{}, fmt.Errorf("session: %v is not between %v and %v", last, Shortest, Longest)
	}
	if prefix == "" {
		return Info{}, errors.New("session: without a prefix")
	}
	before, err := List()
	if err != nil {
		return Info{}, err
	}
	o := opening{Prefix: prefix, Bound: at, Last: last}
	info := Info{Prefix: prefix, Bound: at, Until: time.Now().Add(last)}
	var in []*secrets.Buffer
	for _, name := range slices.Sorted(maps.Keys(values)) {
		o.Values = append(o.Values, entry{name, values[name].Len()})
		in = append(in, values[name])
		info.Names = append(info.Names, name)
	}
	err = somewhere(func(dir string) error {
		o.Socket = filepath.Join(dir, fmt.Sprintf("%s%d-%s", sessionPrefix, at.PID, rand.Text()))
		info.PID, err = begin(o, in)
		return err
	})
	if err != nil {
		return Info{}, err
	}
	for _, b := range before {
		if b.Bound == at && b.Prefix == prefix {
			lock(b.socket)
		}
	}
	return info, nil
}

// List gives the sessions of this user that answer, and removes what those left that were killed.
func List() ([]Info, error) {
	list, _, err := look()
	return list, err
}

// look gives the sessions that answer, and the sockets of those that do not: a process that was stopped still has what it
// keeps.
func look() (list []Info, mute []string, err error) {
	paths, err := sockets()
	if err != nil {
		return nil, nil, err
	}
	for _, path := range paths {
		data, err := ask(path, func(c *broker.Client, ctx context.Context) ([]byte, error) {
			return c.Do(ctx, broker.Status, nil, maxOpening)
		})
		if errors.Is(err, unix.ECONNREFUSED) && old(path) {
			os.Remove(path) // nobody listens on it, and nobody else will
		}
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
			mute = append(mute, path)
		}
		if err != nil {
			continue // it is ending, or another version's
		}
		var info Info
		if json.Unmarshal(data, &info) == nil {
			info.socket = path
			list = append(list, info)
		}
	}
	return list, mute, nil
}

// old says whether a socket is not just being made: for a moment each has a name and does not listen yet.
func old(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && time.Since(info.ModTime()) > time.Second
}

// ask makes one request of the socket, if this user answers there. The kernel names the user who called listen, whoever
// has the socket now and whatever the directory says.
func ask[T any](path string, f func(*broker.Client, context.Context) (T, error)) (T, error) {
	var none T
	short, done, err := shorten(path)
	if err != nil {
		return none, err
	}
	defer done()
	conn, err := net.DialTimeout("unix", short, quick)
	if err != nil {
		return none, fmt.Errorf("ward's socket %s does not answer: %w", path, bare(err))
	}
	c := broker.NewClient(conn)
	defer c.Close()
	if uid, err := listenedBy(conn.(*net.UnixConn)); err != nil || uid != os.Getuid() {
		return none, errors.Join(&broker.Refusal{Text: "ward's socket " + path + ": another user answers there", Policy: true}, err)
	}
	if err := greet(conn); err != nil {
		return none, fmt.Errorf("ward's socket %s does not answer: %w", path, bare(err))
	}
	ctx, cancel := context.WithTimeout(context.Background(), quick)
	defer cancel()
	return f(c, ctx)
}

// listenedBy gives the user of the process that called listen.
func listenedBy(conn *net.UnixConn) (uid int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return -1, err
	}
	if cerr := raw.Control(func(fd uintptr) { uid, err = otherSide(int(fd)) }); cerr != nil {
		return -1, cerr
	}
	return uid, err
}

func lock(path string) error {
	_, err := ask(path, func(c *broker.Client, ctx context.Context) ([]byte, error) { return c.Do(ctx, broker.Lock, nil, 0) })
	return err
}

// Mine gives the sessions of the terminal that the caller is in: those that are bound to one of its ancestors.
func Mine(c detect.Caller) ([]Info, error) {
	if !Near(c) {
		return nil, nil
	}
	list, err := List()
	return slices.DeleteFunc(list, func(i Info) bool { return !i.Bound.above(c.Chain) }), err
}

// Caller is who called this process, as it sees it itself.
func Caller() (detect.Caller, error) {
	return detect.Inspect(detect.System(), os.Getpid(), os.LookupEnv)
}

// Any says whether there may be a session at all: of whatever terminal.
func Any() bool {
	paths, err := sockets()
	return err == nil && len(paths) > 0
}

// Near says, without asking anybody, whether there may be a session of the caller's terminal: most calls end here.
func Near(c detect.Caller) bool {
	paths, err := sockets()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(paths, func(path string) bool { return near(path, c) })
}

// near says whether a session is one of the caller's terminal, by the name of its socket.
func near(path string, c detect.Caller) bool {
	pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(path), sessionPrefix), "-")
	return slices.ContainsFunc(c.Chain, func(p detect.Process) bool { return fmt.Sprint(p.PID) == pid })
}

// Get reads a secret out of a session of the caller's terminal, for an action of the access table. ErrNone: there is no
// such session, or it has no such secret. Other errors are a *broker.Refusal's. The caller destroys the value.
func Get(name string, action detect.Action, caller detect.Caller) (*secrets.Buffer, error) {
	mine, err := Mine(caller)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(asking(name, action, caller))
	if err != nil {
		return nil, err
	}
	for _, s := range mine {
		if !slices.Contains(s.Names, name) {
			continue
		}
		return ask(s.socket, func(c *broker.Client, ctx context.Context) (*secrets.Buffer, error) {
			return c.Secret(ctx, broker.Get, body)
		})
	}
	return nil, ErrNone
}

// End ends the sessions of the caller's terminal, or every one of this user, and tells which. One that does not answer is
// put out of reach: without its socket it gives nothing any more, and ends when its time is over.
func End(caller detect.Caller, all bool) (ended []Info, err error) {
	list, mute, err := look()
	remove := func(path string) {
		err = errors.Join(err, fmt.Errorf("session %s: does not answer, as if it were stopped; its socket is removed", filepath.Base(path)), os.Remove(path))
	}
	for _, path := range mute {
		if all || near(path, caller) {
			remove(path)
		}
	}
	for _, s := range list {
		if !all && !s.Bound.above(caller.Chain) {
			continue
		}
		lerr := lock(s.socket)
		late, ok := errors.AsType[net.Error](lerr)
		switch {
		case lerr == nil:
			ended = append(ended, s)
		case ok && late.Timeout(): // it was stopped since it was found
			remove(s.socket)
		default:
			err = errors.Join(err, fmt.Errorf("session %s: %w", s.Prefix, lerr))
		}
	}
	return ended, err
}
