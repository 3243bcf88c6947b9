package main_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ward/launcher/audit"
)

// brokered is a launch whose command runs a script with $W as ward and the given secrets in its environment.
func (p *person) brokered(t *testing.T, script string, refs ...string) outcome {
	t.Helper()
	args := []string{"--silent", "--audit-log", p.log(), "--set-var", "W=" + p.ward}
	for i, ref := range refs {
		args = append(args, "--env-credential-map", ref, fmt.Sprintf("SECRET_%d", i))
	}
	return end(t, p.run(t, append(args, "--", "sh", "-c", script)...))
}

func (p *person) log() string { return filepath.Join(p.home, "audit.jsonl") }

// events reads the record of a person's launches.
func (p *person) events(t *testing.T, event string) (list []audit.Event) {
	t.Helper()
	data, err := os.ReadFile(p.log())
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		var e audit.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if e.Event == event {
			list = append(list, e)
		}
	}
	return list
}

// TestBroker: inside, a secret of the launch can be had again, wherever it came from, by reference or by variable.
func TestBroker(t *testing.T) {
	asEach(t, func(t *testing.T, p *person) {
		env, stored := secretValue(), secretValue()+"\nof two lines\n\n"
		p.atSecrets(t, map[string]string{"acme/stored": stored})
		file := p.write(t, "source.txt", []byte(env+"\n"), 0o600)
		p.env = append(p.env, "BROKER_SOURCE="+env, "WARD_VAULT_PASSPHRASE="+vaultPassphrase)
		stored = strings.TrimSuffix(stored, "\n") // as set takes it from stdin
		refs := []string{"env://BROKER_SOURCE", "vault://acme/stored", "file://" + file}
		o := p.brokered(t, `
			unset SECRET_0 SECRET_1 SECRET_2
			for i in 0 1 2; do eval "$($W get SECRET_$i)"; echo $?; done
			printf %s "$SECRET_0" | sha256sum; printf %s "$SECRET_1" | sha256sum; printf %s "$SECRET_2" | sha256sum
			eval "$($W get vault://acme/stored)"; printf %s "$STORED" | sha256sum
			printf '%s\n' "$SECRET_0"`, refs...)
		want := "0\n0\n0\n"
		for _, value := range []string{env, stored, env, stored} {
			want += sum(value) + "  -\n"
		}
		if !strings.HasPrefix(o.stdout, want) || o.code != 0 || strings.Contains(o.stdout, env) {
			t.Errorf("the command says %+v, want\n%s", o, want)
		}
		got := p.events(t, "get")
		for i, what := range []string{"SECRET_0", "SECRET_1", "SECRET_2", "vault://acme/stored"} {
			if i >= len(got) || got[i].What != what || got[i].Result != "given" || got[i].PID == 0 || got[i].Program != p.ward {
				t.Errorf("the record of %s: %+v", what, got)
			}
		}
	})
}

// TestBrokerRefused: what the launch does not have, a value on stdout, and a launch without secrets.
func TestBrokerRefused(t *testing.T) {
	p := one(t)
	value, other := secretValue(), secretValue()
	p.atSecrets(t, map[string]string{"acme/other": other})
	p.env = append(p.env, "BROKER_SOURCE="+value, "WARD_VAULT_PASSPHRASE="+vaultPassphrase)
	for _, c := range []struct {
		script string
		refs   []string
		says   string
	}{
		{"$W get acme/other", []string{"env://BROKER_SOURCE"}, "secret acme/other: not among those of this launch"},
		{"$W get acme/other", []string{"env://BROKER_SOURCE"}, "this launch has env://BROKER_SOURCE, SECRET_0"},
		{"$W get SECRET_0", nil, "this launch has no secrets"},
		{"$W get SECRET_0 --raw", []string{"env://BROKER_SOURCE"}, "get --raw: refused to a command inside a launch"},
		{`env -i HOME="$HOME" $W get SECRET_0 --raw`, []string{"env://BROKER_SOURCE"}, "inside a launch"},
		{"$W unlock acme", []string{"env://BROKER_SOURCE"}, "unlock: refused to a command inside a launch"},
	} {
		o := p.brokered(t, c.script+"; echo $?", c.refs...)
		if !strings.HasSuffix(o.stdout, "77\n") || !strings.Contains(o.stderr, c.says) || strings.Contains(o.stdout+o.stderr, other) {
			t.Errorf("%s: %+v; want 77 and %q", c.script, o, c.says)
		}
	}
	for _, e := range p.events(t, "get") {
		if e.Result != "refused: not listed" {
			t.Errorf("the record has %+v", e)
		}
	}
	if o := p.brokered(t, `WARD_UNSEAL= $W __handoff --broker SECRET_0 X | cat; WARD_BROKER=@ward/none $W get SECRET_0 | cat`, "env://BROKER_SOURCE"); strings.Contains(o.stdout, "*") ||
		!strings.Contains(o.stderr, "WARD_UNSEAL: is not set to a key") || !strings.Contains(o.stderr, "@ward/none does not answer") {
		t.Errorf("with another environment: %+v", o)
	}
}

// TestBrokerStrangers: what is no client of ward's is answered in words or not at all, and the launch goes on.
func TestBrokerStrangers(t *testing.T) {
	needs(t, "python3")
	p := one(t)
	value := secretValue()
	p.env = append(p.env, "BROKER_SOURCE="+value)
	script := p.write(t, "stranger.py", []byte(`
import os, socket, struct
def ask(data, kind=socket.SOCK_STREAM):
    s = socket.socket(socket.AF_UNIX, kind)
    s.settimeout(5)
    try:
        s.connect("\0" + os.environ["WARD_BROKER"][1:])
        s.sendall(data)
        out = b""
        while True:
            more = s.recv(1 << 20)
            if not more or not data.startswith(b"ward\x01"): return out + more
            out += more
            if len(out) >= 5 and len(out) >= 5 + struct.unpack(">I", out[1:5])[0]: return out
    except OSError as e:
        return str(e).encode()
def frame(op, body): return b"ward\x01" + op + struct.pack(">I", len(body)) + body
v = os.environ["SECRET_0"].encode()
print("http", b"not a frame" in ask(b"GET / HTTP/1.1\r\n\r\n"))
print("version", b"not a frame" in ask(b"ward\x02g\0\0\0\0"))
print("huge", b"not a frame" in ask(b"ward\x01m\xff\xff\xff\xff"))
print("packets", b"wrong type" in ask(frame(b"g", b"SECRET_0"), socket.SOCK_SEQPACKET))
print("operation", b"not one of a launch's" in ask(frame(b"l", b"")))
masked = ask(frame(b"m", b"tool says " + v + b"\n"))
print("masked", v not in masked and masked[5:].startswith(b"tool says ") and b"*" * 20 in masked)
large = ask(frame(b"m", b"x" * (16 << 20)))
print("large", len(large) == 5 + (16 << 20))
sealed = ask(frame(b"g", b"SECRET_0"))
print("sealed", sealed[5:14] == b"SECRET_0\0" and v not in sealed)
held = []
for i in range(200):
    s = socket.socket(socket.AF_UNIX); s.connect("\0" + os.environ["WARD_BROKER"][1:]); held.append(s)
for s in held: s.close()
print("many", v not in ask(frame(b"m", v)))
`), 0o644)
	o := end(t, p.run(t, "--silent", "--env-credential-map", "env://BROKER_SOURCE", "SECRET_0", "--", "/usr/bin/python3", script))
	for _, what := range []string{"http", "version", "huge", "packets", "operation", "masked", "large", "sealed", "many"} {
		if !strings.Contains(o.stdout, what+" True\n") {
			t.Errorf("%s is not as it should be", what)
		}
	}
	if t.Failed() {
		t.Logf("%+v", o)
	}
}

// TestBrokerMemory: the supervisor has a secret at no time, not even while it is handed out again.
func TestBrokerMemory(t *testing.T) {
	if os.Getuid() != 0 {
		agentNeeds(t, "root, who alone reads a process that is not dumpable")
	}
	p := one(t)
	value := secretValue()
	p.env = append(p.env, "BROKER_SOURCE="+value)
	cmd := p.run(t, "--silent", "--set-var", "W="+p.ward, "--env-credential-map", "env://BROKER_SOURCE", "SECRET_0", "--",
		"sh", "-c", `eval "$($W get SECRET_0)"; printf %s "$SECRET_0" | sha256sum; exec cat`)
	in, out := pipes(t, cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer in.Close()
	if line, err := out.ReadString('\n'); err != nil || !strings.HasPrefix(line, sum(value)) {
		t.Fatalf("output = %q, %v; want the value's sum", line, err)
	}
	for name, pid := range map[string]int{"supervisor": cmd.Process.Pid, "stage two": child(t, cmd.Process.Pid, stageTwoName)} {
		for _, hit := range search(t, pid, value) {
			t.Errorf("%s: %s", name, hit)
		}
	}
}

// TestBrokerName: nobody listens at the broker's name, so nobody outside can connect to it.
func TestBrokerName(t *testing.T) {
	p := one(t)
	cmd := p.run(t, "--silent", "--", "sh", "-c", `echo "$WARD_BROKER"; exec cat`)
	in, out := pipes(t, cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer in.Close()
	name, err := out.ReadString('\n')
	if err != nil || !strings.HasPrefix(name, "@ward/") {
		t.Fatalf("WARD_BROKER = %q, %v", name, err)
	}
	if conn, err := net.Dial("unix", strings.TrimSpace(name)); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("connected from outside: %v, %v", conn, err)
	}
	listed, err := os.ReadFile("/proc/net/unix")
	if err != nil || strings.Contains(string(listed), strings.TrimSpace(name)) {
		t.Errorf("the name is listed among the sockets of the machine: %v", err)
	}
}
