// Package audit keeps the record of launches: one JSON object a line, names and numbers only.
package audit

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Event is one line. Fields that do not apply are left out.
type Event struct {
	Time        time.Time `json:"time"`
	Launch      string    `json:"launch"` // the same in all events of one launch
	Event       string    `json:"event"`  // "launch", "get", "mask", "refused", "masked", "made", "lifted", "exit"
	PID         int       `json:"pid,omitempty"`
	Profile     []string  `json:"profile,omitempty"`
	Program     string    `json:"program,omitempty"` // never its arguments: people put secrets there
	Dir         string    `json:"dir,omitempty"`
	Credentials []string  `json:"credentials,omitempty"` // variables
	Network     string    `json:"network,omitempty"`
	Guard       string    `json:"guard,omitempty"`
	Gaps        []string  `json:"gaps,omitempty"` // layers that were not enforced
	What        string    `json:"what,omitempty"`
	Count       int       `json:"count,omitempty"`
	Result      string    `json:"result,omitempty"` // of "get": "given"; of "mask": "masked: " and whose; or "refused: " and why
	Code        *int      `json:"code,omitempty"`
}

// Log is an open record. The zero value writes nothing.
type Log struct{ file *os.File }

// Open opens path for appending; "-" is stderr, and "" today's file in dir. Files are the user's own, mode 0600.
func Open(path, dir string) (*Log, error) {
	switch path {
	case "-":
		return &Log{os.Stderr}, nil
	case "":
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		path = filepath.Join(dir, time.Now().UTC().Format("2006-01-02")+".jsonl")
	}
	// A FIFO that nobody reads is an error then: to wait for a reader would take no signal.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, err
	}
	return &Log{f}, nil
}

// Write appends one event with a single write(2), so that launches beside each other do not mix their lines.
func (l *Log) Write(e Event) error {
	if l == nil || l.file == nil {
		return nil
	}
	if e.Time.IsZero() {
		e.Time = time.Now().UTC()
	}
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if _, err := l.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("audit record: %w", err)
	}
	return nil
}

// Close closes the file, but not stderr, which has the last words.
func (l *Log) Close() error {
	if l == nil || l.file == nil || l.file == os.Stderr {
		return nil
	}
	return l.file.Close()
}
