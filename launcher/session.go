package launcher

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"ward/guard"
	"ward/launcher/audit"
	"ward/launcher/broker"
	"ward/sandbox"
	"ward/secrets"
)

// Exit codes of ward's own, as the command line documents them.
const (
	ExitBlocked = 86  // --guard block ended the command
	ExitFailed  = 70  // ward itself failed after the start
	ExitLaunch  = 125 // nothing ran
)

// RunOptions is what does not change the plan.
type RunOptions struct {
	Silent   bool
	Verbose  bool
	AuditLog string // a file; "-": stderr; "": today's file in the state directory
	NoAudit  bool   // write no record
	// Early is what was begun while the plan was made; Run takes it over. It may be nil.
	Early *Early
}

// session is one launch while it lives.
type session struct {
	plan   *Plan
	opt    RunOptions
	id     string
	found  []string // variables of the credentials that were found
	cmd    sandbox.Cmd
	files  *scratch
	log    *audit.Log
	guards []*guard.Guard
	key    guard.Key
	prints []guard.Print
	stored guard.Options // the marks among them
	sealed []sealed
	metMu  sync.Mutex
	asked  []guard.Hit // what the broker masked

	pumps sync.WaitGroup
	// inner are the ends of pipes that ward reads: stdout and stderr of the command, nil where they do not go through.
	inner   [3]*os.File
	failed  [3]error       // why a pipe's output did not get out; to be read when the pumps have ended
	busy    [3]atomic.Bool // bytes of the stream are on their way; 0 is the terminal
	size    atomic.Uint32  // of the terminal since it changed: columns above, rows below 16 bits; 0: as it was
	console *console
	blocked chan struct{} // closed at the first leak under --guard block
	block   sync.Once
	ending  *time.Timer
	killed  atomic.Bool // ward ended what was inside: that stage two is gone then is no failure
	code    int

	brokerOnce sync.Once
	served     *broker.Server

	signals   chan os.Signal
	resumed   chan os.Signal // SIGCONT
	stops     stops
	under     map[string]fs.FileInfo // what the masks lie on: see covered
	abandoned bool                   // output is still being written, and nobody waits for it
}

// Run does what the plan says. code is the command's, or one of ward's own if err is set: then the words are in err.
func (p *Plan) Run(opt RunOptions) (code int, err error) {
	if err := noDirectories(); err != nil {
		return ExitLaunch, err
	}
	id := make([]byte, 6)
	if _, err := rand.Read(id); err != nil {
		return ExitLaunch, err
	}
	return newSession(p, opt, hex.EncodeToString(id)).run()
}

func newSession(p *Plan, opt RunOptions, id string) *session {
	return &session{
		plan: p, opt: opt, id: id, blocked: make(chan struct{}),
		signals: make(chan os.Signal, 16), resumed: make(chan os.Signal, 1),
	}
}

func (s *session) run() (code int, err error) {
	defer s.close()
	defer s.crashed()
	if err := s.start(); err != nil {
		s.cmd.Kill()
		var exec *sandbox.ExecError
		switch {
		case s.struck():
			return ExitLaunch, errInterrupted
		case errors.As(err, &exec) && exec.Errno == syscall.ENOENT:
			return 127, err
		case errors.As(err, &exec):
			return 126, err
		}
		return ExitLaunch, err
	}
	code, err = s.serve()
	if rerr := s.record(audit.Event{Event: "exit", Code: &code}); err == nil && rerr != nil {
		s.say("%v", rerr)
	}
	return code, err
}

// start takes the steps of a launch in their order; if one fails, the command never ran.
func (s *session) start() (err error) {
	p := s.plan
	if err := p.prepare(); err != nil {
		return err
	}
	if s.files, err = newScratch(s.id); err != nil {
		return err
	}
	var resolver *resolving
	if len(p.Credentials) > 0 || p.guarded() {
		if resolver = s.opt.Early.takeResolver(); resolver == nil {
			if resolver, err = beginResolver(nil); err != nil {
				return err
			}
		}
		defer func() {
			if err != nil {
				resolver.kill()
			}
		}()
		s.cmd.Values = resolver.values
		takeEndings(s.signals) // while it waits for credentials: those that come later, before it listens, are the command's
	}
	if err := s.fill(); err != nil {
		return err
	}
	if err := adopt(); err != nil {
		return err
	}
	err = s.cmd.Launch()
	s.handedOver()
	if err != nil {
		return err
	}
	// What follows takes place while stage two prepares.
	go sweep(filepath.Dir(s.files.dir), time.Now()) // what a command left may take long; the next one goes on with it
	// Only now: the parent that writes a child's user mapping must be dumpable, and so must one whose environ is opened.
	if err := secrets.HideProcess(); err != nil {
		return err
	}
	key, err := guard.NewKey()
	if err != nil {
		return err
	}
	if resolver != nil {
		if err := resolver.ask(p, key, s.opt.Silent); err != nil {
			return err
		}
	}
	if err := s.openLog(); err != nil {
		return err
	}
	if err := s.resolved(resolver, key); err != nil {
		return err
	}
	if err := s.announce(); err != nil {
		return err
	}
	return s.release()
}

// fill completes the sandbox command.
func (s *session) fill() error {
	p := s.plan
	s.cmd = sandbox.Cmd{
		Early: s.opt.Early.takeStageTwo(), Policy: p.Policy, Path: p.Path, Argv: p.Argv, Dir: p.Dir, Values: s.cmd.Values,
	}
	s.cmd.Policy.Scratch = s.files.dir
	for _, v := range p.Environment {
		s.cmd.Env = append(s.cmd.Env, v.Name+"="+v.Value)
	}
	s.cmd.Env = append(s.cmd.Env, "WARD_SESSION="+s.id)
	s.listenBroker()
	return s.stdio()
}

// handedOver closes ward's copies of what stage two now has.
func (s *session) handedOver() {
	s.cmd.Values.Close()
	for i, f := range s.cmd.Stdio {
		if i > 0 && s.inner[i] != nil {
			f.Close()
		}
	}
}

// announce writes the audit record, without which nothing starts, and the line on the terminal.
func (s *session) announce() error {
	p := s.plan
	event := audit.Event{Event: "launch", PID: os.Getpid(), Profile: p.Sources, Program: p.Path, Dir: p.Dir, Guard: p.Guard, Network: p.networkMode(), Credentials: s.found}
	for _, g := range s.cmd.Gaps {
		event.Gaps = append(event.Gaps, g.String())
		if g.Substitute == "" || s.opt.Verbose {
			s.say("%s", g)
		}
	}
	if err := s.record(event); err != nil {
		return Mistake("audit record: "+reason(err), "make the place writable, name another with --audit-log, or --no-audit")
	}
	for _, w := range p.Warnings {
		s.say("%s", w)
	}
	if p.Policy.Nested {
		s.say("already inside a launch: this one only narrows it")
	}
	if !s.opt.Silent && isTerminal(2) {
		s.say("%s", p.line(s.found))
	}
	return nil
}

func (s *session) openLog() (err error) {
	if s.opt.NoAudit && s.opt.AuditLog == "" {
		return nil
	}
	if s.log, err = audit.Open(s.opt.AuditLog, filepath.Join(s.plan.state, "audit")); err != nil {
		return Mistake("audit record: "+reason(err), "make the place writable, name another with --audit-log, or --no-audit")
	}
	return nil
}

func (s *session) record(e audit.Event) error {
	e.Launch = s.id
	return s.log.Write(e)
}

// say prints a line of ward's own. Names in it may be the command's, such as where a link of the project leads.
func (s *session) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "ward: %s\n", Clean(strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", " ")))
}

// release lets the command run.
func (s *session) release() error {
	s.resize() // it may have changed since stage two was told
	if s.console != nil {
		s.console.inner = s.cmd.Master
		if s.plan.Terminal.Raw {
			if err := s.console.enter(); err != nil {
				return fmt.Errorf("terminal: %w", err)
			}
		}
	}
	s.pump()
	return s.cmd.Go()
}

// guarded runs f in a goroutine that is waited for before the launch ends.
func (s *session) guarded(f func()) {
	s.pumps.Go(func() {
		defer s.crashed()
		f()
	})
}

// crashed is deferred in every goroutine that touches the terminal: a panic ends the process from wherever it is,
// without the deferred calls of the others. What is inside ends with ward.
func (s *session) crashed() {
	if r := recover(); r != nil {
		s.console.close()
		s.console.leave()
		fmt.Fprintf(os.Stderr, "ward: panic: %v\n%s", r, debug.Stack())
		os.Exit(ExitFailed)
	}
}

// close gives everything back. The terminal first, whatever comes after.
func (s *session) close() {
	s.console.close()
	s.console.leave()
	s.cmd.Close()
	s.closeBroker()
	for _, g := range s.guards {
		if !s.abandoned {
			g.Wipe()
		}
	}
	s.files.close()
	s.log.Close()
	for _, f := range s.inner {
		f.Close()
	}
}

// ended gives the exit code of a wait status, as shells do.
func ended(status syscall.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}
