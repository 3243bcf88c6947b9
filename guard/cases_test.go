package guard

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// numbered are cases of other maskers' test suites and bug reports, by their
// numbers in a list of 76. Their values are words there; here they are random
// ones of the same build, as words are nothing to be known by. Each is sent in
// one write, byte by byte, and cut at every place. '*' stands for what must be
// masked, and as many characters as a cut may show are left out of account.
//
// Elsewhere are 6, 9, 10, 31 and 56 (TestMasks), 7 (TestReportAndStats), 26 to
// 29 (TestHold), 39 to 46 (TestEncodings, TestEscapes), 47 to 58 (the suite of
// renderings), 66 (TestAnother) and 68 to 76 (the hooks). 8 has no meaning
// here, nor have 64 and 67: values are known before the start, and names are
// left out by who makes prints.
type numbered struct {
	numbers string
	values  []string
	in      string
	want    string
}

func numberedCases() []numbered {
	r := newRand(88)
	rand := func(n int) string { return random(r, base62, n) }
	stars := func(n int) string { return strings.Repeat("*", n) }
	v, x, y, z := rand(40), rand(16), rand(16), rand(16)
	w := rand(9)
	bordered := x[:8] + "-" + y + "-" + x[:8]
	tower := []string{v}
	for n := range 6 {
		tower = append(tower, v[n+1:39-n])
	}
	return []numbered{
		{"1", nil, v, v},
		{"2", []string{"", v}, "a" + v, "a" + stars(40)},
		{"3", []string{v}, v + " a " + v + " b " + v, stars(40) + " a " + stars(40) + " b " + stars(40)},
		{"4, 5", []string{v}, v + v + "," + v, stars(80) + "," + stars(40)},
		{"11", []string{v[:20], v}, v + " " + v[:20], stars(40) + " " + stars(20)},
		{"11, the other order", []string{v, v[:20]}, v + " " + v[:20], stars(40) + " " + stars(20)},
		{"12", []string{x + y, y + z}, x + y + z + ".", stars(48) + "."},
		{"13", []string{x + y, y + z, y[8:] + "Qq" + z}, x + y + "Qq" + z, stars(50)},
		{"14", []string{x + y + z, y}, x + y + "nothing", stars(32) + "nothing"},
		{"15", tower, "<" + v + ">", "<" + stars(40) + ">"},
		{"16, 17", []string{x + y, "prefix_" + x + y}, "this is " + x + y + "en prefix_" + x + y, "this is " + stars(32) + "en " + stars(39)},
		{"18", []string{v, v[:24], v[16:]}, "a " + v + " b", "a " + stars(40) + " b"},
		{"19", []string{w + w + x}, w + w + w + x + "!", stars(43) + "!"},
		{"20", []string{x + y + x + z}, x + y + x + y + x + z, stars(96)},
		{"21", []string{bordered}, "key=" + bordered + "\n", "key=" + stars(34) + "\n"},
		{"22", []string{x + y}, x[:1] + x + y + " " + x[:7] + " " + x + y, "_" + stars(32) + " " + x[:7] + " " + stars(32)},
		{"30", []string{v}, "end " + v[:6], "end " + v[:6]},
		{"32", []string{v, "**********"}, v + " **********", stars(40) + " **********"},
		{"34", []string{v + "\n"}, v + "," + v + "\n", stars(40) + "," + stars(40) + "\n"},
		{"35", []string{"{\n\"key\": \"" + v + "\"\n}"}, "{\n}\nkey " + v, "{\n}\nkey " + stars(40)},
		{"36", []string{`{"b":"` + v + `","a":[1,"` + x + y + `"]}`}, `{"a": [1, "` + x + y + `"], "b": "` + v + `"}`, `{"a": [1, "` + stars(32) + `"], "b": "` + stars(40) + `"}`},
		{"37", []string{x + "\n" + y + "\n" + z}, y + "\n\n" + x, stars(16) + "\n\n" + stars(16)},
		{"38", []string{"alpha\nbeta"}, "alpha beta, alphabeta", "alpha beta, alphabeta"},
		{"60", []string{"test", "true", "docker", "production"}, "test true docker production", "test true docker production"},
		{"62", []string{"sk-proj-" + v}, "export KEY=sk-proj-xxxxxxxx # or sk-proj-...", "export KEY=sk-proj-xxxxxxxx # or sk-proj-..."},
		{"63", []string{"sk-ant-api03-" + v}, "key: sk-ant-api03-" + v[:10] + "…", "key: sk-ant-api03-" + stars(10) + "…"},
		{"65", []string{v, x + y}, v + " became " + x + y, stars(40) + " became " + stars(32)},
	}
}

func TestNumberedCases(t *testing.T) {
	for _, c := range numberedCases() {
		t.Run(c.numbers, func(t *testing.T) {
			in, want := c.in, c.want
			if want[0] == '_' { // a letter of the value stands before it
				want = in[:1] + want[1:]
			}
			got := feed(guardOf(t, Options{}, c.values...), in, false, atOnce)
			if got != want {
				t.Errorf("in one write\n got %q\nwant %q", got, want)
			}
			slow := feed(guardOf(t, Options{}, c.values...), in, true, byOne)
			if n := readable(t, in, want, slow); n > max(7, 7*strings.Count(want, "*")/16) {
				t.Errorf("byte by byte %d characters can be read: %q", n, slow)
			}
			for at := range len(in) {
				first := true
				cut := feed(guardOf(t, Options{}, c.values...), in, false, func(rest int) int {
					if first {
						first = false
						return at
					}
					return rest
				})
				if n := readable(t, in, want, cut); n > 7 {
					t.Errorf("cut at %d: %d characters can be read: %q", at, n, cut)
				}
			}
		})
	}
}

// 23, 24: values that differ in their length only, on a text of the same letter.
func TestManyRuns(t *testing.T) {
	run := strings.Repeat("a", 12)
	if got, want := feed(guardOf(t, Options{}, run), run+" "+run+run+run, false, atOnce), "************ "+run+run+run; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	var values []string
	for i := range 64 {
		values = append(values, strings.Repeat("a", 20+i%44)+"b")
	}
	text := strings.Repeat("a", 16<<10)
	if got := feed(guardOf(t, Options{}, values...), text, false, randomly(newRand(1))); got != text {
		t.Error("a run of one letter is masked")
	}
}

// 25: a value that is longer than any chunk.
func TestLongValue(t *testing.T) {
	v := random(newRand(82), base62, 16000)
	got := feed(guardOf(t, Options{}, v), "a"+v+"b", false, func(rest int) int { return max(1, rest/2) })
	if n := readable(t, "a"+v+"b", "a"+strings.Repeat("*", 16000)+"b", got); n > 7*14 {
		t.Errorf("%d characters can be read", n)
	}
}

// 33: a file of several lines is known however its lines end.
func TestLineEnds(t *testing.T) {
	pem := messy(newRand(83), 7)
	for _, end := range []string{"\n", "\r\n", "\r\r\n", " \n", "\n\n", "\n  ", " ", "", `\n`, "\n\t\n"} {
		in := strings.ReplaceAll(pem, "\n", end)
		got := feed(guardOf(t, Options{}, pem), in, false, atOnce)
		for _, line := range strings.Split(pem, "\n")[2:] {
			if len(line) > 8 && line[0] != '-' && strings.Contains(got, line[:8]) {
				t.Errorf("%q: %q can be read", end, line)
			}
		}
	}
}

// 36, 46: a document that is written anew by someone else.
func TestWrittenAnew(t *testing.T) {
	r := newRand(84)
	secrets := map[string]any{"token": random(r, base62, 40), "nested": map[string]any{"password": random(r, base62, 20) + "<&>" + random(r, base62, 12)}}
	value, _ := json.Marshal(secrets)
	anew, _ := json.MarshalIndent(map[string]any{"x": secrets["nested"], "y": []any{secrets["token"]}}, "", "\t")
	got := feed(guardOf(t, Options{}, string(value)), string(anew), false, atOnce)
	for _, text := range []string{secrets["token"].(string), secrets["nested"].(map[string]any)["password"].(string)} {
		for i := 0; i+6 <= len(text); i++ {
			if strings.Contains(got, text[i:i+6]) {
				t.Errorf("%q can be read in %s", text[i:i+6], got)
			}
		}
	}
}

// 59: what becomes of short values.
func TestShortValues(t *testing.T) {
	v := random(newRand(86), base62, 8)
	for n, want := range map[int]cover{1: tooShort, 2: tooShort, 3: tooShort, 5: tooShort, 6: tooShort, 7: tooShort, 8: byWindows} {
		_, report := New(testKey, []Print{Fingerprint(testKey, "NAME", []byte(v[:n]))}, Options{})
		if named := len(report.Unguarded) == 1 && report.Unguarded[0].Name == "NAME"; named != (want == tooShort) {
			t.Errorf("%d characters: reported %v", n, report.Unguarded)
		}
	}
}

// 61: of two values with one beginning the right one is named.
func TestRightName(t *testing.T) {
	r := newRand(85)
	head, one, two := random(r, base62, 8), random(r, base62, 32), random(r, base62, 32)
	g := guardOf(t, Options{}, head+one, head+two)
	feed(g, "a "+two+" b", false, atOnce)
	if got := g.Stats(); !slices.Equal(got, []Hit{{Name: "VALUE_1", Count: 1}}) {
		t.Errorf("met %v, want the second", got)
	}
}

// A value of few different characters is known by wider windows; letter by
// letter it shows no more of itself than others do.
func TestSlowly(t *testing.T) {
	r := newRand(87)
	for name, v := range map[string]string{
		"base62":      random(r, base62, 40),
		"hexadecimal": random(r, hexa, 40),
		"capitals":    strings.ToUpper(random(r, hexa, 40)),
		"base32":      random(r, base32s, 40),
		"prefixed":    "AKIA" + random(r, base32s, 16),
	} {
		got := feed(guardOf(t, Options{}, v), "x="+v+";", true, byOne)
		skip := 2 + prefixLen([]byte(v))
		if masked := strings.Count(got[skip:], "*"); masked < len(v)-prefixLen([]byte(v))-7 {
			t.Errorf("%s: %q of %q", name, got, v)
		}
	}
}

// What may be the beginning of a value is held back also if more stood behind it that was taken back.
func TestHoldAfterBackspaces(t *testing.T) {
	v, slip := random(newRand(31), hexa, 48), "a line that is much longer than any window"
	g := guardOf(t, Options{}, v)
	feed(g, "key "+v[:7]+slip, true, atOnce)
	feed(g, strings.Repeat("\b", len(slip)), true, atOnce)
	if out := feed(g, v[7:11], true, atOnce); out != "****" {
		t.Errorf("the eighth to the eleventh character came out as %q", out)
	}
}

// A value matched whole stands by itself where a control that takes no place is beside it, and as all of what is put on the
// clipboard. In UTF-16 such a control stands behind each character.
func TestWholeByItself(t *testing.T) {
	const v, stars = "Summer2024", "**********"
	wide := func(text string) string { return strings.Join(strings.Split(text, ""), "\x00") }
	clip := func(text string) string { return "\x1b]52;c;" + base64Of(text) }
	for _, c := range [][2]string{
		{"PW=" + v + "\x00HOME=/", "PW=" + stars + "\x00HOME=/"},
		{"a\x00" + v + "\x00b", "a\x00" + stars + "\x00b"},
		{v + "\vnext", stars + "\vnext"},
		{v + "\x005", stars + "\x005"},
		{"my" + v, "my" + v},
		{wide(" " + v + " "), wide(" " + stars + " ")},
		{wide(" " + v + "5 my" + v), wide(" " + v + "5 my" + v)},
		{clip(v) + "\a", clip(stars) + "\a"},
		{clip(v) + "\x1b\\next", clip(stars) + "\x1b\\next"},
		{clip("my"+v) + "\a", clip("my"+v) + "\a"},
	} {
		held := 0 // bytes before it are not
		if strings.HasPrefix(c[0], clip("")) {
			held = len(clip("")) + 6
		}
		for at := range len(c[0]) { // cut there, if at all
			if 0 < at && at < held {
				continue
			}
			got := feed(guardOf(t, Options{}, v), c[0], false, func(rest int) int {
				if rest == len(c[0]) && at > 0 {
					return at
				}
				return rest
			})
			if n := readable(t, c[0], c[1], got); at == 0 && n > 0 {
				t.Errorf("%q became %q", c[0], got)
			}
		}
	}
}

// A letter that ends an escape sequence is none that a backspace strikes over, wherever the two are cut.
func TestBackspaceBehindSequence(t *testing.T) {
	v := random(newRand(7), base62, 40)
	for _, before := range []string{"\x1b[u\b", "a\x1b[0;1J\b", "\x1b[5\r;5H\b", "\x1bE\b", "\x1b(B\b", "\x9bK\b", "\xc2\x9b2K\b", "[K\b", "12K\b", "K\b"} {
		in, want := before+v, before+strings.Repeat("*", 40)
		if i := strings.IndexByte(before, 'K'); i >= 0 && !strings.Contains(before, "\x9b") {
			want = strings.Replace(want, "K", "*", 1)
		}
		for at := range len(in) {
			got := feed(guardOf(t, Options{}, v), in, false, func(rest int) int {
				if rest == len(in) && at > 0 {
					return at
				}
				return rest
			})
			if n := readable(t, in, want, got); n > 8 || at == 0 && n > 0 {
				t.Errorf("%q, cut at %d, became %q", in, at, got)
			}
		}
	}
}
