package broker

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

// foreign is a server whose Mask knows a secret that the launch was not given.
func foreign(t *testing.T) (s *Server, r *record, payload []byte) {
	t.Helper()
	s, r = server(t, "sk-"+rand.Text())
	value := []byte("sk-" + rand.Text())
	s.Others = true
	s.Mask = func(b []byte) ([]byte, []Met, error) {
		n := bytes.Count(b, value)
		if n == 0 {
			return b, nil, nil
		}
		return bytes.ReplaceAll(b, value, []byte("****")), []Met{{"acme/other", n}}, nil
	}
	return s, r, append(append([]byte("says "), value...), value...)
}

// Who asks and sees stars could try guesses: each answer with stars for what the launch was not given is recorded, and
// after some of them there are no more answers.
func TestServerMet(t *testing.T) {
	s, r, payload := foreign(t)
	c := pair(t, s)
	for i := range maxMet {
		if masked, err := c.Mask(t.Context(), payload); string(masked) != "says ********" || err != nil {
			t.Fatalf("answer %d: %q, %v", i+1, masked, err)
		}
		c.Mask(t.Context(), []byte("nothing of the kind"))
	}
	for range 30 {
		for _, payload := range [][]byte{payload, []byte("nothing of the kind")} {
			masked, err := c.Mask(t.Context(), payload)
			if refused := (*Refusal)(nil); !errors.As(err, &refused) || !refused.Policy || !strings.Contains(refused.Text, "not given were in more than 20") {
				t.Fatalf("after %d answers: %q, %v", maxMet, masked, err)
			}
		}
	}
	if len(r.events) != maxMet+1 {
		t.Fatalf("%d events, want one an answer and one for the end", len(r.events))
	}
	if e := r.events[0]; e.Event != "mask" || e.What != "acme/other" || e.Count != 2 || e.Program != "/bin/asker" || e.PID == 0 {
		t.Errorf("an answer is recorded as %+v", e)
	}
	if e := r.events[maxMet]; e.Event != "mask" || !strings.HasPrefix(e.Result, "refused: ") || e.Program != "/bin/asker" {
		t.Errorf("the end is recorded as %+v", e)
	}
}

// The bytes are bounded where there are such secrets, and only there.
func TestServerOffered(t *testing.T) {
	for _, others := range []bool{true, false} {
		s, r, _ := foreign(t)
		s.Others = others
		c := pair(t, s)
		payload := bytes.Repeat([]byte("0123456789abcdef"), MaxPayload/16)
		for range maxOffered / MaxPayload {
			if _, err := c.Mask(t.Context(), payload); err != nil {
				t.Fatal(err)
			}
		}
		_, err := c.Mask(t.Context(), []byte("x"))
		if refused := (*Refusal)(nil); others != errors.As(err, &refused) || others && !strings.Contains(refused.Text, "256 MB") {
			t.Errorf("others %t: after %d bytes: %v", others, maxOffered, err)
		}
		if (len(r.events) == 1) != others {
			t.Errorf("others %t: the record is %+v", others, r.events)
		}
	}
}

// What cannot be recorded is not answered.
func TestServerMetUnrecorded(t *testing.T) {
	s, r, payload := foreign(t)
	r.err = errors.New("no space left on device")
	if masked, err := pair(t, s).Mask(t.Context(), payload); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("mask: %q, %v", masked, err)
	}
}

// A refused name is not masked where who sent it sees it, and Mask is not asked about it.
func TestServerNameTellsNothing(t *testing.T) {
	s, r, payload := foreign(t)
	s.Mask = func([]byte) ([]byte, []Met, error) { t.Error("a name is masked like a payload"); return nil, nil, nil }
	s.Hide = func(string) string { return "****" }
	for what, ask := range map[string]func() error{
		"get": func() error { _, err := pair(t, s).Get(t.Context(), string(payload)); return err },
		"has": func() error { return pair(t, s).Has(t.Context(), string(payload)) },
	} {
		if err := ask(); err == nil || !strings.Contains(err.Error(), string(payload)) {
			t.Errorf("%s: %v, want the name as it was sent", what, err)
		}
		if last := r.events[len(r.events)-1]; last.What != "****" {
			t.Errorf("%s is recorded as %+v", what, last)
		}
	}
}

// Whoever asks without end fills no disk: that it was too often is written once.
func TestServerOften(t *testing.T) {
	s, r := server(t, "sk-"+rand.Text())
	c := pair(t, s)
	for range 5000 {
		if err := c.Has(t.Context(), "acme/other"); err == nil {
			t.Fatal("the launch has acme/other")
		}
	}
	if n := len(r.events); n != maxAsked+1 || r.events[n-1].Result != "refused: too often" || r.events[n-2].Result != "refused: not listed" {
		t.Fatalf("%d events, the last is %+v; want %d", n, r.events[n-1], maxAsked+1)
	}
	for what, err := range map[string]error{
		"has": c.Has(t.Context(), "TOKEN"),
		"get": func() error { _, err := c.Get(t.Context(), "TOKEN"); return err }(),
	} {
		if err == nil || !strings.Contains(err.Error(), "asked 2000 times") {
			t.Errorf("%s after that: %v", what, err)
		}
	}
	if len(r.events) != maxAsked+1 {
		t.Errorf("refusals after that are recorded: %d events", len(r.events))
	}
}

// A large payload whose answer is not read keeps other large ones waiting, and no small one.
func TestServerLargeOnes(t *testing.T) {
	s, _ := server(t, "sk-"+rand.Text())
	s.Mask = func(b []byte) ([]byte, []Met, error) { return bytes.Clone(b), nil, nil }
	payload := bytes.Repeat([]byte("x"), MaxPayload)
	slow := pair(t, s)
	if err := writeRequest(slow.conn, Mask, payload); err != nil {
		t.Fatal(err)
	}
	var head [1]byte
	if _, err := slow.conn.Read(head[:]); err != nil { // its answer is on its way
		t.Fatal(err)
	}
	if masked, err := pair(t, s).Mask(t.Context(), payload[:step]); len(masked) != step || err != nil {
		t.Errorf("a small one: %d bytes, %v", len(masked), err)
	}
	short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := pair(t, s).Mask(short, payload[:step+1]); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a large one beside it: %v, want none", err)
	}
	var wait sync.WaitGroup
	wait.Go(func() {
		if masked, err := pair(t, s).Mask(context.Background(), payload[:step+1]); len(masked) != step+1 || err != nil {
			t.Errorf("a large one after it: %d bytes, %v", len(masked), err)
		}
	})
	slow.Close()
	wait.Wait()
	begin := time.Now()
	slow = pair(t, s)
	writeRequest(slow.conn, Mask, payload)
	if masked, err := pair(t, s).Mask(context.Background(), payload); len(masked) != len(payload) || err != nil {
		t.Errorf("after one that is never read: %d bytes, %v", len(masked), err)
	}
	if took := time.Since(begin); took < haste || took > patience {
		t.Errorf("that took %v, want a little more than %v", took, haste)
	}
}
