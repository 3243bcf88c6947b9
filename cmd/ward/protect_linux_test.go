package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What git runs by itself stays as it was, however it is reached: in place, by a new name for the directory around it,
// and where a link that the command may write leads to it.
func TestProtected(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		for _, dir := range []string{"real/hooks", "plain/.git/hooks"} {
			for at := filepath.Join(p.project, dir); at != p.project; at = filepath.Dir(at) {
				if err := os.MkdirAll(at, 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.Chown(at, p.uid, p.uid); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := os.Symlink("real", filepath.Join(p.project, ".git")); err != nil {
			t.Fatal(err)
		}
		if err := os.Lchown(filepath.Join(p.project, ".git"), p.uid, p.uid); err != nil {
			t.Fatal(err)
		}
		for name, try := range map[string]string{
			"write":         "echo x > .git/hooks/pre-commit",
			"by its place":  "echo x > real/hooks/pre-commit",
			"other link":    "ln -sfn elsewhere .git && mkdir -p elsewhere/hooks && echo x > .git/hooks/pre-commit",
			"link removed":  "rm .git && mkdir -p .git/hooks && echo x > .git/hooks/pre-commit",
			"target moved":  "mv real other && mkdir -p real/hooks && echo x > real/hooks/pre-commit",
			"plain renamed": "cd plain && mv .git x && mkdir -p .git/hooks && echo x > .git/hooks/pre-commit",
		} {
			flags := []string{"--silent", "--"}
			if name == "plain renamed" {
				flags = append([]string{"--protect", "plain/.git/hooks"}, flags...)
			}
			o := end(t, p.run(t, append(flags, "sh", "-c", try)...))
			if o.code == 0 {
				t.Errorf("%s: done", name)
			}
			for _, hook := range []string{".git/hooks/pre-commit", "real/hooks/pre-commit", "plain/.git/hooks/pre-commit"} {
				if content := p.read(t, hook); strings.TrimSpace(content) != "" {
					t.Fatalf("%s: there is a hook in %s", name, hook)
				}
			}
		}
	})
}
