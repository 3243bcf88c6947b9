package detect

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
)

// caller is what stands for ward's command line: it connects to a socket,
// says its number, and waits until the connection is closed.
func caller(args []string) error {
	conn, err := net.Dial("unix", args[0])
	if err != nil {
		return err
	}
	defer conn.Close()
	fmt.Fprintln(conn, os.Getpid())
	if len(args) > 1 { // "end": it connects and goes
		return nil
	}
	if _, err = io.Copy(io.Discard, conn); errors.Is(err, syscall.ECONNRESET) {
		return nil
	}
	return err
}

// callerName is what the test binary is called where it shall be a caller.
const callerName = "detect-caller"

// What a process says of itself, and what the second party sees.
func TestAgree(t *testing.T) {
	at := func(pid int, start uint64, c Caller) Caller {
		c.Chain = []Process{{PID: pid, Start: start}}
		c.Why = "by " + c.Who()
		return c
	}
	person, claude, codex := Caller{}, Caller{Agent: "claude", Path: "/c"}, Caller{Agent: "codex"}
	inside, insideClaude := Caller{Inside: true}, Caller{Agent: "claude", Inside: true}
	for _, c := range []struct {
		name          string
		claimed, seen Caller
		want          Caller // with no chain: a mismatch
	}{
		{"a person", at(7, 70, person), at(7, 70, person), at(7, 70, person)},
		{"an agent", at(7, 70, claude), at(7, 70, claude), at(7, 70, claude)},
		{"an agent that says it is a person", at(7, 70, person), at(7, 70, claude), Caller{}},
		{"an agent that says it is another", at(7, 70, codex), at(7, 70, claude), Caller{}},
		{"inside, and says it is outside", at(7, 70, person), at(7, 70, inside), Caller{}},
		{"an agent inside that says it is outside", at(7, 70, claude), at(7, 70, insideClaude), Caller{}},
		{"an agent that only its own environment shows", at(7, 70, claude), at(7, 70, person), at(7, 70, claude)},
		{"a launch that only its own environment shows", at(7, 70, inside), at(7, 70, person), at(7, 70, inside)},
		{"a launch that an agent began, in a process namespace", at(3, 70, inside), at(7, 70, insideClaude), at(7, 70, insideClaude)},
		{"another number", at(8, 70, person), at(7, 70, person), Caller{}},
		{"the same number, another process", at(7, 71, person), at(7, 70, person), Caller{}},
		{"nobody", person, at(7, 70, person), Caller{}},
		{"nobody is seen", at(7, 70, person), person, Caller{}},
	} {
		got, err := Agree(c.claimed, c.seen)
		if c.want.Chain == nil {
			m, ok := errors.AsType[*Mismatch](err)
			if !ok || m.Hint() == "" || m.Claimed != c.claimed.Who() || m.Found != c.seen.Why || got.Chain != nil {
				t.Errorf("%s: %+v, %v; want a mismatch", c.name, got, err)
			}
			continue
		}
		if err != nil || got.Agent != c.want.Agent || got.Inside != c.want.Inside || got.Path != c.want.Path || got.Chain[0].PID != 7 || got.Why == "" {
			t.Errorf("%s: %+v, %v; want %+v", c.name, got, err, c.want)
		}
	}
}

// Presence and the terminal are never the process's own word.
func TestAgreePresence(t *testing.T) {
	chain := []Process{{PID: 7, Start: 70}}
	claimed := Caller{Agent: "claude", Present: true, Chain: chain}
	seen := Caller{Agent: "claude", OwnTerminal: true, Chain: chain}
	if got, err := Agree(claimed, seen); err != nil || got.Present || !got.OwnTerminal {
		t.Errorf("%+v, %v", got, err)
	}
}
