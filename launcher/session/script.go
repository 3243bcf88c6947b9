package session

import (
	"bufio"
	"io"
	"strings"

	"ward/secrets"
)

// sealedMark begins the line of the script that holds the encrypted value. It is a comment to the shell.
const sealedMark = "#ward1:"

// maxScript bounds what is read of a script, in bytes: the largest value in base64, and the words around it.
const maxScript = secrets.MaxValue*2 + 8192

// script is what the shell sources, in the language of POSIX: sh, bash, dash and zsh read it alike.
//
// The value comes by the output of a command that the shell reads, and goes from there into the variable: it is no
// argument of anything, no file, and no text that the shell would parse or a trap would show. A dot behind it keeps the
// newlines at its end, which the shell cuts off. While the shell prints what it does (set -x), nothing is handed over.
func (h HandOff) script(dir, sealed string) string {
	file := quote(dir + "/" + scriptName)
	return "# ward: hands " + h.Var + " over, once\n" +
		receiving(h.Var, "{ command rm -f -- "+file+"; "+quote(h.Ward)+" __handoff "+quote(dir)+" "+h.Var+" <&9; } 9<"+file) +
		"\n" + sealedMark + sealed + "\n"
}

// receiving assigns what a command prints, less the dot at its end, to a variable, and exports it. It tries first whether
// the shell lets it: at a variable that is read-only, or a number, the shell would stop in the middle, with the value in
// ward_value or in what it prints.
func receiving(name, command string) string {
	return "case $- in *x*) echo 'ward: this shell prints what it does (set -x), and would print the value' >&2; false ;; *) " +
		"if ! (" + name + "=a.b) 2>/dev/null; then echo 'ward: this shell does not let " + name + " be set: it is read-only, or a number' >&2; false; el" +
		`if ward_value="$(` + command + `)"; then ` + name + `="${ward_value%.}"; export ` + name + `; unset ward_value; ` +
		"else unset ward_value; false; fi ;; esac"
}

// Line is what `ward get` prints for a shell to eval: it sources the script. A file that is not there would end a POSIX
// shell then and there.
func Line(script string) string {
	file := quote(script)
	return "if [ -f " + file + " ]; then . " + file + "; else echo 'ward: this hand-off was used already, or waited too long' >&2; false; fi"
}

// BrokerLine is the same inside a launch, where no script is needed: ward gets the value from the launch's broker.
func BrokerLine(ward, key, name string) string {
	return receiving(name, quote(ward)+" __handoff --broker "+quote(key)+" "+name)
}

// quote makes one word of s for every shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// sealedText finds the encrypted value in a script.
func sealedText(script io.Reader) (string, error) {
	lines := bufio.NewScanner(io.LimitReader(script, maxScript))
	lines.Buffer(nil, maxScript)
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), sealedMark); ok {
			return text, nil
		}
	}
	return "", errDamaged
}
