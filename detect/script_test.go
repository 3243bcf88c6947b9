package detect

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Real interpreters say what they ran, and so does their command line.
func TestParseRunReal(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"s":                "console.log('script ' + process.argv[1].split('/').pop())\n",
		"hook.js":          "",
		"hook.mjs":         "",
		"e":                "A=1\n",
		"p":                "print('script p')\n",
		"pack/__main__.py": "print('module', __spec__.name.split('.')[0])\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, line := range []string{
		"node s",
		"node s claude --require x",
		"node -- s",
		"node --no-warnings --enable-source-maps s",
		"node -r ./hook.js s",
		"node --require ./hook.js --import ./hook.mjs s",
		"node --require=./hook.js --max-old-space-size=100 s",
		"node -C a --conditions b s",
		"node --title claude s",
		"node --env-file e s",
		"node --stack-trace-limit=5 --unhandled-rejections strict s",
		"node --disable-warning DEP0040 --expose-gc s",
		"node -e console.log('') s",
		"node -p '' s",
		"python3 p",
		"python3 -u p aider",
		"python3 -W ignore -X utf8 p",
		"python3 -Wignore -Xutf8 -OOB p",
		"python3 -bW ignore p",
		"python3 --check-hash-based-pycs always p",
		"python3 -m pack",
		"python3 -mpack",
		"python3 -Em pack",
		"python3 -uWignore -m pack p",
		"python3 -c print('') p",
		"python3 -Bcprint('') p",
	} {
		argv := strings.Fields(line)
		cmd := exec.CommandContext(t.Context(), needsProgram(t, argv[0]), argv[1:]...)
		cmd.Dir, cmd.Env = dir, bareEnviron()
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("%s: %v\n%s", line, err, out)
			continue
		}
		got := parseRun(interpreter(argv[0]), argv)
		said := ""
		switch {
		case got.script != "":
			said = "script " + got.script
		case got.module != "":
			said = "module " + got.module
		}
		if ran := strings.TrimSpace(string(out)); said != ran {
			t.Errorf("%s: ran %q, and its command line says %q", line, ran, said)
		}
	}
}

func TestParseRun(t *testing.T) {
	for _, c := range []struct {
		kind kind
		line string
		want run
	}{
		{bun, "bun /x/cli.js", run{script: "/x/cli.js"}},
		{bun, "bun run cli.js run", run{script: "cli.js"}},
		{bun, "bun --cwd /x run --preload a.js cli.js", run{script: "cli.js"}},
		{bun, "bunx qwen", run{script: "qwen"}},
		{bun, "deno run -A npm:@google/gemini-cli", run{script: "npm:@google/gemini-cli"}},
		{loader, "ld.so --library-path /l /x/claude -p", run{script: "/x/claude"}},
		{loader, "qemu -L / -E A=1 /x/claude", run{script: "/x/claude"}},
		{node, "node", run{}},
		{node, "node -", run{}},
		{node, "node --", run{}},
		{node, "node -r", run{}},
		{python, "python", run{}},
		{python, "python -", run{}},
		{python, "python -m", run{}},
		{python, "python -W", run{}},
	} {
		if got := parseRun(c.kind, strings.Fields(c.line)); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.line, got, c.want)
		}
	}
	if got := parseRun(node, nil); got != (run{}) {
		t.Errorf("nothing: %+v", got)
	}
	if !slices.IsSorted(nodeOptions()) {
		t.Error("node's options are not sorted")
	}
}

// Whatever the command line, what comes out stands in it.
func FuzzParseRun(f *testing.F) {
	f.Add(1, "node -r x cli.js")
	f.Add(3, "python -Wx -m y")
	f.Fuzz(func(t *testing.T, k int, line string) {
		argv := strings.Split(line, " ")
		got := parseRun(kind(k), argv)
		if got.script != "" && !slices.Contains(argv[1:], got.script) ||
			got.module != "" && !strings.HasSuffix(line, got.module) && !strings.Contains(line, got.module+" ") ||
			got.script != "" && got.module != "" {
			t.Errorf("%q: %+v", argv, got)
		}
	})
}
