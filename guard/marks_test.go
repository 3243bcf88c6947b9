package guard

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

var storedKey = Key{16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1}

// storedGuard is a guard that knows value by its marks only.
func storedGuard(t *testing.T, value string) *Guard {
	t.Helper()
	p, err := ReadMarks("STORED", MakeMarks(storedKey, []byte(value)))
	if err != nil {
		t.Fatal(err)
	}
	g, _ := New(testKey, nil, Options{Stored: []Print{p}, StoredKey: storedKey})
	t.Cleanup(g.Wipe)
	return g
}

func windowsOf(p Print) (n int) {
	for _, g := range p.groups {
		n += len(g.windows)
	}
	return n
}

// How many marks a value has, and from which length on any piece of it is known.
func TestMarks(t *testing.T) {
	r := newRand(51)
	for _, c := range []struct {
		name  string
		value string
		marks int
		piece int // the shortest of which each is known; 0: not to be asked
	}{
		{"empty", "", 0, 0},
		{"29 characters", random(r, base62, 29), 0, 0},
		{"32", random(r, base62, 32), 1, 32},
		{"40", random(r, base62, 40), 2, 27},
		{"48", random(r, base62, 48), 3, 26},
		{"64", random(r, base62, 64), 3, 27},
		{"80", random(r, base62, 80), 4, 26},
		{"95 after a prefix", "sk-ant-api03-" + random(r, base62, 95), 5, 0},
		{"no more than 16", random(r, base62, 1000), 16, 0},
		{"40 hexadecimal", random(r, hexa, 40), 0, 0},
		{"64 hexadecimal", random(r, hexa, 64), 2, 40},
		{"words", strings.Repeat("correct horse battery staple ", 8), 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			marks := MakeMarks(storedKey, []byte(c.value))
			p, err := ReadMarks("NAME", marks)
			if err != nil || windowsOf(p) != c.marks || (marks == nil) != (c.marks == 0) {
				t.Fatalf("%d marks, %v; want %d", windowsOf(p), err, c.marks)
			}
			for at := 0; c.piece > 0 && at+c.piece <= len(c.value); at++ {
				g := storedGuard(t, c.value)
				feed(g, "<"+c.value[at:at+c.piece]+">", false, atOnce)
				if g.Leaks() == 0 {
					t.Errorf("%d characters from %d on pass", c.piece, at)
				}
			}
		})
	}
}

// The marks of a value cover so little of it that what is left cannot be guessed, and of any 256 bits in a row, if
// everything else should be known.
func TestMarksLeaveEnough(t *testing.T) {
	base58 := strings.Map(func(c rune) rune {
		if strings.ContainsRune("0OIl", c) {
			return -1
		}
		return c
	}, base62)
	r := newRand(52)
	for n := 20; n < 200; n++ {
		for alphabet, bits := range map[string]float64{base62: 5.95, base58: 5.857, base32s: 5, hexa: 4} {
			value := random(r, alphabet, n)
			chosen, _ := chooseMarks(parts([]byte(value)))
			for at, size := 0, min(n, int(256/bits)); at+size <= n; at++ {
				if left := leftOf(chosen, at, size); left < size && float64(left)*bits < spareBits {
					t.Fatalf("%d of %d characters from %d on of %d of %.2f bits are in marks", size-left, size, at, n, bits)
				}
			}
			if left := leftOf(chosen, 0, n); left < n && float64(left)*bits < spareBits {
				t.Fatalf("%d of %d characters of %.2f bits are in marks", n-left, n, bits)
			}
		}
	}
}

// leftOf is how many of the size characters from at on are in none of the windows.
func leftOf(chosen []island, at, size int) int {
	left := 0
	for i := at; i < at+size; i++ {
		left += oneIf(!slices.ContainsFunc(chosen, func(c island) bool { return c.at <= i && i < c.at+c.width }))
	}
	return left
}

// Nearly all random values that are long enough have marks.
func TestMarksOfRandomValues(t *testing.T) {
	const small, values = "abcdefghijklmnopqrstuvwxyz0123456789", 1000
	r := newRand(59)
	for _, c := range []struct {
		name, alphabet string
		n, most        int
	}{
		{"letters and digits", base62, 36, 5}, {"base64", base62 + "+/", 40, 5}, {"of one case", small, 40, 5},
		{"base32", strings.ToUpper(small)[:32], 43, 5}, {"hexadecimal", hexa, 48, 2}, {"capital hexadecimal", strings.ToUpper(hexa), 48, 5},
		{"with symbols", base62 + "!@#$%^&*()[]{}?.,;:", 64, 150},
	} {
		none := 0
		for range values {
			none += oneIf(MakeMarks(storedKey, []byte(random(r, c.alphabet, c.n))) == nil)
		}
		if none > c.most {
			t.Errorf("%s: %d of %d of %d characters have no marks", c.name, none, values, c.n)
		}
	}
}

// What is random in a value may stand in text that everybody knows. From that text on, in both directions, no more than a
// mark can be found by trying what comes next, three characters at a time, however often.
func TestMarksLeadNowhere(t *testing.T) {
	r := newRand(57)
	const here = "\x00" // the random part
	for name, c := range map[string]struct {
		value, alphabet string
		random          int
	}{
		"dotenv":  {"DB_HOST=localhost\nDB_USER=admin\nDB_PASSWORD=" + here + "\nLOG_LEVEL=debug\nENVIRONMENT=production\n", base62, 24},
		"note":    {"the staging database, user admin, password " + here + " and rotate it every ninety days, see the wiki on how that is done", base62, 24},
		"yaml":    {"apiVersion: v1\nclusters:\n- cluster:\n    server: https://cluster.local\nusers:\n- name: admin\n  user:\n    token: " + here + "\n", base62, 40},
		"netrc":   {"machine github.com login octocat password ghp_" + here + "\nmachine example.com login nobody password none\n", base62, 36},
		"cookie":  {"session=" + here + "; Path=/; HttpOnly; Secure; SameSite=Lax; Domain=example.com", base62, 43},
		"billing": {"the token of the service account that the billing of all our customers in europe goes by: " + here, hexa, 40},
		"several": {"ALPHA_KEY=" + random(r, base62, 30) + "\nDB_PASSWORD=" + here + "\nOMEGA_KEY=" + random(r, base62, 30) + "\n", base62, 24},
	} {
		t.Run(name, func(t *testing.T) {
			for range 20 {
				secret := random(r, c.alphabet, c.random)
				before, after, _ := strings.Cut(c.value, here)
				g := storedGuard(t, before+secret+after)
				for side, found := range map[string]int{"before": walkMarks(g, before, secret), "behind": walkMarks(g, backwards(after), backwards(secret))} {
					if found > minWidth {
						t.Fatalf("%d of %d characters are found from what stands %s in %q", found, c.random, side, before+"…"+after)
					}
				}
			}
		})
	}
}

// walkMarks says how many characters of secret are found from what is known to stand beside it, by guesses of up to three
// more. Of all guesses only the right one can hold a mark, so it alone is tried. Both texts may be written backwards.
func walkMarks(g *Guard, known, secret string) (found int) {
	text := []byte(strings.Map(func(r rune) rune {
		if class(byte(r)) < classSymbol {
			return r
		}
		return -1
	}, known))
	for more := 1; more <= 3 && found+more <= len(secret); more++ {
		guess := append(bytes.Clone(text), secret[found:found+more]...)
		for _, width := range widths[:2] {
			if len(guess) < width {
				continue
			}
			window := guess[len(guess)-width:]
			before := g.Leaks()
			feed(g, "\n"+string(window)+"\n"+backwards(string(window))+"\n", false, atOnce)
			if g.Leaks() > before {
				text, found, more = guess, found+more, 0
				break
			}
		}
	}
	return found
}

func backwards(s string) string {
	b := []byte(s)
	slices.Reverse(b)
	return string(b)
}

// Values of a launch and stored ones are looked for at the same time, under
// two keys, and counted under their own names.
func TestTwoTables(t *testing.T) {
	r := newRand(53)
	given, kept, short := random(r, base62, 40), random(r, base62, 80), random(r, base62, 20)
	names := random(r, base62, 80) // has the name of the given one
	var stored []Print
	for name, value := range map[string]string{"KEPT": kept, "SHORT": short, "GIVEN": names} {
		p, err := ReadMarks(name, MakeMarks(storedKey, []byte(value)))
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, p)
	}
	g, report := New(testKey, []Print{Fingerprint(testKey, "GIVEN", []byte(given))}, Options{Stored: stored, StoredKey: storedKey})
	defer g.Wipe()
	if len(report.Unguarded) != 1 || report.Unguarded[0].Name != "SHORT" {
		t.Errorf("not looked for: %v, want SHORT", report.Unguarded)
	}
	out := feed(g, "a "+given+" b "+kept+" c "+short+" d "+names, false, atOnce)
	if strings.Contains(out, given[:8]) || strings.Contains(out, kept[:8]) || strings.Contains(out, names[:8]) || !strings.Contains(out, short) {
		t.Errorf("got %q", out)
	}
	hits := g.Stats()
	if len(hits) != 3 || hits[0] != (Hit{Name: "GIVEN", Count: 1}) || hits[1].Name != "GIVEN" || hits[2].Name != "KEPT" ||
		!hits[1].Stored || !hits[2].Stored {
		t.Errorf("met %v, want GIVEN, another GIVEN that is stored, and KEPT", hits)
	}
	g2, _ := New(testKey, nil, Options{Stored: stored, StoredKey: testKey})
	defer g2.Wipe()
	if feed(g2, kept, false, atOnce); g2.Leaks() > 0 {
		t.Error("marks are known under another key")
	}
}

func TestReadMarksRefuses(t *testing.T) {
	good := MakeMarks(storedKey, []byte(random(newRand(54), base62, 80)))
	if bytes.Equal(good, MakeMarks(testKey, []byte(random(newRand(54), base62, 80)))) {
		t.Error("two keys give the same marks")
	}
	for n := 1; n < len(good); n++ {
		if _, err := ReadMarks("NAME", good[:n]); err == nil {
			t.Errorf("the first %d of %d bytes pass", n, len(good))
		}
	}
	if _, err := ReadMarks("NAME", append(bytes.Clone(good), 0)); err == nil {
		t.Error("a byte too many passes")
	}
	if _, err := ReadMarks("A\x1b[2J", good); err == nil {
		t.Error("a name with a control character passes")
	}
}
