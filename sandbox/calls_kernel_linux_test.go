package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Parts of the kernel that no agent needs.
func TestCalls(t *testing.T) {
	both(t, func(t *testing.T) {
		want := map[string]string{
			"clone3": "ENOSYS", "unknown": "ENOSYS", "unknown 10000": "ENOSYS", "io_uring_enter": "ENOSYS",
			"mknod": "EACCES|EPERM", "setuid file": "exit status 1",
		}
		for _, name := range strings.Fields(`bpf keyctl add_key request_key userfaultfd perf_event_open kexec_load init_module setns
			mount umount pivot_root chroot fsopen open_tree move_mount mount_setattr open_by_handle_at`) {
			want[name] = "EPERM"
		}
		for _, ns := range strings.Fields("user mnt net pid ipc uts cgroup time") {
			want["unshare "+ns] = "EPERM"
			if ns != "time" {
				want["clone "+ns] = "EPERM"
			}
		}
		if runtime.GOARCH == "amd64" {
			want["x32 getpid"], want["i386 getpid"] = "ENOSYS", "ENOSYS"
		}
		l := victim(t, "calls")
		if os.Getuid() == 0 { // su as root needs no password, and may switch to root
			delete(want, "setuid file")
			got := verdicts(t, l.output(t))
			delete(got, "setuid file")
			compare(t, got, want)
			return
		}
		compare(t, verdicts(t, l.output(t)), want)
	})
}

// Processes outside are out of sight; stage two is in sight, and can neither be looked into nor signalled.
func TestProcesses(t *testing.T) {
	both(t, func(t *testing.T) {
		value := fmt.Sprintf("WARD_TEST=%d", os.Getpid())
		outside := exec.Command("/bin/sleep", "60")
		outside.Env = []string{value}
		if err := outside.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { outside.Process.Kill(); outside.Wait() }()
		for _, without := range [][]Layer{nil, {LayerMounts}, {LayerNamespaces}, {LayerNamespaces, LayerMounts}} {
			l := victim(t, "processes", strconv.Itoa(outside.Process.Pid), strconv.Itoa(os.Getpid()), "0")
			l.Without = without
			want := map[string]string{"end": "ok"}
			for _, label := range []string{"outside", "supervisor", "keeper"} {
				row := "environ=EACCES|EPERM mem=EACCES|EPERM maps=EACCES|EPERM fd=ENOENT|EACCES|EPERM root=EACCES|EPERM ptrace=EPERM process_vm_readv=EPERM pidfd_getfd=EPERM"
				switch {
				case label != "keeper" && without == nil:
					row = "environ=ENOENT mem=ENOENT maps=ENOENT fd=ENOENT root=ENOENT ptrace=ESRCH process_vm_readv=ESRCH pidfd_getfd=ESRCH"
				case label != "keeper" && without[0] == LayerMounts: // the machine's /proc, seen from another process namespace
					row = "environ=EACCES|EPERM mem=EACCES|EPERM maps=EACCES|EPERM fd=ENOENT|EACCES|EPERM root=EACCES|EPERM ptrace=ESRCH process_vm_readv=ESRCH pidfd_getfd=ESRCH"
				}
				outcomes(want, label, row)
				signals := "EPERM"
				if label != "keeper" && (without == nil || without[0] == LayerMounts) {
					signals = "ESRCH"
				}
				for _, s := range []string{"signal 0", "SIGCONT", "SIGTERM", "SIGQUIT", "SIGSTOP", "SIGKILL"} {
					want[label+" "+s] = signals
				}
			}
			compare(t, verdicts(t, l.output(t)), want)
		}
	})
}

// Stage two has held the credentials. Its memory is closed to the command by itself too, where neither Landlock nor a
// process namespace stands between them.
func TestStageTwoIsNotDumpable(t *testing.T) {
	both(t, func(t *testing.T) {
		l := victim(t, "peek")
		l.Without, l.Policy.Accept = []Layer{LayerNamespaces, LayerMounts, LayerLandlock, LayerScope}, []string{"all"}
		compare(t, verdicts(t, l.output(t)), map[string]string{"mem": "EACCES", "environ": "EACCES", "maps": "EACCES"})
	})
}

// Memory that is shared without a file.
func TestSharedMemory(t *testing.T) {
	both(t, func(t *testing.T) {
		key := 0x57a40000 + os.Getpid()
		id, err := unix.SysvShmGet(key, 4096, 0o1600)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.SysvShmCtl(id, unix.IPC_RMID, nil)
		queue := fmt.Sprintf("ward-test-%d", os.Getpid())
		name, _ := unix.BytePtrFromString(queue)
		if err := call(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(name)), unix.O_CREAT|unix.O_RDWR, 0o600, 0); err != nil {
			t.Fatal(err)
		}
		defer call(unix.SYS_MQ_UNLINK, uintptr(unsafe.Pointer(name)))
		file := write(t, "/dev/shm/"+queue, "outside")
		defer os.Remove(file)
		for _, c := range []struct {
			without []Layer
			want    map[string]string
		}{
			{nil, map[string]string{"outer segment": "ENOENT", "outer queue": "ENOENT", "outer shm file": "ENOENT", "own segment": "ok", "own shm file": "ok"}},
			{[]Layer{LayerNamespaces, LayerMounts}, map[string]string{
				"outer segment": "EPERM", "outer queue": "EPERM", "outer shm file": "EACCES", "own segment": "EPERM", "own shm file": "EACCES",
			}},
		} {
			l := victim(t, "shared", strconv.Itoa(key), queue, queue)
			l.Without = c.without
			compare(t, verdicts(t, l.output(t)), c.want)
		}
	})
}

// What /proc/self/status says of the command.
func TestStatus(t *testing.T) {
	both(t, func(t *testing.T) {
		fields := "Uid,Gid,CapInh,CapPrm,CapEff,CapBnd,CapAmb,NoNewPrivs,Seccomp,SigBlk,SigIgn,SigCgt,Umask"
		show := fmt.Sprintf(`grep -E '^(%s):' /proc/self/status`, strings.ReplaceAll(fields, ",", "|"))
		parse := func(out string) map[string]string {
			m := map[string]string{}
			for line := range strings.Lines(out) {
				name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
				m[name] = strings.Join(strings.Fields(value), " ")
			}
			return m
		}
		got := parse(shell(show).output(t))
		out, err := exec.Command("/bin/sh", "-c", show).Output()
		if err != nil {
			t.Fatal(err)
		}
		bare := parse(string(out))
		for _, same := range []string{"Uid", "Gid", "SigBlk", "SigIgn", "SigCgt", "Umask"} {
			if got[same] != bare[same] || got[same] == "" {
				t.Errorf("%s: %q, without ward %q", same, got[same], bare[same])
			}
		}
		caps := "0000000000000000"
		if os.Getuid() == 0 {
			caps = fmt.Sprintf("%016x", uint64(rootKeeps))
		}
		for name, want := range map[string]string{"CapInh": "0000000000000000", "CapAmb": "0000000000000000", "CapPrm": caps, "CapEff": caps, "CapBnd": caps, "NoNewPrivs": "1", "Seccomp": "2"} {
			if got[name] != want {
				t.Errorf("%s: %q, want %q", name, got[name], want)
			}
		}
	})
}

// Argument vector, environment, directory and descriptors are what was given, and nothing else.
func TestWhatIsHandedOver(t *testing.T) {
	both(t, func(t *testing.T) {
		leak, err := os.Open("/etc/passwd")
		if err != nil {
			t.Fatal(err)
		}
		defer leak.Close()
		unix.FcntlInt(leak.Fd(), unix.F_SETFD, 0) // as a careless parent of ward would leave it
		l := victim(t, "argv", "a  b", "$(id)", "", "*", "\xff\xfe", "ü\n")
		l.Env = []string{"A=1", "B=\xff", "A=2", "C="}
		l.Dir = "/usr"
		l.Stdio[0] = open(t, "/dev/null")
		want := `arg "a  b"` + "\n" + `arg "$(id)"` + "\n" + `arg ""` + "\n" + `arg "*"` + "\n" + `arg "\xff\xfe"` + "\n" + `arg "ü\n"` + "\n" +
			`env "A=1"` + "\n" + `env "B=\xff"` + "\n" + `env "A=2"` + "\n" + `env "C="` + "\n" + `dir "/usr"` + "\n" +
			"fd 0 /dev/null\nfd 1 pipe\nfd 2 pipe\n"
		if got := l.output(t); got != want {
			t.Errorf("got  %.2000q\nwant %.2000q", got, want)
		}
	})
}

func open(t testing.TB, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// Values come through their own pipe into the environment, more than a pipe holds at once too.
func TestValues(t *testing.T) {
	both(t, func(t *testing.T) {
		for _, c := range []struct {
			name, sent, want string
			err              string
		}{
			{"two", "ONE=1\x00TWO=a=b c\x00\x00", "A=0\nONE=1\nTWO=a=b c\n", ""},
			{"none", "\x00", "A=0\n", ""},
			{"large", "BIG=" + strings.Repeat("x", 100_000) + "\x00\x00", "A=0\nBIG=" + strings.Repeat("x", 100_000) + "\n", ""},
			{"cut short", "ONE=1\x00", "", "credentials: the resolver ended before all had arrived"},
			{"cut in a value", "ONE=1\x00T", "", "credentials: the resolver ended before all had arrived"},
			{"nothing", "", "", "credentials: the resolver ended before all had arrived"},
		} {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			go func() { w.WriteString(c.sent); w.Close() }()
			l := command("/usr/bin/env")
			l.Env, l.Values = []string{"A=0"}, r
			err = l.tryBegin(t)
			r.Close()
			if c.err != "" {
				if err == nil || err.Error() != c.err {
					t.Errorf("%s: error %v, want %s", c.name, err, c.err)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
				continue
			}
			l.end(t)
			if l.out.String() != c.want {
				t.Errorf("%s: %.200q", c.name, l.out.String())
			}
		}
	})
}

// The limit of open files is the one outside, which Go has raised for itself.
func TestFileLimit(t *testing.T) {
	both(t, func(t *testing.T) {
		for _, limit := range []string{"256", "1000"} {
			// This binary is ward here: the shell sets the limit and starts it.
			cmd := exec.Command("/bin/sh", "-c", `ulimit -Sn "$1"; "$2" -test.run '^TestFileLimitInside$' -test.v; exit $?`, "sh", limit, testBinary(t))
			cmd.Env = append(os.Environ(), "WARD_TEST_LIMIT="+limit)
			if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "limit "+limit+" inside") {
				t.Errorf("%s: %v\n%s", limit, err, out)
			}
		}
	})
}

// TestFileLimitInside is the second half of TestFileLimit, and by itself shows the limit that the tests were started with.
func TestFileLimitInside(t *testing.T) {
	got := strings.TrimSpace(shell("ulimit -Sn").output(t))
	want := os.Getenv("WARD_TEST_LIMIT")
	if want == "" {
		out, err := exec.Command("/bin/sh", "-c", "ulimit -Sn").Output() // os/exec gives the limit back too
		if err != nil {
			t.Fatal(err)
		}
		want = strings.TrimSpace(string(out))
	}
	if got != want {
		t.Errorf("limit %s inside, %s outside", got, want)
	}
	t.Logf("limit %s inside", got)
}

// A file that was handed over can be opened again by name, and only as it was handed over.
func TestHandedOverFile(t *testing.T) {
	both(t, func(t *testing.T) {
		dir := outdoors(t)
		l := victim(t, "stdin")
		l.Stdio[0] = open(t, write(t, filepath.Join(dir, "in"), "content"))
		if got := l.output(t); got != "read /dev/stdin: ok\nstdin: content\n" {
			t.Errorf("got %q", got)
		}
		out, err := os.Create(filepath.Join(dir, "out"))
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		l = shell("echo first; echo second > /dev/stdout; cat < /dev/stdout 2>/dev/null || echo closed")
		l.Stdio[1] = out
		l.run(t)
		if data, _ := os.ReadFile(filepath.Join(dir, "out")); !strings.Contains(string(data), "closed") {
			t.Errorf("got %q", data)
		}
	})
}
