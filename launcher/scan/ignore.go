package scan

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

// pattern is one line of a .gitignore, as gitignore(5) describes them. git itself is not asked: its configuration lies
// in the directory that is looked at, and can name programs for it to run.
type pattern struct {
	parts    []string // of the path; "**" is any number of them
	negated  bool
	dirOnly  bool
	anchored bool // counts from the file's own directory on
}

// rules are the patterns of one .gitignore.
type rules struct {
	dir      string // with slashes, from the top; "" is the top
	patterns []pattern
}

func parseRules(dir string, text []byte) rules {
	r := rules{dir: dir}
	for line := range bytes.SplitSeq(text, []byte("\n")) {
		if p, ok := parsePattern(string(bytes.TrimSuffix(line, []byte("\r")))); ok {
			r.patterns = append(r.patterns, p)
		}
	}
	return r
}

func parsePattern(line string) (p pattern, ok bool) {
	if strings.HasPrefix(line, "#") {
		return p, false
	}
	for strings.HasSuffix(line, " ") && !strings.HasSuffix(line, `\ `) {
		line = line[:len(line)-1]
	}
	line, p.negated = strings.CutPrefix(line, "!")
	line, p.dirOnly = strings.CutSuffix(line, "/")
	if line == "" {
		return p, false
	}
	p.anchored = strings.Contains(line, "/")
	p.parts = strings.Split(strings.TrimPrefix(line, "/"), "/")
	return p, true
}

// ignores says whether a path, from the top, is left out by the rules of the directories above it. The last pattern that
// matches counts. That a directory above is left out is the caller's to know: nothing in it can be taken back.
func ignores(all []rules, name string, dir bool) bool {
	for i := len(all) - 1; i >= 0; i-- {
		rel := name
		if all[i].dir != "" {
			rel = strings.TrimPrefix(name, all[i].dir+"/")
		}
		for j := len(all[i].patterns) - 1; j >= 0; j-- {
			p := all[i].patterns[j]
			if (dir || !p.dirOnly) && p.match(rel) {
				return !p.negated
			}
		}
	}
	return false
}

func (p pattern) match(name string) bool {
	if !p.anchored {
		return matchPart(p.parts[0], path.Base(name))
	}
	return matchParts(p.parts, strings.Split(name, "/"))
}

// matchParts goes back to the last "**" alone: what the ones before it stand for need not be tried again, which with many of
// them would have no end.
func matchParts(parts, names []string) bool {
	p, n := 0, 0
	last, from := -1, 0 // the last "**", and the name that comes after what it stands for
	for n < len(names) {
		switch {
		case p < len(parts) && parts[p] == "**":
			if p == len(parts)-1 {
				return true
			}
			last, from = p, n
			p++
		case p < len(parts) && matchPart(parts[p], names[n]):
			p, n = p+1, n+1
		case last >= 0:
			from++
			p, n = last+1, from
		default:
			return false
		}
	}
	return p == len(parts)
}

// matchPart is fnmatch(3) without slashes: path.Match takes the same patterns, but for the "!" that negates a set. A
// pattern that is malformed matches nothing.
func matchPart(part, name string) bool {
	ok, err := path.Match(strings.ReplaceAll(part, "[!", "[^"), name)
	return ok && err == nil
}

// maxIgnore bounds what is read of a file of patterns, in bytes.
const maxIgnore = 1 << 20

// readIgnore reads a file of patterns. The repository may be anybody's: a pipe would be waited for, and a link to a device has
// no end. git does not follow links there either.
func readIgnore(name string) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(fs.ErrInvalid, err)
	}
	return io.ReadAll(io.LimitReader(f, maxIgnore))
}

// above gives the rules of the directories from a repository's top down to dir, and dir's path from that top. Without a
// repository around it dir is the top.
func above(dir string) (all []rules, rel string) {
	top := dir
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Lstat(filepath.Join(at, ".git")); err == nil {
			top = at
			break
		}
		if at == filepath.Dir(at) {
			return nil, ""
		}
	}
	rel, err := filepath.Rel(top, dir)
	if err != nil || rel == "." {
		rel = ""
	}
	if text, err := readIgnore(filepath.Join(top, ".git", "info", "exclude")); err == nil {
		all = append(all, parseRules("", text))
	}
	at := ""
	for _, part := range strings.Split(filepath.ToSlash(rel), "/") {
		if part == "" {
			break
		}
		if text, err := readIgnore(filepath.Join(top, at, ".gitignore")); err == nil {
			all = append(all, parseRules(at, text))
		}
		at = path.Join(at, part)
	}
	return all, filepath.ToSlash(rel)
}
