package launcher

import (
	"path/filepath"

	"ward/sandbox"
)

// RecordAt says why the record of this launch is not kept in a file: the command could change what is in it, or leave a
// link there, so that what the next launch records, which holds names that the command chose, would go into another file.
// "" and "-" are no files.
func (p *Plan) RecordAt(path string) error {
	if path == "" || path == "-" {
		return nil
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	dir := filepath.Dir(abs)
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	places := []string{dir, filepath.Join(dir, filepath.Base(abs))}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		places = append(places, real, filepath.Dir(real))
	}
	if at, links := follow(abs); p.planted(links, at) {
		return misled("--audit-log "+path, at)
	}
	for _, at := range places {
		if p.Policy.Explain(at, sandbox.Write).Allowed {
			return Mistake("--audit-log "+path+": the command could change it, since it may write "+at, "name a file that it may not write; --no-audit keeps no record")
		}
	}
	return nil
}
