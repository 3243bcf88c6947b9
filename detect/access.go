package detect

import "fmt"

// Action is what somebody wants ward to do.
type Action string

// The actions that the access table decides about.
const (
	List           Action = "ls"
	Peek           Action = "peek"
	Get            Action = "get"       // the hand-off
	GetRaw         Action = "get --raw" // the value on stdout
	Set            Action = "set"       // a new key
	SetOver        Action = "set over"  // a key that exists
	Load           Action = "load"
	Bundle         Action = "bundle"
	Export         Action = "export"
	Remove         Action = "rm"
	Move           Action = "mv"
	Import         Action = "import" // of keys that are new; SetOver for the others
	ImportDelete   Action = "import --delete"
	Rotate         Action = "rotate"
	Unlock         Action = "unlock"
	Lock           Action = "lock"
	Check          Action = "check"
	RunCredential  Action = "run --env-credential" // for keys that Get would hand off
	GuardInstall   Action = "guard install"
	GuardUninstall Action = "guard uninstall"
)

// Rule is one row of the access table: what an agent may do, and why not.
type Rule struct {
	Action Action
	// Why is the reason of a refusal; "" allows.
	Why string
	// Hint is what can be done instead.
	Hint string
}

// Rules is the access table for agents, and for whatever runs inside a
// launch. People may do all of it. An action that is not in the table is
// refused.
func Rules() []Rule {
	const handOff = `eval "$(ward get KEY)" puts a value into a shell without showing it`
	return []Rule{
		{Action: List},
		{Action: Peek},
		{Action: Get},
		{Action: Set},
		{Action: Import},
		{Action: Lock},
		{Action: Check},
		{Action: RunCredential},
		{GetRaw, "it would put the value into the conversation", handOff},
		{Load, "it would put many values into the conversation", handOff + ", one key at a time"},
		{Bundle, "it would put many values into the conversation", handOff + ", one key at a time"},
		{Export, "it would put many values into the conversation", handOff + ", one key at a time"},
		{SetOver, "the value that is there would be lost", "a person can do it at a terminal; a new key can be set"},
		{Remove, "the value would be lost", "a person can do it at a terminal"},
		{Move, "what relies on the old name would find nothing", "a person can do it at a terminal"},
		{Rotate, "the value that is there would be replaced", "a person can do it at a terminal"},
		{ImportDelete, "the file would be lost", "import without --delete leaves the file where it is"},
		{Unlock, "it decides for how long nobody is asked", "a person can do it at a terminal"},
		{GuardInstall, "it changes what watches the agent", "a person can do it at a terminal"},
		{GuardUninstall, "it changes what watches the agent", "a person can do it at a terminal"},
	}
}

// Refusal is the error for what an agent may not do.
type Refusal struct {
	Who    string // "Claude Code", "a command inside a launch"
	Action Action
	Why    string // why agents may not
	Found  string // by what the agent was found: Caller.Why
	Fix    string
}

// Error is one line.
func (r *Refusal) Error() string {
	return fmt.Sprintf("%s: refused to %s, because %s (%s)", r.Action, r.Who, r.Why, r.Found)
}

// Hint is what can be done instead.
func (r *Refusal) Hint() string { return r.Fix }

// May gives nil, or a *Refusal. Presence lifts a refusal where it can prove
// something: not inside a launch and not at a terminal that the agent opened,
// because whoever opened a terminal can type there.
//
// Outside a launch and a session this is advice to honest programs: nothing
// keeps another program of the same user from asking the keyring itself.
func (c Caller) May(a Action) error {
	if c.Agent == "" && !c.Inside || c.Present && !c.Inside && !c.OwnTerminal {
		return nil
	}
	for _, r := range Rules() {
		if r.Action != a {
			continue
		}
		if r.Why == "" {
			return nil
		}
		return &Refusal{Who: c.Who(), Action: a, Why: r.Why, Found: c.Why, Fix: r.Hint}
	}
	return &Refusal{Who: c.Who(), Action: a, Why: "nobody decided that agents may", Found: c.Why}
}
