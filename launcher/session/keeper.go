package session

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"ward/launcher/broker"
	"ward/secrets"
)

// keeperName is argv[0] of a process that keeps something: ward once more, in a session of its own in the kernel's
// sense, with no environment, no terminal, and the descriptors below.
const keeperName = "ward: keeper"

const (
	fdListener = 3 // the socket, listening
	fdOpening  = 4 // a socket: an opening as JSON on a line, then the values
	fdReady    = 5 // "ok", or what is wrong
)

// opening is what a keeper is told when it begins.
type opening struct {
	Prefix string `json:",omitempty"` // of a session
	Bound  Bound
	Last   time.Duration
	Socket string // removed at the end
	Dir    string `json:",omitempty"` // of a hand-off: removed at the end, with the script in it
	Values []entry
}

// entry names one of the values that follow an opening.
type entry struct {
	Name string
	Size int
}

// maxOpening bounds what a keeper holds, in bytes.
const maxOpening = 8 << 20

// startWithin bounds the start of a keeper.
const startWithin = 10 * time.Second

// begin starts a keeper at a new socket and returns once it answers there.
func begin(o opening, values []*secrets.Buffer) (pid int, err error) {
	listener, err := listen(o.Socket)
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	defer func() {
		if err != nil {
			os.Remove(o.Socket)
		}
	}()
	self, err := selfPath()
	if err != nil {
		return 0, err
	}
	in, opened, err := broker.Pair(true)
	if err != nil {
		return 0, err
	}
	defer opened.Close()
	ready, out, err := os.Pipe()
	if err != nil {
		in.Close()
		return 0, err
	}
	defer ready.Close()
	keepFiles()
	cmd := &exec.Cmd{
		Path: self, Args: []string{keeperName}, Env: []string{}, Dir: "/",
		ExtraFiles: []*os.File{listener, in, out}, SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	err = cmd.Start()
	in.Close()
	out.Close()
	if err != nil {
		return 0, fmt.Errorf("process in the background: %w", err)
	}
	if err = tell(opened, ready, o, values); err != nil {
		cmd.Process.Kill()
		cmd.Wait()
		return 0, fmt.Errorf("process in the background: %w", err)
	}
	pid = cmd.Process.Pid // which Release forgets
	return pid, cmd.Process.Release()
}

// tell sends the opening and the values, and waits for the answer.
func tell(opened, ready *os.File, o opening, values []*secrets.Buffer) error {
	head, err := json.Marshal(o)
	if err != nil {
		return err
	}
	limit := time.Now().Add(startWithin)
	opened.SetDeadline(limit)
	ready.SetDeadline(limit)
	_, err = opened.Write(append(head, '\n'))
	for _, v := range values {
		if err == nil && v.Len() > 0 {
			err = v.Use(func(value []byte) error { _, err := opened.Write(value); return err })
		}
	}
	answer, rerr := io.ReadAll(io.LimitReader(ready, 4096))
	switch {
	case string(answer) == "ok":
		return err
	case len(answer) > 0:
		return errors.New(string(answer))
	case err == nil && rerr == nil:
		return errors.New("it ended without a word")
	}
	return errors.Join(err, rerr)
}

// listen makes a listening socket. The address of a unix socket has 108 bytes at most, so the directory is reached by a
// descriptor where the system lets it.
func listen(path string) (*os.File, error) {
	short, done, err := shorten(path)
	if err != nil {
		return nil, err
	}
	defer done()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: short, Net: "unix"})
	if err != nil {
		return nil, bare(err)
	}
	l.SetUnlinkOnClose(false)
	defer l.Close()
	if err := os.Chmod(path, 0o600); err != nil { // whatever the umask is
		return nil, err
	}
	file, err := l.File()
	if err != nil {
		return nil, err
	}
	if err := nameWriters(int(file.Fd())); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// shorten gives a name of a socket that fits into an address.
func shorten(path string) (short string, done func(), err error) {
	const longest = 100 // 104 bytes on macOS, 108 on Linux, with the NUL
	if len(path) < longest {
		return path, func() {}, nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, err
	}
	short = "/proc/self/fd/" + strconv.Itoa(int(dir.Fd())) + "/" + filepath.Base(path)
	if _, err := os.Stat(filepath.Dir(short)); err != nil || len(short) >= longest {
		dir.Close()
		return "", nil, fmt.Errorf("%s: too long for a socket", path)
	}
	return short, func() { dir.Close() }, nil
}

// bare takes the operation and the address out of an error of package net.
func bare(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}

// Enter turns the process into a keeper if it was started as such, and then does not return.
func Enter() {
	if len(os.Args) == 0 || os.Args[0] != keeperName {
		return
	}
	if err := secrets.HideProcess(); err != nil {
		os.Exit(1)
	}
	for fd := fdListener; fd <= fdReady; fd++ {
		syscall.CloseOnExec(fd)
	}
	ready := os.NewFile(fdReady, "ready")
	k, err := newKeeper(os.NewFile(fdOpening, "opening"), os.NewFile(fdListener, "listener"))
	if err != nil {
		io.WriteString(ready, err.Error())
		os.Exit(1)
	}
	if _, err := io.WriteString(ready, "ok"); err != nil {
		k.end() // nobody knows of it
		os.Exit(1)
	}
	ready.Close()
	k.run()
	os.Exit(0)
}

// keeper is the process in the background.
type keeper struct {
	opening
	listener *net.UnixListener
	values   *secrets.Buffer // all of them, one behind the other: locked memory comes in pages
	over     chan struct{}   // closed when it is to end
	taken    sync.Mutex      // of a hand-off: one at a time
	until    time.Time
	ends     time.Duration // on the clock: see caller
}

func newKeeper(in, listener *os.File) (*keeper, error) {
	defer in.Close()
	defer listener.Close()
	// One byte at a time up to the end of the line: a reader that reads ahead would keep a copy of the values.
	var head []byte
	for one := make([]byte, 1); ; {
		if _, err := in.Read(one); err != nil {
			return nil, err
		}
		if one[0] == '\n' {
			break
		}
		if head = append(head, one[0]); len(head) > maxOpening {
			return nil, errors.New("the opening has no end")
		}
	}
	k := &keeper{over: make(chan struct{})}
	decoder := json.NewDecoder(bytes.NewReader(head))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&k.opening); err != nil {
		return nil, err
	}
	size := 0
	for _, v := range k.Values {
		if v.Size < 0 || v.Size > maxOpening {
			return nil, fmt.Errorf("%s: a value of %d bytes", v.Name, v.Size)
		}
		size += v.Size
	}
	if size > maxOpening {
		return nil, fmt.Errorf("values of %d bytes in all are more than a session keeps (%d)", size, maxOpening)
	}
	var err error
	if k.values, err = secrets.FillBuffer(size, func(all []byte) error { _, err := io.ReadFull(in, all); return err }); err != nil {
		return nil, err
	}
	l, err := net.FileListener(listener)
	if err != nil {
		return nil, err
	}
	at, ok := l.(*net.UnixListener)
	if !ok {
		return nil, errors.New("the listener is no unix socket")
	}
	k.listener, k.until, k.ends = at, time.Now().Add(k.Last), clock()+k.Last
	return k, nil
}

// end forgets everything. The values are wiped first.
func (k *keeper) end() {
	k.values.Destroy()
	os.Remove(k.Socket)
	if k.Dir != "" {
		os.Remove(filepath.Join(k.Dir, scriptName))
		os.Remove(k.Dir)
	}
}
