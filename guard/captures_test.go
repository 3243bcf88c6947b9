package guard

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// capturedValue is what the programs in testdata/captures printed. It is made as the tests run and stands in no file as
// it is, nor is it shaped like any vendor's key.
func capturedValue() string { return "q" + random(newRand(42), base64u, 94) }

// written is how a program may write a value.
type written struct {
	pieces func(value string, n int) []string // all that tell n characters of it; nil: those as they are
	slow   int                                // characters to be read where each byte waits for the timer; 0: 7
	fixed  bool                               // another value cannot be put in its place, as it is in code
}

// piecesOf gives what f makes of each n characters of a value.
func piecesOf(f func(string) string) func(string, int) []string {
	return func(v string, n int) (all []string) {
		for i := 0; i+n <= len(v); i++ {
			all = append(all, f(v[i:i+n]))
		}
		return all
	}
}

func asItIs(v string) string { return v }

// inBase64 gives what tells n characters of a value in base64, wherever it begins in its groups.
func inBase64(v string, n int) (all []string) {
	for before := range 3 {
		text := base64Of(strings.Repeat("x", before) + v)
		for i := before; i+n <= before+len(v); i++ {
			all = append(all, text[sixth(i, 0):sixth(i+n, 5)])
		}
	}
	return all
}

// sixth is which character of base64 has the first bit of byte i.
func sixth(i, up int) int { return (8*i + up) / 6 }

func inBase64Twice(v string, n int) (all []string) {
	text := base64Of(base64Of(v + "\n"))
	for i := 0; i+n <= len(v); i++ {
		all = append(all, text[sixth(sixth(i, 0), 0):sixth(sixth(i+n, 5), 5)])
	}
	return all
}

func inHex(v string) string { return hex.EncodeToString([]byte(v)) }

func asBase64() written   { return written{pieces: inBase64, slow: 8, fixed: true} }
func asHex() written      { return written{pieces: piecesOf(inHex), fixed: true} }
func asReversed() written { return written{pieces: piecesOf(reversed)} }
func asUpper() written    { return written{pieces: piecesOf(strings.ToUpper), slow: 11} }
func asEach(format string) written {
	slow := 7
	if format == "%d" { // of two or three digits each
		slow = 11
	}
	return written{fixed: true, slow: slow, pieces: piecesOf(func(v string) string {
		return each(v, func(_ int, c string) string { return fmt.Sprintf(format, c[0]) })
	})}
}

// asDump is hexadecimal numbers with the text itself beside them.
func asDump() written {
	return written{fixed: true, pieces: func(v string, n int) []string {
		return append(piecesOf(asItIs)(v, n), piecesOf(inHex)(v, n)...)
	}}
}

// captured is one program that prints the value, recorded in a terminal of cols by rows.
type captured struct {
	name       string
	cols, rows int
	run        string   // for bash; the value is in VALUE and in the files of record_test.go
	keys       []string // typed when the screen is still; TYPE is the value, key by key
	as         written
}

// plainCaptures are programs that print the value and go on.
func plainCaptures() []captured {
	return []captured{
		{name: "cat-40", cols: 40, run: `cat value.txt`},
		{name: "fold-40", run: `fold -w40 value.txt`},
		{name: "fold-10", run: `fold -w10 value.txt`},
		{name: "fold-7", run: `fold -w7 value.txt`},
		{name: "fold-1", rows: 40, run: `fold -w1 value.txt`},
		{name: "ps", run: `bash -c 'sleep 1; :' "$VALUE" & ps axww -o pid,args`},
		{name: "jq", run: `jq -C . doc.json`},
		{name: "redraw", run: `python3 draw.py redraw`},
		{name: "env", run: `env`},
		{name: "export", run: `export -p`},
		{name: "set-x", run: `bash -xc 'curl_opts="Authorization: Bearer $VALUE"; true "$curl_opts"'`},
		{name: "declare", run: `declare -p VALUE; printf '%q\n' "pass $VALUE"`},
		{name: "cut-18-43", run: `cut -c18-43 value.txt`},
		{name: "cut-33-47", run: `cut -c33-47 value.txt`},
		{name: "cut-33-42", run: `cut -c33-42 value.txt`},
		{name: "cut-14-21", run: `cut -c14-21 value.txt`},
		{name: "utf-16", run: `iconv -f UTF-8 -t UTF-16LE value.txt`},
		{name: "overstrike", run: `python3 draw.py overstrike`},
		{name: "ul", run: `python3 draw.py overstrike | ul -t xterm`},
		{name: "fix-ups", run: `python3 draw.py fix_ups`},
		{name: "colour-each", run: `python3 draw.py colour`},
		{name: "box-6", rows: 40, run: `python3 draw.py box`},
		{name: "drip", run: `python3 draw.py drip`},
		{name: "grep-part", run: `grep --color=always -e "${VALUE:12:3}" value.txt`},
		{name: "grep-digits", run: `grep --color=always '[0-9]' value.txt`},
		{name: "git-words", run: `git --no-pager diff --color=always --word-diff=color`},
		{name: "git-diff", run: `git --no-pager diff --color=always`},
		{name: "spaced", run: `sed 's/./& /g' value.txt`},
		{name: "added-up", run: `echo "\"$(sed 's/....../&" + "/g' value.txt)\""`},
		{name: "traceback", run: `python3 -c 'import os; raise ValueError(os.environ["VALUE"])'`},
		{name: "inspect", run: `node -e 'console.log({token: process.env.VALUE, list: [1, 2]})'`},
		{name: "json-in-json", run: `python3 -c 'import json, os; print(json.dumps({"body": json.dumps({"token": os.environ["VALUE"]})}))'`},
		{name: "curl-v", run: `python3 -m http.server -b 127.0.0.1 8765 >/dev/null 2>&1 & sleep 1; curl -sv -H "Authorization: Bearer $VALUE" http://127.0.0.1:8765/none >/dev/null`},
		{name: "nl", run: `nl text.txt`},
		{name: "column", run: `column -t text.txt`},
		{name: "diff-y", cols: 120, run: `diff -y -W 118 old.txt value.txt`},
		{name: "npm-run", run: `npm run show -- "$VALUE"`},
		{name: "make", run: `make show`},
		{name: "cat-n-7", rows: 30, run: `fold -w7 value.txt | cat -n`},
		{name: "upper", run: `tr a-z A-Z <value.txt`, as: asUpper()},
		{name: "rev", run: `rev value.txt`, as: asReversed()},
	}
}

// codedCaptures are programs that print the value in another form.
func codedCaptures() []captured {
	return []captured{
		{name: "base64", run: `base64 -w0 value.txt`, as: asBase64()},
		{name: "base64-1", run: `printf 'x%s' "$VALUE" | base64 -w0`, as: asBase64()},
		{name: "base64-2", run: `printf 'xx%s' "$VALUE" | base64 -w0`, as: asBase64()},
		{name: "base64-url", run: `printf '??%s' "$VALUE" | base64 -w0 | tr +/ -_`, as: asBase64()},
		{name: "base64-76", run: `printf 'user:%s' "$VALUE" | base64`, as: asBase64()},
		{name: "base64-twice", run: `base64 -w0 value.txt | base64 -w0`, as: written{fixed: true, slow: 12, pieces: inBase64Twice}},
		{name: "gzip-base64", run: `gzip -nc value.txt | base64 -w0`, as: written{fixed: true, pieces: func(v string, n int) []string { return piecesOf(asItIs)(gzipped(v), n) }}},
		{name: "hex", run: `xxd -p -c0 value.txt`, as: asHex()},
		{name: "hex-upper", run: `xxd -u -p value.txt`, as: written{fixed: true, pieces: piecesOf(func(v string) string { return strings.ToUpper(inHex(v)) })}},
		{name: "xxd", run: `xxd value.txt`, as: asDump()},
		{name: "hexdump-C", run: `hexdump -C value.txt`, as: asDump()},
		{name: "od-c", run: `od -An -c value.txt`},
		{name: "od-x1", run: `od -An -t x1 value.txt`, as: asHex()},
		{name: "percent", run: `xxd -p -c0 value.txt | sed 's/../%&/g'`, as: asEach("%02x")},
		{name: "escapes-x", run: `xxd -p -c0 value.txt | sed 's/../\\x&/g'`, as: asEach("x%02x")},
		{name: "escapes-u", run: `xxd -p -c0 value.txt | sed 's/../\\u00&/g'`, as: asEach("u00%02x")},
		{name: "entities", run: `python3 -c 'import os; print("".join(f"&#{ord(c)};" for c in os.environ["VALUE"]))'`, as: asEach("%d")},
		{name: "bytes-json", run: `node -e 'console.log(JSON.stringify(Buffer.from(process.env.VALUE)))'`, as: asEach("%d")},
		{name: "bytes-python", run: `python3 -c 'import os; print(list(os.environ["VALUE"].encode()))'`, as: asEach("%d")},
		{name: "clipboard", run: `printf '\e]52;c;%s\a' "$(base64 -w0 value.txt)"`, as: asBase64()},
		{name: "clipboard-tmux", run: `printf '\ePtmux;\e\e]52;c;%s\a\e\\' "$(base64 -w0 value.txt)"`, as: asBase64()},
		{name: "title", run: `printf '\e]0;%s\a' "$VALUE"`},
		{name: "link", run: `printf '\e]8;;https://example.com/?key=%s\e\\here\e]8;;\e\\\n' "$VALUE"`},
		{name: "device-string", run: `printf '\eP+q%s\e\\\e_%s\e\\\e^%s\e\\' "$VALUE" "$VALUE" "$VALUE"`},
	}
}

// screenCaptures are programs that paint a screen.
func screenCaptures() []captured {
	const vim = "vim -u NONE -i NONE -N -n "
	quit := []string{":q!\r"}
	return []captured{
		{name: "top", cols: 160, run: `bash -c 'sleep 5; :' "$VALUE" & top -c -d 0.3 -n 5`},
		{name: "htop", cols: 160, run: `bash -c 'sleep 5; :' "$VALUE" & htop -d 3`, keys: []string{"", "", "q"}},
		{name: "tmux-cat", run: `tmux -L a -f /dev/null new "cat value.txt; sleep 1"`},
		{name: "tmux-split", run: `tmux -L b -f /dev/null new 'bash --norc -i' \; split-window -h 'for i in $(seq 400); do date +%N; sleep 0.02; done' \; select-pane -t 0`,
			keys: []string{"echo ", "TYPE", "\r", "\x02:kill-server\r"}},
		{name: "tmux-copy", run: `tmux -L c -f /dev/null new 'cat text.txt value.txt; sleep 4'`, keys: []string{"\x02[", "\x1b[A\x1b[A", " ", "\x1b[A\x1b[A", "q", "\x02:kill-server\r"}},
		{name: "less-80", run: `less value.txt`, keys: []string{"", "q"}},
		{name: "less-numbers", cols: 40, run: `less -N text.txt`, keys: []string{"", "j", "k", "q"}},
		{name: "less-sideways", run: `less -S -#13 value.txt`, keys: []string{"\x1b[C", "\x1b[C", "\x1b[D", "q"}},
		{name: "git-pager", run: `git -c color.ui=always log -p`, keys: []string{"j", "d", "u", "q"}},
		{name: "vim-80", run: vim + `value.txt`, keys: quit},
		{name: "vim-40", cols: 40, run: vim + `value.txt`, keys: quit},
		{name: "vim-number", cols: 40, run: vim + `-c 'set number' text.txt`, keys: append([]string{"G", "gg"}, quit...)},
		{name: "vim-nowrap", cols: 40, run: vim + `-c 'set nowrap sidescroll=1' value.txt`, keys: append([]string{"9l", "40l", "10zl", "20zh"}, quit...)},
		{name: "vim-visual", run: vim + `value.txt`, keys: append([]string{"v", "9l", "9l", "4h", "$", "0"}, quit...)},
		{name: "vim-insert", run: vim + `-c 'set ruler' new.txt`, keys: append([]string{"i", "TYPE", "\x1b"}, quit...)},
		{name: "vim-insert-40", cols: 40, run: vim + `-c 'set ruler' new.txt`, keys: append([]string{"i", "TYPE", "\x1b"}, quit...)},
		{name: "readline", run: `bash --norc -i`, keys: []string{"echo ", "TYPE", "\r", "exit\r"}},
		{name: "readline-edit", cols: 40, run: `bash --norc -i`, keys: []string{"TYPE", "\x01", "export K=", "\x05", "\x7f\x7f", "\x01\x0b", "exit\r"}},
		{name: "ink-60", cols: 60, run: `node ink.mjs`},
		{name: "ink-30", cols: 30, run: `node ink.mjs`},
		{name: "ink-incremental-60", cols: 60, run: `node ink.mjs incremental`},
		{name: "ink-incremental-30", cols: 30, run: `node ink.mjs incremental`},
		{name: "cup", run: `python3 draw.py cup`},
		{name: "cup-backwards", run: `python3 draw.py backwards`},
		{name: "cup-spin", run: `python3 draw.py cup_spin`},
		{name: "diff-stream", run: `python3 draw.py diffstream`},
		{name: "even-odd", run: `python3 draw.py even_odd`},
		{name: "curses-typed", run: `python3 draw.py curses_typed`},
		{name: "curses-window", run: `python3 draw.py curses_window`},
		{name: "curses-acs", run: `LC_ALL=C NCURSES_NO_UTF8_ACS=0 python3 draw.py curses_window`, as: written{fixed: true}},
		{name: "curses-scrolled", run: `python3 draw.py curses_scrolled`},
		{name: "watch", run: `timeout --foreground 2 watch -n 0.5 cat value.txt`},
	}
}

// programCaptures are programs that print no value: what the screen is compared over.
func programCaptures() []captured {
	const nothing = "export VALUE=; "
	agent := []string{"", "", "", "", "hello there", "", "\x7f\x7f\x7f", "\r", "", "", "/", "", "\x1b", "\x03", "\x03"}
	return []captured{
		{name: "program-vim", run: nothing + `vim -u NONE -i NONE -N -n -c 'syntax on' -c 'set ruler showcmd number' draw.py`,
			keys: []string{"\x06", "\x06", "\x02", "gg", "50%", "dd", "p", "ohello world\x1b", ":split\r", "\x17j", "G", "u", "/curses\r", "n", ":qa!\r"}},
		{name: "program-less", run: nothing + `less draw.py`, keys: []string{" ", " ", "b", "j", "j", "k", "G", "g", "/def\r", "n", "q"}},
		{name: "program-top", run: nothing + `top -d 0.4`, keys: []string{"1", "M", "c", "", "q"}},
		{name: "program-htop", cols: 100, rows: 30, run: nothing + `htop -d 4`, keys: []string{"t", "", "\x1b[B\x1b[B", "", "q"}},
		{name: "program-tmux", cols: 100, rows: 30, run: nothing + `tmux -L d -f /dev/null new 'bash --norc -i'`,
			keys: []string{"ls -a --color\r", "\x02%", "seq 100\r", "\x02\"", "top -d 0.4\r", "", "\x02o", "less draw.py\r", " ", "\x02z", "", "\x02z", "\x02:kill-server\r"}},
		{name: "program-git", run: nothing + `git -c color.ui=always log --graph --stat -p`, keys: []string{" ", " ", "b", "j", "q"}},
		{name: "program-npm", run: nothing + `cd npm; npm install ../pkg; npm ls; npm help-search install | head -30`},
		{name: "program-claude", cols: 100, rows: 30, run: nothing + `claude`, keys: agent},
		{name: "program-codex", cols: 100, rows: 30, run: nothing + `codex`, keys: agent},
		{name: "program-opencode", cols: 100, rows: 30, run: nothing + `opencode`, keys: agent},
	}
}

func renderedCaptures() []captured {
	return append(append(plainCaptures(), codedCaptures()...), screenCaptures()...)
}

func (c captured) size() (cols, rows int) {
	cols, rows = 80, 24
	if c.cols != 0 {
		cols = c.cols
	}
	if c.rows != 0 {
		rows = c.rows
	}
	return cols, rows
}

func (c captured) file() string { return filepath.Join("testdata", "captures", c.name+".gz") }

// read gives what the program printed.
func (c captured) read(t testing.TB) []byte {
	t.Helper()
	f, err := os.Open(c.file())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func gzipped(v string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, v+"\n")
	w.Close()
	return base64Of(b.String())
}
