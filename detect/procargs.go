package detect

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// parseProcargs takes what sysctl kern.procargs2 gives on macOS apart: the number of
// words, the file that was executed, zeros up to an aligned address, the words, and
// then the environment, which is left alone.
func parseProcargs(raw []byte) (exe string, argv []string) {
	if len(raw) < 4 {
		return "", nil
	}
	words := int(int32(binary.NativeEndian.Uint32(raw)))
	path, rest, _ := bytes.Cut(raw[4:], []byte{0})
	rest = bytes.TrimLeft(rest, "\x00")
	for range words {
		word, more, found := bytes.Cut(rest, []byte{0})
		if !found {
			break
		}
		argv, rest = append(argv, string(word)), more
	}
	// A title overwrites the words and leaves zeros.
	for len(argv) > 0 && argv[len(argv)-1] == "" {
		argv = argv[:len(argv)-1]
	}
	return strings.Clone(string(path)), argv
}
