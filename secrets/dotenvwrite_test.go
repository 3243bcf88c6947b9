package secrets

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

// What WriteDotenv writes, ReadDotenv reads as the same value: the one is the oracle of the other.
func FuzzWriteDotenv(f *testing.F) {
	for _, seed := range []string{"", "plain", "it's", `a\b`, `\`, "'", `"`, `'"\`, "$HOME", "`id`", " # no comment", "two\nlines\n", "\r\n", "\r", "\t ", `\n`, `\$'`, `$'x'`, "ä'ö\\", "${A:-b}'"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if len(value) > 4096 {
			return
		}
		b := bufferOf(t, []byte(value))
		var file bytes.Buffer
		err := WriteDotenv(&file, "A_NAME", b)
		if text := !strings.Contains(value, "\x00") && utf8.ValidString(value); (err == nil) != text {
			t.Fatalf("%q: %v, want an error: %v", value, err, !text)
		}
		if err != nil {
			if file.Len() > 0 || hintOf(err) == "" {
				t.Errorf("%q: %d bytes were written, %v", value, file.Len(), err)
			}
			return
		}
		file.WriteString("AFTER=it\n")
		text := file.String()
		pairs, err := ReadDotenv(&file)
		if err != nil || len(pairs) != 2 || pairs[0].Name != "A_NAME" || pairs[1].Name != "AFTER" {
			t.Fatalf("%q is written as %q: %d variables, %v", value, text, len(pairs), err)
		}
		for _, p := range pairs {
			defer p.Value.Destroy()
		}
		if got := string(plain(t, pairs[0].Value)); got != value {
			t.Errorf("%q is written as %q and read as %q", value, text, got)
		}
	})
}
