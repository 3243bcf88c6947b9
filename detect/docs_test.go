package detect

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// ruleRow and agentRow are how docs/agents.md shows the two tables.
func ruleRow(r Rule) string {
	answer := "may"
	if r.Why != "" {
		answer = "may not"
	}
	return fmt.Sprintf("| `%s` | %s | %s |", r.Action, answer, r.Why)
}

func agentRow(s signature) string {
	var programs, marks []string
	for _, p := range s.programs {
		if !strings.HasPrefix(p, "codex-") { // Codex under the name of its target
			programs = append(programs, "`"+p+"`")
		}
	}
	for _, m := range s.marks {
		word := m.name
		if m.value != "" {
			word += "=" + m.value
		}
		marks = append(marks, "`"+word+"`")
	}
	return fmt.Sprintf("| %s | %s | %s |", s.title, strings.Join(programs, ", "), strings.Join(marks, ", "))
}

// TestDocs compares the tables that people read with those that decide.
func TestDocs(t *testing.T) {
	data, err := os.ReadFile("../docs/agents.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, r := range Rules() {
		rows = append(rows, ruleRow(r))
	}
	for _, s := range signatures() {
		rows = append(rows, agentRow(s))
	}
	for _, row := range rows {
		if !strings.Contains(string(data), row+"\n") {
			t.Errorf("docs/agents.md lacks the row\n%s", row)
		}
	}
	if got, want := strings.Count(string(data), "\n| "), len(rows)+2; got != want {
		t.Errorf("docs/agents.md has %d rows, want %d", got, want)
	}
}
