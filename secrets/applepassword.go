package secrets

import (
	"context"
	"errors"
	"runtime"
	"strings"
)

// ApplePasswords reads apple-password://SERVER/ACCOUNT: an internet password of
// the macOS keychains, by `security find-internet-password -s SERVER -a ACCOUNT
// -g`. With -g, security says whether it wrote the password in quotes or in hex;
// with -w it does not, and a key in hex could not be told from another one's
// bytes (as measured on macOS 26.6, in public). Nothing is trimmed. What is only
// in iCloud's own keychain, security cannot read.
type ApplePasswords struct {
	*Runner
	Path string // of security; "" is /usr/bin/security on macOS, and nowhere else
}

// Fetch reads the password.
func (p ApplePasswords) Fetch(ctx context.Context, path string) (*Buffer, error) {
	ref, err := ParseRef("apple-password://" + path)
	if err != nil {
		return nil, err
	}
	e := &Error{Name: path, Where: "Apple's keychain"}
	program := p.Path
	if program == "" && runtime.GOOS == "darwin" {
		program = "/usr/bin/security"
	}
	if program == "" {
		e.Err, e.Fix = errors.New("there is one on macOS only"), "name another place for this system: the keyring, op, bw"
		return nil, e
	}
	server, account, _ := strings.Cut(ref.Path, "/")
	a, err := p.run(ctx, job{
		argv: []string{program, "find-internet-password", "-s", server, "-a", account, "-g"}, onStderr: true, most: 7*MaxValue + 64,
	})
	if err != nil {
		return nil, failed(path, e.Where, "security", "it is part of macOS", err)
	}
	defer a.destroy()
	if err := a.ended(); err != nil {
		return nil, securityError(e, server, account, a.status.ExitStatus(), err)
	}
	value, err := readSecurity(a.value)
	if err != nil {
		e.Err, e.Fix = err, "see what it is: security find-internet-password -s "+pasteable(server)+" -a "+pasteable(account)
		return nil, e
	}
	return value, nil
}

// securityError reads the exit status, which is the low byte of the system's
// error: errSecItemNotFound -25300, errSecInteractionNotAllowed -25308,
// errSecAuthFailed -25293, errSecUserCanceled -128.
func securityError(e *Error, server, account string, status int, ended error) error {
	switch status {
	case 44:
		e.Err, e.Fix = ErrNotFound, "security find-internet-password -s "+pasteable(server)+" shows the accounts of that server; what is only in iCloud cannot be read by programs"
	case 36:
		e.Err, e.Fix = &because{"the keychain is locked, and there is nobody to ask here", ErrLocked}, "security unlock-keychain"
	case 51:
		e.Err, e.Fix = &because{"the keychain's password was wrong", ErrLocked}, "security unlock-keychain"
	case 128:
		e.Err, e.Fix = &because{"the request was dismissed", ErrLocked}, "run it again and allow it in the window that macOS shows"
	default:
		e.Err = &because{"security gave up: " + ended.Error(), ended}
		e.Fix = "see what it says: security find-internet-password -s " + pasteable(server) + " -a " + pasteable(account)
	}
	return e
}

// readSecurity reads the line of -g: `password: "TEXT"` where all of it is
// printable ASCII without a backslash (a quote stands for itself), else
// `password: 0xHEX`, then the text with escapes; after an empty one nothing.
func readSecurity(said *Buffer) (value *Buffer, err error) {
	err = said.Use(func(data []byte) error {
		line, found := afterLine(data, "password: ")
		switch {
		case !found:
			return errors.New("security printed no password")
		case len(line) == 0:
			return errors.New("the password is empty")
		case len(line) >= 2 && line[0] == '"' && line[len(line)-1] == '"':
			return fill(&value, len(line)-2, func(out []byte) { move(out, line[1:len(line)-1]) })
		case len(line) > 2 && line[0] == '0' && line[1] == 'x':
			digits := 0
			for digits < len(line)-2 {
				if _, hex := nibble(line[2+digits]); !hex {
					break
				}
				digits++
			}
			if digits == 0 || digits%2 != 0 {
				break
			}
			return fill(&value, digits/2, func(out []byte) {
				for i := range out {
					high, _ := nibble(line[2+2*i])
					low, _ := nibble(line[3+2*i])
					out[i] = high<<4 | low
				}
			})
		}
		return errors.New("security printed the password in a form that is not known")
	})
	return value, err
}

// afterLine gives the rest of the line that begins with prefix.
func afterLine(data []byte, prefix string) (rest []byte, found bool) {
	for from := 0; from < len(data); {
		to := from
		for to < len(data) && data[to] != '\n' {
			to++
		}
		if line := data[from:to]; len(line) >= len(prefix) && string(line[:len(prefix)]) == prefix {
			return line[len(prefix):], true
		}
		from = to + 1
	}
	return nil, false
}

// fill makes a buffer of that size.
func fill(b **Buffer, size int, f func([]byte)) (err error) {
	if size > MaxValue {
		return errors.New("larger than 1048576 bytes")
	}
	*b, err = FillBuffer(size, func(out []byte) error { f(out); return nil })
	return err
}
