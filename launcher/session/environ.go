package session

import (
	"context"
	"fmt"
	"os"

	"ward/secrets"
)

// environ looks up variables of another process, as it was started. Only the one that is asked for leaves locked memory:
// the others may be secrets. Where the environment cannot be read, nothing is set.
func environ(pid int) func(string) (string, bool) {
	return func(name string) (value string, ok bool) {
		f, err := os.Open(fmt.Sprintf("/proc/%d/environ", pid))
		if err != nil {
			return "", false
		}
		defer f.Close()
		b, err := secrets.Env{Block: f}.Fetch(context.Background(), name)
		if err != nil {
			return "", false
		}
		defer b.Destroy()
		err = b.Use(func(v []byte) error { value = string(v); return nil })
		return value, err == nil
	}
}
