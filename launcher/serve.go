package launcher

import (
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"ward/guard"
	"ward/launcher/audit"
	"ward/sandbox"
)

// grace is how long a command has to end after SIGTERM or SIGHUP. Then everything inside is ended.
const grace = 10 * time.Second

// serve runs until the command has ended and all its output is out.
func (s *session) serve() (code int, err error) {
	events := s.cmd.Events()
	for {
		select {
		case e, open := <-events:
			switch {
			case !open:
				return s.finish(), nil
			case e.Exited != nil:
				s.code = ended(*e.Exited)
			case e.Lost != nil && s.killed.Load():
				s.code = 128 + int(syscall.SIGKILL)
			case e.Lost != nil:
				s.finish()
				return ExitFailed, e.Lost
			default:
				s.stopped()
			}
		case sig := <-s.signals:
			s.forward(sig.(syscall.Signal))
		case <-s.resumed: // ward runs already, but something inside may not
			s.stops.resumed = time.Now()
			s.cmd.Signal(syscall.SIGCONT, true)
		case <-s.blocked:
			s.blocked = nil
			s.kill()
		}
	}
}

// listen takes the signals, before the terminal is touched: one that comes between would end ward and leave the
// terminal raw. SIGPIPE is taken so that a reader that goes away is an error of one write, which the command then
// learns by a signal of its own, and not the end of ward. What ward was started to ignore (nohup, a job of a shell
// without job control) it goes on to ignore.
func (s *session) listen() {
	for _, sig := range []os.Signal{
		syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2,
		syscall.SIGWINCH, syscall.SIGTSTP, syscall.SIGPIPE,
	} {
		if !signal.Ignored(sig) {
			signal.Notify(s.signals, sig)
		}
	}
	signal.Notify(s.resumed, syscall.SIGCONT)
}

// kill ends everything inside.
func (s *session) kill() {
	s.killed.Store(true)
	s.cmd.Kill()
}

// forward passes a signal on: those that a terminal sends go to the group in front, the others to the command, as if
// ward were not in between.
func (s *session) forward(sig syscall.Signal) {
	switch sig {
	case syscall.SIGPIPE:
	case syscall.SIGWINCH:
		s.resize()
	case syscall.SIGTSTP:
		s.cmd.Signal(sig, true)
		if s.stops.ask() {
			s.cmd.Signal(syscall.SIGCONT, true)
		}
	case syscall.SIGINT, syscall.SIGQUIT:
		s.cmd.Signal(sig, true)
	case syscall.SIGTERM, syscall.SIGHUP:
		if s.ending != nil { // asked twice
			s.kill()
			return
		}
		s.cmd.Signal(sig, false)
		s.cmd.Signal(syscall.SIGCONT, false) // a stopped one could not end
		s.ending = time.AfterFunc(grace, s.kill)
	default:
		s.cmd.Signal(sig, false)
	}
}

// finish waits until the last byte of output is written. Everything inside has ended, so every stream ends too.
func (s *session) finish() (code int) {
	if s.ending != nil {
		s.ending.Stop()
	}
	for _, g := range s.cmd.Gaps {
		if g.Layer == sandbox.LayerNamespaces {
			sandbox.EndDescendants(2 * time.Second)
		}
	}
	s.console.close()
	s.drain()
	s.console.leave()
	code = s.code
	if s.cut() && code == 0 {
		code = ExitFailed
	}
	if s.leaked() && s.plan.Guard == "block" {
		code = ExitBlocked
	}
	s.summary()
	return code
}

// drain waits for the last byte, which may take as long as the reader outside likes. Whoever ends ward meanwhile does
// not want it.
func (s *session) drain() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.pumps.Wait()
	}()
	for {
		select {
		case <-done:
			return
		case sig := <-s.signals:
			if ends(sig) {
				s.abandoned = true
				return
			}
		}
	}
}

// cut says that output is missing outside, and says so: the disk is full, say. The command cannot have noticed if it ended
// first, since it wrote into a pipe. A reader that goes away has read what it wanted.
func (s *session) cut() (missing bool) {
	if s.abandoned {
		return false
	}
	for i, err := range s.failed {
		if err != nil && !errors.Is(err, syscall.EPIPE) {
			missing = true
			s.say("%s: %v: the output from there on is lost", []string{1: "stdout", 2: "stderr"}[i], err)
		}
	}
	return missing
}

func (s *session) leaked() bool {
	return slices.ContainsFunc(s.guards, func(g *guard.Guard) bool { return g.Leaks() > 0 })
}

// summary tells what happened, and nothing if nothing did. That something was masked is said even where ward is
// silent otherwise: a file with stars in it is damaged, and somebody must know.
func (s *session) summary() {
	masked := map[string]int{}
	var names []string
	count := func(hits []guard.Hit) {
		for _, hit := range hits {
			if masked[hit.Name] == 0 {
				names = append(names, hit.Name)
			}
			masked[hit.Name] += hit.Count
		}
	}
	for _, g := range s.guards {
		count(g.Stats())
	}
	s.metMu.Lock()
	count(s.asked)
	s.metMu.Unlock()
	verb := "masked"
	if s.plan.Guard == "warn" {
		verb = "saw"
	}
	for _, name := range names {
		s.say("%s %s %s", verb, name, Times(masked[name]))
		s.record(audit.Event{Event: "masked", What: name, Count: masked[name]})
	}
	refused := s.refused()
	for i, r := range refused {
		s.record(audit.Event{Event: "refused", What: r.What, Count: r.Count})
		if s.opt.Silent || !isTerminal(2) && !s.opt.Verbose {
			continue
		}
		if i == maxShown {
			s.say("and %d more refusals", len(refused)-maxShown)
		}
		if i >= maxShown {
			continue
		}
		if r.Hint == "" {
			s.say("refused: %s (%s)", r.What, Times(r.Count))
		} else {
			s.say("refused: %s (%s); %s allows it", r.What, Times(r.Count), r.Hint)
		}
	}
	s.appeared()
	s.lifted()
	if len(refused) > 0 && !s.opt.Silent && isTerminal(2) || s.opt.Verbose {
		if _, empty := s.files.left(); !empty {
			s.say("its /tmp is kept for a day in %s/tmp", s.files.kept())
		}
	}
}

// refused lists what was refused. The names in it are the command's: what it puts into one is masked like its output.
func (s *session) refused() []sandbox.Refusal {
	refused := s.cmd.Refused()
	if len(refused) == 0 {
		return nil
	}
	g := s.payloadGuard()
	defer g.Wipe()
	for i := range refused {
		refused[i].What, refused[i].Hint = hidden(g, refused[i].What), hidden(g, refused[i].Hint)
	}
	return refused
}

// appeared names the protected files that were not there before the launch and are now: they could not be kept from being
// made, and other programs do what they say. A file in the place of a directory may say where that is instead, as .git
// does; one that is closed may hold them.
func (s *session) appeared() {
	var made []string
	for _, path := range s.plan.absent {
		_, err := os.Lstat(path)
		for errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.EACCES) {
			path = filepath.Dir(path)
			_, err = os.Lstat(path)
		}
		if err == nil && !slices.Contains(made, Clean(path)) {
			made = append(made, Clean(path))
			s.record(audit.Event{Event: "made", What: path})
		}
	}
	if len(made) > 0 && !s.opt.Silent {
		s.say("new, and other programs will do what it says: %s; look at it first", strings.Join(made, ", "))
	}
}

// maxShown is how many refusals are listed on the terminal; the audit record has all.
const maxShown = 8
