package secrets

import "testing"

func TestDataDir(t *testing.T) {
	for _, c := range []struct{ xdg, home, want string }{
		{"/x", "/h", "/x/ward"}, {"", "/h", "/h/.local/share/ward"}, {"relative", "/h", "/h/.local/share/ward"},
	} {
		t.Setenv("XDG_DATA_HOME", c.xdg)
		t.Setenv("HOME", c.home)
		if got, err := DataDir(); err != nil || got != c.want {
			t.Errorf("XDG_DATA_HOME=%s: %s, %v; want %s", c.xdg, got, err, c.want)
		}
	}
	t.Setenv("XDG_DATA_HOME", "")
	t.Setenv("HOME", "")
	if dir, err := DataDir(); err == nil {
		t.Errorf("without HOME: %s", dir)
	}
}
