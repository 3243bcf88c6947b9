package guard

// prefixes are beginnings that every key of a vendor shares: no secret, and so
// no reason to mask anything. Collected from the rules of gitleaks (config
// b58d3f10), which tests keys in the wild against them. Not there, and from the
// vendors' own descriptions of their keys, are those of Anthropic's OAuth,
// OpenRouter, Groq, xAI, Replicate, Google's OAuth, Doppler's service tokens,
// Supabase, Tailscale and Atlassian. The last ones are what private key files of
// one kind begin with, ahead of the numbers that differ (RFC 5958, RFC 8017,
// OpenSSH's PROTOCOL.key), in base64; a ? is any character, as lengths differ from key to key.
var prefixes = [...]string{
	"sk-proj-", "sk-svcacct-", "sk-admin-", "sk-ant-api03-", "sk-ant-admin01-", "sk-ant-oat01-", "sk-ant-ort01-",
	"sk-or-v1-", "sk-", "pplx-", "gsk_", "xai-", "r8_", "hf_", "api_org_",
	"ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_",
	"glpat-", "glptt-", "glrt-", "gldt-", "glft-", "glimt-", "glagent-", "gloas-", "glsoat-", "glffct-", "glcbt-", "GR1348941",
	"AKIA", "ASIA", "ABIA", "ACCA", "A3T", "ABSK", "bedrock-api-key-",
	"xoxb-", "xoxp-", "xapp-1-", "xoxe.xoxb-1-", "xoxe.xoxp-1-", "xoxe-1-",
	"sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_",
	"AIzaSy", "AIza", "ya29.", "GOCSPX-", "npm_", "pypi-AgEIcHlwaS5vcmc", "rubygems_",
	"SG.", "SK", "s.", "dop_v1_", "doo_v1_", "dor_v1_", "dapi", "lin_api_", "ntn_", "hvs.", "hvb.",
	"dp.pt.", "dp.st.", "ops_eyJ", "A3-", "AGE-SECRET-KEY-1", "shpat_", "shpca_", "shppa_", "shpss_",
	"pscale_tkn_", "pscale_pw_", "pscale_oauth_", "sntryu_", "sntrys_eyJpYXQiO", "glsa_", "glc_", "eyJrIjoi",
	"pul-", "PMAK-", "tfp_", "fo1_", "fm1a_", "fm1r_", "fm2_", "HRKU-AA", "NRAK-", "NRII-", "NRJS-",
	"LTAI", "EAAA", "sq0atp-", "EAAM", "EAAC", "v1.0-", "dt0c01.", "duffel_live_", "duffel_test_", "EZAK", "EZTK",
	"AKCp", "cmVmd", "pnu_", "rdme_", "ico-", "xkeysib-", "sha256~", "AQVN", "YC", "t1.", "sb_secret_", "sbp_", "tskey-auth-", "tskey-client-", "tskey-api-",
	"ATATT3xFfGF0",
	"MII???IBADANBgkqhkiG9w0BAQEFAASC????gg??AgEAAoI???", "MII???IBAAKCA?EA",
	"MHcCAQEEI", "MC4CAQAwBQYDK2VwBCIEI",
	"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg",
	"b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZWQyNTUxOQAAAC",
	"b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAABFwAAAAdzc2gtcnNhAAAAAwEAAQAAAQEA",
}

// infixes stand in the middle, or at the end, of all keys of a vendor: OpenAI's
// name in base64, Terraform Cloud's version, MaxMind's mark.
var infixes = [...]string{"T3BlbkFJ", ".atlasv1.", "_mmk"}

// prefixLen is the length of the longest prefix of a vendor that text begins
// with; line breaks inside it do not count, as long prefixes run over lines.
func prefixLen(text []byte) int {
	longest := 0
	for _, p := range prefixes {
		if n := matchFolded(text, p); n > longest {
			longest = n
		}
	}
	return longest
}

func matchFolded(text []byte, prefix string) int {
	at := 0
	for i := 0; i < len(prefix); i++ {
		for at < len(text) && (text[at] == '\n' || text[at] == '\r') {
			at++
		}
		if at == len(text) || text[at] != prefix[i] && prefix[i] != '?' {
			return 0
		}
		at++
	}
	return at
}
