package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"ward/secrets"
)

// Client is one connection to a server of this package. Its methods take turns.
type Client struct {
	mu   sync.Mutex
	conn net.Conn
}

// dialWithin bounds a connect: a server that is stopped leaves it hanging once its queue is full.
const dialWithin = 5 * time.Second

// Dial connects to a socket: its path, or "@" and its name in the abstract namespace, as WARD_BROKER has it.
func Dial(addr string) (*Client, error) {
	conn, err := net.DialTimeout("unix", addr, dialWithin)
	if err != nil {
		if op, ok := errors.AsType[*net.OpError](err); ok {
			err = op.Err
		}
		return nil, fmt.Errorf("ward's socket %s does not answer: %w", addr, err)
	}
	return NewClient(conn), nil
}

// NewClient speaks on a connection that is there already.
func NewClient(conn net.Conn) *Client { return &Client{conn: conn} }

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Do sends a request and reads a reply of at most limit bytes that is no secret.
func (c *Client) Do(ctx context.Context, op Op, body []byte, limit int) (reply []byte, err error) {
	err = c.turn(ctx, op, body, func() error {
		reply, err = readReply(c.conn, limit)
		return err
	})
	return reply, err
}

// Secret sends a request and reads a reply into locked memory. The caller destroys it.
func (c *Client) Secret(ctx context.Context, op Op, body []byte) (value *secrets.Buffer, err error) {
	err = c.turn(ctx, op, body, func() error {
		value, err = readSecret(c.conn)
		return err
	})
	return value, err
}

// maxSealed is the size of the largest sealed value, in bytes.
const maxSealed = secrets.MaxValue + 64

// Get asks the launch's broker for a secret by its name, and opens what comes with the key in [UnsealVar]. Its error is a
// *Refusal where the server gave reasons. The caller destroys the value.
func (c *Client) Get(ctx context.Context, name string) (*secrets.Buffer, error) {
	sealed, err := c.Do(ctx, Get, []byte(name), maxSealed)
	if err != nil {
		return nil, err
	}
	key, err := readKey(os.Getenv(UnsealVar))
	if err != nil {
		return nil, err
	}
	defer key.Destroy()
	// The name that it is sealed for comes in front: the launch knows a secret by more names than one.
	sealedFor, body, ok := bytes.Cut(sealed, []byte{0})
	if !ok {
		return nil, ErrSealed
	}
	return Unseal(key, string(sealedFor), body)
}

// Has gives nil where Get would give the secret, else the error that Get would give.
func (c *Client) Has(ctx context.Context, name string) error {
	_, err := c.Do(ctx, Has, []byte(name), 0)
	return err
}

// Mask gives payload, of at most [MaxPayload] bytes, with every secret in it that the launch knows overwritten by stars.
func (c *Client) Mask(ctx context.Context, payload []byte) ([]byte, error) {
	// A mask keeps the width of what it covers; what a guard of another mind adds has as much room again.
	return c.Do(ctx, Mask, payload, 2*MaxPayload)
}

func (c *Client) turn(ctx context.Context, op Op, body []byte, reply func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { c.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	sent := writeRequest(c.conn, op, body)
	if r := (*Refusal)(nil); errors.As(sent, &r) {
		return sent // it was never sent
	}
	// A server that refuses before it has read everything closes; its reason is there all the same.
	err := reply()
	switch {
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("ward's socket closed without an answer: %w", err)
	}
	return err
}
