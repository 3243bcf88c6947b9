package launcher

import (
	"path/filepath"
	"slices"
	"testing"
)

func TestProject(t *testing.T) {
	root := tree(t, "home/.git/", "home/src/repo/.git/", "home/src/repo/web/deep/", "home/plain/deep/", "plain:home/tree/.git=gitdir: x", "home/tree/in/", "link -> home/src/repo/web", "home/src/repo/in/.git/")
	at := func(name string) string { return filepath.Join(root, name) }
	t.Setenv("HOME", at("home"))
	for _, c := range []struct {
		dir  string
		want []string
	}{
		{at("home/src/repo/web/deep"), []string{at("home/src/repo/web/deep"), at("home/src/repo")}},
		{at("home/src/repo"), []string{at("home/src/repo"), at("home/src/repo")}},
		{at("home/src/repo/in"), []string{at("home/src/repo/in"), at("home/src/repo/in"), at("home/src/repo")}}, // anybody can make a .git
		{at("home/tree/in"), []string{at("home/tree/in"), at("home/tree")}},
		{at("home/plain/deep"), []string{at("home/plain/deep")}}, // home is in git, and no project
		{at("link"), []string{at("link"), at("home/src/repo/web"), at("home/src/repo")}},
		{at("home"), nil},
		{root, nil},
		{"/", nil},
		{"", nil},
	} {
		if got := project(c.dir); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.dir, got, c.want)
		}
	}
}
