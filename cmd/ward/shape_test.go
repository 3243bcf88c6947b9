package main_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ward/sandbox"
)

// The limits that keep a reader on one screen. Raise them by argument, not to get a change through.
const (
	maxFileLines     = 400
	maxFunctionLines = 60
)

// exits are the functions that may end the process beside main, and why returning would be wrong there.
func exits() map[string]string {
	return map[string]string{
		"main.main":                "the one place for everything else",
		"sandbox.Enter":            "this process is stage two and must not become ward's command line",
		"sandbox.stageTwo.reap":    "the supervisor is gone: there is nobody to return to",
		"session.Enter":            "this process keeps secrets in the background and must not become ward's command line",
		"launcher.EnterResolver":   "this process is the resolver and must not become ward's command line",
		"launcher.EnterClipboard":  "this process only empties the clipboard and must not become ward's command line",
		"launcher.session.crashed": "a panic in a goroutine, after the terminal was given back",
		"launcher.hideTyping":      "a signal during a prompt, after echo was switched on again",
	}
}

// fixedNames are methods that the standard library gives a meaning, which a comment would only repeat.
func fixedNames() []string { return []string{"Error", "String", "Unwrap"} }

// vagueNames say nothing about what a package holds, so everything ends up in it.
func vagueNames() []string {
	return []string{"util", "utils", "manager", "helper", "helpers", "common", "misc"}
}

// source is one parsed Go file, for whatever system it is.
type source struct {
	path string // from the root, with slashes
	text []byte
	set  *token.FileSet
	tree *ast.File
}

func (s source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

// at names a place as editors take it.
func (s source) at(n ast.Node) string {
	return s.path + ":" + strconv.Itoa(s.set.Position(n.Pos()).Line)
}

// shapeRoot is the top of the project, seen from this test's directory.
func shapeRoot() string { return filepath.Join("..", "..") }

// sources parses every Go file of the project. Build constraints do not hide any.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(shapeRoot(), func(path string, e fs.DirEntry, err error) error {
		switch name := e.Name(); {
		case err != nil:
			return err
		case e.IsDir() && path != shapeRoot() && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules"):
			return fs.SkipDir
		case e.IsDir() || !strings.HasSuffix(name, ".go"):
			return nil
		}
		s := source{set: token.NewFileSet()}
		rel, err := filepath.Rel(shapeRoot(), path)
		if err != nil {
			return err
		}
		s.path = filepath.ToSlash(rel)
		if s.text, err = os.ReadFile(path); err != nil {
			return err
		}
		s.tree, err = parser.ParseFile(s.set, s.path, s.text, parser.ParseComments)
		all = append(all, s)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 50 {
		t.Fatalf("found %d Go files: this test looks at the wrong place", len(all))
	}
	return all
}

// functions calls f with every function and its name as in exits.
func (s source) functions(f func(name string, d *ast.FuncDecl)) {
	for _, d := range s.tree.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok {
			name := s.tree.Name.Name + "."
			if r := receiver(fn); r != "" {
				name += r + "."
			}
			f(name+fn.Name.Name, fn)
		}
	}
}

// receiver is the name of a method's type, "" for a function.
func receiver(fn *ast.FuncDecl) string {
	if fn.Recv == nil || len(fn.Recv.List) == 0 {
		return ""
	}
	expr := fn.Recv.List[0].Type
	if p, ok := expr.(*ast.StarExpr); ok {
		expr = p.X
	}
	if g, ok := expr.(*ast.IndexExpr); ok {
		expr = g.X
	}
	if id, ok := expr.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

func (s source) lines(n ast.Node) int {
	return s.set.Position(n.End()).Line - s.set.Position(n.Pos()).Line + 1
}

// tables are the outermost literals below n: the rows of a test.
func tables(n ast.Node) []*ast.CompositeLit {
	var all []*ast.CompositeLit
	ast.Inspect(n, func(n ast.Node) bool {
		table, ok := n.(*ast.CompositeLit)
		if ok {
			all = append(all, table)
		}
		return !ok
	})
	return all
}

// longest is the length of a function. In a test the lines of tables do not count, since they are data; where a row
// holds functions, each of them counts as one.
func (s source) longest(fn ast.Node) int {
	n := s.lines(fn)
	if !s.isTest() {
		return n
	}
	most := 0
	for _, table := range tables(fn) {
		n -= s.lines(table) - 1
		ast.Inspect(table, func(n ast.Node) bool {
			row, ok := n.(*ast.FuncLit)
			if ok {
				most = max(most, s.longest(row.Body))
			}
			return !ok
		})
	}
	return max(most, n)
}

// calls lists the calls of package.name below n, with their arguments.
func calls(n ast.Node, pkg string, names ...string) []*ast.CallExpr {
	var found []*ast.CallExpr
	ast.Inspect(n, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if sel, ok := call.Fun.(*ast.SelectorExpr); ok && slices.Contains(names, sel.Sel.Name) {
			if id, ok := sel.X.(*ast.Ident); ok && (id.Name == pkg || pkg == "") {
				found = append(found, call)
			}
		}
		return true
	})
	return found
}

func TestShapeFiles(t *testing.T) {
	for _, s := range sources(t) {
		if ast.IsGenerated(s.tree) {
			continue // read in what it was made of
		}
		if lines := bytes.Count(s.text, []byte("\n")); lines > maxFileLines {
			t.Errorf("%s: %d lines, want at most %d: it holds more than one thing", s.path, lines, maxFileLines)
		}
		if formatted, err := format.Source(s.text); err != nil || !bytes.Equal(formatted, s.text) {
			t.Errorf("%s: is not formatted: gofmt -w %s", s.path, s.path)
		}
		if slices.Contains(vagueNames(), s.tree.Name.Name) || slices.Contains(vagueNames(), filepath.Base(filepath.Dir(s.path))) {
			t.Errorf("%s: package %s: a package is named for what it holds", s.path, s.tree.Name.Name)
		}
	}
}

func TestShapeFunctions(t *testing.T) {
	for _, s := range sources(t) {
		s.functions(func(name string, fn *ast.FuncDecl) {
			if n := s.longest(fn); n > maxFunctionLines && !ast.IsGenerated(s.tree) {
				t.Errorf("%s: %s has %d lines, want at most %d", s.at(fn), name, n, maxFunctionLines)
			}
			if fn.Name.Name == "init" && fn.Recv == nil {
				t.Errorf("%s: init runs in every process of every launch, before main can tell which one it is", s.at(fn))
			}
		})
	}
}

func TestShapeExits(t *testing.T) {
	unused := exits()
	for _, s := range sources(t) {
		if s.isTest() {
			continue
		}
		s.functions(func(name string, fn *ast.FuncDecl) {
			for _, call := range calls(fn, "os", "Exit") {
				if _, ok := exits()[name]; !ok {
					t.Errorf("%s: os.Exit in %s: deferred calls are lost, and with them the user's terminal", s.at(call), name)
				}
				delete(unused, name)
			}
			for _, call := range calls(fn, "log", "Fatal", "Fatalf", "Fatalln") {
				t.Errorf("%s: log.Fatal is os.Exit", s.at(call))
			}
		})
	}
	for name := range unused {
		t.Errorf("exits: %s does not call os.Exit: take it off the list", name)
	}
}

// A command that goes through a shell as a string is split and expanded there. ward passes argv on as it is.
func TestShapeNoShell(t *testing.T) {
	shell := regexp.MustCompile(`^(.*/)?(sh|ash|bash|dash|zsh|ksh|fish)$`)
	for _, s := range sources(t) {
		if s.isTest() {
			continue
		}
		for _, call := range calls(s.tree, "exec", "Command", "CommandContext") {
			for _, arg := range call.Args {
				lit, ok := arg.(*ast.BasicLit)
				if !ok {
					continue
				}
				if word, err := strconv.Unquote(lit.Value); err == nil && shell.MatchString(word) {
					t.Errorf("%s: starts %q: argv is a list, all the way", s.at(call), word)
				}
			}
		}
	}
}

func TestShapeComments(t *testing.T) {
	for _, s := range sources(t) {
		if s.isTest() {
			continue
		}
		s.functions(func(name string, fn *ast.FuncDecl) {
			r := receiver(fn)
			if fn.Doc == nil && fn.Name.IsExported() && (r == "" || ast.IsExported(r)) && (r == "" || !slices.Contains(fixedNames(), fn.Name.Name)) {
				t.Errorf("%s: %s has no comment", s.at(fn), name)
			}
		})
		for _, d := range s.tree.Decls {
			group, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, name := range undocumented(group) {
				t.Errorf("%s: %s.%s has no comment", s.at(name), s.tree.Name.Name, name.Name)
			}
		}
	}
}

// undocumented lists the exported names of a declaration that have no comment of their own and none above the group.
func undocumented(group *ast.GenDecl) []*ast.Ident {
	var bare []*ast.Ident
	for _, spec := range group.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if spec.Name.IsExported() && spec.Doc == nil && group.Doc == nil {
				bare = append(bare, spec.Name)
			}
		case *ast.ValueSpec:
			for _, name := range spec.Names {
				if name.IsExported() && spec.Doc == nil && spec.Comment == nil && group.Doc == nil {
					bare = append(bare, name)
				}
			}
		}
	}
	return bare
}

// A test may be skipped only where WARD_NO_SKIP=1 makes a failure of it: otherwise a green run proves nothing.
func TestShapeSkips(t *testing.T) {
	for _, s := range sources(t) {
		if !s.isTest() {
			continue
		}
		s.functions(func(name string, fn *ast.FuncDecl) {
			body := s.text[s.set.Position(fn.Pos()).Offset:s.set.Position(fn.End()).Offset]
			for _, call := range calls(fn, "", "Skip", "Skipf", "SkipNow") {
				if !bytes.Contains(body, []byte(`"WARD_NO_SKIP"`)) {
					t.Errorf("%s: %s skips whatever WARD_NO_SKIP says", s.at(call), name)
				}
			}
		})
	}
}

// documents are the texts that speak of the code.
func documents(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	names, err := filepath.Glob(filepath.Join(shapeRoot(), "docs", "*.md"))
	if err != nil || len(names) == 0 {
		t.Fatal("no docs", err)
	}
	for i, name := range names {
		names[i] = "docs/" + filepath.Base(name)
	}
	for _, name := range append(names, "README.md", "CONTRIBUTING.md", "SECURITY.md") {
		data, err := os.ReadFile(filepath.Join(shapeRoot(), name))
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = string(data)
	}
	return texts
}

// TestDocsPaths follows every path in backquotes and every relative link.
func TestDocsPaths(t *testing.T) {
	path := regexp.MustCompile("`((?:cmd|docs|launcher|sandbox|secrets|profiles|guard|detect|bench|\\.ci)/[\\w./-]*)`|\\]\\(([\\w./-]+)(?:#[\\w-]*)?\\)")
	for name, text := range documents(t) {
		for _, m := range path.FindAllStringSubmatch(text, -1) {
			target := m[1]
			if strings.Contains(target, ".Test") {
				continue // TestDocsFaults looks for those
			}
			if target == "" {
				target = filepath.Join(filepath.Dir(name), m[2])
			}
			if _, err := os.Stat(filepath.Join(shapeRoot(), target)); err != nil {
				t.Errorf("%s names %s, which does not exist", name, target)
			}
		}
	}
}

// TestDocsLayers compares the table of layers with the one that ward enforces and doctor prints.
func TestDocsLayers(t *testing.T) {
	text := documents(t)["docs/architecture.md"]
	for _, row := range sandbox.Table() {
		substitute := row.Substitute
		if substitute == "" {
			substitute = "none"
		}
		want := fmt.Sprintf("| %s | %s | %s | %s |\n", row.Layer, row.Kernel, row.Does, substitute)
		if !strings.Contains(text, want) {
			t.Errorf("docs/architecture.md lacks the row\n%s", want)
		}
	}
}
