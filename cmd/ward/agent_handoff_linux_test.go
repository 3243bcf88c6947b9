package main_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestAgentHandOff: a real agent gets secrets into the shell of its tool, outside a launch and inside, and nothing of
// them into the conversation. That it gets there is proved by their sums.
func TestAgentHandOff(t *testing.T) {
	agentAsBoth(t, func(t *testing.T, bin, ward string) {
		t.Run("outside", func(t *testing.T) { agentHandOff(t, bin, ward, false) })
		t.Run("inside", func(t *testing.T) { agentHandOff(t, bin, ward, true) })
	})
}

func agentHandOff(t *testing.T, bin, ward string, inside bool) {
	w := newAgentWorld(t, bin)
	name, value, under := "stored/API_TOKEN", secretValue(), ""
	if inside {
		name, value, under = "API_TOKEN", w.token, ward
	}
	w.standin.script = []string{
		`unset API_TOKEN; eval "$(` + ward + ` get ` + name + `)" && printf %s "$API_TOKEN" | sha256sum`,
		ward + ` get ` + name,
		ward + ` get ` + name + ` --raw; echo "exit $?"`,
	}
	cmd := w.command(t, under, "-p", agentPrompt, "--allowedTools", "Bash")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if !inside {
		cmd.Env = append(cmd.Env, "WARD_VAULT_PASSPHRASE="+vaultPassphrase)
		set := exec.CommandContext(t.Context(), ward, "set", name, "--stdin")
		set.Env, set.Stdin = cmd.Env, strings.NewReader(value)
		if out, err := set.CombinedOutput(); err != nil {
			t.Fatalf("ward set: %v\n%s", err, out)
		}
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, w.masked(string(out)))
	}
	results := w.standin.toolResults()
	if len(results) != 3 {
		t.Fatalf("%d tool results, want 3: %q", len(results), results)
	}
	total := sha256.Sum256([]byte(value))
	if want := hex.EncodeToString(total[:]); !strings.Contains(results[0], want) {
		t.Errorf("the shell of the tool says %q, want the sum %s", results[0], want)
	}
	if line := results[1]; !strings.Contains(line, "ward_value") && !strings.Contains(line, "env.sh") {
		t.Errorf("get says %q, want a line to eval", line)
	}
	if !strings.Contains(results[2], "exit 77") || !strings.Contains(results[2], "refused to Claude Code") {
		t.Errorf("get --raw says %q", results[2])
	}
	for what, form := range traces(value) {
		if strings.Contains(w.standin.wire(), string(form)) {
			t.Errorf("the %s is in the conversation", what)
		}
	}
	until(t, "what nobody evaluated ends with the shell that asked", func() bool {
		left, err := filepath.Glob(filepath.Join(w.home, ".local/state/ward/run/ward-hand-off-*"))
		return err == nil && len(left) == 0
	})
}
