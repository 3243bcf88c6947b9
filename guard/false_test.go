package guard

import (
	"encoding/base64"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A thousand values of a kind that people have, and which of them are known
// only whole: those may stand somewhere by themselves.
func thousand(value func(*rand.Rand, int) string, fingerprint func(Key, string, []byte) Print) (prints []Print, whole map[string]bool) {
	r := newRand(1)
	whole = map[string]bool{}
	for i := range 1000 {
		p := fingerprint(testKey, fmt.Sprintf("%d of kind %d", i, i%16), []byte(value(r, i)))
		whole[p.Name] = p.cover == asWhole
		prints = append(prints, p)
	}
	return prints, whole
}

// marked makes the print of a stored value.
func marked(key Key, name string, value []byte) Print {
	p, err := ReadMarks(name, MakeMarks(key, value))
	if err != nil {
		panic(err)
	}
	return p
}

// Nothing of what lies on this machine is taken for a value or a piece of one:
// not the Go sources, nor /usr/share, nor what npm installs, with a thousand API
// keys known, or a thousand of what else is in .env files. Nor is random base64,
// in one run and in lines, of both alphabets. A value that is known only whole
// may stand there by itself, and is logged.
//
// It reads the first 12 MB of each. WARD_TEST_FULL=1 reads all there is, and 2 GB
// of random text: some minutes (`just chance`, which CI does too).
func TestNothingIsMetByChance(t *testing.T) {
	most := 12 << 20
	if os.Getenv("WARD_TEST_FULL") == "1" {
		most = 2 << 30
	}
	for _, set := range []struct {
		name        string
		value       func(r *rand.Rand, i int) string
		fingerprint func(key Key, name string, value []byte) Print
	}{
		{"api keys", apiKey, Fingerprint},
		{"dotenv values", messy, Fingerprint},
		{"stored api keys", apiKey, marked},
	} {
		t.Run(set.name, func(t *testing.T) {
			prints, whole := thousand(set.value, set.fingerprint)
			g, _ := New(testKey, nil, Options{Mode: Warn, Stored: prints, StoredKey: testKey})
			defer g.Wipe()
			for _, dir := range append(nodeModules(), filepath.Dir(goSources(t)), "/usr/share") {
				before := g.Stats()
				read := feedTree(t, g, dir, most)
				report(t, dir, read, before, g.Stats(), whole)
			}
			for _, text := range []struct {
				name string
				make func(b []byte) string
			}{
				{"base64 in lines", func(b []byte) string { return wrapped(base64.StdEncoding.EncodeToString(b), 76) }},
				{"base64 in one run", base64.StdEncoding.EncodeToString},
				{"base64 for addresses", base64.RawURLEncoding.EncodeToString},
				{"hexadecimal", func(b []byte) string { return fmt.Sprintf("%x", b) }},
			} {
				before := g.Stats()
				read := feedRandom(g, text.make, most/4)
				report(t, text.name, read, before, g.Stats(), whole)
			}
		})
	}
}

// report fails for what was met in one place.
func report(t *testing.T, where string, read int, before, after []Hit, whole map[string]bool) {
	t.Helper()
	t.Logf("%4d MB of %s", read>>20, where)
	counts := map[string]int{}
	for _, hit := range before {
		counts[hit.Name] = hit.Count
	}
	for _, hit := range after {
		switch n := hit.Count - counts[hit.Name]; {
		case n == 0:
		case whole[hit.Name]:
			t.Logf("met whole in %s: %s, %d times", where, hit.Name, n)
		default:
			t.Errorf("met by chance in %d MB of %s: %s, %d times", read>>20, where, hit.Name, n)
		}
	}
}

func feedRandom(g *Guard, write func([]byte) string, most int) (read int) {
	r := rand.NewChaCha8([32]byte{7})
	raw := make([]byte, 48<<10)
	for read < most {
		r.Read(raw)
		text := []byte(write(raw))
		g.Process(text)
		read += len(text)
	}
	return read
}

// nodeModules gives the directory of npm's global packages, if there is one.
func nodeModules() []string {
	out, err := exec.Command("npm", "root", "--global").Output()
	if err != nil {
		return nil
	}
	return []string{strings.TrimSpace(string(out))}
}

// feedTree sends the files under dir through g, at most so many bytes of them.
func feedTree(t *testing.T, g *Guard, dir string, most int) (read int) {
	t.Helper()
	buf := make([]byte, 64<<10)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // what may not be read is not looked at
		}
		f, err := os.Open(path)
		if err != nil {
			return nil
		}
		defer f.Close()
		for read < most {
			n, err := f.Read(buf)
			g.Process(buf[:n])
			read += n
			if err != nil {
				return nil
			}
		}
		return fs.SkipAll
	})
	if err != nil {
		t.Fatal(err)
	}
	return read
}
