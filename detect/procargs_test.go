package detect

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
)

// procargs is what the kernel of macOS lays out: an int, the file, zeros, the
// words, the environment.
func procargs(count int, exe string, pad int, words ...string) []byte {
	raw := binary.NativeEndian.AppendUint32(nil, uint32(count))
	return append(raw, exe+strings.Repeat("\x00", pad)+strings.Join(words, "\x00")+"\x00"...)
}

func TestParseProcargs(t *testing.T) {
	for _, c := range []struct {
		name string
		raw  []byte
		exe  string
		argv []string
	}{
		{"two words and an environment", procargs(2, "/bin/sh", 5, "sh", "-c", "API_TOKEN=t"), "/bin/sh", []string{"sh", "-c"}},
		{"an empty word in between", procargs(3, "/bin/sh", 1, "sh", "", "x", "A=1"), "/bin/sh", []string{"sh", "", "x"}},
		{"a title, and what it overwrote", procargs(3, "/usr/bin/node", 4, "claude", "", "", "A=1"), "/usr/bin/node", []string{"claude"}},
		{"fewer words than are said", procargs(9, "/bin/sh", 1, "sh"), "/bin/sh", []string{"sh"}},
		{"less than none", procargs(-1, "/bin/sh", 1, "sh"), "/bin/sh", nil},
		{"a file and nothing else", procargs(1, "/bin/sh", 0), "/bin/sh", nil},
		{"nothing", nil, "", nil},
		{"half an int", []byte{1, 0}, "", nil},
	} {
		if exe, argv := parseProcargs(c.raw); exe != c.exe || !slices.Equal(argv, c.argv) {
			t.Errorf("%s: %q, %q; want %q, %q", c.name, exe, argv, c.exe, c.argv)
		}
	}
}

// Words come back as they were laid out, and never more of them.
func FuzzParseProcargs(f *testing.F) {
	f.Add("/bin/sh", uint8(3), "sh\x00-c", "A=1")
	f.Fuzz(func(t *testing.T, exe string, pad uint8, line, environ string) {
		words := strings.Split(line, "\x00")
		if strings.Contains(exe, "\x00") || words[0] == "" || words[len(words)-1] == "" {
			return // not what a kernel lays out
		}
		gotExe, got := parseProcargs(procargs(len(words), exe, int(pad)+1, append(words, environ)...))
		if gotExe != exe || !slices.Equal(got, words) {
			t.Errorf("%q, %q; want %q, %q", gotExe, got, exe, words)
		}
	})
}
