package sandbox

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// inheritedFiles is the limit of open files that ward was started with, to be given back to the command; nil: as it is.
//
// Go raises the soft limit to one below the hard limit before main and hides the old value from all but os/exec. It is
// taken from the parent, which is the shell that set it (`ulimit -n 256; ward run …`), if the hard limits agree; else it
// is 1024, the soft limit that the kernel and systemd give everyone. Programs that use select, or close every
// descriptor they could have, depend on it.
func inheritedFiles() *unix.Rlimit {
	var now unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &now); err != nil || now.Cur != now.Max-1 {
		return nil // Go raises nothing where soft and hard limit are the same
	}
	limit := unix.Rlimit{Cur: min(1024, now.Max), Max: now.Max}
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", os.Getppid()))
	if err != nil {
		return &limit
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "Max open files"); ok {
			var soft, hard uint64
			if n, _ := fmt.Sscan(rest, &soft, &hard); n == 2 && hard == now.Max && soft <= hard {
				limit.Cur = soft
			}
		}
	}
	return &limit
}
