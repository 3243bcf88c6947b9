package secrets

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/compose-spec/compose-go/v2/dotenv"
)

// readDotenv gives NAME=value@line for each pair.
func readDotenv(t *testing.T, text string) ([]string, error) {
	t.Helper()
	pairs, err := ReadDotenv(strings.NewReader(text))
	var got []string
	for _, p := range pairs {
		got = append(got, p.Name+"="+string(plain(t, p.Value))+"@"+string(rune('0'+p.Line)))
		p.Value.Destroy()
	}
	return got, err
}

func TestDotenv(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{"", nil},
		{"# nothing\n\n \t\n  # here", nil},
		{"A=b", []string{"A=b@1"}},
		{"A=b\r\nC=d\r\n", []string{"A=b@1", "C=d@2"}},
		{"\ufeffA=b\n", []string{"A=b@1"}},
		{"export A=b\nexport\tB=c\n  export  C = d\nexport=e", []string{"A=b@1", "B=c@2", "C=d@3", "export=e@4"}},
		{"A=\nB= \nC=''\nD=\"\"", []string{"A=@1", "B=@2", "C=@3", "D=@4"}},
		{"A= # to be filled in\nB=x  # y \"z'", []string{"A=@1", "B=x@2"}},
		{"A=two words  \nB=a=b==", []string{"A=two words@1", "B=a=b==@2"}},
		{`A={"k":"v"}` + "\n" + `B=C:\new`, []string{`A={"k":"v"}@1`, `B=C:\new@2`}},
		{"A='$HOME ${X} $(id) `id` # \\n \"'", []string{"A=$HOME ${X} $(id) `id` # \\n \"@1"}},
		{`A="a\nb\tc\rd\"e\\f\$g 'h' # i"`, []string{"A=a\nb\tc\rd\"e\\f$g 'h' # i@1"}},
		{`A="x\\"` + "\n" + `B='x\y'`, []string{`A=x\@1`, `B=x\y@2`}},
		{"K=\"-----BEGIN X\r\nabc\r\n-----END X\r\n\"\r\nB=c", []string{"K=-----BEGIN X\nabc\n-----END X\n@1", "B=c@5"}},
		{"K='one\ntwo=2\n# three'   # a comment\nB=c", []string{"K=one\ntwo=2\n# three@1", "B=c@4"}},
		{"a.b-C_9=größe 密", []string{"a.b-C_9=größe 密@1"}},
	} {
		got, err := readDotenv(t, c.text)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%q\n is %q, %v\nwant %q", c.text, got, err, c.want)
		}
	}
}

func TestDotenvMistakes(t *testing.T) {
	value := "sk-" + string(random(40))
	for _, c := range []struct {
		text string
		want string // the mistakes, one a line
		hint string
	}{
		{"A=$HOME", "line 1: A: a $ outside single quotes stands for something else, and ward does not expand it", "in single quotes"},
		{"A=${HOME}\nB=x$(id)\nC=\"$X\"\nD=\"a\nb$(id)\n\"", "line 1: A: a $\nline 2: B: a $\nline 3: C: a $\nline 4: D: a $", `\$`},
		{"A=1\nB=2\nA=3\n", "line 3: A: given twice, first on line 1", "keep the one"},
		{"A=1\njust text\n=x\n1A=x\nA B=x\nexport X\nexport =x", "line 2: no variable\nline 3: a name is missing\nline 4: 1A: not a variable's name\nline 5: A B: not\nline 6: no variable\nline 7: a name is missing", "NAME=VALUE"},
		{value + "\nA=\"" + value + "\nB=x\n" + value + "=x", "line 1: no variable is set here\nline 2: A: the quote \" that begins here is never closed\nline 4: [hidden]: looks like a value", ""},
		{"A=\"x\nB=\"y\"\nC=z", "line 1: A: text follows the closing quote on line 2", "a quote missing"},
		{"A='x' y\nB=\"x\"#y", "line 1: A: text follows\nline 2: B: text follows", ""},
		{"A=x#y\nB=#y\nC=`y`\nD=x\t#y", "line 1: A: some readers\nline 2: B: some\nline 3: C: a value in backquotes\nline 4: D: some", "in single quotes"},
		{`A='it\'s'` + "\nB=" + `"a\qb\q"`, `line 1: A: \' in single` + "\n" + `line 2: B: a backslash that is none of`, ""},
		{"A=1\nB=\x00", "line 2: a NUL byte", ""},
		{"A=1\nB=\xff\n", "line 2: not UTF-8 text", "UTF-8"},
		{"\xff\xfeA\x00", "the text is UTF-16", "UTF-8"},
		{"A=1\rB=2\r", "line 1: a carriage return", ""},
		{"A=" + strings.Repeat("x", MaxValue+1), "line 1: A: larger than 1048576 bytes", ""},
	} {
		got, err := readDotenv(t, c.text)
		if err == nil || got != nil {
			t.Errorf("%.60q is taken as %q", c.text, got)
			continue
		}
		lines, want := strings.Split(err.Error(), "\n"), strings.Split(c.want, "\n")
		ok := len(lines) == len(want) && strings.Contains(hintOf(err), c.hint) && !strings.Contains(err.Error()+hintOf(err), value)
		for i := range want {
			ok = ok && strings.HasPrefix(lines[i], want[i])
		}
		if !ok {
			t.Errorf("%.60q:\n%v\nhints %s\nwant\n%s\nhint %s", c.text, err, hintOf(err), c.want, c.hint)
		}
	}
}

// The file is named as it was opened, and a long list of mistakes ends.
func TestDotenvFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.env")
	if err := os.WriteFile(path, bytes.Repeat([]byte("no\n"), 300), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, err = ReadDotenv(f)
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 101 || lines[99] != path+":100: no variable is set here" || lines[100] != path+": more than 100 mistakes; the others are not listed" {
		t.Errorf("%d lines, the last ones %q", len(lines), lines[max(0, len(lines)-2):])
	}
	f.Close()
	if _, err := ReadDotenv(f); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a file that cannot be read: %v", err)
	}
}

// quoteDotenv writes any text so that ReadDotenv gives it back.
func quoteDotenv(value string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(value) + `"`
}

// FuzzDotenv: what is taken is what the library makes of the whole file, with
// nothing expanded; any value can be written; and what is refused is refused
// without a word of it.
func FuzzDotenv(f *testing.F) {
	for _, seed := range []string{"A=b\nexport B = 'c d' # e\n", "A=\"x\\n\\\"\\\\\\$\"\nB='multi\nline'\n", "A= # x\nB=$C", "a='\\\\'\nb='c'", "A=\"\\\\\"\nB=\"y\""} {
		f.Add(seed, "val'ue\"\\$\n")
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		pairs, err := ReadDotenv(strings.NewReader(text))
		if err == nil {
			sameAsLibrary(t, text, pairs)
		}
		for _, p := range pairs {
			p.Value.Destroy()
		}
		if !utf8.ValidString(value) || strings.ContainsRune(value, 0) {
			return
		}
		pairs, err = ReadDotenv(strings.NewReader("# x\nexport NAME=" + quoteDotenv(value) + " # y\nLAST=z"))
		if err != nil || len(pairs) != 2 || string(plain(t, pairs[0].Value)) != value || pairs[1].Line != 3 {
			t.Errorf("%q: %d pairs, %v", value, len(pairs), err)
		}
		for _, p := range pairs {
			p.Value.Destroy()
		}
	})
}

func sameAsLibrary(t *testing.T, text string, pairs []Pair) {
	whole := strings.ReplaceAll(strings.TrimPrefix(text, "\ufeff"), "\r\n", "\n")
	lines := strings.Split(whole, "\n")
	for _, p := range pairs {
		if p.Value.Len() == 0 { // the library takes a comment behind an empty value for the value
			name, rest, _ := strings.Cut(lines[p.Line-1], "=")
			comment := strings.HasPrefix(strings.TrimLeft(rest, " \t"), "#")
			if comment {
				lines[p.Line-1] = name + "="
			}
		}
	}
	whole = strings.Join(lines, "\n")
	want, err := dotenv.UnmarshalWithLookup(whole, func(name string) (string, bool) {
		t.Errorf("%q: %s is expanded", text, name)
		return "", false
	})
	if err != nil {
		t.Fatalf("%q is taken, and the library says %v", text, err)
	}
	if len(pairs) != len(want) {
		t.Errorf("%q: %d pairs, the library has %d", text, len(pairs), len(want))
	}
	for _, p := range pairs {
		got := string(plain(t, p.Value))
		if got != want[p.Name] {
			t.Errorf("%q: %s is %q, the library has %q", text, p.Name, got, want[p.Name])
		}
		if line := lines[p.Line-1]; !strings.Contains(line, p.Name) {
			t.Errorf("%q: line %d is %q, not of %s", text, p.Line, line, p.Name)
		}
	}
}
