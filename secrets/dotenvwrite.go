package secrets

import (
	"bytes"
	"io"
	"strings"
	"unicode/utf8"
)

// WriteDotenv writes one line of a .env file, or several, that ReadDotenv reads
// back as the same value. What such a file cannot hold (a NUL byte, text that is
// not UTF-8) is an error, and nothing was written then.
func WriteDotenv(w io.Writer, name string, value *Buffer) error {
	if what := badVariable(name); what != "" {
		return &metaError{what, ""}
	}
	return value.Use(func(v []byte) error {
		if bytes.IndexByte(v, 0) >= 0 || !utf8.Valid(v) {
			return &metaError{"is not text, and a .env file holds nothing else", "ward get --raw prints it"}
		}
		if _, err := io.WriteString(w, name+"="); err != nil {
			return err
		}
		// In single quotes all readers agree, but for what ends them and for backslashes.
		if !bytes.ContainsAny(v, "'\\\r") {
			return writeAll(w, []byte{'\''}, v, []byte("'\n"))
		}
		if err := writeAll(w, []byte{'"'}); err != nil {
			return err
		}
		for len(v) > 0 {
			plain := v
			if i := bytes.IndexAny(v, "\"\\$\r\n\t"); i >= 0 {
				plain = v[:i]
			}
			if err := writeAll(w, plain); err != nil {
				return err
			}
			if v = v[len(plain):]; len(v) == 0 {
				break
			}
			special := v[0]
			if i := strings.IndexByte("\r\n\t", special); i >= 0 {
				special = "rnt"[i]
			}
			if err := writeAll(w, []byte{'\\', special}); err != nil {
				return err
			}
			v = v[1:]
		}
		return writeAll(w, []byte("\"\n"))
	})
}

func writeAll(w io.Writer, parts ...[]byte) error {
	for _, p := range parts {
		if _, err := w.Write(p); err != nil {
			return err
		}
	}
	return nil
}
