package sandbox

import (
	"errors"
	"fmt"

	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

const (
	landlockRead = ll.AccessFSExecute | ll.AccessFSReadFile | ll.AccessFSReadDir
	// Making device nodes is never granted.
	landlockWrite = ll.AccessFSWriteFile | ll.AccessFSRemoveDir | ll.AccessFSRemoveFile | ll.AccessFSMakeDir |
		ll.AccessFSMakeReg | ll.AccessFSMakeSock | ll.AccessFSMakeFifo | ll.AccessFSMakeSym | ll.AccessFSRefer |
		ll.AccessFSTruncate | ll.AccessFSResolveUnix
	// landlockFile are the rights that the kernel takes for something that is not a directory.
	landlockFile = ll.AccessFSExecute | ll.AccessFSWriteFile | ll.AccessFSReadFile | ll.AccessFSTruncate |
		ll.AccessFSIoctlDev | ll.AccessFSResolveUnix
)

// scopeABI is the first version that keeps signals and abstract sockets inside.
const scopeABI = 6

// handled gives all rights of a Landlock ABI version; newer kernels than this table are used as its last row.
// mediated says that the supervisor makes the connections, outside the domain, so that inside all of TCP is refused;
// where nobody does (nested, or accepted as missing) the network stays out.
func handled(abi int, mediated bool) ll.RulesetAttr {
	var a ll.RulesetAttr
	switch {
	case abi >= 9:
		a.HandledAccessFS = 1<<17 - 1
	case abi >= 5:
		a.HandledAccessFS = 1<<16 - 1
	case abi >= 3:
		a.HandledAccessFS = 1<<15 - 1
	case abi == 2:
		a.HandledAccessFS = 1<<14 - 1
	case abi == 1:
		a.HandledAccessFS = 1<<13 - 1
	}
	if abi >= 4 && mediated {
		a.HandledAccessNet = ll.AccessNetBindTCP | ll.AccessNetConnectTCP
	}
	if abi >= scopeABI {
		a.Scoped = ll.ScopeAbstractUnixSocket | ll.ScopeSignal
	}
	return a
}

// rights are what a rule grants of what is handled.
func (r Rule) rights(dir bool, handled uint64) uint64 {
	var rights uint64
	if r.Access&Read != 0 {
		rights |= landlockRead
	}
	if r.Access&Write != 0 {
		rights |= landlockWrite
	}
	if r.Access&Device != 0 {
		rights |= ll.AccessFSIoctlDev
	}
	if !dir {
		rights &= landlockFile
	}
	return rights & handled
}

// landlockABI is the version of this kernel, or why there is none.
func landlockABI() (int, error) {
	abi, err := ll.LandlockGetABIVersion()
	switch {
	case errors.Is(err, unix.ENOSYS):
		return 0, errors.New("not in this kernel")
	case errors.Is(err, unix.EOPNOTSUPP):
		return 0, errors.New("switched off at boot")
	case err != nil:
		return 0, err
	}
	return abi, nil
}

// restrict confines the calling thread, which the command inherits. go-landlock's Restrict would confine the other
// threads of stage two too, by stopping all of them twice; they never run anything of the command, and each stop waits
// for every thread to be scheduled.
func restrict(rules []Rule, abi int, mediated bool) error {
	attr := handled(abi, mediated)
	ruleset, err := ll.LandlockCreateRuleset(&attr, 0)
	if err != nil {
		return fmt.Errorf("ruleset: %w", err)
	}
	defer unix.Close(ruleset)
	for _, r := range rules {
		if err := r.add(ruleset, attr.HandledAccessFS); err != nil {
			return fmt.Errorf("rule %s: %w", r.Path, err)
		}
	}
	if err := ll.LandlockRestrictSelf(ruleset, 0); err != nil {
		return fmt.Errorf("restricting: %w", err)
	}
	return nil
}

// add puts a rule into a ruleset. A path that is missing is passed over.
func (r Rule) add(ruleset int, handled uint64) error {
	fd, err := openReal(r.Path)
	if beyondReach(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	rights := r.rights(st.Mode&unix.S_IFMT == unix.S_IFDIR, handled)
	if rights == 0 {
		return nil
	}
	return ll.LandlockAddPathBeneathRule(ruleset, &ll.PathBeneathAttr{ParentFd: fd, AllowedAccess: rights}, 0)
}

// openReal opens the path of a rule, which is free of links (see Rule): one that is there now was put there by another
// command since the launch was planned, and leads where no rule does. Then it is ELOOP. Before Linux 5.6, and where a
// container does not know the call, it is followed.
func openReal(path string) (int, error) {
	const flags = unix.O_PATH | unix.O_CLOEXEC
	if !Within(path, "/dev") && !Within(path, "/proc") { // the system's own: /dev/ptmx, /proc/self/fd/1
		fd, err := unix.Openat2(unix.AT_FDCWD, path, &unix.OpenHow{Flags: flags, Resolve: unix.RESOLVE_NO_SYMLINKS})
		if !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EPERM) {
			return fd, err
		}
	}
	return unix.Open(path, flags, 0)
}

// inner is a second domain, of the command alone: it keeps signals from its keeper. Stage two is in the first one, and
// without a process namespace the command could kill it, and outlive the supervisor. -1 where the kernel has no scopes;
// then there is a process namespace, whose init cannot be killed from inside.
func inner(abi int) (int, error) {
	if abi < scopeABI {
		return -1, nil
	}
	return ll.LandlockCreateRuleset(&ll.RulesetAttr{Scoped: ll.ScopeSignal}, 0)
}

// rulesHandedOver adds the files that the command gets as stdin, stdout and stderr: it may open them again as
// /dev/stdin and the like.
func (p *Policy) rulesHandedOver() []Rule {
	rules := p.Rules
	for fd := range 3 {
		access := Write
		if fd == 0 {
			access = Read
		}
		var st unix.Stat_t
		if unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG {
			rules = append(rules, Rule{descriptor(fd), access, "handed over"})
		}
	}
	return rules
}
