package sandbox

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// rawInet lays out struct sockaddr_in or sockaddr_in6.
func rawInet(at netip.AddrPort) []byte {
	if at.Addr().Is4() {
		raw := binary.NativeEndian.AppendUint16(nil, unix.AF_INET)
		raw = binary.BigEndian.AppendUint16(raw, at.Port())
		a := at.Addr().As4()
		return append(append(raw, a[:]...), make([]byte, 8)...)
	}
	raw := binary.NativeEndian.AppendUint16(nil, unix.AF_INET6)
	raw = binary.BigEndian.AppendUint16(raw, at.Port())
	a := at.Addr().As16()
	return append(append(append(raw, 0, 0, 0, 0), a[:]...), 0, 0, 0, 0)
}

func TestInet(t *testing.T) {
	for _, s := range []string{"127.0.0.1:80", "0.0.0.0:0", "255.255.255.255:65535", "[::1]:443", "[fe80::1]:1", "[::ffff:1.2.3.4]:5"} {
		at := netip.MustParseAddrPort(s)
		raw := rawInet(at)
		if got, err := inet(raw); err != nil || got != at {
			t.Errorf("%s: %v %v", s, got, err)
		}
		short := 15
		if at.Addr().Is6() {
			short = 23 // SIN6_LEN_RFC2133: the scope may be missing
			if got, err := inet(raw[:24]); err != nil || got != at {
				t.Errorf("%s without a scope: %v %v", s, got, err)
			}
		}
		if _, err := inet(raw[:short]); !errors.Is(err, unix.EINVAL) {
			t.Errorf("%s cut short: %v", s, err)
		}
		to := netip.MustParseAddrPort("127.0.0.1:9")
		if at.Addr().Is6() {
			to = netip.MustParseAddrPort("[::ffff:127.0.0.1]:9")
		}
		writeInet(raw, to)
		if got, _ := inet(raw); got.Addr() != to.Addr() || got.Port() != at.Port() {
			t.Errorf("%s narrowed: %v", s, got)
		}
	}
}

func TestUnixName(t *testing.T) {
	for _, c := range []struct {
		raw, name string
		abstract  bool
	}{
		{"", "", false}, {"/run/bus", "/run/bus", false}, {"/run/bus\x00", "/run/bus", false}, {"/run/nscd\x00garbage", "/run/nscd", false},
		{"\x00name", "name", true}, {"\x00na\x00me\x00", "na\x00me\x00", true}, {"\x00", "", true}, {"a", "a", false},
	} {
		name, abstract := unixName(append([]byte{1, 0}, c.raw...))
		if name != c.name || abstract != c.abstract {
			t.Errorf("%q: %q %v", c.raw, name, abstract)
		}
	}
}

// The address is bytes of the command. What is understood of it is what the kernel would understand: written out again,
// it is the same.
func FuzzAddress(f *testing.F) {
	f.Add(rawInet(netip.MustParseAddrPort("127.0.0.1:80")))
	f.Add(rawInet(netip.MustParseAddrPort("[::1]:80")))
	f.Add([]byte("\x01\x00/run/bus\x00"))
	f.Add([]byte("\x01\x00\x00abstract"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) < 2 || len(raw) > maxAddress {
			return
		}
		if family := binary.NativeEndian.Uint16(raw); family == unix.AF_INET || family == unix.AF_INET6 {
			at, err := inet(raw)
			if err != nil {
				return
			}
			size := map[bool]int{true: 8, false: 24}[at.Addr().Is4()]
			again := rawInet(at)
			if family == unix.AF_INET6 {
				copy(again[4:8], raw[4:8]) // flow label
			}
			if !bytes.Equal(again[:size], raw[:size]) {
				t.Fatalf("%x read as %v", raw, at)
			}
		}
		name, abstract := unixName(raw)
		switch {
		case abstract && "\x00"+name != string(raw[2:]):
			t.Fatalf("%q read as @%q", raw, name)
		case !abstract && (strings.Contains(name, "\x00") || !strings.HasPrefix(string(raw[2:])+"\x00", name+"\x00")):
			t.Fatalf("%q read as %q", raw, name)
		}
	})
}

// Lines of /proc/net as kernels print them.
const (
	tcpTable = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 101 1 0000000000000000 100 0 0 10 0
   1: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 102 1 0000000000000000 100 0 0 10 0
   2: 0100007F:9C40 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 103 1 0000000000000000 20 4 30 10 -1
`
	tcp6Table = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 201 1 0000000000000000 100 0 0 10 0
   1: 0000000000000000FFFF00000100007F:1F91 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 202 1 0000000000000000 100 0 0 10 0
`
	udpTable = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  357: 00000000:14E9 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 301 2 0000000000000000 0
  358: 0100007F:14EA 0100007F:0035 01 00000000:00000000 00:00000000 00000000     0        0 302 2 0000000000000000 0
`
	unixTable = `Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01   401 @/tmp/.X11-unix/X0
0000000000000000: 00000003 00000000 00000000 0001 03   402 @/tmp/.X11-unix/X0
0000000000000000: 00000002 00000000 00010000 0001 01   403 @two@words and a space
0000000000000000: 00000002 00000000 00010000 0001 01   404 /run/bus
0000000000000000: 00000003 00000000 00000000 0001 03   405
0000000000000000: 00000002 00000000 00010000 0005 01   406 @both
0000000000000000: 00000002 00000000 00010000 0001 01   407 @both
`
)

func TestReadEndpoints(t *testing.T) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		needs(t, "a little-endian machine: the tables are from one")
	}
	for _, c := range []struct {
		table string
		state byte
		want  string
	}{
		{tcpTable, tcpListen, "127.0.0.1:8080 101, 0.0.0.0:80 102"},
		{tcp6Table, tcpListen, "[::1]:8080 201, 127.0.0.1:8081 202"},
		{udpTable, udpOpen, "0.0.0.0:5353 301"},
		{"heading\n", tcpListen, ""},
		{"", tcpListen, ""},
	} {
		list, err := readEndpoints(strings.NewReader(c.table), c.state)
		var got []string
		for _, e := range list {
			got = append(got, fmt.Sprint(e.at, " ", e.inode))
		}
		if s := strings.Join(got, ", "); err != nil || s != c.want {
			t.Errorf("got %s %v, want %s", s, err, c.want)
		}
	}
	for _, line := range []string{"   0: 0100007F 0 0A", "   0: 01007F:1F90 0:0 0A 0 0 0 0 0 1", "   0: 0100007F:1F90Z 0:0 0A 0 0 0 0 0 1 1", "   0: 0100007F:1F90 0:0 XX 0 0 0 0 0 1 1", "   0: 0100007F:1F90 0:0 0A 0 0 0 0 0 x x"} {
		if _, err := readEndpoints(strings.NewReader("heading\n"+line+"\n"), tcpListen); err == nil {
			t.Errorf("%q was read", line)
		}
	}
}

func TestAnswersAbstract(t *testing.T) {
	for _, c := range []struct {
		ours []uint64
		name string
		want answerer
	}{
		{nil, "/tmp/.X11-unix/X0", byOutside}, {[]uint64{401}, "/tmp/.X11-unix/X0", byLaunch}, {[]uint64{402}, "/tmp/.X11-unix/X0", byOutside},
		{[]uint64{403}, "two\x00words and a space", byLaunch}, {[]uint64{403}, "two@words and a space", byLaunch},
		{nil, "two", byNobody}, {nil, "/run/bus", byNobody}, {[]uint64{406}, "both", byOutside}, {[]uint64{406, 407}, "both", byLaunch},
		{nil, "", byNobody},
	} {
		s := &sockets{}
		for _, inode := range c.ours {
			s.remember(inode)
		}
		if got := s.answersAbstract(strings.NewReader(unixTable), c.name); got != c.want {
			t.Errorf("%q with %v: %d, want %d", c.name, c.ours, got, c.want)
		}
	}
	if got := (&sockets{}).answersAbstract(strings.NewReader("0: 1 0 xyz 1 1 1 @name\n"), "name"); got != byOutside {
		t.Errorf("a line that cannot be read: %d", got)
	}
}

// What is remembered is bounded, and what is asked for again stays.
func TestSocketsAreForgotten(t *testing.T) {
	s := &sockets{}
	for i := range uint64(5 * maxSockets) {
		s.remember(i)
		if i%1000 == 0 && !s.has(7) && i > 7 {
			t.Fatalf("a socket in use is forgotten after %d others", i)
		}
	}
	if len(s.young)+len(s.old) > 2*maxSockets+1 {
		t.Errorf("%d remembered", len(s.young)+len(s.old))
	}
	if s.has(3) {
		t.Error("an old socket is still the launch's")
	}
}

// An answer of sock_diag is the kernel's, but cut it anywhere and it must not be read beyond its end.
func FuzzDiagReply(f *testing.F) {
	native := binary.NativeEndian
	message := func(kind uint16, body []byte) []byte {
		raw := make([]byte, unix.SizeofNlMsghdr)
		native.PutUint32(raw, uint32(len(raw)+len(body)))
		native.PutUint16(raw[4:], kind)
		return append(raw, body...)
	}
	body := make([]byte, diagMessageSize)
	body[0], body[1] = unix.AF_INET, tcpListen
	binary.BigEndian.PutUint16(body[4:], 8080)
	copy(body[8:], []byte{127, 0, 0, 1})
	native.PutUint32(body[68:], 12345)
	whole := append(message(unix.SOCK_DIAG_BY_FAMILY, body), message(unix.NLMSG_DONE, make([]byte, 4))...)
	found, done, err := diagReply(whole)
	want := endpoint{netip.MustParseAddrPort("127.0.0.1:8080"), tcpListen, 12345}
	if len(found) != 1 || found[0] != want || !done || err != nil {
		f.Fatalf("got %v %v %v", found, done, err)
	}
	if _, done, err := diagReply(message(unix.NLMSG_ERROR, native.AppendUint32(nil, ^uint32(1)))); !done || err != unix.ENOENT {
		f.Fatalf("error message: %v %v", done, err)
	}
	f.Add(whole)
	f.Fuzz(func(t *testing.T, raw []byte) {
		found, _, err := diagReply(raw)
		if err == nil && len(found)*diagMessageSize > len(raw) {
			t.Fatalf("%d endpoints in %d bytes", len(found), len(raw))
		}
	})
}

// Rights and scopes by Landlock version: never one that the version lacks, and all that it has.
func TestHandled(t *testing.T) {
	for abi, want := range map[int]ll.RulesetAttr{
		1: {HandledAccessFS: 1<<13 - 1}, 2: {HandledAccessFS: 1<<14 - 1}, 3: {HandledAccessFS: 1<<15 - 1},
		4: {HandledAccessFS: 1<<15 - 1, HandledAccessNet: 3}, 5: {HandledAccessFS: 1<<16 - 1, HandledAccessNet: 3},
		6: {HandledAccessFS: 1<<16 - 1, HandledAccessNet: 3, Scoped: 3}, 8: {HandledAccessFS: 1<<16 - 1, HandledAccessNet: 3, Scoped: 3},
		9: {HandledAccessFS: 1<<17 - 1, HandledAccessNet: 3, Scoped: 3}, 50: {HandledAccessFS: 1<<17 - 1, HandledAccessNet: 3, Scoped: 3},
	} {
		if got := handled(abi, true); got != want {
			t.Errorf("ABI %d: %+v, want %+v", abi, got, want)
		}
		want.HandledAccessNet = 0
		if got := handled(abi, false); got != want {
			t.Errorf("ABI %d without notifications: %+v, want %+v", abi, got, want)
		}
	}
}

func TestRights(t *testing.T) {
	const all = 1<<17 - 1
	for _, access := range []Access{0, Read, Write, Read | Write, Read | Write | Device} {
		for _, dir := range []bool{false, true} {
			got := Rule{Access: access}.rights(dir, all)
			if got&(ll.AccessFSMakeChar|ll.AccessFSMakeBlock) != 0 {
				t.Errorf("%v, directory %v: makes device nodes", access, dir)
			}
			if access&Write == 0 && got&(ll.AccessFSWriteFile|ll.AccessFSTruncate|ll.AccessFSRemoveFile|ll.AccessFSMakeReg|ll.AccessFSRefer) != 0 {
				t.Errorf("%v, directory %v: writes: %#x", access, dir, got)
			}
			if access&Read == 0 && got&(ll.AccessFSReadFile|ll.AccessFSReadDir|ll.AccessFSExecute) != 0 {
				t.Errorf("%v, directory %v: reads: %#x", access, dir, got)
			}
			if access&Device == 0 && got&ll.AccessFSIoctlDev != 0 {
				t.Errorf("%v, directory %v: ioctl", access, dir)
			}
			if !dir && got&^landlockFile != 0 {
				t.Errorf("%v: rights of a directory for a file: %#x", access, got)
			}
		}
	}
	if got := (Rule{Access: Write}).rights(true, 1<<13-1); got&^(1<<13-1) != 0 {
		t.Errorf("rights that ABI 1 lacks: %#x", got)
	}
}
