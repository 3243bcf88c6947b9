package secrets

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// Env gives variables of ward's own environment, as it was when ward was
// started: env://VAR. Of a variable that is there twice, the first counts, as
// for getenv(3).
type Env struct {
	// Block is an environment block, NAME=VALUE each ended by a NUL byte, as
	// in /proc/self/environ, which is what nil means. An open file lets the
	// caller overwrite the block's strings later: it shows the live memory.
	Block io.ReaderAt
}

// Fetch gives the variable's value; a variable that is set and empty is a
// value of no bytes.
func (e Env) Fetch(ctx context.Context, name string) (*Buffer, error) {
	if err := ctx.Err(); err != nil {
		return nil, &Error{Name: name, Where: "ward's own environment", Err: err}
	}
	b, err := e.fetch(name)
	if err != nil {
		failure := &Error{Name: name, Where: "ward's own environment", Err: err}
		if err == ErrNotFound {
			failure.Fix = "export " + name + " before starting ward"
		}
		return nil, failure
	}
	return b, nil
}

func (e Env) fetch(name string) (*Buffer, error) {
	if name == "" || strings.ContainsAny(name, "=\x00") {
		return nil, errors.New("not a variable's name")
	}
	block := e.Block
	if block == nil {
		f, err := os.Open("/proc/self/environ")
		if errors.Is(err, fs.ErrNotExist) {
			return fromRuntime(name)
		} else if err != nil {
			return nil, err
		}
		defer f.Close()
		block = f
	}
	from, to, err := locate(block, name)
	if err != nil {
		return nil, err
	}
	return FillBuffer(int(to-from), func(value []byte) error {
		_, err := io.ReadFull(io.NewSectionReader(block, from, to-from), value)
		return err
	})
}

// locate finds where the value of name lies. The block goes by in a locked
// buffer of one page: it holds everybody else's secrets too.
func locate(block io.ReaderAt, name string) (from, to int64, err error) {
	scratch, err := NewBuffer(4096)
	if err != nil {
		return 0, 0, err
	}
	defer scratch.Destroy()
	err = scratch.Use(func(page []byte) error {
		key := []byte(name + "=")
		matched, value := 0, false // bytes of key matched in this entry, -1: it is another one
		for at := int64(0); ; {
			n, err := block.ReadAt(page, at)
			for i, c := range page[:n] {
				switch {
				case value && c == 0:
					to = at + int64(i)
					return nil
				case value:
				case c == 0:
					matched = 0
				case matched >= 0 && c == key[matched]:
					if matched++; matched == len(key) {
						value, from = true, at+int64(i)+1
					}
				default:
					matched = -1
				}
			}
			at += int64(n)
			switch {
			case n > 0 && (err == nil || err == io.EOF):
			case err == nil || err == io.EOF: // the last entry may lack its NUL
				if !value {
					return ErrNotFound
				}
				to = at
				return nil
			default:
				return err
			}
		}
	})
	return from, to, err
}

// fromRuntime is for systems without /proc: Go's own copy of the environment,
// strings on the heap that live as long as the process.
func fromRuntime(name string) (*Buffer, error) {
	for _, entry := range syscall.Environ() {
		if rest, ok := strings.CutPrefix(entry, name+"="); ok {
			return ReadBuffer(strings.NewReader(rest), MaxValue)
		}
	}
	return nil, ErrNotFound
}
