package launcher

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"

	"ward/guard"
	"ward/launcher/broker"
)

// resolving is the supervisor's side of the resolver.
type resolving struct {
	cmd      *exec.Cmd
	values   *os.File // the end that values are read from, for stage two
	requests *os.File // the resolver ends when it closes
	done     chan struct{}
	report   report
	prints   []guard.Print
	err      error
}

// beginResolver starts ward once more, to wait for a request. It gets no environment, since os/exec copies every string
// that it is given onto the supervisor's heap: it reads the user's from the descriptor of /proc/self/environ, which must
// be opened while this process is still dumpable: by the caller who has hidden it (see Hide), else here.
func beginResolver(environ *os.File) (*resolving, error) {
	// The request has the key to the fingerprints, and the report has those: who had both could search for the values.
	var pairs [3][2]*os.File // requests, values, reports
	for i := range pairs {
		read, write, err := broker.Pair(false)
		if err != nil {
			return nil, fmt.Errorf("resolver: %w", err)
		}
		pairs[i] = [2]*os.File{read, write}
	}
	theirs := []*os.File{pairs[0][0], pairs[1][1], pairs[2][1]}
	files := theirs
	if environ == nil {
		if own, err := os.Open("/proc/self/environ"); err == nil {
			defer own.Close()
			environ = own
		}
	}
	if environ != nil {
		files = append(files, environ)
	}
	r := &resolving{requests: pairs[0][1], values: pairs[1][0], done: make(chan struct{})}
	r.cmd = &exec.Cmd{Path: selfPath(), Args: []string{resolverName}, Env: resolverEnv(files), Stderr: os.Stderr, ExtraFiles: files}
	err := r.cmd.Start()
	for _, f := range theirs {
		f.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("resolver: %w", err)
	}
	go r.follow(pairs[2][0])
	return r, nil
}

// follow reads the report and reaps.
func (r *resolving) follow(reports *os.File) {
	defer close(r.done)
	r.err = r.read(reports)
	reports.Close() // what was not understood is not read to its end, and the resolver must not wait for that
	if err := r.cmd.Wait(); err != nil && len(r.report.Errors) == 0 && (r.err == nil || r.err == errNoReport) {
		r.err = fmt.Errorf("resolver: %w", err)
	}
}

// resolverEnv is nothing where the environment can be handed over by descriptor, else all of it.
func resolverEnv(files []*os.File) []string {
	if len(files) > fdEnviron-fdRequest {
		return []string{}
	}
	// A variable that this process has wiped is nothing but NUL bytes, which no environment takes.
	return slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.IndexByte(e, 0) >= 0 })
}

// send asks for something, and ends a resolver that cannot be asked.
func (r *resolving) send(req request) error {
	data, err := json.Marshal(req)
	if err == nil {
		_, err = r.requests.Write(data)
	}
	if err != nil {
		r.kill()
		return fmt.Errorf("resolver: %w", err)
	}
	return nil
}

// ask sends what the plan wants.
func (r *resolving) ask(p *Plan, key guard.Key, silent bool) error {
	req := request{Key: key[:], Seal: !p.Policy.Nested, CIMask: p.CIMask, Apart: p.wipe, Silent: silent}
	req.programs(p)
	for _, c := range p.Credentials {
		req.Wants = append(req.Wants, want{Ref: c.Ref, Var: c.Var, Optional: c.Optional, Exempt: p.exempt(c)})
	}
	if p.guarded() {
		req.Logins, req.Stored, req.Exempt = p.Logins, p.Stored, p.Exempt
	}
	data, err := json.Marshal(req)
	if err != nil {
		return err
	}
	go r.requests.Write(data) // if it cannot be written, the report is missing, which is said
	return nil
}

func (r *resolving) read(out io.Reader) error {
	in := bufio.NewReader(out)
	line, err := in.ReadBytes('\n')
	if err == io.EOF {
		return errNoReport // Wait may tell how it died
	}
	if err != nil {
		return fmt.Errorf("resolver: %w", err)
	}
	if err := json.Unmarshal(line, &r.report); err != nil {
		return fmt.Errorf("resolver: %w", err)
	}
	for {
		print, err := guard.ReadPrint(in)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("resolver: %w", err)
		}
		r.prints = append(r.prints, print)
	}
}

// errNoReport: nobody knows what the command has, so that nothing of it would be masked.
var errNoReport = errors.New("resolver: it ended without a report")

// errInterrupted: somebody ended the launch while credentials were fetched.
var errInterrupted = errors.New("interrupted before the command was started")

// wait gives what the resolver found, or its errors, each with its hint. A signal ends the wait and the resolver.
func (r *resolving) wait(signals <-chan os.Signal) error {
	select {
	case <-r.done:
	case <-signals:
		r.kill()
		return errInterrupted
	}
	r.requests.Close()
	var wrong []error
	for _, s := range r.report.Errors {
		wrong = append(wrong, Mistake(s.Text, s.Hint))
	}
	if r.err != nil {
		wrong = append(wrong, r.err)
	}
	return errors.Join(wrong...)
}

// kill ends a resolver that nobody waits for any more: it may be asking for a passphrase.
func (r *resolving) kill() {
	if r == nil {
		return
	}
	r.cmd.Process.Signal(syscall.SIGTERM) // it gives the terminal its echo back
	r.cmd.Process.Signal(syscall.SIGCONT) // a stopped one could not end
	r.requests.Close()
	<-r.done
}
