package guard

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// Nothing of what lies on this machine is taken for a value or a piece of one:
// not the Go sources, nor /usr/share, with a thousand API keys known, or a
// thousand of what else is in .env files. A value that is known only whole
// may stand there by itself, and is logged.
//
// It reads the first 16 MB of each, and all where WARD_NO_SKIP is 1.
func TestNothingIsMetByChance(t *testing.T) {
	most := 16 << 20
	if os.Getenv("WARD_NO_SKIP") == "1" {
		most = 2 << 30 // minutes
	}
	r := newRand(1)
	for _, set := range []struct {
		name  string
		value func(i int) string
	}{
		{"api keys", func(i int) string { return apiKey(r, i) }},
		{"dotenv values", func(i int) string { return messy(r, i) }},
	} {
		t.Run(set.name, func(t *testing.T) {
			var prints []Print
			whole := map[string]bool{}
			for i := range 1000 {
				p := Fingerprint(testKey, fmt.Sprintf("%d of kind %d", i, i%16), []byte(set.value(i)))
				whole[p.Name] = p.cover == asWhole
				prints = append(prints, p)
			}
			g, _ := New(testKey, prints, Options{Mode: Warn})
			defer g.Wipe()
			read := 0
			for _, dir := range []string{goSources(t), "/usr/share"} {
				read += feedTree(t, g, dir, most)
			}
			for _, hit := range g.Stats() {
				if whole[hit.Name] {
					t.Logf("met whole: %s, %d times", hit.Name, hit.Count)
					continue
				}
				t.Errorf("met by chance in %d MB: %s, %d times", read>>20, hit.Name, hit.Count)
			}
		})
	}
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
