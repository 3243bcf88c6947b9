// Package detect finds out whether an agent or a person called, and says what
// an agent may do.
//
// It looks at the process tree, at marks that agents put into the environment
// of what they start, and at whether it all happens inside a launch. None of
// this holds against a program that wants to hide: a renamed binary with a
// clean environment looks like a person. It tells honest agents apart, and
// where a second party looks too (see Agree), a lie of the first is noticed.
package detect

import (
	"fmt"
	"strings"
)

// Caller is who called.
type Caller struct {
	// Agent is the short name of the agent ("claude", "codex", …, "other"),
	// "" for a person.
	Agent string
	// Why says in a line by what the agent was found, or that none was and
	// how far was looked. It holds paths and names of variables, no values
	// and no words of a command line.
	Why string
	// Path is the file by which known callers are told apart: the agent's
	// program or script, or else the program that called. "" if not known.
	Path string
	// Chain is the process itself, its parent, and so on, as far as they are
	// believed.
	Chain []Process
	// Inside says that it happens inside a launch of ward.
	Inside bool
	// OwnTerminal says that the terminal is not the person's that started the
	// agent, but one that was opened below the agent, or below one that started
	// it, or that nobody can tell: what is typed there proves nobody's presence.
	OwnTerminal bool
	// Present is for the one who asks May: a person has just proved at the
	// controlling terminal to be there. Inspect leaves it false.
	Present bool
}

// Inspect finds out who started the process pid, which is looked at too. The
// nearest agent counts. environ looks up a variable in the environment of the
// process (os.LookupEnv for the own one); nil: there is none to look at.
//
// With an error, which says why the process itself cannot be seen, the Caller
// holds what the environment alone tells.
func Inspect(t Table, pid int, environ func(string) (string, bool)) (Caller, error) {
	if environ == nil {
		environ = func(string) (string, bool) { return "", false }
	}
	var c Caller
	chain, cut, err := ancestors(t, pid)
	c.Chain = chain
	var why []string
	table := signatures()
	outermost := -1
	for i, p := range chain {
		s, path := table.match(p)
		if s == nil {
			continue
		}
		if outermost < 0 { // the nearest is who called
			c.Agent, c.Path = s.agent, path
			why = append(why, fmt.Sprintf("process %d is %s (%s)", p.PID, s.title, path))
		}
		outermost = i
	}
	if agent, name := table.marked(environ); agent != "" {
		if c.Agent == "" {
			c.Agent = agent
		}
		why = append(why, name+" is set")
	}
	c.Inside, why = inside(chain, environ, why)
	if c.Path == "" && len(chain) > 1 {
		c.Path = chain[1].Exe
	}
	c.OwnTerminal = c.Agent != "" && ownTerminal(chain, outermost)
	if len(why) == 0 {
		why = append(why, fmt.Sprintf("no agent among %d processes, no mark of one in the environment", len(chain)))
	}
	if cut != "" && outermost < 0 {
		why = append(why, cut)
	}
	c.Why = strings.Join(why, "; ")
	return c, err
}

// stageTwo is the title of the process that every launch runs under.
const stageTwo = "ward: stage two"

// inside looks for the variable that a launch sets and, since a command can
// unset it, for the process that the launch runs under.
func inside(chain []Process, environ func(string) (string, bool), why []string) (bool, []string) {
	for _, p := range chain {
		if len(p.Argv) > 0 && p.Argv[0] == stageTwo {
			return true, append(why, fmt.Sprintf("process %d runs a launch", p.PID))
		}
	}
	if v, ok := environ("WARD"); ok && v != "" {
		return true, append(why, "WARD is set")
	}
	return false, why
}

// ownTerminal says whether the terminal was opened by the agent at
// chain[outermost], or by what it started. A person's terminal is led by a
// process above the agent, a shell, or by the agent itself if the terminal was
// opened for it. That is said of the outermost agent: one in the middle, or a
// program that only calls itself so, may lead a terminal that another agent
// opened for it. A leader that is not among the ancestors any more was one of
// the agent's.
//
// An agent that only its marks tell of (outermost is -1) is at no known place:
// an editor's agent types into the terminal, and one whose parent has ended may
// have opened it.
func ownTerminal(chain []Process, outermost int) bool {
	if len(chain) == 0 || !chain[0].Terminal {
		return false
	}
	if outermost < 0 {
		return true
	}
	for _, p := range chain[outermost:] {
		if p.PID == chain[0].Session {
			return false
		}
	}
	return true
}

// AtTerminal says whether the process had a controlling terminal when it was
// looked at. Without one, a process that leads its session gets one by opening
// it, from a file that is a link to it too, and so after it was looked at: one
// that an agent has made.
func (c Caller) AtTerminal() bool { return len(c.Chain) > 0 && c.Chain[0].Terminal }

// Who names the caller in words: "Claude Code", "a command inside a launch",
// "a person".
func (c Caller) Who() string {
	switch {
	case c.Agent != "":
		return Title(c.Agent)
	case c.Inside:
		return "a command inside a launch"
	}
	return "a person"
}
