package main_test

import (
	"go/ast"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocsFaults holds docs/faults.md to the tests: each promise names at least one, and each that is named exists.
func TestDocsFaults(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(shapeRoot(), "docs", "faults.md"))
	if err != nil {
		t.Fatal(err)
	}
	exists := map[string]bool{}
	for _, s := range sources(t) {
		if s.isTest() {
			s.functions(func(_ string, fn *ast.FuncDecl) { exists[path.Base(path.Dir(s.path))+"."+fn.Name.Name] = true })
		}
	}
	test := regexp.MustCompile("^`(?:\\w+/)*(\\w+\\.(?:Test|Fuzz)\\w+)`$")
	script := regexp.MustCompile("^`([\\w./-]+\\.txtar)`$")
	rows := 0
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(line, "| \n"), " | ")
		if !strings.HasPrefix(line, "| ") || cells[len(cells)-1] == "held by" {
			continue
		}
		rows++
		if len(cells) != 3 {
			t.Errorf("a row of %d cells: %s", len(cells), line)
			continue
		}
		for _, word := range strings.Fields(cells[2]) {
			if m := test.FindStringSubmatch(word); m != nil {
				if !exists[m[1]] {
					t.Errorf("%s: there is no %s", cells[0], m[1])
				}
			} else if m := script.FindStringSubmatch(word); m != nil {
				if _, err := os.Stat(filepath.Join(shapeRoot(), m[1])); err != nil {
					t.Errorf("%s: %v", cells[0], err)
				}
			} else {
				t.Errorf("%s: %s is no test", cells[0], word)
			}
		}
		if strings.TrimSpace(cells[2]) == "" {
			t.Errorf("%s: nothing holds it", cells[0])
		}
	}
	if rows < 25 {
		t.Errorf("read %d rows: this test cannot read the tables", rows)
	}
}
