package main_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// readies starts a launch, which this process watches as a shell does its jobs, and waits until the command is there. What it prints afterwards is read from out; in gives it a line.
func readies(t *testing.T, p *person, script string) (cmd *exec.Cmd, in io.WriteCloser, out *bufio.Reader) {
	t.Helper()
	cmd = p.run(t, "--silent", "--", "sh", "-c", "echo ready; "+script)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out = bufio.NewReader(stdout)
	if line, err := out.ReadString('\n'); line != "ready\n" {
		t.Fatalf("%q, %v", line, err)
	}
	return cmd, in, out
}

// TestStops: SIGTSTP to ward stops the command and ward, and SIGCONT has both go on.
func TestStops(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		cmd, in, out := readies(t, p, "read x; echo $x")
		ward := cmd.Process.Pid
		inside := child(t, child(t, ward, stageTwoName), "sh")
		for range 3 {
			kill(t, ward, syscall.SIGTSTP)
			until(t, "ward and the command are stopped", func() bool { return state(ward) == "T" && state(inside) == "T" })
			kill(t, ward, syscall.SIGCONT)
			until(t, "both go on", func() bool { return state(ward) != "T" && state(inside) != "T" })
		}
		io.WriteString(in, "on\n")
		if line, err := out.ReadString('\n'); line != "on\n" {
			t.Errorf("%q, %v", line, err)
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// TestStopsTakenBack: without ward in between SIGCONT takes back a SIGTSTP right before it, and with it too, however far
// the stop has come.
func TestStopsTakenBack(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		for i := range 40 {
			cmd, in, out := readies(t, p, "sleep 0.01; sleep 0.01; read x; echo $x")
			time.Sleep(time.Duration(i%7) * 3 * time.Millisecond)
			kill(t, cmd.Process.Pid, syscall.SIGTSTP)
			time.Sleep(time.Duration(i%5) * time.Duration(i%5) * 500 * time.Microsecond)
			kill(t, cmd.Process.Pid, syscall.SIGCONT)
			io.WriteString(in, "on\n")
			stuck := time.AfterFunc(5*time.Second, func() { cmd.Process.Kill() })
			line, _ := out.ReadString('\n')
			if err := cmd.Wait(); err != nil || line != "on\n" {
				t.Errorf("run %d: %q, %v", i, line, err)
			}
			stuck.Stop()
		}
	})
}

// state is the letter in /proc/PID/stat.
func state(pid int) string {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(stat), ") ")
	return rest[:min(1, len(rest))]
}
