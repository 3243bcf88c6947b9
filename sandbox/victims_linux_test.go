package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// victims are the programs that the kernel tests confine. Each tries things and says what came of it.
func victims() map[string]func([]string) {
	return map[string]func([]string){
		"files":        victimFiles,
		"protected":    victimProtected,
		"terminals":    victimTerminals,
		"sockets":      victimSockets,
		"calls":        victimCalls,
		"processes":    victimProcesses,
		"connect":      victimConnect,
		"ports":        victimPorts,
		"listening":    victimListening,
		"datagrams":    victimDatagrams,
		"unix":         victimUnix,
		"abstract":     victimAbstract,
		"swap":         victimSwap,
		"swapfile":     victimSwapFile,
		"stuck":        victimStuck,
		"stuckconnect": victimStuckConnect,
		"argv":         victimArgv,
		"daemon":       victimDaemon,
		"hopper":       victimHopper,
		"keeper":       victimKeeper,
		"closer":       victimCloser,
		"stdin":        victimStdin,
		"peek":         victimPeek,
		"nested":       victimNested,
		"shared":       victimShared,
		"broker":       victimBroker,
		"exit":         func([]string) {},
	}
}

// victimFiles tries every kind of access to each path; what stands before "=" is the label. The paths must be the
// test's own: where a layer is missing, or broken, the attempts succeed.
func victimFiles(args []string) {
	for _, arg := range args {
		label, path, _ := strings.Cut(arg, "=")
		try := func(what string, err error) { say(label+" "+what, err) }
		_, err := os.ReadFile(path)
		if errors.Is(err, syscall.EISDIR) {
			_, err = os.ReadDir(path)
		}
		try("read", err)
		file := path
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			file = filepath.Join(path, "new")
			f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
			if err == nil {
				f.Close()
			}
			try("create", err)
			try("mkdir", os.Mkdir(filepath.Join(path, "newdir"), 0o700))
		} else {
			f, err := os.OpenFile(file, os.O_WRONLY, 0)
			if err == nil {
				f.Close()
			}
			try("write", err)
			try("truncate", unix.Truncate(file, 1))
			try("unlink", unix.Unlink(file))
		}
		try("chmod", unix.Chmod(path, 0o777))
		try("utime", unix.Utimes(path, []unix.Timeval{{}, {}}))
		try("xattr", unix.Setxattr(path, "user.ward", []byte("x"), 0))
		try("rename", unix.Rename(path, path+".moved"))
		try("link", unix.Link(path, "/tmp/link-"+label))
	}
}

// victimProtected tries to get at masked and fixed paths in the directory that it is given.
func victimProtected(args []string) {
	dir := args[0]
	in := func(p string) string { return filepath.Join(dir, p) }
	read := func(p string) {
		data, err := os.ReadFile(in(p))
		if err == nil && len(data) > 0 {
			err = errors.New("content")
		}
		say("read "+p, err)
	}
	read("secret")
	read("vault/key")
	read("config")
	say("write secret", os.WriteFile(in("secret"), []byte("x"), 0o600))
	say("unlink secret", unix.Unlink(in("secret")))
	say("rename secret", unix.Rename(in("secret"), in("s2")))
	say("link secret", unix.Link(in("secret"), in("s3")))
	say("rename over secret", func() error {
		if err := os.WriteFile(in("mine"), nil, 0o600); err != nil {
			return err
		}
		return unix.Rename(in("mine"), in("secret"))
	}())
	say("chmod secret", unix.Chmod(in("secret"), 0o600))
	say("rename vault", unix.Rename(in("vault"), in("v2")))
	say("write config", os.WriteFile(in("config"), []byte("x"), 0o600))
	say("unlink config", unix.Unlink(in("config")))
	say("create hook", os.WriteFile(in(".git/hooks/pre-commit"), nil, 0o700))
	say("rename hooks", unix.Rename(in(".git/hooks"), in(".git/h2")))
	say("rename .git", unix.Rename(in(".git"), in("x")))
	say("write in .git", os.WriteFile(in(".git/index"), nil, 0o600))
	say("unlink link", unix.Unlink(in("link")))
	say("rename link", unix.Rename(in("link"), in("l2")))
	say("write by link", os.WriteFile(in("link/code"), nil, 0o600))
	say("rename target", unix.Rename(in("real"), in("r2")))
	say("umount secret", unix.Unmount(in("secret"), unix.MNT_DETACH))
	say("remount hooks", unix.Mount("", in(".git/hooks"), "", unix.MS_REMOUNT|unix.MS_BIND, ""))
	say("setattr hooks", unix.MountSetattr(unix.AT_FDCWD, in(".git/hooks"), 0, &unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY}))
	say("symlink to secret", func() error {
		if err := os.Symlink(in("secret"), "/tmp/sym"); err != nil {
			return err
		}
		data, err := os.ReadFile("/tmp/sym")
		if len(data) > 0 {
			return errors.New("content")
		}
		return err
	}())
	say("read by /proc/self/root", func() error {
		data, err := os.ReadFile("/proc/self/root" + in("secret"))
		if len(data) > 0 {
			return errors.New("content")
		}
		return err
	}())
	say("write plain", os.WriteFile(in("plain"), []byte("x"), 0o600))
}

// victimTerminals looks for other people's terminals and makes one of its own. args: slaves outside.
func victimTerminals(args []string) {
	for i, slave := range args {
		fd, err := unix.Open(slave, unix.O_RDWR|unix.O_NOCTTY, 0)
		say(fmt.Sprintf("outer terminal %d", i), err)
		unix.Close(fd)
	}
	master, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY, 0)
	say("open ptmx", err)
	say("unlock", unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(master, unix.TIOCGPTN)
	say("number", err)
	slave, err := unix.Open(fmt.Sprintf("/dev/pts/%d", number), unix.O_RDWR|unix.O_NOCTTY, 0)
	say("open slave", err)
	_, err = unix.IoctlGetTermios(slave, unix.TCGETS)
	say("termios", err)
	char := byte('x')
	say("TIOCSTI", ioctl(slave, unix.TIOCSTI, &char))
	say("TIOCSTI with high bits", ioctl(slave, unix.TIOCSTI|1<<40, &char))
	say("TIOCLINUX", ioctl(slave, tiocLinux, &char))
}

// victimArgv shows what it was given, byte for byte.
func victimArgv(args []string) {
	for _, a := range args {
		fmt.Printf("arg %q\n", a)
	}
	environ, err := os.ReadFile("/proc/self/environ")
	if err != nil {
		fmt.Println(err)
	}
	for v := range strings.SplitSeq(strings.TrimSuffix(string(environ), "\x00"), "\x00") {
		fmt.Printf("env %q\n", v)
	}
	dir, _ := os.Getwd()
	fmt.Printf("dir %q\n", dir)
	fds, _ := os.ReadDir("/proc/self/fd")
	for _, fd := range fds {
		if target, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil {
			target, _, _ = strings.Cut(target, ":")
			if !strings.HasPrefix(target, "/proc/") && !strings.HasPrefix(target, "anon_inode") && !strings.HasPrefix(target, "/sys/fs/cgroup/") {
				fmt.Printf("fd %s %s\n", fd.Name(), target)
			}
		}
	}
}

// victimStdin opens what it was handed again by name.
func victimStdin([]string) {
	data, err := os.ReadFile("/dev/stdin")
	say("read /dev/stdin", err)
	fmt.Printf("stdin: %s\n", data)
}

// victimCloser closes its output and lives on until its input ends.
func victimCloser([]string) {
	fmt.Println("last: ok")
	unix.Close(1)
	unix.Close(2)
	unix.Read(0, make([]byte, 1))
}

// victimStuck waits for a signal, and exits with 3 at SIGTERM.
func victimStuck([]string) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM)
	fmt.Println("ready: ok")
	select {
	case <-c:
		os.Exit(3)
	case <-time.After(30 * time.Second):
	}
}
