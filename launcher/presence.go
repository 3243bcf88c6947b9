package launcher

import (
	"context"
	"crypto/rand"
	"fmt"
	"math/big"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ward/detect"
)

// TypeBack has a person prove to be there: it asks for a number to be typed at the controlling terminal. what is a sentence
// for people, without a full stop. The number is new each time, and what was typed ahead is thrown away, so neither a pipe
// nor a script that answers every question passes.
//
// It asks nobody where that would prove nothing: whoever opened a terminal can type there (detect.Caller.OwnTerminal), and
// where there was none at first, one can be had by now (AtTerminal). An error says that nobody did.
func TypeBack(ctx context.Context, caller detect.Caller, what string) error {
	nobody := Mistake("nobody can be asked: there is no terminal", "a person has to be at the terminal for this")
	if caller.Inside || caller.OwnTerminal || !caller.AtTerminal() {
		return nobody
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nobody
	}
	defer tty.Close()
	// The kernel would stop a job in the background that asks.
	if group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP); err == nil && group != unix.Getpgrp() {
		return Mistake("nobody can be asked: ward is not in the foreground of its terminal", "a person has to be at the terminal for this")
	}
	n, err := rand.Int(rand.Reader, big.NewInt(9000))
	if err != nil {
		return err
	}
	number := fmt.Sprint(1000 + n.Int64())
	if err := forgetTyped(int(tty.Fd())); err != nil {
		return err
	}
	fmt.Fprintf(tty, "ward: %s\n      type %s to agree: ", Clean(what), number)
	typed, err := readLine(ctx, tty)
	if err != nil {
		fmt.Fprintln(tty)
		return err
	}
	if strings.TrimSpace(typed) != number {
		return Mistake("not agreed to: "+typedWrong, "nothing was done")
	}
	return nil
}

const typedWrong = "another number was typed"

// askFor is how long a question waits for a person.
const askFor = 2 * time.Minute

// readLine reads a line of the terminal, as the terminal edits it.
func readLine(ctx context.Context, tty *os.File) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	var line []byte
	for one := make([]byte, 1); ; {
		if err := ctx.Err(); err != nil {
			return "", fmt.Errorf("nobody answered: %w", err)
		}
		ready, err := unix.Poll([]unix.PollFd{{Fd: int32(tty.Fd()), Events: unix.POLLIN}}, 200)
		if err != nil && err != unix.EINTR {
			return "", err
		}
		if ready <= 0 {
			continue
		}
		if n, err := tty.Read(one); err != nil || n == 0 {
			return "", Mistake("not agreed to: nothing was typed", "nothing was done")
		}
		if one[0] == '\n' {
			return string(line), nil
		}
		if line = append(line, one[0]); len(line) > maxTyped {
			return "", Mistake("not agreed to: "+typedWrong, "nothing was done")
		}
	}
}
