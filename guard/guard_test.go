package guard

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// feed sends in through g in the chunks that cut gives, copied, as Process masks
// in place. With flush, the timer fires after each chunk.
func feed(g *Guard, in string, flush bool, cut func(rest int) int) string {
	var out bytes.Buffer
	for rest := []byte(in); len(rest) > 0; {
		n := min(len(rest), max(1, cut(len(rest))))
		out.Write(g.Process(bytes.Clone(rest[:n])))
		if flush {
			out.Write(g.Flush())
		}
		rest = rest[n:]
	}
	out.Write(g.Flush())
	return out.String()
}

func atOnce(rest int) int { return rest }
func byOne(int) int       { return 1 }
func randomly(r *rand.Rand) func(int) int {
	return func(int) int { return 1 + r.IntN(60) }
}

// readable counts the characters of in that want masks and got shows, and
// fails on any other difference.
func readable(t *testing.T, in, want, got string) (n int) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d bytes went in, %d came out\n got %q\nwant %q", len(want), len(got), got, want)
	}
	for i := range len(got) {
		switch {
		case got[i] == want[i]:
		case want[i] == fillByte && got[i] == in[i]:
			n++
		default:
			t.Fatalf("byte %d\n got %q\nwant %q", i, got, want)
		}
	}
	return n
}

type maskCase struct {
	name   string
	values []string
	in     string
	want   string
	hits   int
}

// maskCases are values of several kinds, each in a line of text.
func maskCases() []maskCase {
	r := newRand(11)
	v, hex, other := random(r, base62, 40), random(r, hexa, 64), random(r, base62, 32)
	stars := func(n int) string { return strings.Repeat("*", n) }
	phrase := strings.Repeat("correcthorsebatterystaple", 3)[:64]
	dashed := v[:8] + "-" + v[8:16] + "_" + v[16:24] + "=="
	return []maskCase{
		{"nothing known", nil, "all of " + v, "all of " + v, 0},
		{"empty value", []string{""}, "all of " + v, "all of " + v, 0},
		{"vendor prefix stays", []string{"ghp_" + v}, "x ghp_" + v, "x ghp_" + stars(40), 1},
		{"only the prefix", []string{"sk-ant-api03-" + v}, "use sk-ant-api03-… here", "use sk-ant-api03-… here", 0},
		{"cut to 26 characters", []string{v}, "<" + v[5:31] + ">", "<" + stars(26) + ">", 1},
		{"cut to 8 characters", []string{v}, "<" + v[20:28] + ">", "<" + stars(8) + ">", 1},
		{"7 characters pass", []string{v}, "<" + v[20:27] + ">", "<" + v[20:27] + ">", 0},
		{"two values with one head", []string{v, v[:20] + other}, v[:20] + other, stars(52), 2},
		{"one value in another", []string{v, v[10:30]}, "a " + v + " b", "a " + stars(40) + " b", 1},
		{"symbols inside", []string{dashed}, "k=" + dashed + ".", "k=" + stars(26) + "==.", 1},
		{"quotes stay", []string{v}, `'` + v[:20] + `'"'` + v[20:] + `'`, `'` + stars(20) + `'"'` + stars(20) + `'`, 1},
		{"hexadecimal", []string{"dop_v1_" + hex}, "a " + hex + " b", "a " + stars(64) + " b", 1},
		{"hexadecimal in groups", []string{hex}, fold10(hex, 4, ":"), fold10(stars(64), 4, ":"), 1},
		{"database address: only the password", []string{"postgres://billing:" + v[:16] + "@db.internal:5432/prod"},
			"dial postgres://billing:" + v[:16] + "@db.internal:5432/prod", "dial postgres://billing:" + stars(16) + "@db.internal:5432/prod", 1},
		{"whole: a password beside a key", []string{`{"password":"Summer2024!","key":"` + v + `"}`}, "Summer2024! Summer20245 " + v, "**********! Summer20245 " + stars(40), 2},
		{"whole: the password of an address", []string{"redis://default:Summer2024!@cache:6379/0"}, "redis://default:Summer2024!@cache:6379/0", "redis://default:**********!@cache:6379/0", 1},
		{"a password with escapes in JSON", []string{`{"password":"` + v[:7] + `\"` + v[7:14] + `\\` + v[14:21] + `"}`}, v[:7] + `"` + v[7:14] + `\` + v[14:21], stars(7) + `"` + stars(7) + `\` + stars(7), 1},
		{"whole: at boundaries", []string{"Summer2024!"}, "Summer2024! mySummer2024 Summer20245 (Summer2024)", "**********! mySummer2024 Summer20245 (**********)", 2},
		{"whole: words", []string{"correct horse battery staple"}, "correct-horse battery\r\n staple\n", "************* *******\r\n ******\n", 1},
		{"whole: not in part", []string{"correct horse battery staple"}, "correct horse battery", "correct horse battery", 0},
		{"whole: after an underscore", []string{"Summer2024!"}, "PW_Summer2024_X", "PW_**********_X", 1},
		{"whole: as long as a window", []string{"Summer24", v}, "xSummer24 Summer24", "xSummer24 ********", 1},
		{"whole: of 64 characters in long text", []string{phrase}, strings.Repeat("word", 600) + " " + phrase + " end", strings.Repeat("word", 600) + " " + stars(64) + " end", 1},
		{"symbols behind a quote stay", []string{v}, v[:20] + `"-` + v[20:], stars(20) + `"-` + stars(20), 1},
		{"a word is no secret", []string{"production"}, "in production", "in production", 0},
		{"mask text passes", []string{v}, "**** [REDACTED]", "**** [REDACTED]", 0},
		{"binary and broken UTF-8 pass", []string{v}, "\x00\xff\xc3(\xe2\x82" + v + "\xf0\x9f", "\x00\xff\xc3(\xe2\x82" + stars(40) + "\xf0\x9f", 1},
	}
}

// A value is masked where it stands and nothing else is, wherever the stream is cut.
func TestMasks(t *testing.T) {
	for _, c := range maskCases() {
		t.Run(c.name, func(t *testing.T) {
			for _, cut := range []func(int) int{atOnce, byOne, randomly(newRand(1))} {
				g := guardOf(t, Options{}, c.values...)
				got := feed(g, c.in, false, cut)
				if n := readable(t, c.in, c.want, got); n > 7 {
					t.Errorf("%d characters readable\n got %q\nwant %q", n, got, c.want)
				}
				if g.Leaks() != c.hits {
					t.Errorf("counted %d, want %d", g.Leaks(), c.hits)
				}
			}
			for at := range min(len(c.in), 300) {
				got := feed(guardOf(t, Options{}, c.values...), c.in, false, func(rest int) int {
					if rest == len(c.in) {
						return at
					}
					return rest
				})
				if n := readable(t, c.in, c.want, got); n > 7 {
					t.Fatalf("cut at %d: %d characters readable\n got %q\nwant %q", at, n, got, c.want)
				}
			}
			if got := feed(guardOf(t, Options{}, c.values...), c.in, false, atOnce); got != c.want {
				t.Errorf("in one write\n got %q\nwant %q", got, c.want)
			}
		})
	}
}

// A file of several lines is known where a terminal ends lines with CR LF. Its
// first and last line, and what all keys of a kind begin with, may be read.
func TestLines(t *testing.T) {
	for _, kind := range []int{7, 8} {
		pem := messy(newRand(11), kind)
		g := guardOf(t, Options{}, pem)
		got := feed(g, strings.ReplaceAll(pem, "\n", "\r\n"), false, atOnce)
		_, body, _ := strings.Cut(pem, "\n")
		known := body[:prefixLen([]byte(body))]
		for _, line := range strings.Split(body, "\n") {
			for i := 0; i+8 <= len(line) && line[0] != '-'; i++ {
				if strings.Contains(got, line[i:i+8]) && !strings.Contains(known, line[i:i+8]) {
					t.Errorf("kind %d: %q can be read", kind, line[i:i+8])
				}
			}
		}
		if !strings.Contains(got, "PRIVATE KEY-----\r\n") || g.Leaks() != 1 {
			t.Errorf("kind %d: met %d times in %q", kind, g.Leaks(), got)
		}
	}
}

func TestModes(t *testing.T) {
	v := random(newRand(1), base62, 40)
	for _, c := range []struct {
		mode  Mode
		want  string
		leaks int
	}{
		{Redact, "a " + strings.Repeat("*", 40), 1},
		{Block, "a " + strings.Repeat("*", 40), 1},
		{Warn, "a " + v, 1},
		{Off, "a " + v, 0},
	} {
		text := c.mode.String()
		var back Mode
		if err := back.UnmarshalText([]byte(text)); err != nil || back != c.mode {
			t.Errorf("%s reads back as %v, %v", text, back, err)
		}
		g := guardOf(t, Options{Mode: c.mode}, v)
		if got := feed(g, "a "+v, false, byOne); readable(t, "a "+v, c.want, got) > 3 {
			t.Errorf("%v: got %q", c.mode, got)
		}
		if g.Leaks() != c.leaks {
			t.Errorf("%v: counted %d, want %d", c.mode, g.Leaks(), c.leaks)
		}
	}
	var m Mode
	if err := m.UnmarshalText([]byte("readct")); err == nil || !strings.Contains(err.Error(), `"readct"`) {
		t.Errorf("an unknown mode gives %v", err)
	}
}

func TestReportAndStats(t *testing.T) {
	r := newRand(2)
	v := random(r, base62, 40)
	var prints []Print
	for _, c := range [][2]string{{"TOKEN", v}, {"ALIAS", v}, {"PASSWORD", "Summer2024!"}, {"SHORT", "aB3$"}, {"STAGE", "production"}, {"EMPTY", ""},
		{"PHRASE", strings.Repeat("correct horse battery staple ", 5)}, {"OTHER", random(r, base62, 30)}} {
		prints = append(prints, Fingerprint(testKey, c[0], []byte(c[1])))
	}
	g, report := New(testKey, prints, Options{})
	defer g.Wipe()
	if want := []string{"PASSWORD"}; !slices.Equal(report.Whole, want) {
		t.Errorf("matched whole: %v, want %v", report.Whole, want)
	}
	var unguarded []string
	for _, u := range report.Unguarded {
		unguarded = append(unguarded, u.Name+" "+u.Why)
	}
	if want := []string{
		"SHORT has fewer than 8 letters and digits",
		"STAGE is an ordinary word or number",
		"EMPTY has fewer than 8 letters and digits",
		"PHRASE has no part that is random enough, and is too long to be matched whole",
	}; !slices.Equal(unguarded, want) {
		t.Errorf("unguarded:\n got %q\nwant %q", unguarded, want)
	}
	feed(g, v+" and "+v+" Summer2024", false, byOne)
	if got, want := g.Stats(), []Hit{{Name: "PASSWORD", Count: 1}, {Name: "TOKEN", Count: 2}}; !slices.Equal(got, want) {
		t.Errorf("met %v, want %v: the first name of a value counts", got, want)
	}
}

// Guards of one command's streams look for the same, each in its own stream,
// and one goes on after another is wiped.
func TestAnother(t *testing.T) {
	v := random(newRand(33), base62, 40)
	g, _ := New(testKey, []Print{Fingerprint(testKey, "TOKEN", []byte(v))}, Options{})
	other := g.Another()
	g.Process([]byte(v[:20]))
	if got := feed(other, v[20:]+" "+v, false, atOnce); got != strings.Repeat("*", 20)+" "+strings.Repeat("*", 40) || other.Leaks() != 1 || g.Leaks() != 1 {
		t.Errorf("the other stream: %q, met %d and %d times", got, g.Leaks(), other.Leaks())
	}
	g.Wipe()
	if got := feed(other, "x"+v, false, atOnce); got != "x"+strings.Repeat("*", 40) {
		t.Errorf("after the first was wiped: %q", got)
	}
	if other.Wipe(); other.known != nil || g.known != nil {
		t.Error("wiped guards hold what they knew")
	}
	if got := (&Guard{}).Another().Process([]byte(v)); string(got) != v {
		t.Errorf("another of nothing: %q", got)
	}
}

// Behind a long run of letters and digits twelve characters of a value are
// needed, as eight may be met there by chance; anywhere else eight are enough.
func TestLongRuns(t *testing.T) {
	r := newRand(35)
	v, run := random(r, base62, 40), wrapped(random(r, base62+"+/", 152), 76)
	words := strings.Repeat("some words and numbers 12 ", 8)
	stars := func(n int) string { return strings.Repeat("*", n) }
	for _, c := range []struct{ before, piece, want string }{
		{run, v[10:18], v[10:18]},
		{run, v[10:21], v[10:21]},
		{run, v[10:22], stars(12)},
		{run, v, stars(40)},
		{run + `", "`, v[10:18], stars(8)},
		{run + v[9:10] + `", "`, v[10:18], stars(8)}, // the last of the run may be the value's by chance
		{run + "\x1b[31m", v[10:18], stars(8)},
		{words, v[10:18], stars(8)},
		{v + v, v[10:18], stars(8)},
		{run[:40] + " ", v[10:18], stars(8)},
	} {
		got := feed(guardOf(t, Options{}, v), c.before+c.piece+"!", false, atOnce)
		if got = got[len(c.before):]; got != c.want+"!" {
			t.Errorf("%q behind %.20q…: got %q, want %q", c.piece, c.before, got, c.want)
		}
	}
	slow := feed(guardOf(t, Options{}, v), run+v, true, byOne)[len(run):]
	if want := v[:11] + stars(29); slow != want {
		t.Errorf("letter by letter: got %q, want %q", slow, want)
	}
	g := storedGuard(t, v)
	if got := feed(g, run+v, false, atOnce); got != run+stars(40) {
		t.Errorf("stored: got %q", got[len(run):])
	}
}

// After a flush the matcher goes on where it was.
func TestHold(t *testing.T) {
	v, key := random(newRand(31), base62, 40), random(newRand(32), base32s, 16)
	for _, c := range []struct {
		in   string
		held string
	}{
		{"Continue? [y/N] ", ""},
		{"key " + v[:3], ""},
		{"key " + v[:4], v[:4]},
		{"key sk-" + v[:7], v[:7]},
		{"key " + v[:5] + "\x1b[31m", v[:5] + "\x1b[31m"},
		{"xkey" + v[:5], ""},           // inside a word no value begins
		{"id AKIA" + key[:5], key[:5]}, // but after its own prefix
		{"key " + v[5:11], ""},         // nor with its middle
		{"key " + v[:8], ""},           // masked, not held
		{"key " + v[:8] + "--", "--"},  // may stand inside the value
		{"key " + v[:8] + "-, ", ""},
		{"\x1b[38;5", ""},
		{"\x1b]0;tit", ""},
		{"key " + v[:5] + "\x1b]0;tit", v[:5] + "\x1b]0;tit"}, // the string interrupts the value
		{"key " + v[:5] + "\x1b]0;" + v[:6], v[:5] + "\x1b]0;" + v[:6]},
		{"key \x1b]0;" + v[:6], v[:6]},
		{"\x1b]0;" + v[:6] + "\a", ""}, // it is over
	} {
		g := guardOf(t, Options{}, "sk-"+v, "AKIA"+key)
		in := []byte(c.in)
		out := string(g.Process(in))
		if left := in[len(out):]; !bytes.Equal(left, make([]byte, len(left))) {
			t.Errorf("%q: %q stays in the buffer", c.in, left)
		}
		if g.Held() != (c.held != "") {
			t.Errorf("%q: held is %v", c.in, g.Held())
		}
		if flushed := string(g.Flush()); flushed != c.held || len(out)+len(flushed) != len(c.in) {
			t.Errorf("%q: %q passed, then %q; want %q held", c.in, out, flushed, c.held)
		}
		if g.Held() {
			t.Errorf("%q: still held after a flush", c.in)
		}
	}

	g := guardOf(t, Options{}, "sk-"+v)
	var out string
	for i := range len(v) {
		out += string(g.Process([]byte(v[i:i+1]))) + string(g.Flush())
	}
	if want := v[:7] + strings.Repeat("*", 33); out != want {
		t.Errorf("typed slowly: got %q, want %q", out, want)
	}
}

// How often the end of a chunk is held back for nothing.
func TestHoldIsRare(t *testing.T) {
	g := guardOf(t, Options{}, benchValues(20)...)
	r := newRand(5)
	text := append(buildLog(r, 1<<20), screenful(r, 1<<20)...)
	cuts, held := 0, 0
	for len(text) > 0 {
		n := min(len(text), 1+r.IntN(60))
		g.Process(text[:n])
		text = text[n:]
		cuts++
		if g.Held() {
			held++
		}
	}
	if share := float64(held) / float64(cuts); share > 0.0003 {
		t.Errorf("%d of %d chunk ends held back (%.4f %%)", held, cuts, share*100)
	}
}

// Without a value in it a stream comes out as it went in, whatever it is.
func TestIdentity(t *testing.T) {
	r := newRand(6)
	values := append(benchValues(20), "Summer2024!", "correct horse battery staple")
	for name, text := range map[string][]byte{
		"random":  randomBytes(r, 1<<18),
		"log":     buildLog(r, 1<<18),
		"screen":  screenful(r, 1<<18),
		"escapes": []byte(random(r, "\x1b\x1b[]P\\;0m\b\r\n\x07\x18\x9bé-_+a", 1<<18)),
		"near":    nearMisses(r, values[:20], 1<<18),
	} {
		for _, flush := range []bool{false, true} {
			g := guardOf(t, Options{}, values...)
			got := feed(g, string(text), flush, func(int) int { return 1 + r.IntN(5000) })
			if got != string(text) {
				t.Errorf("%s: output is not input (met: %v)", name, g.Stats())
			}
		}
	}
}

// Between two calls nothing that could be read as a piece of a printed value
// lies in the guard's memory, nor in the buffer it was given.
func TestNothingStaysInMemory(t *testing.T) {
	v := random(newRand(41), base62, 40)
	g, _ := New(testKey, []Print{Fingerprint(testKey, "TOKEN", []byte(v))}, Options{})
	held := 0
	for i, c := range []string{"key=" + v + "\n", "key=" + v[:6], v[6:] + " and ", v[:30], v[30:] + "\x1b]0;" + v + "\x07", "x"} {
		buf := []byte(c)
		g.Process(buf)
		if g.Held() {
			held++
		}
		for where, mem := range map[string][]byte{"arena": bytesOf(g.arena.mem), "tables": bytesOf(g.known.arena.mem), "output": g.out[:cap(g.out)], "buffer": buf} {
			for j := 0; j+8 <= len(v); j++ {
				if bytes.Contains(mem, []byte(v[j:j+8])) {
					t.Errorf("after write %d: %q in the %s", i, v[j:j+8], where)
				}
			}
		}
	}
	if held == 0 {
		t.Error("no write was held back: the test is weaker than it looks")
	}
	g.Wipe()
	g.Wipe()
	defer func() {
		if recover() == nil {
			t.Error("a wiped guard let bytes pass")
		}
	}()
	g.Process([]byte("x"))
}
