//go:build !linux

package session

import "time"

// watch looks once a second whether the bound process has ended or the time is over. The wall clock is asked, since the
// other one may stand still while the machine sleeps.
func watch(b Bound, last time.Duration) error {
	for end := time.Now().Add(last).Round(0); b.lives() && time.Now().Round(0).Before(end); {
		time.Sleep(time.Second)
	}
	return nil
}

// clock is what watch goes by.
func clock() time.Duration { return time.Duration(time.Now().UnixNano()) }
