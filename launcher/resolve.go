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
)

// resolving is the supervisor's side of the resolver.
type resolving struct {
	cmd      *exec.Cmd
	lifeline *os.File // the resolver ends when it closes
	done     chan struct{}
	report   report
	prints   []guard.Print
	err      error
}

// startResolver starts ward once more to fetch the plan's credentials into values, the write end of the pipe that
// stage two reads. environ is an open /proc/self/environ.
func (p *Plan) startResolver(key guard.Key, values, environ *os.File) (*resolving, error) {
	req := request{Key: key[:]}
	for _, c := range p.Credentials {
		req.Wants = append(req.Wants, want{Ref: c.Ref.String(), Var: c.Var, Optional: c.Optional, Exempt: p.exempt(c)})
	}
	data, err := json.Marshal(req)
	if err != nil {
		return nil, err
	}
	in, lifeline, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	out, reports, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer reports.Close()
	r := &resolving{lifeline: lifeline, done: make(chan struct{})}
	r.cmd = &exec.Cmd{
		Path: selfPath(), Args: []string{resolverName}, Env: p.resolverEnv(), Stderr: os.Stderr,
		ExtraFiles: []*os.File{in, values, reports, environ},
	}
	if err := r.cmd.Start(); err != nil {
		return nil, fmt.Errorf("resolver: %w", err)
	}
	go func() {
		defer close(r.done)
		defer out.Close()
		lifeline.Write(data) // if it cannot be written, the report is missing, which is said
		r.err = r.read(out)
		if werr := r.cmd.Wait(); werr != nil && len(r.report.Errors) == 0 && r.err == nil {
			r.err = fmt.Errorf("resolver: %w", werr)
		}
	}()
	return r, nil
}

// resolverEnv is the user's environment without what the resolver reads elsewhere: os/exec copies every string that
// it is given onto the supervisor's heap.
func (p *Plan) resolverEnv() []string {
	return slices.DeleteFunc(os.Environ(), func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		return slices.Contains(p.wipe, name)
	})
}

func (r *resolving) read(out io.Reader) error {
	in := bufio.NewReader(out)
	line, err := in.ReadBytes('\n')
	if err == io.EOF {
		return nil // it died without a word; Wait tells how
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

// wait gives what the resolver found, or its errors, each with its hint.
func (r *resolving) wait() error {
	<-r.done
	r.lifeline.Close()
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
	r.lifeline.Close()
	<-r.done
}
