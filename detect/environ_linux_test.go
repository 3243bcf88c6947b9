package detect

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The environment of a process that was started with marks, secrets, and a
// value that crosses from one piece that is read to the next.
func TestStartEnviron(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "sleep", "20")
	cmd.Env = []string{"A=" + strings.Repeat("x", 4085), "GEMINI_CLI=1", "API_TOKEN=t", "WARD=1", "CLAUDECODE=", "BROKEN", "AGENT=" + strings.Repeat("g", 5000),
		strings.Repeat("N", 100) + "=1", "QWEN_CODE=1=2"}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	// Start is back as soon as execve has closed the descriptors, which is
	// before it lays out the environment.
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if data, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", cmd.Process.Pid)); err != nil || len(data) > 0 {
			break
		}
	}
	get := startEnviron(cmd.Process.Pid)
	for _, c := range []struct {
		name, want string
		ok         bool
	}{
		{"GEMINI_CLI", "1", true},
		{"WARD", "1", true},
		{"CLAUDECODE", "", true},
		{"QWEN_CODE", "1=2", true},
		{"AGENT", strings.Repeat("g", 256), true},
		{"API_TOKEN", "", false}, // it is there, and it is not read
		{"A", "", false},
		{"BROKEN", "", false},
		{"OPENCODE", "", false},
	} {
		if got, ok := get(c.name); got != c.want || ok != c.ok {
			t.Errorf("%s: %.20q, %v; want %.20q, %v", c.name, got, ok, c.want, c.ok)
		}
	}
	if v, ok := startEnviron(1 << 30)("WARD"); ok {
		t.Errorf("nobody's environment has %q", v)
	}
}

// Whatever an environment holds, the scan finds what splitting it finds.
func FuzzEnvironScan(f *testing.F) {
	f.Add([]byte("A=1\x00WARD=1\x00AGENT=goose\x00"))
	f.Add([]byte("WARD\x00=WARD=\x00WARD==\x00WARD=2\x00WARD=unfinished"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got := environScan{wanted: markNames(), found: map[string]string{}}
		for _, b := range data {
			got.add(b)
		}
		want := map[string]string{}
		words := bytes.Split(data, []byte{0})
		for _, word := range words[:len(words)-1] { // the last has no end
			name, value, ok := strings.Cut(string(word), "=")
			if ok && slices.Contains(markNames(), name) {
				want[name] = value[:min(len(value), 256)]
			}
		}
		if !maps.Equal(got.found, want) {
			t.Errorf("found %q, want %q", got.found, want)
		}
	})
}

// Whatever a process is called, its fields are read behind the last
// parenthesis.
func FuzzParseStat(f *testing.F) {
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		f.Fatal(err)
	}
	f.Add("bash", 10, 5, uint64(77))
	f.Add("a) S 1 (b", 1, 0, uint64(0))
	f.Add(") R 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n", 99, 98, uint64(1)<<63)
	tail := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	f.Fuzz(func(t *testing.T, name string, pid, ppid int, start uint64) {
		fields := slices.Clone(tail)
		fields[1], fields[19] = strconv.Itoa(ppid), strconv.FormatUint(start, 10)
		p, err := parseStat([]byte(strconv.Itoa(pid) + " (" + name + ") " + strings.Join(fields, " ") + "\n"))
		if err != nil || p.Name != name || p.PID != pid || p.PPID != ppid || p.Start != start {
			t.Errorf("%+v, error %v", p, err)
		}
	})
}

func TestParseStatBad(t *testing.T) {
	for _, text := range []string{"", "1", "1 (a", "1 a)", ") 1 (", "1 (a) S 1 2", "x (a) S 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
		"1 (a) S x 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "1 (a) S 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 -1"} {
		if p, err := parseStat([]byte(text)); err == nil {
			t.Errorf("%q gives %+v, want an error", text, p)
		}
	}
}

func TestParseArgv(t *testing.T) {
	for _, c := range []struct {
		data string
		want []string
	}{
		{"", nil},
		{"\x00\x00", nil},
		{"node\x00cli.js\x00", []string{"node", "cli.js"}},
		{"sh\x00-c\x00\x00x\x00", []string{"sh", "-c", "", "x"}},
		{"claude\x00\x00\x00\x00\x00\x00", []string{"claude"}}, // a title, and what it overwrote
		{"sshd: u@pts/0", []string{"sshd: u@pts/0"}},
	} {
		if got := parseArgv([]byte(c.data)); !slices.Equal(got, c.want) {
			t.Errorf("%q gives %q, want %q", c.data, got, c.want)
		}
	}
}
