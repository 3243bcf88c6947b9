package guard

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// Values for tests are made as they run: none of them stands in a file.

const (
	digits  = "0123456789"
	hexa    = digits + "abcdef"
	letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	base62  = digits + letters
	base64u = base62 + "-_"
	base32s = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
)

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 2)) }

// random gives n characters of an alphabet.
func random(r *rand.Rand, alphabet string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(b)
}

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// apiKey gives a key in the shape of one of the vendors.
func apiKey(r *rand.Rand, i int) string {
	switch i % 16 {
	case 0:
		return "sk-ant-api03-" + random(r, base64u, 93) + "AA"
	case 1:
		return "sk-proj-" + random(r, base64u, 74) + infixes[0] + random(r, base64u, 74)
	case 2:
		return "ghp_" + random(r, base62, 36)
	case 3:
		return "github_pat_" + random(r, base62, 22) + "_" + random(r, base62, 59)
	case 4:
		return "glpat-" + random(r, base64u, 20)
	case 5:
		return "AKIA" + random(r, base32s, 16)
	case 6:
		return random(r, base62+"/+", 40)
	case 7:
		return "xoxb-" + random(r, digits, 12) + "-" + random(r, digits, 13) + "-" + random(r, base62, 24)
	case 8:
		return "sk_live_" + random(r, base62, 24)
	case 9:
		return "AIzaSy" + random(r, base64u, 33)
	case 10:
		return "npm_" + random(r, base62, 36)
	case 11:
		return "SG." + random(r, base64u, 22) + "." + random(r, base64u, 43)
	case 12:
		return "dop_v1_" + random(r, hexa, 64)
	case 13:
		return "dapi" + random(r, hexa, 32)
	case 14:
		return "hf_" + random(r, letters, 34)
	}
	claims := fmt.Sprintf(`{"sub":"%s","name":"John Doe","iat":1516239022}`, random(r, digits, 10))
	return strings.Join([]string{
		base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)),
		base64.RawURLEncoding.EncodeToString([]byte(claims)),
		base64.RawURLEncoding.EncodeToString(randomBytes(r, 32)),
	}, ".")
}

var nouns = strings.Fields("staging production database primary customer invoice worker gateway session " +
	"backend frontend service account release machine project analytics mailer storage archive")

// messy gives what else people keep in .env files.
func messy(r *rand.Rand, i int) string {
	word := func() string { return nouns[r.IntN(len(nouns))] }
	switch i % 16 {
	case 0:
		return fmt.Sprintf("postgres://%s:%s@db.%s.internal:5432/%s?sslmode=require", word(), random(r, base62, 16), word(), word())
	case 1:
		return "/home/" + word() + "/" + word() + "/config/" + word() + ".yaml"
	case 2:
		return word() + "." + word() + "@example.com"
	case 3:
		h := random(r, hexa, 32)
		return strings.Join([]string{h[:8], h[8:12], "4" + h[13:16], "a" + h[17:20], h[20:]}, "-")
	case 4:
		return random(r, hexa, 40)
	case 5:
		return "https://hooks.slack.com/services/T" + random(r, base32s, 8) + "/B" + random(r, base32s, 8) + "/" + random(r, base62, 24)
	case 6:
		return random(r, digits, 8)
	case 7:
		der := append([]byte{0x30, 0x82, 0x04, 0xa4, 0x02, 0x01, 0x00, 0x02, 0x82, 0x01, 0x01, 0x00}, randomBytes(r, 1180)...)
		return pemFile("RSA PRIVATE KEY", der, 64)
	case 8:
		der := append([]byte("openssh-key-v1\x00\x00\x00\x00\x04none\x00\x00\x00\x04none\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x33\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20"), randomBytes(r, 32)...)
		return pemFile("OPENSSH PRIVATE KEY", append(der, randomBytes(r, 140)...), 70)
	case 9:
		return fmt.Sprintf(`{"type":"service_account","project_id":"%s-%s","private_key_id":"%s","client_email":"%s@%s.iam.gserviceaccount.com","token_uri":"https://oauth2.googleapis.com/token"}`,
			word(), random(r, digits, 6), random(r, hexa, 40), word(), word())
	case 10:
		return []string{"eu-central-1", "us-east-1", "ap-southeast-2", "europe-west4"}[r.IntN(4)]
	case 11:
		return strings.Join([]string{word(), word(), word(), word()}, " ")
	case 12:
		return word() + random(r, digits, 4) + "!"
	case 13:
		return "redis://:" + random(r, base62, 32) + "@cache." + word() + ".svc.cluster.local:6379/0"
	case 14:
		return "Server=tcp:" + word() + ".database.windows.net,1433;User ID=" + word() + ";Password=" + random(r, base62+"!#%", 20) + ";Encrypt=True"
	}
	return word()
}

func pemFile(kind string, der []byte, width int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "-----BEGIN %s-----\n", kind)
	for text := base64.StdEncoding.EncodeToString(der); text != ""; {
		n := min(width, len(text))
		b.WriteString(text[:n] + "\n")
		text = text[n:]
	}
	fmt.Fprintf(&b, "-----END %s-----\n", kind)
	return b.String()
}

func base64Of(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func reversed(s string) string {
	b := []byte(s)
	slices.Reverse(b)
	return string(b)
}
