package guard

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"math/rand/v2"
	"strings"
	"testing"
)

// A value may hold more than one secret, and text that everybody knows. Of each secret enough is left.
func TestMarksLeaveEnoughOfEach(t *testing.T) {
	const small = "abcdefghijklmnopqrstuvwxyz0123456789"
	alphabets := []struct {
		characters string
		bits       float64
	}{{base62, 5.95}, {base62 + "-_", 5.95}, {hexa, 4}, {strings.ToUpper(hexa), 4}, {small, 5.17}, {strings.ToUpper(small), 5.17}}
	for name, value := range composites() {
		t.Run(name, func(t *testing.T) {
			r := newRand(58)
			for _, alphabet := range alphabets {
				for n := 8; n < 100; n += 1 + n/40 {
					text, secrets := filled(r, value, alphabet.characters, n)
					for _, secret := range secrets {
						all, left := uncovered(text, secret)
						if left < all && float64(left+glued)*alphabet.bits < spareBits {
							t.Fatalf("%d of %d characters of %q are in marks of %q", all-left, all, secret, text)
						}
					}
				}
			}
		})
	}
}

// filled gives a value with random secrets of n characters in it, short ones of 8.
func filled(r *rand.Rand, value, alphabet string, n int) (text string, secrets []string) {
	for _, c := range value {
		switch c {
		case '$':
			secrets = append(secrets, random(r, alphabet, n))
		case '#':
			secrets = append(secrets, random(r, alphabet, 8))
		case '^':
		case '~':
			text += strings.ToUpper(secrets[len(secrets)-1])
			continue
		default:
			text += string(c)
			continue
		}
		text += secrets[len(secrets)-1]
	}
	return text, secrets
}

// glued is how many characters of known text may be taken for a part of a secret that they stand at without anything between.
const glued = 2

// uncovered tells how many letters and digits a secret has, and how many of them are in no mark of a value.
func uncovered(value, secret string) (all, left int) {
	wanted := bytes.ToLower(squeeze([]byte(secret)).text)
	hit := make([]bool, len(wanted))
	chosen, _ := chooseMarks(parts([]byte(value)))
	for _, c := range chosen {
		text := bytes.ToLower(c.run.text)
		for from := 0; ; from++ {
			at := bytes.Index(text[from:], wanted)
			if at < 0 {
				break
			}
			from += at
			for i := range wanted {
				hit[i] = hit[i] || c.at <= from+i && from+i < c.at+c.width
			}
		}
	}
	for _, yes := range hit {
		left += oneIf(!yes)
	}
	return len(wanted), left
}

// composites are values with secrets in them: $ is one, # a short one, ^ the last one again, ~ in capitals.
func composites() map[string]string {
	return map[string]string{
		"alone":      "$",
		"names":      "AWS_ACCESS_KEY_ID=$\nAWS_SECRET_ACCESS_KEY= $\nDB=$\n",
		"words":      "the key is $ and the other one $, but never $.",
		"pair":       "$:$",
		"list":       "$,$,$;$|$",
		"a source":   "app:$@tcp(db1.eu:3306)/main?tls=on&loc=UTC",
		"proxy":      "u1:$@10.0.0.7:8080;no=*.x;id=$",
		"prefixes":   "ghp_$ sk-ant-api03-$\nglpat-$",
		"a name":     "prod-database-password-$",
		"NAMES":      "PROD_DATABASE_PASSWORD_$_STAGING_DATABASE_PASSWORD_$",
		"glued":      "mysecretpassword$",
		"behind":     "$mysecretpassword",
		"tail":       "as:app1;on=db01|5432,$",
		"twice":      "A=$\nB=x$\nC=^\n",
		"document":   `{"user":"admin","token":"$","other":{"url":"postgres://admin:$@db.local/main?sslmode=disable&key=$"}}`,
		"percent":    "https://admin:$%21$@db.local/main?key=%41$",
		"yaml":       "users:\n- name: admin\n  token: $\n  client-key: '$'\n",
		"cookies":    "session=$; id=$; Path=/; HttpOnly",
		"short ones": "#-#,#-#,#-#,#-#,#-#,#-#,#-#,#-#,#-#,#-#",
		"lines":      strings.Repeat("#-#-#\n", 20),
		"stored":     "user:$@tcp(db.example.com:3306)/main?parseTime=true&charset=utf8mb4&collation=utf8mb4_unicode_ci",
		"of .NET":    "Server=tcp:x1.database.example.net,1433;Database=a;Uid=u@x1;Pwd=$;Encrypt=yes;",
		"in JS":      `const k={id:"$",secret:"$",url:"https://x.example/$"};`,
		"in Python":  `requests.get("https://x.example",headers={"a":"$"},auth=("u","$"))`,
		"in XML":     `<add key="a" value="$"/><add key="b" value="$"/>`,
		"form":       "client_id=$&client_secret=$&grant_type=refresh_token&refresh_token=$",
		"zeros":      "$\x00$\x00$",
		"controls":   "$\x1b$\v$",
		"dots":       "$·$·$",
		"bot":        "xoxb-206040702755-7591185344659-$",
		"between":    "$-206040702755-$",
		"service":    "T9IKZ78VI/B0V3MUOK88G/$",
		"hook":       "HOOK=https://example.com/api/webhooks/0346311191916837961/$\nA=1",
		"UUID":       "33db5829-021f-4f5a-ae02-55ac10b1f195/$-33db5829-021f-4f5a-ae02-55ac10b1f195",
		"time":       "20240612T101112Z-$",
		"seconds":    "1718187072_$",
		"doubled":    "$_^",
		"at once":    "$^",
		"thrice":     "$/^/^-$",
		"capitals":   "$:~",
		"codes":      "#-#_#/#-#-#-#-#-#-#-#-#-#-#-#-#",
	}
}

// A key file holds what everybody knows, too: its public half, and how it is written. Of the secret half enough is left.
func TestMarksLeaveEnoughOfKeys(t *testing.T) {
	for range 50 {
		secret := make([]byte, 32)
		crand.Read(secret)
		key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), secret)
		if err != nil {
			t.Fatal(err)
		}
		short, _ := x509.MarshalECPrivateKey(key)
		long, _ := x509.MarshalPKCS8PrivateKey(key)
		edwards, _ := x509.MarshalPKCS8PrivateKey(ed25519.NewKeyFromSeed(secret))
		for _, der := range [][]byte{short, long, edwards} {
			text := base64.StdEncoding.EncodeToString(der)
			at := bytes.Index(der, secret)
			half := text[(at*8+5)/6 : (at+32)*8/6]
			for _, value := range []string{text, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))} {
				if all, left := uncovered(value, half); 256-6*(all-left) < spareBits {
					t.Fatalf("%d of %d characters of the secret half are in marks of %s", all-left, all, value)
				}
			}
		}
	}
}

// Of base64 of a text there are no marks: what is known of the text leads to them. What is random beside it has some.
func TestMarksOfBase64(t *testing.T) {
	r := newRand(60)
	for name, text := range map[string]string{
		"login":  "administrator:" + random(r, base62, 60),
		"hex":    "x-access-token:" + random(r, hexa, 80),
		"JSON":   `{"username":"admin","password":"` + random(r, base62, 40) + `","auth":"` + random(r, base62, 40) + `"}`,
		"PEM":    "-----BEGIN PRIVATE KEY-----\n" + random(r, base62, 64) + "\n" + random(r, base62, 64) + "\n-----END PRIVATE KEY-----\n",
		"UTF-16": strings.ReplaceAll(random(r, base62, 80), "", "\x00"),
	} {
		for shift := range 3 {
			key := random(r, base62, 36)
			for _, e := range []*base64.Encoding{base64.StdEncoding, base64.RawURLEncoding} {
				encoded := e.EncodeToString([]byte(text[shift:]))
				for _, value := range []string{encoded, "A=" + encoded + "\nB=x", "Basic " + encoded, "x" + encoded} {
					if all, left := uncovered(value, encoded); left < all {
						t.Errorf("%s: %d of %d characters are in marks of %q", name, all-left, all, value)
					}
				}
				if all, left := uncovered(encoded+"."+key, key); all-left != minWidth {
					t.Errorf("%s: %d characters of the key beside it are in marks", name, all-left)
				}
			}
		}
	}
}

// What private RSA keys begin with, ahead of the modulus, is known, whatever the lengths of their numbers. It is in no mark.
func TestMarksOfRSA(t *testing.T) {
	r := newRand(61)
	for _, size := range []int{2048, 3072, 4096} {
		for less := range 6 {
			modulus, all := size/8+1, size*9/16+40-less
			inner := []byte{0x30, 0x82, byte(all >> 8), byte(all), 2, 1, 0, 2, 0x82, byte(modulus >> 8), byte(modulus), 0}
			outer := []byte{0x30, 0x82, byte((all + 26) >> 8), byte(all + 26), 2, 1, 0, 0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 1, 5, 0,
				4, 0x82, byte((all + 4) >> 8), byte(all + 4)}
			for _, header := range [][]byte{inner, append(outer, inner...)} {
				text := base64.StdEncoding.EncodeToString(append(header, randomBytes(r, all)...))
				known := text[:len(header)*8/6]
				if n := prefixLen([]byte(text)); n < len(known)-1 || n > len(known) {
					t.Errorf("%d of the first %d characters of %s are known", n, len(known), text[:60])
				}
				value := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: append(header, randomBytes(r, all)...)}))
				if all, left := uncovered(value, known); left < all {
					t.Errorf("%d of %d characters that all keys begin with are in marks of %s", all-left, all, value)
				}
			}
		}
	}
}
