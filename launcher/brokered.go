package launcher

import (
	"os"
	"slices"

	"ward/guard"
	"ward/launcher/broker"
	"ward/launcher/hooks"
	"ward/sandbox"
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
		s.served = &broker.Server{Sealed: s.sealedValue, Mask: s.mask, Record: s.record}
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
	if h.Self == "" || h.Nested || len(p.Argv) == 0 || p.Guard != "redact" && p.Guard != "block" {
		return
	}
	argv, err := hooks.ForRun(p.Argv, h.Self, os.ReadFile)
	if err != nil {
		p.Warnings = append(p.Warnings, "the output of the agent's tools is not masked before its model sees it: "+err.Error())
		return
	}
	p.ToolHook = len(argv) != len(p.Argv) || !slices.Equal(argv, p.Argv)
	p.Argv = argv
}

// mask applies the launch's guard to a payload: to the strings of JSON, and to any other text as it is. Each payload has
// a guard of its own, so that the end of one is not taken for the beginning of the next.
func (s *session) mask(payload []byte) ([]byte, error) {
	if s.plan.Guard == "off" || s.plan.Guard == "warn" {
		return payload, nil
	}
	prints := append(slices.Clip(s.prints), s.fetched()...)
	opt := guard.Options{Stored: s.stored.Stored, StoredKey: s.stored.StoredKey}
	g, _ := guard.New(s.key, prints, opt)
	defer g.Wipe()
	masked, err := guard.MaskJSON(g, payload)
	if err == nil {
		s.met(g.Stats())
		return masked, nil
	}
	plain, _ := guard.New(s.key, prints, opt)
	defer plain.Wipe()
	masked = append([]byte(nil), plain.Process(payload)...)
	masked = append(masked, plain.Flush()...)
	s.met(plain.Stats())
	return masked, nil
}

// fetched fingerprints all that is in the default store when somebody first asks, as marks know less of a value and the
// launch itself does not wait for that. Nobody is asked to open the store: the terminal is the command's.
func (s *session) fetched() []guard.Print {
	s.fetchOnce.Do(func() {
		if s.plan.Stored == storedNone {
			return
		}
		found, err := FetchStored(s.key, false, nil)
		if err != nil {
			found.Unread = err.Error()
		}
		s.unread = found.Unread
		req := request{Exempt: s.plan.Exempt}
		for _, c := range s.plan.Credentials {
			req.Wants = append(req.Wants, want{Ref: c.Ref.String()})
		}
		for _, p := range found.Prints {
			if !req.uses(p.Name) {
				s.others = append(s.others, p)
			}
		}
	})
	return s.others
}

// met remembers what the broker masked, for the summary.
func (s *session) met(hits []guard.Hit) {
	s.metMu.Lock()
	defer s.metMu.Unlock()
	s.asked = append(s.asked, hits...)
}
