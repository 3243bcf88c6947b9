package detect

import (
	"os"
	"slices"
	"strconv"
)

// maxEnviron bounds what is read of an environment; the kernel's own limit is
// a quarter of the stack's.
const maxEnviron = 8 << 20

// startEnviron looks up marks in the environment that a process was started
// with. An environment holds secrets: it goes through one small piece of
// memory that is overwritten, and only the values of marks stay. It finds
// nothing where the file may not be read.
func startEnviron(pid int) func(string) (string, bool) {
	found := map[string]string{}
	if f, err := os.Open("/proc/" + strconv.Itoa(pid) + "/environ"); err == nil {
		defer f.Close()
		s := environScan{wanted: markNames(), found: found}
		var piece [4096]byte
		for total := 0; total < maxEnviron; {
			n, err := f.Read(piece[:])
			for _, b := range piece[:n] {
				s.add(b)
			}
			clear(piece[:n])
			if total += n; err != nil || n == 0 {
				break
			}
		}
		clear(s.name[:])
	}
	return func(name string) (string, bool) {
		v, ok := found[name]
		return v, ok
	}
}

// markNames lists every variable that Inspect looks up.
func markNames() []string {
	names := []string{"WARD", "AI_AGENT"}
	for _, s := range signatures() {
		for _, m := range s.marks {
			names = append(names, m.name)
		}
	}
	return names
}

// environScan reads NAME=VALUE words that end in zeros, byte by byte.
type environScan struct {
	wanted []string
	found  map[string]string

	name   [64]byte // longer ones are no marks
	length int
	value  []byte
	state  int
}

// The states of an environScan.
const (
	inName = iota
	inValue
	skipping // until the word ends
)

func (s *environScan) add(b byte) {
	switch {
	case b == 0:
		if s.state == inValue {
			s.found[string(s.name[:s.length])] = string(s.value)
		}
		s.state, s.length, s.value = inName, 0, nil
	case s.state == inName && b == '=':
		s.state = skipping
		if slices.Contains(s.wanted, string(s.name[:s.length])) {
			s.state = inValue
		}
	case s.state == inName && s.length == len(s.name):
		s.state = skipping
	case s.state == inName:
		s.name[s.length] = b
		s.length++
	case s.state == inValue && len(s.value) < 256:
		s.value = append(s.value, b)
	}
}
