package main_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// agentShard is how many characters in a row of a secret are a leak.
const agentShard = 8

// agentShards is every piece of agentShard characters of some secrets, and
// the name of the secret that it is from.
type agentShards map[string]string

func (s agentShards) add(name, secret string) {
	secret = agentSqueeze(secret)
	for i := 0; i+agentShard <= len(secret); i++ {
		s[secret[i:i+agentShard]] = name
	}
}

// find gives the names of the secrets of which a piece is in text. What is no
// letter or digit does not count, nor do control sequences: a value that
// wraps at the margin or changes its colour is readable all the same.
func (s agentShards) find(text string) map[string]bool {
	found := map[string]bool{}
	text = agentSqueeze(agentPlain(text))
	for i := 0; i+agentShard <= len(text); i++ {
		if name, ok := s[text[i:i+agentShard]]; ok {
			found[name] = true
		}
	}
	return found
}

// agentSqueeze keeps letters and digits only.
func agentSqueeze(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return r
		}
		return -1
	}, text)
}

// agentEscape is a control sequence of a terminal (ECMA-48: CSI, the strings
// that ST or BEL ends, and the short ones).
var agentEscape = regexp.MustCompile("\x1b\\[[0-?]*[ -/]*[@-~]|\x1b[\\]P^_X][^\x07\x1b]*(\x07|\x1b\\\\)|\x1b[ -/]*[0-~]")

func agentPlain(text string) string { return agentEscape.ReplaceAllString(text, "") }

// shards is what must not be seen outside.
func (w *agentWorld) shards() agentShards {
	s := agentShards{}
	s.add("token", w.token)
	s.add("agent's own key", w.apiKey)
	s.add("key file", w.keyFile)
	return s
}

// leaks is what arrived where it must not, sorted. shown names the secrets
// that were seen on the terminal or in the pipes.
func (w *agentWorld) leaks(shown map[string]bool) []string {
	leaks := map[string]bool{}
	for name := range shown {
		leaks[name+" on the terminal"] = true
	}
	for _, sink := range w.outside {
		connections, received := sink.seen()
		if connections > 0 {
			leaks["connection to "+sink.name] = true
		}
		for name := range w.shards().find(received) {
			leaks[name+" at "+sink.name] = true
		}
	}
	if w.shards().find(w.standin.wire())["key file"] {
		leaks["key file at the provider"] = true
	}
	return slices.Sorted(maps.Keys(leaks))
}
