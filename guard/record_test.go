//go:build capture && linux

package guard

import (
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"
)

// TestRecord makes testdata/captures anew: `just captures`. It needs root (namespaces without a network, with the name
// "demo" for the machine and with no other processes), the programs, and in WARD_CAPTURE_MODULES a node_modules with
// ink, and the agents' commands in its .bin. WARD_CAPTURE names the captures to make, as a part of their names.
func TestRecord(t *testing.T) {
	const dir = "/tmp/demo"
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err) // somebody else's
	}
	defer os.RemoveAll(dir)
	prepareDemo(t, dir)
	for _, c := range append(renderedCaptures(), programCaptures()...) {
		if !strings.Contains(c.name, os.Getenv("WARD_CAPTURE")) {
			continue
		}
		out := c.record(t, dir)
		var b bytes.Buffer
		w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(out)
		if err := errors.Join(w.Close(), os.WriteFile(c.file(), b.Bytes(), 0o644)); err != nil {
			t.Fatal(err)
		}
		t.Logf("%-20s %7d bytes, %6d packed", c.name, len(out), b.Len())
	}
}

// prepareDemo makes the directory in which the programs run.
func prepareDemo(t *testing.T, dir string) {
	v := capturedValue()
	text := "first line of it\nname " + v + " behind it\nlast line of it\n"
	const key = "no-key-of-anybody-at-all"
	t.Setenv("DEMO_KEY", key)
	for name, content := range map[string]string{
		".claude.json": `{"hasCompletedOnboarding":true,"theme":"dark","customApiKeyResponses":{"approved":["` + key[len(key)-20:] + `"],"rejected":[]},
			"projects":{"` + dir + `":{"hasTrustDialogAccepted":true,"hasCompletedProjectOnboarding":true}}}`,
		"old.txt": "nothing\n", "value.txt": v + "\n", "text.txt": text,
		"doc.json":         `{"name":"demo","token":"` + v + `","n":1}`,
		"package.json":     `{"name":"demo","version":"1.0.0","scripts":{"show":"echo"}}`,
		"npm/package.json": `{"name":"other","version":"1.0.0"}`,
		"pkg/package.json": `{"name":"pkg","version":"1.0.0"}`,
		"Makefile":         "show:\n\techo " + v + "\n",
	} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"draw.py", "ink.mjs"} {
		content, err := os.ReadFile(filepath.Join("testdata", "record", name))
		if err := errors.Join(err, os.WriteFile(filepath.Join(dir, name), content, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(os.Getenv("WARD_CAPTURE_MODULES"), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	git := exec.Command("bash", "-c", `git init -qb main && git add draw.py && git commit -qm 'draw' && cp old.txt config.txt &&
		git add config.txt && git commit -qm 'a config' && cp value.txt config.txt && git commit -qam 'a value' &&
		printf 'key = %s\n' "$VALUE" >>config.txt`)
	git.Dir, git.Env = dir, demoEnv(dir)
	if out, err := git.CombinedOutput(); err != nil {
		t.Fatalf("git: %v\n%s", err, out)
	}
}

func demoEnv(dir string) []string {
	return []string{
		"HOME=" + dir, "USER=demo", "LOGNAME=demo", "PS1=$ ", "TERM=xterm-256color", "LANG=C.UTF-8", "SHELL=/bin/bash",
		"PATH=" + dir + "/node_modules/.bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "VALUE=" + capturedValue(), "TMUX_TMPDIR=" + dir, "LESSHISTFILE=-",
		"GIT_AUTHOR_NAME=Demo", "GIT_AUTHOR_EMAIL=demo@example.com", "GIT_COMMITTER_NAME=Demo", "GIT_COMMITTER_EMAIL=demo@example.com",
		"GIT_AUTHOR_DATE=2020-01-01T00:00:00Z", "GIT_COMMITTER_DATE=2020-01-01T00:00:00Z", "LESS=", "PAGER=less", "DISABLE_AUTOUPDATER=1", "COLORTERM=truecolor",
	}
}

// record runs the program in a terminal and gives all that it prints.
func (c captured) record(t *testing.T, dir string) []byte {
	cols, rows := c.size()
	cmd := exec.Command("unshare", "--fork", "--pid", "--uts", "--net", "--ipc", "--mount-proc", "--kill-child",
		"bash", "-c", "hostname demo; ip link set lo up; "+c.run)
	cmd.Dir, cmd.Env = dir, demoEnv(dir)
	master, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: uint16(cols), Rows: uint16(rows)})
	if err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer master.Close()
	chunks := chunksOf(master)
	var out bytes.Buffer
	// Some programs wait for what a terminal says of itself; vt10x leaves out what kind it is.
	vt := vt10x.New(vt10x.WithSize(cols, rows), vt10x.WithWriter(master))
	// still reads until nothing comes for a while, at most so long; false: the program has ended.
	still := func(quiet, most time.Duration) bool {
		limit := time.After(most)
		for {
			select {
			case b, ok := <-chunks:
				if !ok {
					return false
				}
				out.Write(b)
				if vt.Write(b); bytes.Contains(b, []byte("\x1b[c")) {
					master.WriteString("\x1b[?62;22c")
				}
			case <-time.After(quiet):
				return true
			case <-limit:
				return true
			}
		}
	}
	wait := 400 * time.Millisecond
	if strings.HasPrefix(c.name, "program-") {
		wait = 1500 * time.Millisecond
	}
	for _, keys := range c.keys {
		still(wait, 3*wait)
		if keys != "TYPE" {
			master.WriteString(keys)
			continue
		}
		for _, key := range capturedValue() {
			master.WriteString(string(key))
			still(8*time.Millisecond, 12*time.Millisecond)
		}
	}
	for range 12 {
		if !still(time.Second, time.Second) {
			break
		}
	}
	cmd.Process.Signal(syscall.SIGKILL)
	return out.Bytes()
}

// chunksOf reads to the end.
func chunksOf(master *os.File) <-chan []byte {
	chunks := make(chan []byte, 1000)
	go func() {
		defer close(chunks)
		for {
			buf := make([]byte, 64<<10)
			n, err := master.Read(buf)
			if n > 0 {
				chunks <- buf[:n]
			}
			if err != nil {
				return
			}
		}
	}()
	return chunks
}
