package guard

import (
	"fmt"
	"slices"
)

// Mode is what happens to a secret that is met. The zero Mode is Redact.
type Mode uint8

const (
	Redact Mode = iota // mask it
	Block              // mask it; the caller ends the command once Leaks is not 0
	Warn               // count it and let it pass
	Off                // look for nothing
)

var modeNames = [...]string{"redact", "block", "warn", "off"}

func (m Mode) String() string {
	if int(m) < len(modeNames) {
		return modeNames[m]
	}
	return fmt.Sprintf("mode %d", uint8(m))
}

// UnmarshalText reads redact, block, warn or off.
func (m *Mode) UnmarshalText(text []byte) error {
	i := slices.Index(modeNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("guard mode %q: unknown, want redact, block, warn or off", text)
	}
	*m = Mode(i)
	return nil
}
