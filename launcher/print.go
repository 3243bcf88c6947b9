package launcher

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"ward/sandbox"
)

// WriteText prints the plan for people: every rule with the reason that it is there. A directory's name, which whoever made
// the project chose, does not write further lines or steer the terminal.
func (p *Plan) WriteText(w io.Writer) error {
	b := &strings.Builder{}
	line := func(format string, args ...any) { b.WriteString(Clean(fmt.Sprintf(format, args...)) + "\n") }
	line("profile    %s", strings.Join(p.Sources, " < "))
	line("command    %s", quoteAll(p.Argv))
	line("program    %s", p.Path)
	line("directory  %s", p.Dir)
	line("network    %s", p.networkText())
	line("guard      %s", strings.Join(p.guardText(), " + "))
	line("terminal   %s", p.terminalText())
	b.WriteString("\ncredentials\n")
	for _, c := range p.Credentials {
		what := c.Ref.String()
		if len(c.Command) > 0 {
			what += ": " + quoteAll(c.Command)
		}
		if c.Optional {
			what += " (optional)"
		}
		row(b, c.Var, what, c.Why)
	}
	b.WriteString("\nfiles\n")
	for _, r := range p.Policy.Rules {
		if r.Access != 0 {
			row(b, r.Access.String(), r.Path, r.Why)
		}
	}
	b.WriteString("\nclosed or fixed inside them\n")
	for _, m := range p.Policy.Inside() {
		what := "hidden"
		if m.Fixed {
			what = "fixed"
		}
		row(b, what, m.Path, m.Why)
	}
	b.WriteString("\nenvironment\n")
	for _, v := range p.Environment {
		row(b, v.Name, quote(v.Value), v.Why)
	}
	for _, note := range p.Warnings {
		b.WriteByte('\n')
		line("note: %s", note)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func row(b *strings.Builder, what, value, why string) {
	fmt.Fprintf(b, "  %-12s %s", what, Clean(value))
	if why != "" {
		fmt.Fprintf(b, "   (%s)", Clean(why))
	}
	b.WriteByte('\n')
}

// quote writes a value so that a terminal shows it and does not obey it.
func quote(s string) string {
	plain := s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune("\"'\\$`*?[]{}()<>|&;#!~", r)
	})
	if plain {
		return s
	}
	return fmt.Sprintf("%q", s)
}

func quoteAll(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = quote(s)
	}
	return strings.Join(quoted, " ")
}

// networkMode is the network in one word.
func (p *Plan) networkMode() string {
	if p.Policy.Net.Blocked {
		return "blocked"
	}
	return "open"
}

// networkText is the network in words.
func (p *Plan) networkText() string {
	n := p.Policy.Net
	s := "open; loopback, link-local and cloud metadata addresses closed"
	if n.Blocked {
		s = "blocked"
	}
	if len(n.Ports) > 0 {
		var ports []string
		for _, port := range n.Ports {
			ports = append(ports, fmt.Sprint(port))
		}
		s += "; loopback ports " + strings.Join(ports, ", ")
	}
	if len(n.UnixSockets) > 0 {
		s += "; sockets " + strings.Join(n.UnixSockets, ", ")
	}
	return s
}

func (p *Plan) terminalText() string {
	var names []string
	for i, name := range []string{"stdin", "stdout", "stderr"} {
		if p.Terminal.PTY[i] {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "none: stdin as it is, stdout and stderr through the guard"
	}
	return strings.Join(names, ", ")
}

// line is the one that ward prints on a terminal before the command starts.
// found are the credentials that are there: optional ones may not be.
func (p *Plan) line(found []string) string {
	credentials := cmp.Or(strings.Join(found, ", "), "none")
	name := p.Profile
	if name == "" && len(p.Sources) > 0 {
		name = p.Sources[len(p.Sources)-1]
	}
	return fmt.Sprintf("profile %s · credentials %s · network %s · guard %s", name, credentials, p.networkMode(), p.Guard)
}

// The parts of a plan as machines get them.
type (
	ruleJSON struct {
		Path   string `json:"path"`
		Access string `json:"access"`
		Why    string `json:"why,omitempty"`
	}
	credentialJSON struct {
		Ref      string   `json:"ref"`
		Var      string   `json:"var"`
		Command  []string `json:"command,omitempty"`
		Optional bool     `json:"optional,omitempty"`
		Why      string   `json:"why,omitempty"`
	}
)

// MarshalJSON prints the plan for machines.
func (p *Plan) MarshalJSON() ([]byte, error) {
	out := struct {
		Profile     []string         `json:"profile"`
		Argv        []string         `json:"argv"`
		Path        string           `json:"path"`
		Dir         string           `json:"dir"`
		Network     string           `json:"network"`
		Ports       []uint16         `json:"ports"`
		UnixSockets []string         `json:"unix_sockets"`
		Guard       string           `json:"guard"`
		Logins      []string         `json:"guard_files"`
		Stored      bool             `json:"guard_stored"`
		Terminal    [3]bool          `json:"terminal"`
		Credentials []credentialJSON `json:"credentials"`
		Files       []ruleJSON       `json:"files"`
		Masks       []ruleJSON       `json:"masks"`
		Environment []Variable       `json:"environment"`
		Notes       []string         `json:"notes,omitempty"`
	}{
		Profile: p.Sources, Argv: p.Argv, Path: p.Path, Dir: p.Dir, Network: p.networkMode(), Guard: p.Guard,
		Ports: append([]uint16{}, p.Policy.Net.Ports...), UnixSockets: append([]string{}, p.Policy.Net.UnixSockets...),
		Logins: append([]string{}, p.Logins...), Stored: p.Stored != storedNone,
		Terminal: p.Terminal.PTY, Credentials: []credentialJSON{}, Files: []ruleJSON{}, Masks: []ruleJSON{},
		Environment: p.Environment, Notes: p.Warnings,
	}
	for _, c := range p.Credentials {
		out.Credentials = append(out.Credentials, credentialJSON{c.Ref.String(), c.Var, c.Command, c.Optional, c.Why})
	}
	for _, r := range p.Policy.Rules {
		if r.Access != 0 {
			out.Files = append(out.Files, ruleJSON{r.Path, r.Access.String(), r.Why})
		}
	}
	for _, m := range p.Policy.Inside() {
		access := sandbox.Access(0).String()
		if m.Fixed {
			access = sandbox.Read.String()
		}
		out.Masks = append(out.Masks, ruleJSON{m.Path, access, m.Why})
	}
	return json.Marshal(out)
}

// guardText is the mode, and what is looked for beside the launch's own credentials.
func (p *Plan) guardText() []string {
	text := append([]string{p.Guard}, p.Logins...)
	switch p.Stored {
	case storedQuiet:
		text = append(text, "stored secrets, if their store is open")
	case storedAsk:
		text = append(text, "stored secrets")
	}
	return text
}
