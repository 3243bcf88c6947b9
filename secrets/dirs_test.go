package secrets

import (
	"fmt"
	"os"
	"testing"
)

func TestOwnDir(t *testing.T) {
	for _, c := range []struct{ variable, value, home, want string }{
		{"XDG_DATA_HOME", "/x", "/h", "/x/ward"},
		{"XDG_DATA_HOME", "", "/h", "/h/.local/share/ward"},
		{"XDG_DATA_HOME", "relative", "/h", "/h/.local/share/ward"},
		{"XDG_CONFIG_HOME", "/x", "", "/x/ward"},
		{"XDG_CONFIG_HOME", "", "/h", "/h/.config/ward"},
		{"XDG_STATE_HOME", "relative", "/h", "/h/.local/state/ward"},
		{"XDG_RUNTIME_DIR", "/x", "", "/x/ward"},
		{"XDG_RUNTIME_DIR", "", "", fmt.Sprintf("/run/user/%d/ward", os.Getuid())},
	} {
		t.Setenv("HOME", c.home)
		if got, err := OwnDir(c.variable, func(string) string { return c.value }); err != nil || got != c.want {
			t.Errorf("%s=%s: %s, %v; want %s", c.variable, c.value, got, err, c.want)
		}
	}
	t.Setenv("HOME", "")
	if dir, err := OwnDir("XDG_DATA_HOME", func(string) string { return "" }); err == nil {
		t.Errorf("without HOME: %s", dir)
	}
}
