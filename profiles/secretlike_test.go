package profiles

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tailscale/hujson"
)

// People paste keys where names belong. Wherever one stands, as a name or as a value, in quotation marks or
// without, no message and no hint repeats it.
func TestNoMessageHoldsAPastedSecret(t *testing.T) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	random := "a1B2c3"
	for range 40 {
		random += string(alphabet[rand.IntN(len(alphabet))])
	}
	said := 0
	for _, token := range []string{"sk-" + random, "ghp" + "_" + random, random} {
		tree, err := hujson.Parse([]byte(full))
		if err != nil {
			t.Fatal(err)
		}
		for v := range tree.All() {
			old, ok := v.Value.(hujson.Literal)
			if !ok {
				continue
			}
			for _, pasted := range []string{inQuotes(token), inQuotes("op://" + token + "/x"), inQuotes("$" + token), token} {
				v.Value = hujson.Literal(pasted)
				src := tree.Pack()
				p, err := Parse("f", src)
				if err == nil {
					p.dangling()
					continue
				}
				said++
				if text := report(t, err); strings.Contains(text, random[:10]) {
					t.Errorf("%s in the place of %s: %s", pasted, old, strings.ReplaceAll(text, random, "[the secret]"))
				}
			}
			v.Value = old
		}
	}
	if said < 500 {
		t.Errorf("only %d messages were looked at", said)
	}
}

func inQuotes(s string) string { return `"` + s + `"` }

func TestWhatLooksLikeASecret(t *testing.T) {
	digits := strings.Repeat("0123456789", 4)
	for s, want := range map[string]bool{
		"openai_api_key":                       false,
		"acme/api/production-token-2":          false,
		"op://Vault/OpenAI API Key/credential": false,
		"op://v/abcdefghijklmnopqrstuvwxy7/f":  false, // an item id of 1Password
		"0f1e2d3c-0f1e-2d3c-4b5a-0f1e2d3c4b5a": false, // a UUID
		"/nix/store/bash-5.2/bin":              false,
		"sk_production_signing":                false,
		"sk-" + digits:                         true,
		"Bearer sk-" + digits:                  true,
		"x=ghp" + "_" + digits:                 true,
		digits:                                 true,
		"aB1" + strings.Repeat("xY2", 8):       true,
		"-----BEGIN" + " PRIVATE KEY-----":     true,
	} {
		if got := looksSecret(s); got != want {
			t.Errorf("looksSecret(%q) = %v", s, got)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"allow", "allow_hosts", "deny", "filesystem", "network", "inject_mode", "claude"}
	for word, want := range map[string]string{
		"filesytem": "filesystem", "Network": "network", "allow-host": "allow_hosts", "dney": "deny", "injectMode": "inject_mode",
		"cluade": "claude", "x": "", "completely": "", "a": "", strings.Repeat("allow", 1000): "",
	} {
		if got := nearest(word, known); got != want {
			t.Errorf("nearest(%.20q) = %q, want %q", word, got, want)
		}
	}
}
