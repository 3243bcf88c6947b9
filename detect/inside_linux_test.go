package detect

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// buildWard builds the command that people run.
func buildWard(t *testing.T) string {
	t.Helper()
	needsProgram(t, "go")
	ward := filepath.Join(t.TempDir(), "ward")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", ward, "ward/cmd/ward")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return ward
}

// TestInside launches the probe with ward itself, once as any command is
// launched, and once without a variable in its environment.
func TestInside(t *testing.T) {
	ward := buildWard(t)
	f := newFixture(t)
	f.copyProbe(t)
	for _, c := range []struct {
		name, line string
		mark       bool
	}{
		{"as it is", f.look(), true},
		{"with no variable", "env -i " + f.look(), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := os.RemoveAll(f.out); err != nil {
				t.Fatal(err)
			}
			argv := append([]string{ward, "run", "--allow-cwd", "--no-audit", "--"}, strings.Fields(c.line)...)
			s := f.run(t, argv...)
			got := s.Tree
			if !got.Inside || got.Agent != "" || got.Why != "process 1 runs a launch" {
				t.Errorf("inside %v, agent %q (%s)", got.Inside, got.Agent, got.Why)
			}
			if s.Marks.Inside != c.mark {
				t.Errorf("by the environment: inside %v, want %v (%s)", s.Marks.Inside, c.mark, s.Marks.Why)
			}
			if err := got.May(GetRaw); err == nil {
				t.Error("get --raw is not refused")
			}
		})
	}
}
