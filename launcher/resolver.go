package launcher

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"
	"time"

	"ward/detect"
	"ward/guard"
	"ward/launcher/broker"
	sessions "ward/launcher/session"
	"ward/secrets"
)

// resolverName is argv[0] of the resolver: ward again, in the user's own terminal and environment, without
// confinement, because op is setgid and the keyring and passphrases must be able to ask. It fetches, hands over, and
// dies, and with it every copy that a library made. The supervisor never has a value that goes into an environment.
const resolverName = "ward: resolver"

// The resolver's descriptors, after stdin, stdout and stderr.
const (
	fdRequest = 3 // the request; it stays open as long as the supervisor lives
	fdValues  = 4 // to stage two: NAME=VALUE, each ended by a NUL, all by an empty one
	fdReport  = 5 // to the supervisor: a report, then fingerprints
	fdEnviron = 6 // /proc/self/environ of the supervisor, as it was before it was overwritten
)

// request is what the resolver is asked for.
type request struct {
	Key    []byte
	CIMask bool
	Wants  []want
	Seal   bool     // the launch has a broker
	Logins []string // files that the guard looks for: no value goes anywhere
	Stored string   // see storedNone
	All    bool     // print every secret of the default store
	Ask    bool     // for that, a person may be asked for what opens it
	Exempt []string // names, references and variables that the guard does not look for
	Apart  []string // variables that only env:// and the vault's passphrase are read from: nothing else gets them
	Raw    bool     // the value of the only want is handed over as it is, and no fingerprint made: for `ward get`
	Silent bool     // no line about what is being waited for

	Commands         map[string]secrets.Command // of cmd://NAME
	Changeable, Kept []string                   // see secrets.Runner
	Project          []string                   // likewise
}

type want struct {
	Ref      secrets.Ref
	Var      string
	Optional bool
	Exempt   bool
}

// report is what the resolver says to the supervisor: names and words, never a value.
type report struct {
	Found     []string
	Sealed    []sealed
	Notices   []string
	Errors    []said
	Stored    int    // how many of the fingerprints, the last ones, are marks of stored secrets
	StoredKey []byte // what they were made under
	Unread    string // why not every stored secret was printed; "" if each was
}

type said struct{ Text, Hint string }

// EnterResolver turns the process into the resolver if it was started as such, and then does not return.
func EnterResolver() {
	if len(os.Args) == 0 || os.Args[0] != resolverName {
		return
	}
	for fd := fdRequest; fd <= fdEnviron; fd++ {
		syscall.CloseOnExec(fd)
	}
	secrets.HideProcess()
	// It ends before collecting garbage would pay. The limit is for values that are many and large.
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(256 << 20)
	ctx, _ := untilEnding(context.Background())
	go func() {
		<-ctx.Done()
		time.Sleep(2 * time.Second) // for programs to be ended and the terminal to be given back
		os.Exit(1)
	}()
	if err := resolve(ctx, os.NewFile(fdRequest, "request"), os.NewFile(fdValues, "values"),
		os.NewFile(fdReport, "report"), os.NewFile(fdEnviron, "environ")); err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

func resolve(ctx context.Context, in io.Reader, values, out io.Writer, environ io.ReaderAt) error {
	var req request
	decoder := json.NewDecoder(in)
	if err := decoder.Decode(&req); err != nil {
		return err
	}
	// A supervisor that is gone needs no answer, and nobody should go on typing a passphrase for it.
	go func() {
		io.Copy(io.Discard, io.MultiReader(decoder.Buffered(), in))
		syscall.Kill(os.Getpid(), syscall.SIGTERM) // and not an exit: the terminal is given back, and programs are ended
	}()
	if err := takeEnviron(environ, req.Apart); err != nil {
		return err
	}
	var rep report
	// One for all that is read: what was opened, or chosen, for one secret is so for the next.
	stores, err := OpenStores(environ)
	var unlocked, found map[secrets.Ref]*secrets.Buffer
	if err == nil {
		unlocked, err = req.fromSessions()
	}
	if err == nil {
		found, err = req.fetch(ctx, stores, unlocked, &rep)
	}
	if ctx.Err() != nil {
		return ctx.Err() // who sent the signal waits for the end, and for no words
	}
	rep.say(err)
	var prints []byte
	if err == nil {
		if prints, err = req.hand(found, values, &rep); err != nil {
			rep.say(err)
		}
		prints = append(prints, req.logins(&rep)...)
		prints = append(prints, req.everything(ctx, stores, &rep)...)
		prints = append(prints, req.stored(ctx, stores, &rep)...)
	}
	head, merr := json.Marshal(rep)
	if merr != nil {
		return merr
	}
	_, werr := out.Write(append(append(head, '\n'), prints...))
	return errors.Join(err, werr)
}

// takeEnviron makes the user's environment this process's own, as far as the keyring and other programs need it.
func takeEnviron(environ io.ReaderAt, apart []string) error {
	block, err := io.ReadAll(io.NewSectionReader(environ, 0, 1<<30))
	defer clear(block)
	if err != nil {
		return nil // this system has none to read; the environment came by exec
	}
	for entry := range bytes.SplitSeq(block, []byte{0}) {
		name, value, ok := bytes.Cut(entry, []byte{'='})
		if !ok || len(name) == 0 || slices.Contains(apart, string(name)) {
			continue
		}
		if err := os.Setenv(string(name), string(value)); err != nil {
			return err
		}
	}
	return nil
}

// say adds an error, its parts apart, so that each keeps its hint.
func (r *report) say(err error) {
	for _, e := range Parts(err) {
		r.Errors = append(r.Errors, said{e.Error(), Hint(e)})
	}
}

func (req request) fetch(ctx context.Context, stores *Stores, unlocked map[secrets.Ref]*secrets.Buffer, rep *report) (map[secrets.Ref]*secrets.Buffer, error) {
	var mu sync.Mutex // notices come from the goroutines that fetch
	stores.Keyring.Notice = func(s string) {
		mu.Lock()
		defer mu.Unlock()
		rep.Notices = append(rep.Notices, s)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	resolver := req.resolver(stores, stop)
	var refs, optional []secrets.Ref
	for _, w := range req.Wants {
		switch {
		case unlocked[w.Ref] != nil:
		case w.Optional:
			optional = append(optional, w.Ref)
		default:
			refs = append(refs, w.Ref)
		}
	}
	found, err := fetchAll(ctx, resolver, refs, optional)
	if err != nil && ctx.Err() != nil {
		stores.terminal().settle()
		err = errInterrupted
		if req.Raw {
			err = interrupted(refs[0])
		}
	}
	if err != nil {
		return nil, err
	}
	maps.Copy(found, unlocked)
	r := reading{Unlocked: unlocked, Action: detect.RunCredential, Caller: launchedBy}
	rep.Notices, err = stores.admitted(ctx, found, r, rep.Notices)
	return found, err
}

// launchedBy tells who called the ward that the resolver works for: its first process is that one.
func launchedBy() (detect.Caller, error) {
	c, err := sessions.Caller()
	if len(c.Chain) > 0 {
		c.Chain = c.Chain[1:]
	}
	return c, err
}

// hand writes the values to stage two and gives the fingerprints. Nothing is written before all values are known to
// fit into an environment.
func (req request) hand(found map[secrets.Ref]*secrets.Buffer, values io.Writer, rep *report) (prints []byte, err error) {
	if req.Raw {
		return nil, req.raw(found, values)
	}
	var ready []want
	for _, w := range req.Wants {
		value := found[w.Ref]
		if value == nil {
			continue
		}
		err := value.Use(func(v []byte) error {
			if bytes.IndexByte(v, 0) >= 0 {
				return Mistake("secret "+w.Ref.String()+": holds a NUL byte, which no environment variable can", "give the command a file instead")
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		ready = append(ready, w)
		rep.Found = append(rep.Found, w.Var)
	}
	if prints, err = fingerprints(guard.Key(req.Key), ready, found); err != nil {
		return nil, err
	}
	if err := req.register(ready, found, os.Stderr); err != nil {
		return nil, err
	}
	for _, w := range ready {
		err := found[w.Ref].Use(func(v []byte) error {
			for _, part := range [][]byte{[]byte(w.Var + "="), v, {0}} {
				if _, err := values.Write(part); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if err := req.seal(ready, found, values, rep); err != nil {
		return nil, err
	}
	_, err = values.Write([]byte{0})
	return prints, err
}

// fingerprints gives the frames of values, one behind the other. They are made at the same time: each takes a quarter of
// a millisecond, and the launch waits.
func fingerprints(key guard.Key, ready []want, found map[secrets.Ref]*secrets.Buffer) ([]byte, error) {
	frames, errs := make([][]byte, len(ready)), make([]error, len(ready))
	var all sync.WaitGroup
	for i, w := range ready {
		if w.Exempt {
			continue
		}
		all.Go(func() {
			errs[i] = found[w.Ref].Use(func(v []byte) (err error) {
				if frames[i], err = guard.Fingerprint(key, w.Var, v).AppendBinary(nil); err != nil {
					return Mistake(err.Error(), "give the command a file instead; guard.exempt in the profile has it not looked for")
				}
				return nil
			})
		})
	}
	all.Wait()
	return slices.Concat(frames...), errors.Join(errs...)
}

// seal gives the supervisor what it may hand out again, and the command the key to it.
func (req request) seal(ready []want, found map[secrets.Ref]*secrets.Buffer, values io.Writer, rep *report) error {
	if !req.Seal || len(ready) == 0 {
		return nil
	}
	key, err := broker.NewKey()
	if err != nil {
		return err
	}
	defer key.Destroy()
	for _, w := range ready {
		text, err := broker.Seal(key, w.Var, found[w.Ref])
		if err != nil {
			return err
		}
		rep.Sealed = append(rep.Sealed, sealed{w.Var, text})
	}
	return key.Use(func(k []byte) error {
		_, err := values.Write(append(broker.AppendKey([]byte(broker.UnsealVar+"="), k), 0))
		return err
	})
}

// logins gives the fingerprints of the files that the guard looks for. One that cannot be read is said and left out:
// the command, which runs as the same user, cannot read it either.
//
// The paths are free of links. One that is there now was put there since the launch was planned, by another one: the guard
// would know what it leads to as a secret of the launch's own, and tell the command whether it guessed it.
func (req request) logins(rep *report) (prints []byte) {
	straight := func(path, real string) error {
		if real != path {
			return errors.New("leads to " + real + " since the launch was planned")
		}
		return nil
	}
	for _, path := range req.Logins {
		value, err := (secrets.File{Opened: straight}).Fetch(context.Background(), path)
		if err == nil {
			err = value.Use(func(v []byte) error {
				prints, err = guard.Fingerprint(guard.Key(req.Key), path, v).AppendBinary(prints)
				return err
			})
			value.Destroy()
		}
		if err != nil {
			rep.Notices = append(rep.Notices, "guard: "+err.Error()+": what is in it is not masked")
		}
	}
	return prints
}
