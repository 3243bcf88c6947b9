package secrets

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// mortalRunner asks a program that never answers.
func mortalRunner() int {
	script := `echo $$ >"` + os.Getenv("WARD_TEST_FILE") + `"; exec sleep 600`
	r := &Runner{}
	_, err := Commands{r, map[string]Command{"c": {Argv: []string{"sh", "-c", script}}}}.Fetch(context.Background(), "c")
	fmt.Println(err)
	return 1
}

// A program does not outlive a resolver that is killed with a signal that it cannot see.
func TestProgramsEndWithTheirCaller(t *testing.T) {
	needsPrograms(t, "sh", "sleep")
	file := t.TempDir() + "/pid"
	cmd := helper(t, "runner", "WARD_TEST_FILE="+file)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	for limit := time.Now().Add(20 * time.Second); pid == 0 && time.Now().Before(limit); time.Sleep(5 * time.Millisecond) {
		data, _ := os.ReadFile(file)
		if strings.HasSuffix(string(data), "\n") {
			fmt.Sscan(string(data), &pid)
		}
	}
	if pid == 0 || !alive(pid) {
		cmd.Process.Kill()
		line, _ := bufio.NewReader(out).ReadString('\n')
		cmd.Wait()
		t.Fatalf("the program does not run: %s", line)
	}
	cmd.Process.Kill()
	cmd.Wait()
	for limit := time.Now().Add(10 * time.Second); alive(pid); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(limit) {
			p, _ := os.FindProcess(pid)
			p.Kill()
			t.Fatal("the program runs on")
		}
	}
}
