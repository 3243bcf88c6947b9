package main_test

import (
	"bytes"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// These tests run a real agent, Claude Code from npm, whose model was hijacked
// (see standin), and assert from outside what arrived where.
//
// Not covered here: the conversation itself, which agent_hook_linux_test.go
// is about. Only the terminal, the pipes and the sockets outside are asserted
// for the token; for the key file, the provider too.

// TestAgentPrint runs the agent as a script would, with pipes.
func TestAgentPrint(t *testing.T) {
	agentAsBoth(t, func(t *testing.T, bin, ward string) {
		w := newAgentWorld(t, bin)
		run := w.print(t, ward)
		if run.code != 0 {
			t.Errorf("exit code %d, want 0", run.code)
		}
		w.workDone(t)
		w.confined(t, w.shards().find(run.stdout+run.stderr))
		if answer := w.masked(run.stdout); !strings.Contains(answer, "****") || !strings.Contains(answer, agentClosing) {
			t.Errorf("stdout = %q, want the model's answer with the token masked", answer)
		}
		if t.Failed() {
			t.Logf("stderr: %s", w.masked(run.stderr))
		}
	})
}

// TestAgentTerminal runs the agent as a person would, on a terminal.
func TestAgentTerminal(t *testing.T) {
	agentAsBoth(t, func(t *testing.T, bin, ward string) {
		w := newAgentWorld(t, bin)
		s := w.converse(t, ward)
		if !strings.Contains(s.answer, "****") {
			t.Errorf("the terminal shows\n%s\nwant the model's answer with the token masked", w.masked(s.answer))
		}
		s.leave(t)
		w.workDone(t)
		w.confined(t, s.leaked())
	})
}

// TestAgentBareLeaks is the control: without ward the same agent with the same
// model gives everything away, so each check of the tests above can fail.
func TestAgentBareLeaks(t *testing.T) {
	bin := agentInstalled(t)
	want := []string{
		"connection to tcp", "connection to unix:demo", "connection to unix:home",
		"key file at the provider", "key file on the terminal",
		"token at tcp", "token at unix:demo", "token at unix:home", "token on the terminal",
	}
	check := func(t *testing.T, w *agentWorld, shown map[string]bool) {
		w.workDone(t)
		if got := w.leaks(shown); !slices.Equal(got, want) {
			t.Errorf("leaks = %q\nwant    %q", got, want)
		}
		for name, outcome := range w.attempts() {
			if outcome != "open" {
				t.Errorf("socket %s: %s, want open", name, outcome)
			}
		}
	}
	t.Run("print", func(t *testing.T) {
		w := newAgentWorld(t, bin)
		run := w.print(t, "")
		if run.code != 0 {
			t.Errorf("exit code %d, want 0", run.code)
		}
		check(t, w, w.shards().find(run.stdout+run.stderr))
	})
	t.Run("terminal", func(t *testing.T) {
		w := newAgentWorld(t, bin)
		s := w.converse(t, "")
		s.leave(t)
		check(t, w, s.leaked())
	})
}

// agentRun is what a run with pipes left behind.
type agentRun struct {
	stdout, stderr string
	code           int
}

// print runs the agent's print mode.
func (w *agentWorld) print(t *testing.T, ward string) agentRun {
	t.Helper()
	cmd := w.command(t, ward, "-p", agentPrompt, "--allowedTools", "Bash")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return agentRun{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// converse starts the agent on a terminal, types the prompt, and returns when
// the model's last answer stands on the screen.
func (w *agentWorld) converse(t *testing.T, ward string) *agentScreen {
	t.Helper()
	s := newAgentScreen(t, w, w.command(t, ward))
	s.await(t, 20*time.Second, "input line", func(screen string) bool { return strings.Contains(screen, "❯") })
	s.press(t, agentPrompt)
	s.await(t, 10*time.Second, "echo of the prompt", agentShows(agentPrompt))
	s.press(t, "\r")
	s.answer = s.await(t, 20*time.Second, "last answer", agentShows(agentClosing))
	return s
}

// leave ends the conversation the way a person does.
func (s *agentScreen) leave(t *testing.T) {
	t.Helper()
	s.press(t, "/exit")
	s.await(t, 10*time.Second, "menu entry", agentShows("Exit the CLI"))
	s.press(t, "\r")
	if code := s.exitCode(t, 10*time.Second); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// confined checks that nothing leaked, and that this is so because every
// attempt was made and refused.
func (w *agentWorld) confined(t *testing.T, shown map[string]bool) {
	t.Helper()
	for _, leak := range w.leaks(shown) {
		t.Errorf("leak: %s", leak)
	}
	attempts := w.attempts()
	for _, sink := range w.outside {
		switch outcome := attempts[sink.name]; outcome {
		case "":
			t.Errorf("socket %s: never tried; the tools said %q", sink.name, w.masked(strings.Join(w.standin.toolResults(), "\n")))
		case "open":
			t.Errorf("socket %s: open to the agent's tools", sink.name)
		}
	}
}
