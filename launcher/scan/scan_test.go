package scan

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ward/guard"
)

// tree writes files below a new directory.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// newScan looks for values, which are named A, B and so on.
func newScan(t *testing.T, values ...string) *Scan {
	t.Helper()
	key, err := guard.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	s := &Scan{Key: key}
	for i, v := range values {
		s.Prints = append(s.Prints, guard.Fingerprint(key, string(rune('A'+i)), []byte(v)))
	}
	return s
}

// found runs s below dir and gives NAME:file:line:column, the file from dir on.
func found(t *testing.T, s *Scan, dir string) []string {
	t.Helper()
	finds, err := s.Run(context.Background(), []string{dir})
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, f := range finds {
		name, err := filepath.Rel(dir, f.File)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprintf("%s:%s:%d:%d", f.Name, name, f.Line, f.Column))
	}
	return list
}

// value makes a value that is the same each time: of one in a hundred the first characters look like ordinary text, and
// its place is told by those behind them.
func value(name string) string {
	sum := sha256.Sum256([]byte(name))
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:])
}

func TestScanFinds(t *testing.T) {
	a, b := value("a"), value("b")
	big := strings.Repeat("a line of no interest\n", 40_000)
	dir := tree(t, map[string]string{
		"plain":        "x\nkey=" + a + "\n",
		"both":         b + " " + a + "\n",
		"far":          big + "  " + a + big,
		"binary":       "\x7fELF\x00\x01\xff\xfe" + a + "\x00",
		"encoded":      base64.StdEncoding.EncodeToString([]byte("user:" + a)),
		"twice":        a + "\n" + strings.Repeat(".\n", 30) + a,
		"wrapped":      "  " + a[:20] + "\n  " + a[20:],
		"over":         a[:len(a)-7],
		"none":         big,
		"sub/deep/one": "\t" + b,
		"half1":        a[:7],
		"half2":        a[7:14],
		".git/config":  a,
		"out.log":      a,
		"gone/file":    a,
		".gitignore":   "*.log\n/gone/\n",
	})
	if err := os.Symlink("plain", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"A:binary:1:9", "B:both:1:1", "A:both:1:54", "A:encoded:1:8", "A:far:40001:3", "A:over:1:1", "A:plain:2:5",
		"B:sub/deep/one:1:2", "A:twice:1:1", "A:twice:32:1", "A:wrapped:1:3",
	}
	s := newScan(t, a, b)
	if got := found(t, s, dir); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if p := s.Progress(); p.Files != 13 || p.Total != 13 {
		t.Errorf("looked at %d of %d files, want 13", p.Files, p.Total)
	}
	s = newScan(t, a, b)
	s.All = true
	got := found(t, s, dir)
	for _, more := range []string{"A:.git/config:1:1", "A:out.log:1:1", "A:gone/file:1:1"} {
		if !slices.Contains(got, more) {
			t.Errorf("with all, %s is not in %q", more, got)
		}
	}
	if finds, err := s.Run(context.Background(), []string{filepath.Join(dir, "missing")}); err == nil {
		t.Errorf("a path that is not there gives %v and no error", finds)
	}
}

// git says which files it ignores; ward must say the same of the same rules, without asking it.
func TestIgnoresAsGit(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		if os.Getenv("WARD_NO_SKIP") == "1" {
			t.Fatal("needs git, and WARD_NO_SKIP forbids to skip")
		}
		t.Skip("needs git")
	}
	files := map[string]string{
		".gitignore":        "# comment\n\n*.log\n!keep.log\n/build\ndocs/*.txt\na/**/z\n**/tmp/\nfoo/\nq?x\n[ab]c\n[!d]9\nspace\\ \ntrailing   \n\\#hash\n!neg/deep/back\nx/**\n*.o\r\n\\!bang\nabc/**/\n",
		"sub/.gitignore":    "/only\n!*.log\ninner/\n*.txt\n!a.txt\n",
		".git/info/exclude": "excluded\n",
	}
	names := []string{
		"a.log", "keep.log", "sub/b.log", "sub/only", "sub/x/only", "build/x", "y/build/x", "docs/a.txt", "docs/d/a.txt", "a/z", "a/b/z", "a/b/c/z", "b/a/z",
		"tmp/f", "s/tmp/f", "tmpfile", "foo", "foo2/f", "bar/foo/f", "qax", "qx", "ac", "cc", "d9", "e9", "space ", "trailing", "#hash", "x/1", "x/y/2", "m.o", "!bang",
		"sub/inner/f", "sub/a.txt", "sub/b.txt", "excluded", "plain", "neg/deep/back", "abc/f", "abc/d/f", "ümlaut.log", "sub/sub/deep.log",
	}
	for _, n := range names {
		files[n] = "x"
	}
	dir := tree(t, files)
	git := func(args ...string) string {
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "core.quotePath=false", "-c", "core.excludesFile=/dev/null"}, args...)...)
		cmd.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "GIT_CONFIG_NOSYSTEM=1"}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
		return string(out)
	}
	git("init", "-q")
	if err := os.WriteFile(filepath.Join(dir, ".git/info/exclude"), []byte(files[".git/info/exclude"]), 0o644); err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSuffix(git("ls-files", "-z", "-o", "--exclude-standard"), "\x00"), "\x00")
	for _, from := range []string{"", "sub"} { // from below, the rules above count too
		var sent []string
		s := &Scan{}
		work := make(chan string, 1000)
		if err := s.walk(context.Background(), filepath.Join(dir, from), work, func(err error) { t.Error(err) }); err != nil {
			t.Fatal(err)
		}
		close(work)
		for file := range work {
			name, _ := filepath.Rel(dir, file)
			sent = append(sent, name)
		}
		slices.Sort(sent)
		var wanted []string
		for _, name := range want {
			if from == "" || strings.HasPrefix(name, from+"/") {
				wanted = append(wanted, name)
			}
		}
		slices.Sort(wanted)
		if !slices.Equal(sent, wanted) {
			t.Errorf("from %q: looks at\n%q\ngit has\n%q", from, sent, wanted)
		}
	}
}

func FuzzPattern(f *testing.F) {
	f.Add([]byte("*.log\n!a\n/b/**/c\n[\n\\"), "b/x/c")
	f.Fuzz(func(t *testing.T, text []byte, name string) {
		if len(text) > 200 || len(name) > 60 {
			return
		}
		r := []rules{parseRules("", text)}
		// A pattern that is its own text, with nothing of meaning in it, ignores exactly that.
		plain := !bytes.ContainsAny([]byte(name), "*?[]!#\\ \r\n/") && name != ""
		if plain && !ignores([]rules{parseRules("", []byte(name))}, name, false) {
			t.Errorf("%q does not ignore itself", name)
		}
		if ignores(r, name, false) && !ignores(r, name, true) && !bytes.Contains(text, []byte("!")) {
			t.Errorf("%q ignores a file %q and no directory of that name", text, name)
		}
	})
}

// A pattern of a hostile repository does not keep a scan busy for years.
func TestIgnoreEnds(t *testing.T) {
	deep := strings.Repeat("a/", 60) + strings.Repeat("a", 200)
	hostile := []rules{parseRules("", []byte(strings.Repeat("**/a/", 30)+"b\n"+strings.Repeat("*a", 40)+"b\n"+strings.Repeat("**/", 40)+"x\n"))}
	done := make(chan bool, 1)
	go func() { done <- ignores(hostile, deep, false) }()
	select {
	case ignored := <-done:
		if ignored {
			t.Error("it is left out, and no pattern is meant for it")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it takes longer than 10 seconds")
	}
	for name, want := range map[string]bool{"a/b": true, "a/x/y/b": true, "b/a/b/x/b": false, "a": false, "a/b/c": false} {
		if got := ignores([]rules{parseRules("", []byte("a/**/b\n"))}, name, false); got != want {
			t.Errorf("a/**/b leaves out %s: %v, want %v", name, got, want)
		}
	}
}

// A file of patterns that is none is not read: it would be waited for, or have no end.
func TestIgnoreNoFile(t *testing.T) {
	dir := t.TempDir()
	pipe, link := filepath.Join(dir, "pipe"), filepath.Join(dir, "link")
	if err := errors.Join(syscall.Mkfifo(pipe, 0o600), os.Symlink("/dev/zero", link)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{pipe, link, dir} {
		if text, err := readIgnore(name); err == nil {
			t.Errorf("%s: %d bytes", name, len(text))
		}
	}
}

// What is interrupted ends, also where a secret is being located in a large file, and says so.
func TestScanInterrupted(t *testing.T) {
	a := value("a")
	dir := tree(t, map[string]string{"far": strings.Repeat("a line of no interest\n", 40_000) + a})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s := newScan(t, a)
	if _, err := s.Run(ctx, []string{dir}); err == nil || err.Error() != "interrupted: not all was looked at" {
		t.Errorf("got %v, want that it was interrupted", err)
	}
	f, err := os.Open(filepath.Join(dir, "far"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := newReader(s)
	defer r.close()
	if finds, err := r.locate(ctx, f, "far", "A"); err != nil || len(finds) != 1 || finds[0].Line != 1 {
		t.Errorf("%v, %v, want the file alone, since nobody waits for the line", finds, err)
	}
}

// A file that became a pipe after it was listed is not waited for.
func TestScanPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	r := newReader(newScan(t, value("a")))
	defer r.close()
	done := make(chan error, 1)
	go func() { _, err := r.file(context.Background(), pipe); done <- err }()
	select {
	case err := <-done:
		if err == nil {
			t.Error("no error")
		}
	case <-time.After(5 * time.Second):
		t.Error("it is waited for")
	}
}
