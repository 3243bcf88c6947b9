package secrets

import (
	"errors"
	"regexp"
	"strings"
	"testing"
)

func TestParseRef(t *testing.T) {
	for _, c := range []struct {
		text string
		want Ref
		env  string
	}{
		{"github_token", Ref{"", "github_token"}, "GITHUB_TOKEN"},
		{"acme/api/token", Ref{"", "acme/api/token"}, "TOKEN"},
		{"a-b", Ref{"", "a-b"}, "A_B"},
		{"2fa", Ref{"", "2fa"}, "_2FA"},
		{"me@example.com", Ref{"", "me@example.com"}, "ME_EXAMPLE_COM"},
		{"npm_token", Ref{"", "npm_token"}, "NPM_TOKEN"},
		{"GITHUB_TOKEN_FOR_PRODUCTION_2024", Ref{"", "GITHUB_TOKEN_FOR_PRODUCTION_2024"}, "GITHUB_TOKEN_FOR_PRODUCTION_2024"},
		{"GoogleCloudServiceAccountKey2024", Ref{"", "GoogleCloudServiceAccountKey2024"}, "GOOGLECLOUDSERVICEACCOUNTKEY2024"},
		{"keyring://nono/openai_api_key", Ref{"keyring", "nono/openai_api_key"}, "OPENAI_API_KEY"},
		{"keyring://ward/acme/api/KEY", Ref{"keyring", "ward/acme/api/KEY"}, "KEY"},
		{"vault://acme/KEY", Ref{"vault", "acme/KEY"}, "KEY"},
		{"op://Infrastructure/Database/password", Ref{"op", "Infrastructure/Database/password"}, "PASSWORD"},
		{"op://My Vault/Größe/extra section/a field", Ref{"op", "My Vault/Größe/extra section/a field"}, "A_FIELD"},
		{"op://v/i/one-time password?attribute=otp", Ref{"op", "v/i/one-time password?attribute=otp"}, "ONE_TIME_PASSWORD_ATTRIBUTE_OTP"},
		{"apple-password://github.com/alice@example.com", Ref{"apple-password", "github.com/alice@example.com"}, "ALICE_EXAMPLE_COM"},
		{"bw://99ee88d2-6046-4ea7-92c2-acac464b1412/field", Ref{"bw", "99ee88d2-6046-4ea7-92c2-acac464b1412/field"}, "FIELD"},
		{"env://DEMO_TOKEN", Ref{"env", "DEMO_TOKEN"}, "DEMO_TOKEN"},
		{"file:///run/secrets/db.pass", Ref{"file", "/run/secrets/db.pass"}, "DB_PASS"},
		{"file:///nix/store/" + strings.Repeat("0a1b", 8) + "-x/key", Ref{"file", "/nix/store/" + strings.Repeat("0a1b", 8) + "-x/key"}, "KEY"},
		{"cmd://gh-token", Ref{"cmd", "gh-token"}, "GH_TOKEN"},
	} {
		got, err := ParseRef(c.text)
		if err != nil || got != c.want {
			t.Errorf("ParseRef(%q) = %+v, %v; want %+v", c.text, got, err, c.want)
		}
		if s := got.String(); s != c.text {
			t.Errorf("%q prints as %q", c.text, s)
		}
		if v := got.Var(); v != c.env {
			t.Errorf("%q loads into %q, want %q", c.text, v, c.env)
		}
	}
}

func TestParseRefRefuses(t *testing.T) {
	for _, c := range []struct{ text, want, hint string }{
		{"", "reference: empty", "NAME or ORG/PROJECT/NAME"},
		{"a//b", "reference: a part between slashes is empty", "NAME"},
		{"/a", "reference: a part between slashes is empty", "NAME"},
		{"a/", "reference: a part between slashes is empty", "NAME"},
		{"a/../b", `reference: "." and ".." cannot be parts of it`, "NAME"},
		{"a b", "reference: names are letters, digits and . _ - @ +, with / between parts", "NAME"},
		{"-rf", "reference: a name begins with a letter, a digit or _", "NAME"},
		{".ssh", "reference: a name begins with a letter, a digit or _", "NAME"},
		{"a\nb", "reference: control characters and invisible ones cannot be in it", "NAME"},
		{"a\u202eb", "reference: control characters and invisible ones cannot be in it", "NAME"},
		{"a\x00b", "reference: control characters and invisible ones cannot be in it", "NAME"},
		{"a\xff", "reference: not valid UTF-8", "NAME"},
		{" a", "reference: begins or ends with a space", "NAME"},
		{strings.Repeat("a/", 600) + "a", "reference: longer than 1024 bytes", "NAME"},
		{"://a", "reference: unknown scheme", "known: keyring"},
		{"valt://a", "reference valt://: unknown scheme", "did you mean vault://NAME?"},
		{"ENV://A", "reference ENV://: unknown scheme", "did you mean env://VARIABLE?"},
		{"keyrings://a/b", "reference keyrings://: unknown scheme", "did you mean keyring://SERVICE/ACCOUNT?"},
		{"https://example.com/x", "reference https://: unknown scheme", "known: keyring"},
		{"op:/a/b/c", "reference: names are letters", "NAME"},
		{"op://vault/item", "reference op://: wrong number of parts", "op://VAULT/ITEM[/SECTION]/FIELD"},
		{"op://a/b/c/d/e", "reference op://: wrong number of parts", "op://"},
		{"keyring://ward", "reference keyring://: wrong number of parts", "keyring://SERVICE/ACCOUNT"},
		{"env://A/B", "reference env://: wrong number of parts", "env://VARIABLE"},
		{"env://A=B", `reference env://: a variable's name cannot hold "="`, "env://VARIABLE"},
		{"file://x/y", "reference file://: the path must be absolute", "file:///PATH"},
		{"file:///a/../b", `reference file://: "." and ".." cannot be parts of it`, "file:///PATH"},
		{"vault://", "reference vault://: empty", "vault://NAME"},
		{"cmd://a/b", "reference cmd://: wrong number of parts", "cmd://NAME"},
	} {
		ref, err := ParseRef(c.text)
		if err == nil {
			t.Errorf("ParseRef(%q) = %+v, want an error", c.text, ref)
			continue
		}
		if !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("ParseRef(%q): %v; want %s", c.text, err, c.want)
		}
		if hint := hintOf(err); !strings.Contains(hint, c.hint) {
			t.Errorf("ParseRef(%q): hint %q lacks %q", c.text, hint, c.hint)
		}
	}
}

// A value in the place of a name must not come back in the error, which ends
// up in logs and in agents' transcripts.
func TestParseRefDoesNotRepeatValues(t *testing.T) {
	var values []string
	for _, prefix := range []string{
		"sk-", "sk-proj-", "sk-ant-api03-", "ghp_", "github_pat_", "glpat-", "xoxb-", "AKIA", "AIza", "eyJ",
		"npm_", "hf_", "sk_live_", "AGE-SECRET-KEY-1", "-----BEGIN OPENSSH PRIVATE KEY-----\n", "vault://ghp_",
		"keyring://ward/sk-", "env://sk-", "postgres://user:", "x=", "pass word ", "op://a/b/sk-ant-",
	} {
		values = append(values, prefix+string(random(36)))
	}
	values = append(values, "0123456789abcdef0123456789abcdef", "aB3"+strings.Repeat("xY7", 9))
	for _, value := range values {
		_, err := ParseRef(value)
		if err == nil {
			t.Errorf("a value with the prefix %.4q was taken for a name", value)
			continue
		}
		secret := value[len(value)-20:]
		if text := err.Error() + hintOf(err); strings.Contains(text, secret) {
			t.Errorf("the error repeats the value: %s", text)
		}
	}
}

func FuzzParseRef(f *testing.F) {
	for _, seed := range []string{"a/b", "op://a/b/c", "file:///a b", "keyring://s/a/b", "env://X", "valt://x", "a\x00", "sk-x", "bw://é"} {
		f.Add(seed)
	}
	variable := regexp.MustCompile(`^[A-Z_][A-Z0-9_]*$`)
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRef(s)
		if err != nil {
			if !errors.As(err, new(*RefError)) || hintOf(err) == "" {
				t.Fatalf("%q: %T without a hint", s, err)
			}
			if len(s) > 24 && strings.Contains(err.Error(), s) {
				t.Fatalf("%v repeats %q", err, s)
			}
			return
		}
		if r.String() != s {
			t.Fatalf("%q prints as %q", s, r)
		}
		if again, err := ParseRef(r.String()); err != nil || again != r {
			t.Fatalf("%q: %+v and then %+v, %v", s, r, again, err)
		}
		if !variable.MatchString(r.Var()) {
			t.Fatalf("%q loads into %q", s, r.Var())
		}
		// What is a name must be one file, and come back from it.
		if r.Scheme == "" {
			if name, ok := nameOf(fileName(s)); !ok || name != s {
				t.Fatalf("%q becomes the file %q, which is %q", s, fileName(s), name)
			}
			if file := fileName(s); file != strings.ToLower(file) || strings.ContainsRune(file, '/') || file == "identity" || file[0] == '.' {
				t.Fatalf("%q becomes the file %q", s, file)
			}
		}
	})
}
