package launcher

import (
	"slices"
	"strings"
	"testing"
)

// The places that ward has without the variables are ward's own in a launch that has them, too: else what it writes there
// would be the configuration of the next.
func TestOwnDirs(t *testing.T) {
	t.Setenv("HOME", "/home/u")
	env := map[string]string{}
	look := func(name string) string { return env[name] }
	plain, err := ownDirs(look)
	if err != nil {
		t.Fatal(err)
	}
	if len(plain) != 4 || plain[0] != "/home/u/.config/ward" || plain[2] != "/home/u/.local/state/ward" {
		t.Errorf("without variables %q", plain)
	}
	env["XDG_CONFIG_HOME"], env["XDG_DATA_HOME"], env["XDG_STATE_HOME"] = "/else/config", "relative", "/home/u/.local/state"
	got, err := ownDirs(look)
	if want := append([]string{"/else/config/ward"}, plain[1:]...); err != nil || !slices.Equal(got, append(want, plain[0])) {
		t.Errorf("with variables %s, %v; want %s behind the others", strings.Join(got, " "), err, plain[0])
	}
}
