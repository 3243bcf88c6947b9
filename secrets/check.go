package secrets

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Soon is how long before it expires a secret is spoken of.
const Soon = 14 * 24 * time.Hour

// Finding is something that somebody should know about a stored secret.
type Finding struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"`  // "expired", "expires soon", "unknown", "unfinished", "lost", "unguarded"
	What  string `json:"what"`  // a sentence for people
	Fix   string `json:"fix"`   // what can be done
	Wrong bool   `json:"wrong"` // something has to be done; false: it is only worth knowing
}

// Check looks through what the index knows. It reads no value.
func (k Keep) Check(ctx context.Context, now time.Time) ([]Finding, error) {
	entries, err := k.Entries(ctx)
	if err != nil {
		return nil, err
	}
	known, err := k.Known()
	if err != nil {
		return nil, err
	}
	list := []Finding{}
	for _, e := range entries {
		if _, listed := known[e.Name]; !listed {
			list = append(list, Finding{e.Name, "unknown", "the index does not know it, so it is asked for as what is strict is", "ward set " + e.Name, true})
			continue
		}
		list = append(list, e.check(now)...)
		delete(known, e.Name)
	}
	// A removal that was cut short, or a vault that was moved away.
	for _, name := range slices.Sorted(maps.Keys(known)) {
		list = append(list, Finding{name, "lost", "the index knows it, and the " + k.Name + " does not have it", "ward rm " + name + ", or ward set " + name, true})
	}
	return list, nil
}

func (e Entry) check(now time.Time) (list []Finding) {
	fix := "ward rotate " + e.Name
	if e.Rotate != "" {
		fix = "renew it at " + e.Rotate + ", then: " + fix
	}
	switch left := e.Expires.Sub(now); {
	case e.Expires.IsZero() || left > Soon:
	case left <= 0:
		list = append(list, Finding{e.Name, "expired", "expired on " + e.Expires.Format(time.DateOnly), fix, true})
	default:
		list = append(list, Finding{e.Name, "expires soon", "expires on " + e.Expires.Format(time.DateOnly), fix, true})
	}
	switch {
	case e.Changed.IsZero():
		list = append(list, Finding{e.Name, "unfinished",
			"nothing is known about its value: it was stored by an older ward, or storing it was cut short", "ward set " + e.Name, true})
	case len(e.Marks) == 0:
		list = append(list, Finding{e.Name, "unguarded", "the guard knows it only in launches that use it", "", false})
	}
	return list
}

// ParseExpires reads a date (2030-12-31), a time (RFC 3339) or a number of days
// from now (90d). A date is its first moment, in UTC. What is past is an error.
func ParseExpires(text string, now time.Time) (time.Time, error) {
	at, err := time.Parse(time.DateOnly, text)
	if err != nil {
		at, err = time.Parse(time.RFC3339, text)
	}
	if days, ok := strings.CutSuffix(text, "d"); err != nil && ok {
		var n int
		if n, err = strconv.Atoi(days); err == nil && n > 0 && n <= 36500 {
			at = now.UTC().AddDate(0, 0, n).Truncate(24 * time.Hour)
		} else {
			err = errors.New("no number of days")
		}
	}
	switch {
	case err != nil:
		return time.Time{}, &metaError{"expires is no date", "write it as 2030-12-31, as 2030-12-31T12:00:00Z, or as 90d"}
	case !at.After(now):
		return time.Time{}, &metaError{fmt.Sprintf("expires %s: is past", at.Format(time.DateOnly)), "leave it out where a secret does not expire"}
	case at.Year() > 9999:
		return time.Time{}, &metaError{"expires is no date", ""}
	}
	return at.UTC(), nil
}
