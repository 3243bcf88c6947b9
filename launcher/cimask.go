package launcher

import (
	"bytes"
	"io"
	"os"

	"ward/secrets"
)

// What the runner's masker is told. A line of a key file is masked by itself, but a bracket on a line of its own would
// be masked everywhere.
const (
	minMaskValue = 4 // bytes of a value in one line
	minMaskLine  = 8 // and of a line of several
)

// ciMask decides about --ci-mask. The runner of GitHub Actions takes "::add-mask::VALUE" from what a step prints; for
// everybody else that would be the value, printed.
func (p *Plan) ciMask(o Options, h Host) {
	if !o.CIMask {
		return
	}
	if h.env("GITHUB_ACTIONS") != "true" {
		p.Warnings = append(p.Warnings, "--ci-mask: this is no job of GitHub Actions (GITHUB_ACTIONS is not true), so nothing is registered")
		return
	}
	p.CIMask = true
}

// register tells the runner the values that the guard looks for. The runner reads the step's standard error as it reads
// its output, which is the command's and may go elsewhere.
func (req request) register(ready []want, found map[secrets.Ref]*secrets.Buffer, to *os.File) error {
	if !req.CIMask {
		return nil
	}
	info, err := to.Stat()
	if err != nil || isTerminal(int(to.Fd())) || info.Mode().IsRegular() {
		return Mistake("--ci-mask: stderr is not read by the runner, and the values would stand in it", "leave stderr as the job has it")
	}
	for _, w := range ready {
		if w.Exempt {
			continue
		}
		if err := found[w.Ref].Use(func(v []byte) error { return addMasks(to, v) }); err != nil {
			return err
		}
	}
	return nil
}

// addMasks writes the runner's command for each line of a value. Per cent and line ends are escaped as its toolkit does.
func addMasks(to io.Writer, value []byte) error {
	value = bytes.Trim(value, "\r\n")
	least := minMaskValue
	if bytes.ContainsAny(value, "\r\n") {
		least = minMaskLine
	}
	for line := range bytes.FieldsFuncSeq(value, func(r rune) bool { return r == '\r' || r == '\n' }) {
		line = bytes.TrimSpace(line)
		if len(line) < least {
			continue
		}
		command := make([]byte, 0, len("::add-mask::\n")+3*len(line)) // never moved, so that no copy is left
		command = append(command, "::add-mask::"...)
		for _, c := range line {
			if c == '%' {
				command = append(command, "%25"...)
			} else {
				command = append(command, c)
			}
		}
		_, err := to.Write(append(command, '\n'))
		clear(command[:cap(command)])
		if err != nil {
			return err
		}
	}
	return nil
}
