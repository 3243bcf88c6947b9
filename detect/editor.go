package detect

import (
	"path"
	"slices"
	"strings"
)

// editorSignature is how an editor is known, whose terminal people work in.
type editorSignature struct {
	title    string
	programs []string
	dirs     []string // of the remote halves, and of application bundles
	marks    []mark
}

// editors is in order: Cursor and Windsurf are made from VS Code and set its
// marks too.
func editors() []editorSignature {
	return []editorSignature{
		{"Cursor", []string{"cursor", "Cursor"}, []string{"/.cursor-server/", "/Cursor.app/"}, []mark{{"CURSOR_TRACE_ID", ""}}},
		{"Windsurf", []string{"windsurf", "Windsurf"}, []string{"/.windsurf-server/", "/Windsurf.app/"}, []mark{{"WINDSURF_CASCADE_TERMINAL_KIND", ""}}},
		{"VS Code", []string{"code", "code-insiders", "codium", "code-oss"},
			[]string{"/.vscode-server/", "/.vscode-remote/", "/Visual Studio Code.app/", "/VSCodium.app/"}, []mark{{"TERM_PROGRAM", "vscode"}}},
		{"Zed", []string{"zed", "zed-editor"}, []string{"/Zed.app/", "/.zed_server/"}, []mark{{"ZED_TERM", ""}}},
		{"JetBrains", []string{"idea", "goland", "pycharm", "webstorm", "clion", "rubymine", "phpstorm", "rider", "rustrover"},
			nil, []mark{{"TERMINAL_EMULATOR", "JetBrains-JediTerm"}}},
	}
}

// editor names the nearest editor among the ancestors or, where the tree does
// not reach it, the one whose mark is set; "" for none.
func editor(chain []Process, environ func(string) (string, bool)) string {
	table := editors()
	for _, p := range chain {
		for _, e := range table {
			if slices.Contains(e.programs, path.Base(p.Exe)) ||
				slices.ContainsFunc(e.dirs, func(dir string) bool { return strings.Contains(p.Exe, dir) }) {
				return e.title
			}
		}
	}
	for _, e := range table {
		if slices.ContainsFunc(e.marks, func(m mark) bool { return m.set(environ) }) {
			return e.title
		}
	}
	return ""
}
