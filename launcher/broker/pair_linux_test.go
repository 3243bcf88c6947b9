package broker

import (
	"fmt"
	"io"
	"os"
	"testing"
	"time"
)

// What values go through cannot be opened from beside, as a pipe can that a process has before it hides.
func TestPair(t *testing.T) {
	for _, deadlines := range []bool{false, true} {
		in, out, err := Pair(deadlines)
		if err != nil {
			t.Fatal(err)
		}
		if err := out.SetDeadline(time.Now().Add(time.Minute)); (err == nil) != deadlines {
			t.Errorf("a deadline: %v, want one %v", err, deadlines)
		}
		if _, err := out.WriteString("a value"); err != nil {
			t.Fatal(err)
		}
		for _, f := range []*os.File{in, out} {
			if opened, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", f.Fd())); err == nil {
				opened.Close()
				t.Errorf("%s can be opened a second time", f.Name())
			}
		}
		out.Close()
		if got, err := io.ReadAll(in); err != nil || string(got) != "a value" {
			t.Errorf("%q, %v came through", got, err)
		}
		in.Close()
	}
}
