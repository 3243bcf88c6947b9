package guard

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// Outputs of SipHash-1-3 for the key 00 01 … 0f and the texts "", 00, 00 01, …
// as the core library of Rust tests them; the layout is that of the vectors
// that the authors of SipHash published for the variant 2-4.
func TestSipHash(t *testing.T) {
	key, _ := hex.DecodeString("000102030405060708090a0b0c0d0e0f")
	k0, k1 := binary.LittleEndian.Uint64(key), binary.LittleEndian.Uint64(key[8:])
	var text []byte
	for n, want := range strings.Fields(`
		dcc40f055801acab 93ca577df39bf4c9 4dd4c74d029bcb82 fbf7dde7b80af88b 2883d388605775cf 673b53492fd5f9de
		a7229fc5502b0dc5 4011b19b987d92d3 8e9a298d11959036 e43d066cb38ea425 7f09ff92ee85de79 52c34df9c118c170
		a2d9b457b184a378 a7ff29120c766f30 345df9c011a15a60 5699512a6dd820d3`) {
		got := binary.LittleEndian.AppendUint64(nil, siphash(k0, k1, text))
		if hex.EncodeToString(got) != want {
			t.Errorf("%d bytes: got %x, want %s", n, got, want)
		}
		text = append(text, byte(n))
	}
}

// plainWindows tells of the windows of a value itself, in no encoding.
func plainWindows(p Print, value string) (narrowest, widest, windows int) {
	for _, part := range parts([]byte(value)) {
		s := squeeze(part.text)
		for _, w := range s.pick() {
			if windows++; windows == 1 || int(w.width) < narrowest {
				narrowest = int(w.width)
			}
			widest = max(widest, int(w.width))
		}
	}
	for _, g := range p.groups {
		if g.whole {
			return int(g.width), int(g.width), 1
		}
	}
	return narrowest, widest, windows
}

// What of a value has windows, by the places of its characters.
func TestWindows(t *testing.T) {
	r := newRand(17)
	v := random(r, base62, 40)
	h := random(r, hexa, 40)
	for _, c := range []struct {
		name, value string
		cover       cover
		narrowest   int
		widest      int
		least       int // windows
		prefix      int // characters of the value before the first window
	}{
		{"letters and digits", v, byWindows, 8, 8, 32, 0},
		{"hexadecimal", h, byWindows, 12, 12, 27, 0},
		{"hexadecimal in capitals", strings.ToUpper(h), byWindows, 12, 12, 27, 0},
		{"base32s", "AKIA" + random(r, base32s, 16), byWindows, 12, 12, 4, 4},
		{"after a prefix", "sk-ant-api03-" + v, byWindows, 8, 8, 32, 10},
		{"digits", random(r, digits, 40), asWhole, 40, 40, 1, 0},
		{"7 characters", v[:7], tooShort, 0, 0, 0, 0},
		{"8 characters", v[:8], byWindows, 8, 8, 1, 0},
		{"8 hexadecimal", h[:8], asWhole, 8, 8, 1, 0},
		{"8 once symbols are dropped", "!a#b$c%d&e/f(g", tooShort, 0, 0, 0, 0},
		{"one character", strings.Repeat("A", 40), asWhole, 40, 40, 1, 0},
		{"a word", "development", tooCommon, 0, 0, 0, 0},
		{"a place", "eu-central-1", tooCommon, 0, 0, 0, 0},
		{"a password of words", "correct horse battery staple", asWhole, 25, 25, 1, 0},
		{"a long path", strings.Repeat("/home/user/project", 6), tooLong, 0, 0, 0, 0},
	} {
		p := Fingerprint(testKey, c.name, []byte(c.value))
		narrowest, widest, windows := plainWindows(p, c.value)
		if p.cover != c.cover || narrowest != c.narrowest || widest != c.widest || windows < c.least {
			t.Errorf("%s: %v, %d windows of %d to %d; want %v, %d of %d to %d", c.name,
				p.cover, windows, narrowest, widest, c.cover, c.least, c.narrowest, c.widest)
		}
		h := newHasher(testKey)
		squeezed := squeeze([]byte(c.value)).text[c.prefix:]
		if len(p.heads) > 0 && p.heads[0].tag != h.head(squeezed) {
			t.Errorf("%s: the first window is not at character %d", c.name, c.prefix)
		}
	}
}

// A window ends at almost every character of any key from the eighth (or
// twelfth) on: what is printed slowly is masked all the same.
func TestKeysAreCovered(t *testing.T) {
	r := newRand(19)
	characters, readable := 0, 0
	for i := range 800 {
		const head = 7
		if i%16 == 7 || i%16 == 15 {
			continue // begins with numbers, or with claims, which are no secret
		}
		value := apiKey(r, i)
		out := feed(guardOf(t, Options{}, value), value, true, byOne)
		secrets := parts([]byte(value))
		for _, part := range secrets {
			at := strings.Index(value, string(part.text))
			shown := squeeze([]byte(strings.ReplaceAll(out[at:at+len(part.text)], "*", "x"))).text
			readable -= head
			for j, c := range squeeze(part.text).text {
				characters++
				if shown[j] == c && c != 'x' {
					readable++
				}
			}
		}
	}
	if share := float64(readable) / float64(characters); share > 0.005 {
		t.Errorf("%d of %d characters readable besides the heads", readable, characters)
	}
	t.Logf("%d of %d characters readable besides the heads", readable, characters)
}

func TestParts(t *testing.T) {
	for _, c := range []struct{ value, want string }{
		{"abc", "abc"},
		{"sk-ant-api03-abc", "abc"},
		{"sk-abc", "abc"},
		{"sk-proj-abc" + infixes[0] + "def", "abc|def"},
		{"abc.atlasv1.def", "abc|def"},
		{"abc_mmk", "abc|"},
		{"-----BEGIN X-----\nabc\ndef\n-----END X-----\n", "abc\ndef\n"},
		{"-----BEGIN X-----", ""},
		{`-----BEGIN X-----\nabc\ndef\n-----END X-----\n`, "abc\ndef|"},
		{`KEY="-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAKCAQEAxyz\n-----END RSA PRIVATE KEY-----"`, `KEY="|xyz|"`},
		{"-----BEGIN X-----abc-----END X-----", "abc"},
		{"-----", ""},
		{"eyJhbGci.eyJzdWIi.sig", "sig"},
		{"eyJhbGci", "eyJhbGci"},
		{"a.b.c", "a.b.c"},
		{"-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAKCAQEAxyz", "xyz"},
		{"postgres://billing:abc@db.internal:5432/prod?sslmode=require", "prod|billing|abc*|require"},
		{"https://abc@github.com/x", "x|abc*"},
		{"https://u:a/b@host/x", "x|u|a/b*"},
		{"https://hooks.slack.com/services/T0/B1/abc", "services|T0|B1|abc"},
		{"https://host/p?sig=abc%2Fdef&v=1#frag", "p|abc%2Fdef*|abc/def*|1|frag"},
		{"redis://:abc@cache:6379/0", "0|abc*"},
		{"see https://host/x", "see https://host/x"},
		{`{"type":"x","private_key":"-----BEGIN K-----\nabc\ndef\n-----END K-----\n","n":1,"list":["y",{"token":"sk-ant-api03-z"}]}`, "x|abc*|def*|y|z*"},
		{`{"password":"a\"b\\c\/d\u0041e\tf","url":"redis:\/\/:abc@cache\/0"}`, "a\"b\\c/dAe\tf*|0|abc*"},
		{`{"key":"-----BEGIN K-----\nab\/c\nde\n-----END K-----\n"}`, "ab/c\nde\n*"},
		{`{"broken":"x`, `{"broken":"x`},
		{"Server=tcp:db,1433;User ID=me;Password=abc;Encrypt=True", "tcp:db,1433|me|abc*|True"},
		{"AccountName=me;AccountKey=abc==;EndpointSuffix=core", "me|abc==*|core"},
		{"host=db user=me password='abc'", "db|me|abc*"},
		{"a=b", "a=b"},
		{"one two=three", "one two=three"},
	} {
		var got []string
		for _, p := range parts([]byte(c.value)) {
			text := string(p.text)
			if p.claim > claimNothing {
				text += "*"
			}
			got = append(got, text)
		}
		if strings.Join(got, "|") != c.want {
			t.Errorf("%q: got %q, want %q", c.value, got, c.want)
		}
	}
}

// Neither a key nor a print shows what it holds, however it is printed.
func TestNotPrinted(t *testing.T) {
	key, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	other, _ := NewKey()
	if key == other {
		t.Error("two keys are the same")
	}
	text, _ := json.Marshal(map[string]any{"key": key})
	for _, got := range []string{fmt.Sprint(key), fmt.Sprintf("%x %d %v %+v %#v", key, key, key, key, key), string(text)} {
		if strings.Contains(got, fmt.Sprintf("%x", key[:4])) || strings.Contains(got, fmt.Sprint(key[0], " ", key[1])) || !strings.Contains(got, "[key]") {
			t.Errorf("the key shows: %s", got)
		}
	}
	frame, _ := Fingerprint(key, "NAME", []byte(fuzzValue)).AppendBinary(nil)
	for i := 0; i+4 <= len(fuzzValue); i++ {
		if bytes.Contains(frame, []byte(fuzzValue[i:i+4])) {
			t.Errorf("the print holds %q", fuzzValue[i:i+4])
		}
	}
	if again, _ := Fingerprint(other, "NAME", []byte(fuzzValue)).AppendBinary(nil); bytes.Equal(frame[len(frame)-100:], again[len(again)-100:]) {
		t.Error("two keys give the same print")
	}
}

// However many passwords a value holds, its print can be sent.
func TestManyPasswords(t *testing.T) {
	r := newRand(5)
	list := make([]string, 600)
	for i := range 300 {
		list[i], list[300+i] = fmt.Sprintf(`{"key":"%s"}`, random(r, base62, 20)), fmt.Sprintf(`{"password":"Summer%dx"}`, 2000+i)
	}
	frame, err := Fingerprint(testKey, "NAME", []byte("["+strings.Join(list, ",")+"]")).AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ReadPrint(bytes.NewReader(frame)); err != nil {
		t.Error(err)
	}
}
