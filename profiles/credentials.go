package profiles

import (
	_ "embed"
	"errors"
)

//go:embed credentials.json
var credentialPaths []byte

// Credentials gives the paths that stay masked under every wider grant, with their reasons, as they are in
// credentials.json: some name a system, and all need ExpandPaths.
func Credentials() ([]PathRule, error) {
	d := &decoder{file: "credentials", src: credentialPaths}
	var rules []PathRule
	if root, ok := d.root(); ok {
		d.object(root, fields{"credentials": paths(&rules, false, checkNoGlob)})
	}
	if err := d.err(); err != nil {
		return nil, errors.Join(errors.New("built-in credential paths"), err)
	}
	return rules, nil
}
