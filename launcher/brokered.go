package launcher

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"ward/guard"
	"ward/launcher/audit"
	"ward/launcher/broker"
	"ward/launcher/hooks"
	"ward/sandbox"
	"ward/secrets"
)

// sealed is a variable's value as the broker hands it out again (`ward get` inside): the resolver sealed it with a key
// that only the command has, in a variable beside the value itself. So the supervisor can hand over what it cannot read,
// nobody has to be asked for a passphrase while the terminal is the command's, and a source that was overwritten
// (env://) does not matter.
type sealed struct {
	Var  string
	Text []byte
}

// brokerName is where the broker of a launch answers, in the abstract namespace of unix sockets. Nothing is made for it
// before somebody inside connects: the sandbox takes the connect for what it is.
func brokerName(id string) string { return "ward/" + id }

// outerVar has the name of the outer launch's broker in a launch inside another one, which has none itself: it is only for
// nested of a launch inside that.
const outerVar = "WARD_OUTER"

// client lets what runs inside start ward, to ask the broker.
func (p *Plan) client(h Host) {
	if h.Self != "" && !h.Nested && !p.Policy.Explain(h.Self, sandbox.Read).Allowed {
		p.Policy.Rules = append(p.Policy.Rules, sandbox.Rule{Path: h.Self, Access: sandbox.Read, Why: "ward: its own program, to ask the broker"})
	}
}

// listenBroker makes the launch's broker known to the sandbox and to the command. A launch inside another one has
// none: its connections are the outer one's to decide about.
func (s *session) listenBroker() {
	if s.plan.Policy.Nested {
		s.cmd.Env = append(s.cmd.Env, outerVar+"="+cmp.Or(os.Getenv(outerVar), os.Getenv("WARD_BROKER")))
		return
	}
	s.cmd.Policy.Net.Broker = brokerName(s.id)
	s.cmd.Env = append(s.cmd.Env, "WARD_BROKER=@"+brokerName(s.id))
	s.cmd.Broker = func(conn *os.File, who sandbox.Asker) {
		defer s.crashed()
		s.broker().Serve(conn, broker.Asker(who))
	}
}

// broker makes the server when the first connection comes.
func (s *session) broker() *broker.Server {
	s.brokerOnce.Do(func() {
		s.served = &broker.Server{
			Sealed: s.sealedValue, Mask: s.mask, Others: s.masks() && len(s.stored.Stored) > 0, Hide: s.hide,
			Record: func(e audit.Event) error {
				e.Program = s.hide(e.Program) // the command chose where it lies
				return s.record(e)
			},
		}
		for _, c := range s.plan.Credentials {
			if slices.Contains(s.found, c.Var) {
				s.served.Names = append(s.served.Names, c.Ref.String())
			}
		}
		for _, c := range s.plan.Credentials {
			if slices.Contains(s.found, c.Var) && !slices.Contains(s.served.Names, c.Var) {
				s.served.Names = append(s.served.Names, c.Var)
			}
		}
	})
	return s.served
}

// closeBroker ends what the broker still answers. After it there is none.
func (s *session) closeBroker() {
	s.brokerOnce.Do(func() { s.served = &broker.Server{} })
	s.served.Close()
}

// sealedValue finds a secret of the launch by its reference or by its variable.
func (s *session) sealedValue(name string) ([]byte, error) {
	for _, c := range s.plan.Credentials {
		if c.Ref.String() != name && c.Var != name {
			continue
		}
		for _, v := range s.sealed {
			if v.Var == c.Var {
				return append(append([]byte(v.Var), 0), v.Text...), nil
			}
		}
	}
	return nil, &broker.Refusal{Text: "secret " + name + ": not found at the start of this launch", Policy: true}
}

// hook tells an agent, for this run alone, to show the output of its tools to the broker before its model sees it.
func (p *Plan) hook(h Host) {
	if h.Self == "" || len(p.Argv) == 0 || p.Guard != "redact" && p.Guard != "block" {
		return
	}
	argv, err := hooks.ForRun(p.Argv, h.Self, p.settings)
	if err == nil && h.Nested && !slices.Equal(argv, p.Argv) {
		err = errors.New("a launch inside another one has nobody who could be asked")
	}
	if err != nil {
		p.Warnings = append(p.Warnings, "the output of the agent's tools is not masked before its model sees it: "+err.Error())
		return
	}
	p.Argv = argv
}

// settings reads what the agent itself would read, and nothing else: what is in the file becomes a part of its command
// line, and a link of the project's may lead anywhere.
func (p *Plan) settings(path string) (data []byte, err error) {
	if !filepath.IsAbs(path) {
		path = p.Dir + "/" + path
	}
	file := secrets.File{Opened: func(_, real string) error {
		if !p.Policy.Explain(real, sandbox.Read).Allowed {
			return errors.New("is " + real + ", which the command may not read")
		}
		return nil
	}}
	value, err := file.Fetch(context.Background(), path)
	if e, ok := errors.AsType[*secrets.Error](err); ok {
		return nil, e.Err // it is no secret, and named by who asks
	}
	if err != nil {
		return nil, err
	}
	defer value.Destroy()
	err = value.Use(func(v []byte) error { data = bytes.Clone(v); return nil })
	return data, err
}

// mask applies the launch's guard to a payload: to the strings of JSON, and to any other text as it is. Each payload has
// a guard of its own, so that the end of one is not taken for the beginning of the next.
//
// Who asks sees where the stars are, and so can try guesses. Of secrets that the launch was not given the guard knows
// marks alone, which leave enough of a value untold whatever is tried; the launch's own the command has anyway.
func (s *session) mask(payload []byte) ([]byte, []broker.Met, error) {
	if !s.masks() {
		return payload, nil, nil
	}
	g := s.payloadGuard()
	defer g.Wipe()
	masked, err := guard.MaskJSON(g, payload)
	if err == nil {
		return masked, s.met(g.Stats()), nil
	}
	plain := s.payloadGuard()
	defer plain.Wipe()
	masked = plain.Process(payload)
	masked = append(masked, plain.Flush()...)
	return masked, s.met(plain.Stats()), nil
}

func (s *session) masks() bool { return s.plan.Guard != "off" && s.plan.Guard != "warn" }

func (s *session) payloadGuard() *guard.Guard {
	g, _ := guard.New(s.key, s.prints, guard.Options{Stored: s.stored.Stored, StoredKey: s.stored.StoredKey})
	return g
}

// hide masks what is known in a name for the record, which nobody inside can read.
func (s *session) hide(name string) string {
	g := s.payloadGuard()
	defer g.Wipe()
	return hidden(g, name)
}

// hidden masks a line of text.
func hidden(g *guard.Guard, text string) string {
	masked := bytes.Clone(g.Process([]byte(text + "\n"))) // with what ends it
	masked = append(masked, g.Flush()...)
	return string(masked[:len(text)])
}

// met remembers what the broker masked, for the summary, and gives those that the launch was not given. It keeps a count for
// each secret, and no more: a command can ask for days.
func (s *session) met(hits []guard.Hit) (others []broker.Met) {
	s.metMu.Lock()
	defer s.metMu.Unlock()
	for _, h := range hits {
		at := slices.IndexFunc(s.asked, func(a guard.Hit) bool { return a.Name == h.Name && a.Stored == h.Stored })
		if at < 0 {
			s.asked = append(s.asked, h)
		} else {
			s.asked[at].Count += h.Count
		}
		if h.Stored {
			others = append(others, broker.Met{Name: h.Name, Count: h.Count})
		}
	}
	return others
}
