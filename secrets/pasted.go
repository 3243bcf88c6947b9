package secrets

import "strings"

func valueError(scheme string) error {
	return &RefError{
		Scheme: scheme,
		What:   "this looks like a secret's value, not like its name",
		Fix:    "give the name; the value goes in with `ward set NAME`, and may have to leave the shell's history",
	}
}

// looksLikeValue says whether s is more likely a secret than a name for one:
// it begins as a vendor's tokens do, or holds a long random-looking run. A
// missed one is looked up as a name and so printed in "not found"; a name
// wrongly refused costs its owner a rename. Prefixes from gitleaks' rules.
func looksLikeValue(s string) bool {
	for _, vendor := range []struct {
		prefix string
		rest   int // bytes that must follow: 0 where no name begins so
	}{
		{"sk-", 0}, {"sk_live_", 0}, {"sk_test_", 0}, {"rk_live_", 0}, {"rk_test_", 0},
		{"ghp_", 0}, {"gho_", 0}, {"ghu_", 0}, {"ghs_", 0}, {"ghr_", 0}, {"github_pat_", 16},
		{"glpat-", 0}, {"xoxb-", 0}, {"xoxp-", 0}, {"xapp-", 0}, {"shpat_", 0}, {"dop_v1_", 0},
		{"AGE-SECRET-KEY-", 0}, {"-----BEGIN", 0}, {"GOCSPX-", 0}, {"tskey-", 0}, {"pypi-AgE", 0},
		{"AKIA", 12}, {"ASIA", 12}, {"AIza", 20}, {"ya29.", 8}, {"eyJ", 16}, {"SG.", 16}, {"hvs.", 16},
		{"npm_", 30}, {"hf_", 30}, {"gsk_", 30}, {"xai-", 30}, {"pplx-", 30},
	} {
		if strings.HasPrefix(s, vendor.prefix) && len(s) > len(vendor.prefix)+vendor.rest {
			return true
		}
	}
	return randomRun(s)
}

// randomRun finds 24 letters and digits in a row that are mixed as no word is:
// small, capital and digit change at 10 places in 24 (random base62 does at 15,
// CamelCase with a year at 8), or there is nothing but hex.
func randomRun(s string) bool {
	var run, changes, digits, beyondHex int
	var last byte
	for i := range len(s) {
		c, class := s[i], byte('0')
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c >= 'a' && c <= 'z':
			class = 'a'
		case c >= 'A' && c <= 'Z':
			class = 'A'
		default:
			run, changes, digits, beyondHex, last = 0, 0, 0, 0, 0
			continue
		}
		if class != '0' && c|0x20 > 'f' {
			beyondHex++
		}
		if run++; run > 1 && class != last {
			changes++
		}
		last = class
		if run >= 24 && digits >= 2 && (changes*24 >= run*10 || beyondHex == 0) {
			return true
		}
	}
	return false
}
