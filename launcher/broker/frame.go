// Package broker is how a program asks ward for something over a unix socket: the frames, the client, and the server of
// one launch.
//
// A client sends requests on one connection, each answered before the next is read:
//
//	request  "ward", version 1, operation, length of the body (4 bytes, big-endian), body
//	reply    status, length of the body (4 bytes, big-endian), body
//
// Every body is bounded before it is read. A value is in a frame of its own: from a session it goes out of locked memory
// straight into locked memory; from a launch it comes sealed, since the supervisor, which serves there, does not have it.
// The body of a refusal is words: what failed, a line break, what to do.
package broker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"ward/secrets"
)

// Op is what a request asks for.
type Op byte

// The operations: the first three are a launch's, the others those of a session and of a hand-off.
const (
	Get    Op = 'g' // body: a name; reply: its value, in a launch the variable's name, a NUL and the value sealed for it
	Has    Op = 'h' // body: a name; reply: empty, if Get would give its value
	Mask   Op = 'm' // body: bytes; reply: the same with the secrets in them masked
	Status Op = 's' // no body; reply: JSON
	Lock   Op = 'l' // no body; reply: empty, and the server ends
	Take   Op = 't' // no body; reply: the key of a hand-off, once
)

const (
	// MaxPayload is the most that can be masked at once, in bytes.
	MaxPayload = 16 << 20
	// maxName bounds the body of every other request, in bytes.
	maxName = 4096
	// maxWords bounds what a refusal says, in bytes.
	maxWords = 16 << 10
)

func (o Op) limit() int {
	if o == Mask {
		return MaxPayload
	}
	return maxName
}

// status is how a reply begins.
type status byte

const (
	given   status = 0
	refused status = 1 // by policy: asking again does not help
	failed  status = 2
)

// magic begins every request, so that a stranger who speaks something else is not taken at his word. It ends with the
// version: a client and a server of different ones part with an error.
const magic = "ward\x01"

const (
	requestHead = len(magic) + 1 + 4
	replyHead   = 1 + 4
)

// Refusal is a reply that is no answer.
type Refusal struct {
	Text   string
	Fix    string
	Policy bool // refused for a reason that stays; otherwise it did not work out
}

func (r *Refusal) Error() string { return r.Text }

// Hint says what to do.
func (r *Refusal) Hint() string { return r.Fix }

// ErrFrame is wrapped by errors about bytes that are no frame of this version.
var ErrFrame = errors.New("not a frame of this version of ward")

// writeRequest sends one request.
func writeRequest(w io.Writer, op Op, body []byte) error {
	if len(body) > op.limit() {
		return &Refusal{Text: fmt.Sprintf("%d bytes are more than the %d that fit", len(body), op.limit()), Policy: true}
	}
	head := append([]byte(magic), byte(op))
	return send(w, binary.BigEndian.AppendUint32(head, uint32(len(body))), body)
}

// send writes a frame whose body is a secret, or large: no copy is made of it.
func send(w io.Writer, head, body []byte) error {
	if _, err := w.Write(head); err != nil || len(body) == 0 {
		return err
	}
	_, err := w.Write(body)
	return err
}

// ReadRequest reads one. io.EOF: there are no more.
func ReadRequest(r io.Reader) (Op, []byte, error) {
	op, size, err := readRequestHead(r)
	if err != nil {
		return 0, nil, err
	}
	body, err := readBody(r, size)
	return op, body, err
}

// readRequestHead reads how a request begins: what it asks for, and the size of its body.
func readRequestHead(r io.Reader) (op Op, size int, err error) {
	head := make([]byte, requestHead)
	if n, err := io.ReadFull(r, head); err != nil {
		if n > 0 && errors.Is(err, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("%w: it ends after %d bytes", ErrFrame, n)
		}
		return 0, 0, err
	}
	if string(head[:len(magic)]) != magic {
		return 0, 0, ErrFrame
	}
	op = Op(head[len(magic)])
	announced := binary.BigEndian.Uint32(head[len(magic)+1:])
	if int64(announced) > int64(op.limit()) {
		return 0, 0, fmt.Errorf("%w: %d bytes of operation %q", ErrFrame, announced, byte(op))
	}
	return op, int(announced), nil
}

// step bounds what is set aside for bytes that were announced and may never come.
const step = 64 << 10

func readBody(r io.Reader, size int) ([]byte, error) {
	body := make([]byte, 0, min(size, step))
	for len(body) < size {
		if len(body) == cap(body) {
			grown := make([]byte, len(body), min(size, 2*cap(body)))
			copy(grown, body)
			body = grown
		}
		n, err := r.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case err == io.EOF && len(body) < size:
			return nil, fmt.Errorf("%w: %d bytes of %d", ErrFrame, len(body), size)
		case err != nil && err != io.EOF:
			return nil, err
		}
	}
	return body, nil
}

// headOf is how a reply with a body of size bytes begins.
func headOf(kind status, size int) []byte {
	return binary.BigEndian.AppendUint32([]byte{byte(kind)}, uint32(size))
}

// WriteReply sends bytes that are no secret.
func WriteReply(w io.Writer, body []byte) error {
	_, err := w.Write(append(headOf(given, len(body)), body...))
	return err
}

// WriteSecret sends a value out of locked memory.
func WriteSecret(w io.Writer, value *secrets.Buffer) error {
	return value.Use(func(v []byte) error { return send(w, headOf(given, len(v)), v) })
}

// WriteRefusal sends an error: its words, its hint, and whether it is a refusal by policy.
func WriteRefusal(w io.Writer, err error) error {
	kind := failed
	if r, ok := errors.AsType[*Refusal](err); ok && r.Policy {
		kind = refused
	}
	text := strings.ReplaceAll(err.Error(), "\n", " ")
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		text += "\n" + strings.ReplaceAll(h.Hint(), "\n", " ")
	}
	text = text[:min(len(text), maxWords)]
	_, werr := w.Write(append(headOf(kind, len(text)), text...))
	return werr
}

// readHead reads how a reply begins: its size, or the refusal that it is.
func readHead(r io.Reader, limit int) (int, error) {
	head := make([]byte, replyHead)
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, err
	}
	size := int64(binary.BigEndian.Uint32(head[1:]))
	kind := status(head[0])
	if kind != given {
		limit = maxWords
	}
	if kind > failed || size > int64(limit) {
		return 0, fmt.Errorf("%w: a reply of %d bytes with status %d", ErrFrame, size, kind)
	}
	if kind == given {
		return int(size), nil
	}
	text, err := readBody(r, int(size))
	if err != nil {
		return 0, err
	}
	what, fix, _ := strings.Cut(string(text), "\n")
	return 0, &Refusal{Text: what, Fix: fix, Policy: kind == refused}
}

// readReply reads bytes that are no secret, or the *Refusal that came instead.
func readReply(r io.Reader, limit int) ([]byte, error) {
	size, err := readHead(r, limit)
	if err != nil {
		return nil, err
	}
	return readBody(r, size)
}

// readSecret reads a value into locked memory, or the *Refusal that came instead.
func readSecret(r io.Reader) (*secrets.Buffer, error) {
	size, err := readHead(r, secrets.MaxValue)
	if err != nil {
		return nil, err
	}
	return secrets.FillBuffer(size, func(v []byte) error { _, err := io.ReadFull(r, v); return err })
}
