package main_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMemory searches everything of the supervisor and of stage two that another process could get at, while the
// command runs and after it printed its secret.
func TestMemory(t *testing.T) {
	if os.Getuid() != 0 {
		agentNeeds(t, "root, who alone reads a process that is not dumpable")
	}
	asEach(t, func(t *testing.T, p *person) {
		for _, from := range []string{"env", "file", "vault", "op"} {
			t.Run(from, func(t *testing.T) { testMemory(t, p, from) })
		}
	})
}

func testMemory(t *testing.T, p *person, from string) {
	value := secretValue()
	p.env = nil
	ref, secret := "", []string{value}
	switch from {
	case "env":
		ref = "env://MEMORY_SOURCE"
		p.env = append(p.env, "MEMORY_SOURCE="+value)
	case "file":
		ref = "file://" + p.write(t, "source.txt", []byte(value+"\n"), 0o600)
	case "vault":
		ref = "vault://memory"
		p.env = append(p.env, "WARD_VAULT_PASSPHRASE=correct horse battery")
		set := p.command(t, p.ward, "set", "memory", "--stdin")
		set.Stdin = strings.NewReader(value)
		if got := end(t, set); got.code != 0 {
			t.Fatalf("ward set: exit %d: %s", got.code, got.stderr)
		}
	case "op":
		ref = "op://Work/memory/token"
		p.onePassword(t, map[string]string{"memory.token": value})
		session := slices.IndexFunc(p.env, func(e string) bool { return strings.HasPrefix(e, "OP_SESSION_my=") })
		secret = append(secret, p.env[session][len("OP_SESSION_my="):]) // what opens the store
	}
	// cat keeps the command running; what it gets, it prints: that is the leak.
	cmd := p.run(t, "--env-credential-map", ref, "MEMORY_TOKEN", "--", "sh", "-c", `read x; printf '%s\n' "$MEMORY_TOKEN"; exec cat`)
	in, out := pipes(t, cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer in.Close()
	ward := cmd.Process.Pid
	stageTwo := child(t, ward, stageTwoName)
	command := child(t, stageTwo, "sh")

	// The proof that the search finds what is there.
	if found := search(t, command, value); !slices.Contains(found, "memory: value") {
		t.Fatalf("the command's own memory: %q, want the value in it", found)
	}
	clean := func(when string) {
		t.Helper()
		for name, pid := range map[string]int{"supervisor": ward, "stage two": stageTwo} {
			for i, value := range secret {
				for _, hit := range search(t, pid, value) {
					t.Errorf("%s, %s: %d: %s", name, when, i, hit)
				}
			}
		}
	}
	clean("before it was printed")
	fmt.Fprintln(in, "go")
	if line, err := out.ReadString('\n'); err != nil || strings.Trim(line, "*\n") == line || strings.Contains(line, value) {
		t.Fatalf("output = %q, %v; want the value masked", line, err)
	}
	clean("after it was printed")
	if left := children(ward); !slices.Equal(left, []int{stageTwo}) {
		t.Errorf("children of the supervisor: %d, want stage two alone (%d): the resolver is gone", left, stageTwo)
	}
}

// pipes connects a command's stdin and stdout.
func pipes(t *testing.T, cmd *exec.Cmd) (io.WriteCloser, *bufio.Reader) {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	return in, bufio.NewReader(out)
}

// traces are the forms of a value that would give it away: whole, its halves, base64 at each of the three places of a
// group, and hex.
func traces(value string) map[string][]byte {
	half := len(value) / 2
	forms := map[string][]byte{
		"value": []byte(value), "first half": []byte(value[:half]), "second half": []byte(value[half:]),
		"hex":       []byte(hex.EncodeToString([]byte(value))),
		"hex upper": []byte(strings.ToUpper(hex.EncodeToString([]byte(value)))),
	}
	for shift := range 3 {
		coded := base64.StdEncoding.EncodeToString([]byte(value[shift:]))
		forms[fmt.Sprint("base64, from ", shift)] = []byte(coded[:len(coded)-4])
	}
	return forms
}

// search gives what is found of a value in a process: memory, environment, arguments, open files.
func search(t *testing.T, pid int, value string) []string {
	t.Helper()
	forms := traces(value)
	var found []string
	look := func(where string, data []byte) {
		for name, form := range forms {
			if hit := where + ": " + name; bytes.Contains(data, form) && !slices.Contains(found, hit) {
				found = append(found, hit)
			}
		}
	}
	proc := fmt.Sprintf("/proc/%d/", pid)
	for _, file := range []string{"environ", "cmdline", "auxv", "comm"} {
		data, err := os.ReadFile(proc + file)
		if err != nil {
			t.Fatal(err)
		}
		look(file, data)
	}
	if pages := eachMapping(t, pid, func(data []byte) { look("memory", data) }); pages < 100 {
		t.Fatalf("process %d: only %d pages could be read", pid, pages)
	}
	entries, err := os.ReadDir(proc + "fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		target, err := os.Readlink(proc + "fd/" + e.Name())
		if err != nil {
			continue // closed meanwhile
		}
		look("name of descriptor "+e.Name(), []byte(target))
		look("content of descriptor "+e.Name()+" "+target, peek(proc+"fd/"+e.Name()))
	}
	return found
}

// eachMapping gives every readable mapping of a process and counts the pages.
func eachMapping(t *testing.T, pid int, look func([]byte)) (pages int) {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	const chunk, overlap = 8 << 20, 256
	buf := make([]byte, chunk+overlap)
	for line := range strings.Lines(string(maps)) {
		fields := strings.Fields(line)
		from, to, _ := strings.Cut(fields[0], "-")
		start, _ := strconv.ParseUint(from, 16, 64)
		end, _ := strconv.ParseUint(to, 16, 64)
		if fields[1][0] != 'r' || strings.HasSuffix(line, "[vvar]\n") || strings.HasSuffix(line, "[vsyscall]\n") {
			continue
		}
		for at := start; at < end; at += chunk {
			n, _ := mem.ReadAt(buf[:min(end-at, uint64(len(buf)))], int64(at))
			pages += n / 4096
			look(buf[:n])
		}
	}
	return pages
}

// peek gives what lies in a file or a pipe without taking it away.
func peek(path string) []byte {
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	if info.Mode().IsRegular() {
		data, _ := os.ReadFile(path)
		return data
	}
	if info.Mode()&os.ModeNamedPipe == 0 {
		return nil
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	r, w, err := os.Pipe()
	if err != nil {
		return nil
	}
	defer r.Close()
	defer w.Close()
	data := make([]byte, 64<<10)
	if n, _ := unix.Tee(fd, int(w.Fd()), len(data), unix.SPLICE_F_NONBLOCK); n > 0 {
		n, _ := r.Read(data)
		return data[:n]
	}
	return nil
}

// children are the processes whose parent is pid, by the parent field of /proc/PID/stat.
func children(pid int) []int {
	var list []int
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		data, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
		if len(fields) > 1 && fields[1] == strconv.Itoa(pid) && fields[0] != "Z" {
			child, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			list = append(list, child)
		}
	}
	return list
}

// stageTwoName is how stage two calls itself.
const stageTwoName = "ward: stage two"

// child waits until pid has a child whose argv[0] is name.
func child(t *testing.T, pid int, name string) int {
	t.Helper()
	found := 0
	until(t, fmt.Sprintf("process %d has a child %s", pid, name), func() bool {
		for _, c := range children(pid) {
			if strings.HasPrefix(cmdline(c), name+"\x00") {
				found = c
			}
		}
		return found != 0
	})
	return found
}

func cmdline(pid int) string {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return string(data)
}
