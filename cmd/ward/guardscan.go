package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"ward/launcher"
	"ward/launcher/scan"
)

type guardScanCmd struct {
	Paths []string `arg:"" name:"path" help:"Files and directories."`
	All   bool     `help:"Files that git ignores, and git's own, too."`
	JSON  bool     `name:"json" help:"Print a JSON object."`
	NoAsk bool     `help:"Ask nobody to open the store; where it is locked, end with 2."`
}

// Help is the example of `ward guard scan --help`.
func (guardScanCmd) Help() string {
	return "ward guard scan .\nward guard scan --all --json dist | jq .found"
}

// scanned is what --json prints.
type scanned struct {
	Files int64       `json:"files"`
	Bytes int64       `json:"bytes"`
	Found []scan.Find `json:"found"`
}

// Run is `ward guard scan`: 0 where nothing was found, 1 where a secret was, 2 where it could not look everywhere.
func (c *guardScanCmd) Run(stdout io.Writer) error {
	key, stored, err := storedPrints(!c.NoAsk)
	if err != nil {
		if errors.As(err, new(*exit)) {
			return err
		}
		return &exit{2, err}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop) // the second one ends a scan that hangs in a file
	s := &scan.Scan{Key: key, Prints: stored.Prints, All: c.All}
	done := make(chan struct{})
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		showProgress(s, done)
	}()
	finds, err := s.Run(ctx, c.Paths)
	close(done)
	<-shown
	if perr := c.print(stdout, s, finds); perr != nil {
		return &exit{2, perr}
	}
	switch {
	case err != nil:
		return &exit{2, err}
	case len(finds) > 0:
		return &exit{code: 1}
	}
	return nil
}

func (c *guardScanCmd) print(stdout io.Writer, s *scan.Scan, finds []scan.Find) error {
	p := s.Progress()
	if c.JSON {
		if finds == nil {
			finds = []scan.Find{}
		}
		return printJSON(stdout, scanned{p.Files, p.Bytes, finds})
	}
	counts := map[string]int{}
	for _, f := range finds {
		counts[f.Name]++
		if _, err := fmt.Fprintf(stdout, "%s:%d:%d: %s\n", launcher.Clean(f.File), f.Line, f.Column, launcher.Clean(f.Name)); err != nil {
			return err
		}
	}
	for _, f := range finds {
		if n := counts[f.Name]; n > 0 {
			note("found %s %s", f.Name, launcher.Times(n))
			delete(counts, f.Name)
		}
	}
	return nil
}

// showProgress draws a bar on a terminal once the work has taken half a second, and takes it away at the end.
func showProgress(s *scan.Scan, done <-chan struct{}) {
	if !isTerminal(os.Stderr) {
		<-done
		return
	}
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	drawn := false
	for {
		select {
		case <-done:
			if drawn {
				fmt.Fprint(os.Stderr, "\r\x1b[K")
			}
			return
		case <-tick.C:
			tick.Reset(100 * time.Millisecond)
			drawn = true
			fmt.Fprintf(os.Stderr, "\r%s\x1b[K", bar(s.Progress()))
		}
	}
}

const barWidth = 30

func bar(p scan.Progress) string {
	if p.Total == 0 {
		return fmt.Sprintf("ward: %d files, %d MB", p.Files, p.Bytes>>20)
	}
	full := int(p.Files * barWidth / p.Total)
	return fmt.Sprintf("ward: [%s%s] %d of %d files, %d MB", strings.Repeat("#", full), strings.Repeat(".", barWidth-full), p.Files, p.Total, p.Bytes>>20)
}
