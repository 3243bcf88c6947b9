package secrets

import (
	"fmt"
	"os"
	"path/filepath"
)

// OwnDir is ward's directory where a variable of the XDG base directory
// specification says, on every system: $XDG_DATA_HOME/ward. One that env does not
// have, or that is relative, stands for its default, as the specification asks;
// XDG_RUNTIME_DIR, which has none there, for the directory that systemd makes.
func OwnDir(variable string, env func(string) string) (string, error) {
	dir := env(variable)
	if !filepath.IsAbs(dir) && variable == "XDG_RUNTIME_DIR" {
		dir = fmt.Sprintf("/run/user/%d", os.Getuid())
	}
	if !filepath.IsAbs(dir) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(home, map[string]string{
			"XDG_CONFIG_HOME": ".config", "XDG_DATA_HOME": ".local/share", "XDG_STATE_HOME": ".local/state",
		}[variable])
	}
	return filepath.Join(dir, "ward"), nil
}
