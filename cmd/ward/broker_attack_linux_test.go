package main_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// brokerClient is how a hijacked command speaks to the broker itself.
const brokerClient = `
import os, socket, struct, sys, threading, time, string
ALPHABET = string.ascii_letters + string.digits
def connect():
    s = socket.socket(socket.AF_UNIX)
    s.connect("\0" + os.environ["WARD_BROKER"][1:])
    return s
def exactly(s, n):
    out = b""
    while len(out) < n:
        more = s.recv(n - len(out))
        if not more: raise EOFError
        out += more
    return out
def ask(s, op, body):
    s.sendall(b"ward\x01" + op + struct.pack(">I", len(body)) + body)
    status, size = struct.unpack(">BI", exactly(s, 5))
    return status, exactly(s, size)
`

// guesses finds out what it can of a secret from its first twelve characters, of which ward peek shows eight and the others
// take some seconds to try: all that may follow, behind so many that a window has, and whole words.
const guesses = brokerClient + `
s = connect()
SEP = "\n;:,|zqjxk|;:,\n" # lines by themselves: no file of base64, nothing that is filled with stars, no end that the next line goes on from
def hits(words):
    status, out = ask(s, b"m", SEP.join(words + [""]).encode())
    if status: print("refused", out.decode().splitlines()[0]); return []
    masked = [w for w, seen in zip(words, out.decode().split(SEP)) if seen[-1:] != w[-1:]]
    return masked if len(masked) < len(words) / 2 else [] # stars for all of them tell nothing of any
def walk(known):
    while len(known) < 40:
        more = []
        for width in (8, 9, 10, 12, 16, 24, 32, 40):
            if len(known) >= width - 1:
                more = more or [w[-1] for w in hits([known[len(known)-width+1:] + c for c in ALPHABET])]
        if not more: break
        known += more[0]
    return known
print("name", sys.argv[1].encode() in ask(s, b"h", sys.argv[1].encode())[1])
print("words", hits(["correct horse battery", "tr0ub4dor and 3", "a", "b", "hunter2hunter2", "Summer2026!Summer"]))
for shown in sys.argv[2:]:
    # Backwards, as the launch masks what it prints.
    print("walk", walk(shown)[::-1])
    found = hits([shown[:-2] + a + b for a in ALPHABET for b in ALPHABET])
    print("short", (walk(found[0]) if found else shown)[::-1])
`

// TestBrokerOracle: what a launch was not given cannot be found out by having guesses masked. A mark may be guessed, and
// no more than that.
func TestBrokerOracle(t *testing.T) {
	needs(t, "python3")
	p := one(t)
	// What windows were found of is walked from a token's first characters; words and short values were matched whole.
	token, strict, hex := markable(func() string { return "ghp_" + alphanumeric(36) }), secretValue(), strings.ToLower(fmt.Sprintf("%x", rand.Text()))[:40]
	p.keyring(t)
	h := &hooked{person: p}
	for name, value := range map[string]string{"token": token, "strict": strict, "hex": hex, "word": "tr0ub4dor and 3", "given": secretValue()} {
		h.store(t, "acme/"+name, value)
	}
	p.strict(t, "acme/strict")
	script := p.write(t, "guesses.py", []byte(guesses), 0o644)
	args := []string{"--audit-log", p.log(), "--env-credential-map", "acme/given", "GIVEN", "--", "/usr/bin/python3", script, token}
	values := []string{hex, strict, token}
	for _, value := range values {
		args = append(args, value[:12])
	}
	o := end(t, p.run(t, args...))
	found := regexp.MustCompile(`(?m)^(walk|short) (\S+)$`).FindAllStringSubmatch(o.stdout, -1)
	if o.code != 0 || len(found) != 2*len(values) || !strings.HasPrefix(o.stdout, "name True\nwords []\n") {
		t.Fatalf("the guesses say %+v", o)
	}
	for i, f := range found {
		value, right := values[i/2], 0
		for right < len(value) && right < len(f[2]) && f[2][len(f[2])-1-right] == value[right] {
			right++
		}
		if right > 12+8 {
			t.Errorf("%s: %d characters of secret %d are found, more than a mark has", f[1], right-12, i/2)
		}
	}
	for _, e := range p.events(t, "mask") {
		if e.What == "acme/word" || e.What == "acme/hex" || e.What == "acme/given" || e.PID == 0 || !strings.Contains(e.Program, "python3") {
			t.Errorf("the record has %+v", e)
		}
	}
	// A name that is refused is masked in the record, where nobody inside sees it.
	if gets := p.events(t, "get"); len(gets) != 1 || !strings.HasSuffix(gets[0].What, "****") {
		t.Errorf("a value in the place of a name is recorded as %+v", gets)
	}
}

func alphanumeric(n int) string {
	const set = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	out := make([]byte, n)
	rand.Read(out)
	for i, b := range out {
		out[i] = set[int(b)%len(set)]
	}
	return string(out)
}

// TestBrokerBudget: each answer with stars for a secret that the launch was not given is recorded, and after some of
// them the hook stops the agent. The vault's passphrase is in the environment: its secrets are known without asking.
func TestBrokerBudget(t *testing.T) {
	p := one(t)
	other := secretValue()
	p.atSecrets(t, map[string]string{"acme/other": other})
	p.env = append(p.env, "WARD_VAULT_PASSPHRASE="+vaultPassphrase)
	p.write(t, "payload", []byte(hookPayload(t, "it is "+other)), 0o644)
	p.write(t, "harmless", []byte(hookPayload(t, "all is well")), 0o644)
	o := p.brokered(t, `
		for i in $(seq 20); do $W guard hook --agent claude < payload | grep -c updatedToolOutput; done
		for f in payload harmless; do $W guard hook --agent claude < $f; done`)
	lines := strings.Split(o.stdout, "\n")
	if len(lines) < 22 || strings.Join(lines[:20], "") != strings.Repeat("1", 20) || strings.Contains(o.stdout, other) {
		t.Fatalf("the hook says %+v, want 20 answers with stars", o)
	}
	if n := strings.Count(o.stdout+o.stderr, "not given were in more than 20 payloads"); n < 2 {
		t.Errorf("after them the hook says %+v, want the reason, twice", o)
	}
	masks := p.events(t, "mask")
	if len(masks) != 21 || masks[0].What != "acme/other" || masks[0].Count != 1 || masks[0].Program != p.ward || !strings.HasPrefix(masks[20].Result, "refused: ") {
		t.Errorf("the record has %d events: %+v", len(masks), masks)
	}
}

// slowly sends many payloads at once and reads no answer to its end.
const slowly = brokerClient + `
body = b"0123456789abcde\n" * (1 << 20)
def one():
    try:
        s = connect()
        s.sendall(b"ward\x01m" + struct.pack(">I", len(body)) + body)
        for i in range(40): s.recv(1024); time.sleep(.1)
    except OSError: pass
all = [threading.Thread(target=one, daemon=True) for i in range(40)]
for t in all: t.start()
for i in range(4):
    time.sleep(1); print("second", flush=True)
`

// TestBrokerPayloads: many large payloads at once, whose answers are read slowly, do not fill the supervisor's memory.
func TestBrokerPayloads(t *testing.T) {
	needs(t, "python3")
	const most = 160 << 10 // kB
	p := one(t)
	p.env = append(p.env, "BROKER_SOURCE="+secretValue())
	script := p.write(t, "slowly.py", []byte(slowly), 0o644)
	cmd := p.run(t, "--silent", "--env-credential-map", "env://BROKER_SOURCE", "SECRET_0", "--", "/usr/bin/python3", script)
	_, out := pipes(t, cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	peak := 0
	for range 4 {
		if line, err := out.ReadString('\n'); line != "second\n" {
			t.Fatalf("the command says %q, %v", line, err)
		}
		peak = peakMemory(t, cmd.Process.Pid)
	}
	t.Logf("peak of the supervisor: %d MB", peak>>10)
	if peak > most {
		t.Errorf("the supervisor took %d MB, want at most %d", peak>>10, most>>10)
	}
	begin := time.Now()
	cmd.Wait()
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("the launch ended %v after its command", took)
	}
}

// peakMemory is the most that a process had resident, in kB.
func peakMemory(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	peak := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if peak == nil {
		t.Fatalf("no VmHWM in %s", status)
	}
	n, _ := strconv.Atoi(string(peak[1]))
	return n
}
