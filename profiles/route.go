package profiles

import (
	"cmp"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"ward/secrets"
)

// injectKeys says which keys belong to which way of adding a credential, the required one first.
var injectKeys = [...]struct {
	mode string
	keys []string
	must string
}{
	{"header", []string{"inject_header", "credential_format"}, ""},
	{"url_path", []string{"path_pattern", "path_replacement"}, "path_pattern"},
	{"query_param", []string{"query_param_name"}, "query_param_name"},
	{"basic_auth", nil, ""}, // the value is user:password
}

// route reads one custom credential and fills in the defaults.
func route(d *decoder, n node, name string) (r Route) {
	r.Why = d.why(n)
	given := d.object(n, fields{
		"upstream":          text(&r.Upstream, checkUpstream),
		"credential_key":    oneOrMore((*[]secrets.Ref)(&r.CredentialKey), func(d *decoder, n node) secrets.Ref { return d.ref(n, d.string(n)) }),
		"optional":          boolean(&r.Optional),
		"model_api":         oneOf(&r.ModelAPI, nil, "anthropic", "openai", "gemini"),
		"inject_mode":       oneOf(&r.InjectMode, nil, "header", "url_path", "query_param", "basic_auth"),
		"inject_header":     text(&r.InjectHeader, checkNoValue, checkHeader),
		"credential_format": text(&r.CredentialFormat, checkPlaceholder),
		"path_pattern":      text(&r.PathPattern, checkPlaceholder, checkURLPath),
		"path_replacement":  text(&r.PathReplacement, checkPlaceholder, checkURLPath),
		"query_param_name":  text(&r.QueryParamName, checkNoValue, checkParameter),
		"env_var":           text(&r.EnvVar, checkVariable, checkNotOurs, checkHarmless),
		"endpoint_rules":    list(&r.EndpointRules, endpointRule),
		"why":               text(&r.Why.Text),
	})
	if given == nil {
		return r
	}
	for _, key := range []string{"upstream", "credential_key"} {
		if _, ok := given[key]; !ok {
			d.fail(n, "", "has no %q", key)
		}
	}
	if _, bad := given["inject_mode"]; bad && r.InjectMode == "" {
		return r // said already; what belongs to it cannot be known
	}
	r.InjectMode = cmp.Or(r.InjectMode, "header")
	for _, k := range injectKeys {
		for _, key := range k.keys {
			if at, ok := given[key]; ok && k.mode != r.InjectMode {
				d.fail(at, `set "inject_mode": "`+k.mode+`", or leave this out`, "does not belong to inject_mode %s", r.InjectMode)
			}
		}
		if _, ok := given[k.must]; k.must != "" && k.mode == r.InjectMode && !ok {
			d.fail(n, "", "inject_mode %s needs %q", k.mode, k.must)
		}
	}
	switch r.InjectMode {
	case "header":
		r.InjectHeader = cmp.Or(r.InjectHeader, "Authorization")
		format := "{}"
		if strings.EqualFold(r.InjectHeader, "Authorization") {
			format = "Bearer {}"
		}
		r.CredentialFormat = cmp.Or(r.CredentialFormat, format)
	case "url_path":
		r.PathReplacement = cmp.Or(r.PathReplacement, r.PathPattern)
	}
	return r
}

func endpointRule(d *decoder, n node) (r EndpointRule) {
	r.Why = d.why(n)
	given := d.object(n, fields{"method": text(&r.Method, checkMethod), "path": text(&r.Path, checkURLPath), "why": text(&r.Why.Text)})
	for _, key := range []string{"method", "path"} {
		if _, ok := given[key]; given != nil && !ok {
			d.fail(n, "", "has no %q", key)
		}
	}
	return r
}

// checkUpstream takes https anywhere and http to this machine only: a credential never crosses a network in
// clear.
func checkUpstream(s string) (what, hint string) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Hostname() == "" {
		return "not a URL", "as in https://api.example.com/v1"
	}
	addr, _ := netip.ParseAddr(u.Hostname())
	local := u.Hostname() == "localhost" || addr.IsLoopback()
	switch {
	case u.User != nil:
		return "holds a user name or password", "store it with `ward set` and use inject_mode basic_auth"
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "holds a query or a fragment", "leave out everything from the ? or # on"
	case u.Scheme == "http" && !local:
		return "http would send the credential in clear", "use https"
	case u.Scheme != "http" && u.Scheme != "https":
		return "neither https nor http", "as in https://api.example.com/v1"
	}
	return "", ""
}

// checkHeader takes a token of RFC 9110 that does not steer the connection itself.
func checkHeader(s string) (what, hint string) {
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r) }) {
		return "not the name of a header", ""
	}
	reserved := []string{"host", "connection", "content-length", "transfer-encoding", "upgrade", "te", "trailer", "expect"}
	if slices.Contains(reserved, strings.ToLower(s)) {
		return "this header steers the connection", "a credential goes into a header of its own"
	}
	return "", ""
}

func checkPlaceholder(s string) (what, hint string) {
	if strings.Count(s, "{}") != 1 {
		return "must hold {} once, where the value goes", `as in "Bearer {}" or "/bot{}/"`
	}
	return checkNoValue(s)
}

func checkURLPath(s string) (what, hint string) {
	if !strings.HasPrefix(s, "/") || strings.ContainsAny(s, " ?#\\") || slices.Contains(strings.Split(s, "/"), "..") {
		return "not a path of a URL", `it starts with / and holds no space, ?, #, \ or ..`
	}
	return "", ""
}

func checkParameter(s string) (what, hint string) {
	if strings.ContainsAny(s, " &=?#/") {
		return "not the name of a query parameter", ""
	}
	return "", ""
}

func checkMethod(s string) (what, hint string) {
	if s != "*" && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return "not a method", `upper case as in "POST", or "*"`
	}
	return "", ""
}

func sortedKeys[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }
