package hooks

import (
	"bytes"
	"fmt"
	"strings"
)

// Diff shows a change line by line, with three lines around it, as diff -u does; "" where there is none. A change of a
// settings file is in one place, so what begins and ends alike is enough to find it.
func Diff(name string, before, after []byte) string {
	if bytes.Equal(before, after) {
		return ""
	}
	a, b := lines(before), lines(after)
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	const around = 3
	from, past := max(0, head-around), min(around, tail)
	var out strings.Builder
	fmt.Fprintf(&out, "--- %s\n+++ %s\n@@ -%s +%s @@\n", name, name, span(from, len(a)-tail+past-from), span(from, len(b)-tail+past-from))
	write := func(sign byte, part []string) {
		for _, line := range part {
			out.WriteByte(sign)
			out.WriteString(line + "\n")
		}
	}
	write(' ', a[from:head])
	write('-', a[head:len(a)-tail])
	write('+', b[head:len(b)-tail])
	write(' ', a[len(a)-tail:len(a)-tail+past])
	return out.String()
}

// span is a range of lines as diff writes it: an empty one is named by the line before it.
func span(from, n int) string {
	if n == 0 {
		return fmt.Sprintf("%d,0", from)
	}
	return fmt.Sprintf("%d,%d", from+1, n)
}

func lines(text []byte) []string {
	if len(text) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}
