package sandbox

import (
	"net/netip"
	"testing"
)

func addrs(list ...string) (out []netip.Addr) {
	for _, s := range list {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

func TestNetConnect(t *testing.T) {
	own := func(a netip.Addr) bool {
		return a == netip.MustParseAddr("192.168.1.5") || a == netip.MustParseAddr("2001:db8::5")
	}
	// Who answers: the launch on 8000 of loopback and of ::1, nobody on 9, somebody else everywhere else.
	who := func(at netip.AddrPort) answerer {
		switch {
		case at.Port() == 9:
			return byNobody
		case at == netip.MustParseAddrPort("127.0.0.1:8000"), at == netip.MustParseAddrPort("[::1]:8000"):
			return byLaunch
		}
		return byOutside
	}
	open := Net{Resolvers: addrs("127.0.0.53", "192.168.1.1"), Ports: []uint16{5432}}
	blocked := Net{Resolvers: open.Resolvers, Ports: open.Ports, Blocked: true}
	for _, c := range []struct {
		to            string
		open, blocked string // "" allowed, "nobody", or the hint behind "no "
	}{
		{"127.0.0.1:8000", "", ""}, {"127.0.0.1:8001", "no --allow-port 8001", "no --allow-port 8001"}, {"127.0.0.1:9", "nobody", "nobody"},
		{"127.0.0.2:8000", "no --allow-port 8000", "no --allow-port 8000"}, {"[::1]:8000", "", ""}, {"[::1]:8001", "no --allow-port 8001", "no --allow-port 8001"},
		{"[::ffff:127.0.0.1]:8000", "", ""}, {"[::ffff:127.0.0.1]:80", "no --allow-port 80", "no --allow-port 80"},
		{"0.0.0.0:8000", "", ""}, {"0.0.0.0:1", "no --allow-port 1", "no --allow-port 1"}, {"[::]:8000", "", ""}, {"[::]:1", "no --allow-port 1", "no --allow-port 1"},
		{"[::ffff:0.0.0.0]:8000", "", ""},
		{"192.168.1.5:22", "no --allow-port 22", "no --allow-port 22"}, {"192.168.1.5:9", "nobody", "nobody"}, {"[2001:db8::5]:22", "no --allow-port 22", "no --allow-port 22"},
		{"127.0.0.1:5432", "", ""}, {"192.168.1.5:5432", "", ""}, {"[::1]:5432", "", ""},
		{"127.0.0.53:53", "", ""}, {"[::ffff:127.0.0.53]:53", "", ""}, {"127.0.0.53:54", "no --allow-port 54", "no --allow-port 54"}, {"127.0.0.1:53", "no --allow-port 53", "no --allow-port 53"},
		{"192.168.1.1:53", "", ""}, {"192.168.1.1:80", "", "no --allow-net"},
		{"93.184.216.34:443", "", "no --allow-net"}, {"[2606:2800::1]:443", "", "no --allow-net"}, {"10.0.0.1:80", "", "no --allow-net"},
		{"169.254.169.254:80", "no ", "no "}, {"169.254.0.1:5432", "no ", "no "}, {"[::ffff:169.254.169.254]:80", "no ", "no "},
		{"[64:ff9b::a9fe:a9fe]:80", "no ", "no "}, {"[64:ff9b::7f00:1]:80", "no --allow-port 80", "no --allow-port 80"}, {"[64:ff9b::808:808]:80", "", "no --allow-net"},
		{"[fe80::1]:80", "no ", "no "}, {"[ff02::1]:80", "no ", "no "}, {"224.0.0.251:5353", "no ", "no "},
		{"[fd00:ec2::254]:80", "no ", "no "}, {"[fd20:ce::254]:80", "no ", "no "}, {"100.100.100.200:80", "no ", "no "}, {"[fd00:ec2::253]:80", "", "no --allow-net"},
	} {
		for n, want := range map[*Net]string{&open: c.open, &blocked: c.blocked} {
			got := ""
			switch no := n.connect(netip.MustParseAddrPort(c.to), own, who); {
			case no == nil:
			case no.nobody:
				got = "nobody"
			default:
				got = "no " + no.hint
				if no.what != "connect "+c.to {
					t.Errorf("%s: %q", c.to, no.what)
				}
			}
			if got != want {
				t.Errorf("%s, blocked %v: %q, want %q", c.to, n.Blocked, got, want)
			}
		}
	}
}

func TestNetBind(t *testing.T) {
	n := Net{Ports: []uint16{80, 3000}}
	for _, c := range []struct {
		at   string
		kind socketKind
		want string // the address, or "no " and the hint
	}{
		{"127.0.0.1:8000", socketKind{}, "127.0.0.1:8000"}, {"127.0.0.1:0", socketKind{}, "127.0.0.1:0"}, {"127.0.0.9:8000", socketKind{}, "127.0.0.9:8000"},
		{"[::1]:8000", socketKind{}, "[::1]:8000"}, {"[::ffff:127.0.0.1]:8000", socketKind{}, "[::ffff:127.0.0.1]:8000"},
		{"0.0.0.0:8000", socketKind{}, "127.0.0.1:8000"}, {"0.0.0.0:0", socketKind{}, "127.0.0.1:0"},
		{"[::]:8000", socketKind{}, "[::ffff:127.0.0.1]:8000"}, {"[::]:8000", socketKind{v6only: true}, "[::1]:8000"}, {"[::]:0", socketKind{}, "[::ffff:127.0.0.1]:0"},
		{"[::ffff:0.0.0.0]:8000", socketKind{}, "[::ffff:127.0.0.1]:8000"},
		{"127.0.0.1:1023", socketKind{}, "no --allow-port 1023"}, {"0.0.0.0:1", socketKind{}, "no --allow-port 1"}, {"127.0.0.1:1024", socketKind{}, "127.0.0.1:1024"},
		{"0.0.0.0:80", socketKind{}, "0.0.0.0:80"}, {"192.168.1.5:3000", socketKind{}, "192.168.1.5:3000"}, {"[::]:3000", socketKind{}, "[::]:3000"},
		{"192.168.1.5:8000", socketKind{}, "no --allow-port 8000"}, {"192.168.1.5:0", socketKind{}, "no "}, {"[fe80::1]:8000", socketKind{}, "no --allow-port 8000"},
		{"0.0.0.0:0", socketKind{datagram: true}, "0.0.0.0:0"}, {"[::]:0", socketKind{datagram: true}, "[::]:0"}, {"[::]:0", socketKind{datagram: true, v6only: true}, "[::]:0"},
		{"0.0.0.0:5353", socketKind{datagram: true}, "127.0.0.1:5353"}, {"0.0.0.0:53", socketKind{datagram: true}, "no --allow-port 53"},
		{"192.168.1.5:0", socketKind{datagram: true}, "no "}, {"127.0.0.1:5353", socketKind{datagram: true}, "127.0.0.1:5353"},
	} {
		where, no := n.bind(netip.MustParseAddrPort(c.at), c.kind)
		got := where.String()
		if no != nil {
			got = "no " + no.hint
		}
		if got != c.want {
			t.Errorf("%s %+v: %s, want %s", c.at, c.kind, got, c.want)
		}
	}
}

func TestUnixSocketPatterns(t *testing.T) {
	n := &Net{UnixSockets: []string{"/run/docker.sock", "/tmp/ssh-*/agent.*", "/home/u/sock/**", "/bad[", "/run/user/1000/"}}
	for path, allowed := range map[string]bool{
		"/run/docker.sock": true, "/run/docker.sock2": false, "/run/docker.soc": false, "/tmp/ssh-XYZ/agent.12": true, "/tmp/ssh-XYZ/sub/agent.12": false,
		"/home/u/sock/a": true, "/home/u/sock/a/b": true, "/home/u/sock": false, "/home/u/socket": false, "/bad[": false, "/run/user/1000/bus": false,
	} {
		no := n.unixSocket(path)
		if (no == nil) != allowed {
			t.Errorf("%s: %+v", path, no)
		}
		if no != nil && (no.what != "connect "+path || no.hint == "") {
			t.Errorf("%s: %+v", path, no)
		}
	}
	if no := n.unixSocket("/x\n\x1b[2J"); no.what != `connect "/x\n\x1b[2J"` || no.hint != "" {
		t.Errorf("%+v", no)
	}
}
