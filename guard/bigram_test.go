package guard

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write bigram.bin again")

// trainedOn is the SHA-256 of the text that bigram.bin was counted over.
const trainedOn = "b59276a25c22cf74d687dede8e2a7ad67805d07b7ca26925d3f92963f6b1bd05"

func goSources(t *testing.T) string {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(strings.TrimSpace(string(root)), "src")
}

// trainingDirs hold programs and prose, and few tables of numbers.
var trainingDirs = []string{"net", "os", "go", "text", "encoding", "cmd/go", "cmd/vet", "fmt", "log",
	"testing", "sync", "io", "database", "reflect", "crypto/tls", "crypto/x509"}

// corpus reads the text of ordinary words, names and paths: the non-test Go
// sources, which also hold licence texts and prose in comments. Test data is
// left out: keys and random bytes are what the model must find strange.
func corpus(t *testing.T) []byte {
	t.Helper()
	var text bytes.Buffer
	root := goSources(t)
	for _, dir := range trainingDirs {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && d.Name() == "testdata":
				return fs.SkipDir
			case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
				return nil
			}
			b, err := os.ReadFile(path)
			text.Write(b)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return text.Bytes()
}

// train counts pairs and gives the table in sixteenths of a bit. Half a
// sighting is added to each pair, so that an unseen one is rare, not impossible.
func train(text []byte) []byte {
	var pairs [classes][classes]float64
	for i := 1; i < len(text); i++ {
		pairs[class(text[i-1])][class(text[i])]++
	}
	table := make([]byte, 0, classes*classes)
	for a := range pairs {
		sum := 0.0
		for b := range pairs[a] {
			sum += pairs[a][b] + 0.5
		}
		for b := range pairs[a] {
			bits := -math.Log2((pairs[a][b] + 0.5) / sum)
			table = append(table, byte(math.Round(min(bits*16, 255))))
		}
	}
	return table
}

// The table is what train makes of the Go sources: exactly, where the sources
// are those it was made of; within an eighth of a bit on average after any
// other Go release.
func TestBigramTable(t *testing.T) {
	text := corpus(t)
	sum := sha256.Sum256(text)
	digest := hex.EncodeToString(sum[:])
	table := train(text)
	if *update {
		if err := os.WriteFile("bigram.bin", table, 0o644); err != nil {
			t.Fatal(err)
		}
		t.Logf("trained on %d bytes, SHA-256 %s", len(text), digest)
		return
	}
	if len(bigrams) != classes*classes {
		t.Fatalf("bigram.bin has %d bytes, want %d", len(bigrams), classes*classes)
	}
	apart := 0
	for i := range table {
		apart += max(int(table[i])-int(bigrams[i]), int(bigrams[i])-int(table[i]))
	}
	if digest == trainedOn && apart != 0 {
		t.Errorf("the same text gives another table: %d sixteenths of a bit apart", apart)
	}
	if mean := float64(apart) / float64(len(table)) / 16; mean > 1.0/8 {
		t.Errorf("table differs by %.2f bits on average", mean)
	}
}
