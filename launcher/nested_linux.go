package launcher

import (
	"os"
	"strings"
)

// Nested says whether ward runs inside one of its own launches. The variable alone proves nothing, so what the kernel
// says of this process must fit: no new privileges, and a filter.
func Nested() bool {
	if os.Getenv("WARD") != "1" {
		return false
	}
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false
	}
	marks := 0
	for line := range strings.Lines(string(data)) {
		switch strings.Join(strings.Fields(line), " ") {
		case "NoNewPrivs: 1", "Seccomp: 2":
			marks++
		}
	}
	return marks == 2
}
