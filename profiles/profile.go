// Package profiles turns text into intent: it reads a profile (JSON with comments), follows what it
// extends, merges, checks, and says of every rule which file and line it came from. It decides nothing
// about this machine: symbolic links, PATH, what the kernel can enforce and which credential exists are
// the launcher's business. The only files it opens are profiles.
package profiles

import (
	"encoding/json"
	"fmt"
	"time"

	"ward/secrets"
)

// Profile is what one launch is allowed to have. Parse gives one file as it stands; Load gives the whole,
// parents merged in. A Profile printed with encoding/json is a profile file again: it parses to the same
// Profile, origins (Why.File, Why.Line, Sources) apart.
type Profile struct {
	Meta Meta `json:"meta,omitzero"`
	// Extends names the parents. nil: none were named, and Load takes "default"; empty: none are wanted.
	// Load leaves it empty, since the parents are merged in.
	Extends           []NameRule         `json:"extends,omitzero"`
	Commands          []string           `json:"commands,omitempty"` // base names that Select answers to; not inherited
	Filesystem        Filesystem         `json:"filesystem,omitzero"`
	Environment       Environment        `json:"environment,omitzero"`
	EnvCredentials    EnvCredentials     `json:"env_credentials,omitempty"`
	Guard             Guard              `json:"guard,omitzero"`
	Network           Network            `json:"network,omitzero"`
	CredentialCapture map[string]Capture `json:"credential_capture,omitempty"` // by the NAME of cmd://NAME
	CommandArgs       []string           `json:"command_args,omitempty"`       // put before the user's own arguments

	// Sources are the files this profile was made of, parents first. The digests are of the bytes that
	// were parsed, so a check against a pinned digest cannot be raced.
	Sources []Source `json:"-"`
}

// Source is one file that went into a Profile.
type Source struct {
	Name   string   // the name of a built-in or user profile, or the path as it was given
	Path   string   // "" for a built-in
	SHA256 [32]byte // of the content
}

// Meta describes a profile; it is not inherited.
type Meta struct {
	Name        string `json:"name,omitempty"`
	Description string `json:"description,omitempty"`
	Version     string `json:"version,omitempty"`
	Author      string `json:"author,omitempty"`
}

// Why says where a rule comes from. In JSON it is the text alone.
type Why struct {
	File string // a built-in's name, or the path of a file, or (set by others) a flag
	Line int    // 1-based; 0 where there is no line, as for a flag
	Text string // the rule's own "why"; may be empty
}

// String gives "claude:12: reason", and leaves out what is not known.
func (w Why) String() string {
	s := w.File
	if w.Line > 0 {
		s = fmt.Sprintf("%s:%d", s, w.Line)
	}
	if w.Text != "" {
		s += ": " + w.Text
	}
	return s
}

// IsZero reports whether there is nothing to print in JSON.
func (w Why) IsZero() bool { return w.Text == "" }

// MarshalJSON prints the text.
func (w Why) MarshalJSON() ([]byte, error) { return json.Marshal(w.Text) }

// Filesystem holds what may be reached. A grant covers a directory with everything in it, or one file.
// Reading includes executing. A grant whose path is missing is a mistake unless When has "exists" or
// Create says what to make; a missing path in Deny, Protect or Unprotect is none. What is missing in
// Protect can be kept from being made only if Create says what to make: a mount covers what is there.
// Of the rules around a path the longest counts; at equal depth Deny beats Protect beats a grant. The launcher applies them.
type Filesystem struct {
	Allow     []PathRule `json:"allow,omitempty"`   // read and write
	Read      []PathRule `json:"read,omitempty"`    // read
	Write     []PathRule `json:"write,omitempty"`   // write without read
	Deny      []PathRule `json:"deny,omitempty"`    // neither, whatever wider rule grants it
	Protect   []PathRule `json:"protect,omitempty"` // may be read where granted, never changed or replaced
	Unprotect []PathRule `json:"unprotect,omitempty"`
}

type ruleList struct {
	name  string
	rules *[]PathRule
}

// lists gives the lists in the order in which they win at equal depth.
func (f *Filesystem) lists() []ruleList {
	return []ruleList{{"deny", &f.Deny}, {"protect", &f.Protect}, {"allow", &f.Allow}, {"read", &f.Read}, {"write", &f.Write},
		{"unprotect", &f.Unprotect}}
}

// PathRule is a path with its conditions; a profile may write it as the path alone. The path is absolute, or starts with
// ~ or a variable, or is relative to the working directory. It never holds "..". Only in Network.AllowUnixSockets may it
// hold "*". After Expand it is absolute and clean.
type PathRule struct {
	Path string `json:"path"`
	When When   `json:"when,omitzero"`
	// Create is what to make before the launch where the path is missing: "dir", "file" (empty) or "json"
	// (a file holding {}, for programs that take an empty settings file for a damaged one). "" makes nothing.
	Create string `json:"create,omitempty"`
	Why    Why    `json:"why,omitzero"`
}

// When is the condition of a PathRule: in JSON a word, or a list of words that must all hold.
type When struct {
	OS     string // "linux" or "darwin": the rule is for that system only. Expand settles it.
	Exists bool   // "exists": where the path is missing the rule is left out silently. The launcher settles it.
}

// MarshalJSON prints a list of words.
func (w When) MarshalJSON() ([]byte, error) {
	words := []string{}
	if w.OS != "" {
		words = append(words, w.OS)
	}
	if w.Exists {
		words = append(words, "exists")
	}
	return json.Marshal(words)
}

// Environment says which variables of the user's environment reach the command; Decide applies it.
type Environment struct {
	AllowVars []NameRule `json:"allow_vars,omitempty"` // exact, or a prefix with "*"
	DenyVars  []NameRule `json:"deny_vars,omitempty"`  // the same

	SetVars map[string]SetVar `json:"set_vars,omitempty"` // set whatever the user's environment says
}

// NameRule is a name: of a variable, a route, a parent, an exempt credential. A profile may
// write it as the name alone.
type NameRule struct {
	Name string `json:"name"`
	Why  Why    `json:"why,omitzero"`
}

// SetVar gives a variable a value that is no secret. Expand replaces the $VARIABLES in it, but no ~. In a
// profile it may be written as the value alone.
type SetVar struct {
	Value string `json:"value"`
	Why   Why    `json:"why,omitzero"`
}

// EnvCredentials prints as a JSON object from reference to variables.
type EnvCredentials []EnvCredential

// EnvCredential is a secret that the command gets in its environment.
type EnvCredential struct {
	Ref      secrets.Ref `json:"-"`
	Var      string      `json:"var"`
	Optional bool        `json:"optional,omitempty"` // where it is not found the launch goes on without it
	Why      Why         `json:"why,omitzero"`
}

// Guard says what happens to a secret in the output.
type Guard struct {
	Mode   string     `json:"mode,omitempty"`   // redact, block, warn, off; "" is the launcher's default
	Exempt []NameRule `json:"exempt,omitempty"` // credentials, by reference or variable, that are not looked for
	// Files are looked for too, wherever they come up in the output: an agent's own login, which it may read and
	// must not print. One that is missing, or that the launch may not read, is left out, whatever When says.
	Files   []PathRule `json:"files,omitempty"`
	ModeWhy Why        `json:"-"`
}

// Network says what may be reached. An empty Mode is for the launcher to choose; ModeWhy is then empty.
type Network struct {
	Mode              string           `json:"mode,omitempty"` // open, proxy, blocked
	NetworkProfile    string           `json:"network_profile,omitempty"`
	AllowHosts        []HostRule       `json:"allow_hosts,omitempty"`
	DenyHosts         []HostRule       `json:"deny_hosts,omitempty"`
	AllowPorts        []PortRule       `json:"allow_ports,omitempty"` // of loopback
	AllowUnixSockets  []PathRule       `json:"allow_unix_sockets,omitempty"`
	Credentials       []NameRule       `json:"credentials,omitempty"` // routes to enable
	CustomCredentials map[string]Route `json:"custom_credentials,omitempty"`
	ModeWhy           Why              `json:"-"`
	NetworkProfileWhy Why              `json:"-"`
}

// HostRule is a host name or address, in lower case, or "*." and a suffix, which crosses dots.
type HostRule struct {
	Host string `json:"host"`
	Why  Why    `json:"why,omitzero"`
}

// PortRule is a TCP port of the loopback addresses.
type PortRule struct {
	Port uint16 `json:"port"`
	Why  Why    `json:"why,omitzero"`
}

// Route is an upstream that the proxy adds a credential to. Defaults are filled in when it is read:
// inject_mode header, inject_header Authorization, credential_format "Bearer {}" for Authorization and
// "{}" for any other header, path_replacement the same as path_pattern.
type Route struct {
	Upstream         string         `json:"upstream"`       // https, or http to a loopback address
	CredentialKey    Refs           `json:"credential_key"` // tried in order
	Optional         bool           `json:"optional,omitempty"`
	ModelAPI         string         `json:"model_api,omitempty"`         // anthropic, openai, gemini: whose request bodies these are
	InjectMode       string         `json:"inject_mode,omitempty"`       // header, url_path, query_param, basic_auth
	InjectHeader     string         `json:"inject_header,omitempty"`     // header only
	CredentialFormat string         `json:"credential_format,omitempty"` // header only; {} is the value
	PathPattern      string         `json:"path_pattern,omitempty"`      // url_path only; {} is the placeholder
	PathReplacement  string         `json:"path_replacement,omitempty"`  // url_path only
	QueryParamName   string         `json:"query_param_name,omitempty"`  // query_param only
	EnvVar           string         `json:"env_var,omitempty"`           // gets a placeholder, never the value
	EndpointRules    []EndpointRule `json:"endpoint_rules,omitempty"`
	Why              Why            `json:"why,omitzero"`
}

// EndpointRule is a request that a route lets through; where a route has any, it lets through no other.
type EndpointRule struct {
	Method string `json:"method"` // upper case, or "*"
	Path   string `json:"path"`   // starts with "/"; "*" within a segment, "**" across
	Why    Why    `json:"why,omitzero"`
}

// Refs is a list of references that prints as strings.
type Refs []secrets.Ref

// Capture is a command of the user's that prints a credential.
type Capture struct {
	Command []string `json:"command"`
	Timeout Duration `json:"timeout,omitzero"` // 0: the launcher's default
	TTL     Duration `json:"ttl,omitzero"`     // how long an answer is used; 0: the launcher's default
	Why     Why      `json:"why,omitzero"`
}

// Duration prints as "1m30s"; in a profile a bare number is seconds.
type Duration time.Duration

// MarshalJSON prints the duration in Go's notation.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// MarshalJSON prints the references as a list of strings.
func (r Refs) MarshalJSON() ([]byte, error) {
	list := make([]string, len(r))
	for i := range r {
		list[i] = r[i].String()
	}
	return json.Marshal(list)
}

// MarshalJSON prints {REF: [variable, …]}. A Go map would lose the order of the references.
func (s EnvCredentials) MarshalJSON() ([]byte, error) {
	var refs []secrets.Ref
	vars := map[secrets.Ref][]EnvCredential{}
	for _, c := range s {
		if vars[c.Ref] == nil {
			refs = append(refs, c.Ref)
		}
		vars[c.Ref] = append(vars[c.Ref], c)
	}
	out := []byte{'{'}
	for i, ref := range refs {
		if i > 0 {
			out = append(out, ',')
		}
		member, err := json.Marshal(map[string][]EnvCredential{ref.String(): vars[ref]})
		if err != nil {
			return nil, err
		}
		out = append(out, member[1:len(member)-1]...)
	}
	return append(out, '}'), nil
}
