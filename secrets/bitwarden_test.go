package secrets

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"
)

// bwVersion is pinned: its texts are what bwError reads.
const bwVersion = "2026.9.0"

// bwInstalled gives the directory of the real bw, installed from npm on first
// use and kept for the next run, beside what else tests install.
func bwInstalled(t *testing.T) string {
	t.Helper()
	needsPrograms(t, "npm", "node")
	cache := os.Getenv("WARD_TEST_CACHE")
	if cache == "" && os.Getuid() == 0 {
		cache = "/var/cache/ward-test"
	} else if cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			needs(t, "a cache directory: "+err.Error())
		}
		cache = filepath.Join(dir, "ward-test")
	}
	dir := filepath.Join(cache, "npm", "bitwarden-cli-"+bwVersion)
	bin := filepath.Join(dir, "node_modules", ".bin")
	if _, err := os.Stat(filepath.Join(bin, "bw")); err == nil {
		return bin
	}
	if err := bwInstall(t, dir); err != nil {
		needs(t, "@bitwarden/cli from npm: "+err.Error())
	}
	return bin
}

// bwInstall fills a directory of another name and renames it; one process of
// several does, and the others wait.
func bwInstall(t *testing.T, dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	lock, err := os.OpenFile(dir+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	partial := dir + ".partial"
	if err := errors.Join(os.RemoveAll(partial), os.Mkdir(partial, 0o755)); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	npm := exec.CommandContext(ctx, "npm", "install", "--prefix", partial, "--no-audit", "--no-fund", "--loglevel=error", "@bitwarden/cli@"+bwVersion)
	npm.Dir = partial
	npm.WaitDelay = 5 * time.Second
	if out, err := npm.CombinedOutput(); err != nil {
		return fmt.Errorf("npm install: %w\n%s", err, out)
	}
	return os.Rename(partial, dir)
}

// bwWorld is a real bw with a home of its own and an account on the stand-in.
type bwWorld struct {
	*bitwardenServer
	bin, home, trusted string
	session            string
	stale              bool // there are items that bw has not fetched
	fetching           sync.Mutex
}

func newBWWorld(t *testing.T) *bwWorld {
	t.Helper()
	w := &bwWorld{bin: bwInstalled(t), home: t.TempDir(), bitwardenServer: newBitwardenServer(t)}
	w.trusted = w.certificate(t)
	w.bw(t, nil, "config", "server", w.URL)
	return w
}

func (w *bwWorld) environ(more ...string) []string {
	return append([]string{"PATH=" + w.bin + ":/usr/local/bin:/usr/bin:/bin", "HOME=" + w.home, "NODE_EXTRA_CA_CERTS=" + w.trusted}, more...)
}

// bw runs it as a person would.
func (w *bwWorld) bw(t *testing.T, env []string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(w.bin, "bw"), args...)
	cmd.Env = w.environ(env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("bw %s: %v\n%s%s", args, err, out, stderr.String())
	}
	return string(out)
}

// signIn does what a person does before the day begins.
func (w *bwWorld) signIn(t *testing.T) {
	t.Helper()
	w.bw(t, []string{"BW_CLIENTID=user.x", "BW_CLIENTSECRET=" + rand.Text()}, "login", "--apikey")
	w.session = w.bw(t, []string{"PASSWORD=" + w.password}, "unlock", "--raw", "--passwordenv", "PASSWORD")
}

// source is ward's, with bw brought up to date first.
func (w *bwWorld) source(t *testing.T) Source { return synced{w, t} }

type synced struct {
	*bwWorld
	t *testing.T
}

func (s synced) Fetch(ctx context.Context, path string) (*Buffer, error) {
	s.fetching.Lock()
	if s.stale && ctx.Err() == nil {
		s.bw(s.t, []string{"BW_SESSION=" + s.session}, "sync")
		s.stale = false
	}
	s.fetching.Unlock()
	return Bitwarden{s.runner()}.Fetch(ctx, path)
}

func (w *bwWorld) runner() *Runner {
	return &Runner{Environ: w.environ("BW_SESSION=" + w.session), Timeout: time.Minute}
}

// add plants an item.
func (w *bwWorld) add(i item) {
	i.id = itemID()
	w.put(i)
	w.stale = true
}

// The real bw and a real vault: the server alone is a stand-in.
func TestBitwardenSource(t *testing.T) {
	w := newBWWorld(t)
	w.signIn(t)
	fields := map[string]string{}
	sourceTest{
		source: w.source(t),
		path:   func(name string) string { return "GitHub/" + name },
		plant: func(t *testing.T, name string, value []byte) {
			fields[name] = string(value)
			w.clear()
			w.add(item{name: "GitHub", fields: fields})
		},
		lacks: func(value []byte) bool { return len(value) == 0 || !utf8.Valid(value) }, // it keeps text
		names: []string{"token", "TOKEN", "with ä space"},
		hint:  "the item has no not_there",
		crowd: 4,
	}.run(t)
	t.Run("fields", w.fields)
}

// fields asks for what every login has, and for what is missing or not meant.
func (w *bwWorld) fields(t *testing.T) {
	w.clear()
	w.add(item{name: "Mail", username: "me", password: "p w", notes: "two\nlines", uri: "https://example.com/", totp: "JBSWY3DPEHPK3PXP"})
	w.add(item{name: "Bank one", username: "only"})
	w.add(item{name: "Bank two", password: "p"})
	id := w.items[0]["id"].(string)
	for path, want := range map[string]string{
		"Mail": "p w", id: "p w", id + "/password": "p w", "Mail/username": "me", "Mail/notes": "two\nlines", "Mail/uri": "https://example.com/",
		"Bank one":      "!not found in Bitwarden's item Bank one|the item has no password",
		"Bank two/totp": "!not found in Bitwarden's item Bank two|no authenticator key",
		"Bank":          "!Bitwarden: more than one item matches|bw list items --search Bank",
		"ail":           "!not found in Bitwarden|write its whole name, or its id",
		"--help":        "!not found in Bitwarden|bw sync",
	} {
		b, err := w.source(t).Fetch(t.Context(), path)
		if failure, bad := strings.CutPrefix(want, "!"); bad {
			what, hint, _ := strings.Cut(failure, "|")
			if b != nil || err == nil || !strings.HasSuffix(err.Error(), what) || !strings.Contains(hintOf(err), hint) {
				t.Errorf("%s: %v\nhint: %s\nwant: %s", path, err, hintOf(err), failure)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v\nhint: %s", path, err, hintOf(err))
			continue
		}
		if got := string(plain(t, b)); got != want {
			t.Errorf("%s gives %q, want %q", path, got, want)
		}
		b.Destroy()
	}
	b, err := w.source(t).Fetch(t.Context(), "Mail/totp")
	if err != nil || len(strings.Trim(string(plain(t, b)), "0123456789")) != 0 || b.Len() != 6 {
		t.Errorf("the code: %v", err)
	}
	b.Destroy()
}

// What keeps a real bw from giving a value, each with its own hint.
func TestBitwardenErrors(t *testing.T) {
	w := newBWWorld(t)
	fails := func(what string, r *Runner, want, hint string) {
		t.Helper()
		b, err := Bitwarden{r}.Fetch(t.Context(), "GitHub")
		if b != nil || fmt.Sprint(err) != "secret GitHub: Bitwarden: "+want || !strings.Contains(hintOf(err), hint) {
			t.Errorf("%s: %v\nhint: %s", what, err, hintOf(err))
		}
		if what != "not installed" && !errors.Is(err, ErrLocked) {
			t.Errorf("%s: %v is not ErrLocked", what, err)
		}
	}
	fails("not installed", &Runner{Environ: []string{"PATH=/nowhere"}}, "its program bw is not installed", "npm install")
	fails("signed out", w.runner(), "not signed in", "bw login")
	w.signIn(t)
	const ended = "the vault is locked, or BW_SESSION is of a session that has ended"
	right := w.session
	for _, session := range []string{"", "nonsense", base64.StdEncoding.EncodeToString(random(64))} {
		w.session = session
		fails("locked", w.runner(), ended, `export BW_SESSION="$(bw unlock --raw)"`)
	}
	w.session = right
	w.bw(t, []string{"BW_SESSION=" + right}, "lock")
	fails("locked again", w.runner(), ended, "bw unlock")
}

// bwField takes a field out of what a real bw printed, values apart.
func TestBitwardenField(t *testing.T) {
	const item = `{"type":1,"name":"Git \"Hub\"","notes":"two\nlines","fields":[{"name":"api key","value":"c1","type":1},{"value":"c2","type":0,"name":"password"},` +
		`{"name":"empty","value":null,"type":1},{"name":"ünï","value":"\u00e4\ud83d\ude00","type":1}],"id":"673d2294-76df-43de-a9f5-c3c6c937da9f","object":"item",` +
		`"login":{"uris":[{"match":null,"uri":"https://a.example/"},{"uri":"b"}],"password":"p\"w\\","username":"me"},` +
		`"passwordHistory":[{"lastUsedDate":"2026-01-01","password":"old"}],"attachments":[]}`
	for _, c := range []struct{ id, field, want string }{
		{`Git "Hub"`, "password", `p"w\`}, // the login's own comes before a field of that name
		{"673d2294-76df-43de-a9f5-c3c6c937da9f", "password", `p"w\`},
		{`Git "Hub"`, "username", "me"},
		{`Git "Hub"`, "notes", "two\nlines"},
		{`Git "Hub"`, "uri", "https://a.example/"},
		{`Git "Hub"`, "api key", "c1"},
		{`Git "Hub"`, "ünï", "ä😀"},
		{`Git "Hub"`, "empty", "!not found"},
		{`Git "Hub"`, "old", "!not found"},
		{`Git "Hub"`, "item", "!not found"},
		{"Git", "password", "!not found in Bitwarden"},
		{"673d2294", "password", "!not found in Bitwarden"},
		{"GIT \"HUB\"", "password", "!not found in Bitwarden"},
	} {
		b, err := bwField("path", c.id, c.field, bufferOf(t, []byte(item)))
		if failure, bad := strings.CutPrefix(c.want, "!"); bad {
			if b != nil || !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), failure) || hintOf(err) == "" {
				t.Errorf("%s of %s: %v", c.field, c.id, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s of %s: %v", c.field, c.id, err)
		} else if got := string(plain(t, b)); got != c.want {
			t.Errorf("%s of %s is %q, want %q", c.field, c.id, got, c.want)
		}
		b.Destroy()
	}
	for _, junk := range []string{"", "{", `{"id":"x","login":{"password":"`, "not JSON", `{"id":"x"}`} {
		if b, err := bwField("path", "x", "password", bufferOf(t, []byte(junk))); b != nil || !errors.Is(err, ErrNotFound) {
			t.Errorf("%q: %v", junk, err)
		}
	}
}
