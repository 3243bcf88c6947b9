package sandbox

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// server listens outside the launch and greets. It counts who came.
type server struct {
	net.Listener
	port string
	came chan struct{}
}

func serve(t testing.TB, network, address string) *server {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{Listener: l, came: make(chan struct{}, 1<<16)}
	_, s.port, _ = net.SplitHostPort(l.Addr().String())
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.came <- struct{}{}
			c.Write([]byte("outside\n"))
			c.Close()
		}
	}()
	return s
}

// visits are the connections so far. What the command could do it has done: it has ended.
func (s *server) visits() int {
	time.Sleep(20 * time.Millisecond)
	return len(s.came)
}

func (s *server) number() int { return portOf(s.port) }

// mute listens outside and accepts nothing, with a full queue: a connection to it never ends.
func mute(t testing.TB) string {
	t.Helper()
	fd, err := bindTo(unix.SOCK_STREAM, loopback(0))
	if err == nil {
		err = unix.Listen(fd, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	local, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	port := local.(*unix.SockaddrInet4).Port
	t.Cleanup(func() { unix.Close(fd) })
	for range 2 {
		c, _ := socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
		unix.Connect(c, loopback(port))
		t.Cleanup(func() { unix.Close(c) })
	}
	return strconv.Itoa(port)
}

// ownAddress is an address of this machine that is not loopback.
func ownAddress(t testing.TB) string {
	t.Helper()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() != nil && !ip.IP.IsLoopback() && !ip.IP.IsLinkLocalUnicast() {
			return ip.IP.String()
		}
	}
	return ""
}

// Which sockets there are at all, and what goes past connect().
func TestSockets(t *testing.T) {
	both(t, func(t *testing.T) {
		for _, blocked := range []bool{false, true} {
			s := serve(t, "tcp4", "127.0.0.1:0")
			l := victim(t, "sockets", s.port)
			l.Policy.Net.Blocked = blocked
			want := map[string]string{
				"socket inet stream": "ok", "socket inet tcp": "ok", "socket inet6 stream": "ok",
				"socket mptcp": "EACCES", "socket sctp": "EACCES", "socket udplite": "EACCES", "socket ping": "EACCES", "socket raw": "EACCES",
				"socket udp": "ok", "socket udp6": "ok",
				"socket packet": "EAFNOSUPPORT", "socket vsock": "EAFNOSUPPORT", "socket alg": "EAFNOSUPPORT", "socket bluetooth": "EAFNOSUPPORT",
				"socket netlink route": "ok", "socket netlink uevent": "EAFNOSUPPORT", "socket netlink diag": "EAFNOSUPPORT",
				"socket unix stream": "ok", "socket unix seqpacket": "ok", "socket unix datagram": "EACCES", "socket unix raw": "EACCES",
				"socketpair stream": "ok", "socketpair datagram": "EACCES",
				"fast open by sendto": "EACCES", "fast open by sendmsg": "EACCES", "fast open by sendmmsg": "EACCES",
				"fast open in the message": "EPIPE", "fast open by option": "EACCES",
				"listen without bind": "EACCES", "io_uring_setup": "ENOSYS",
			}
			if blocked {
				want["socket udp"], want["socket udp6"] = "EACCES", "EACCES"
			}
			compare(t, verdicts(t, l.output(t)), want)
			if n := s.visits(); n != 0 {
				t.Errorf("blocked %v: %d connections arrived", blocked, n)
			}
		}
	})
}

// Where connections may go, asked from a thread that is not the first, blocking and not. Nothing leaves this machine:
// what is allowed is on loopback, and what is refused is never called.
func TestConnect(t *testing.T) {
	both(t, func(t *testing.T) {
		foreign, allowed, six := serve(t, "tcp4", "0.0.0.0:0"), serve(t, "tcp4", "127.0.0.1:0"), serve(t, "tcp6", "[::1]:0")
		want, to := map[string]string{}, []string{}
		for address, outcome := range map[string]string{
			"127.0.0.1:" + foreign.port: "EACCES", "127.3.4.5:" + foreign.port: "EACCES", "0.0.0.0:" + foreign.port: "EACCES",
			"[::ffff:127.0.0.1]:" + foreign.port: "EACCES", "[::1]:" + six.port: "EACCES", "[::]:" + six.port: "EACCES",
			"127.0.0.1:" + allowed.port: "ok", "127.0.0.1:1": "ECONNREFUSED",
			"169.254.169.254:80": "EACCES", "[fe80::1]:80": "EACCES", "[fd00:ec2::254]:80": "EACCES", "100.100.100.200:80": "EACCES",
			"[64:ff9b::a9fe:a9fe]:80": "EACCES", "203.0.113.7:80": "EACCES",
		} {
			want["connect "+address], want["blocking connect "+address] = outcome, outcome
			to = append(to, address)
		}
		if own := ownAddress(t); own != "" {
			want["connect "+own+":"+foreign.port], want["blocking connect "+own+":"+foreign.port] = "EACCES", "EACCES"
			to = append(to, own+":"+foreign.port)
		}
		l := victim(t, "connect", to...)
		l.Policy.Net.Blocked = true // so that 203.0.113.7 (TEST-NET-3) is refused
		l.Policy.Net.Ports = []uint16{uint16(allowed.number())}
		compare(t, verdicts(t, l.output(t)), want)
		if n := foreign.visits() + six.visits(); n != 0 {
			t.Errorf("%d connections arrived where none may", n)
		}
		if n := allowed.visits(); n != 2 {
			t.Errorf("%d connections arrived at the allowed port, want 2", n)
		}
		hints := map[string]string{}
		for _, r := range l.Refused() {
			hints[r.What] = fmt.Sprint(r.Hint, " ", r.Count)
		}
		for what, hint := range map[string]string{
			"connect 127.0.0.1:" + foreign.port: "--allow-port " + foreign.port + " 4", "connect 203.0.113.7:80": "--allow-net 2",
			"connect 169.254.169.254:80": " 2",
		} {
			if hints[what] != hint {
				t.Errorf("refused %s: %q, want %q", what, hints[what], hint)
			}
		}
		if _, ok := hints["connect 127.0.0.1:1"]; ok {
			t.Error("a port where nobody listens is in the summary")
		}
	})
}

// Ports that the launch opens are its own, and no trick makes somebody else's port its own.
func TestPorts(t *testing.T) {
	both(t, func(t *testing.T) {
		outer := serve(t, "tcp4", "127.0.0.1:0")
		want := map[string]string{
			"bind wildcard": "ok", "narrowed to loopback": "ok", "connect before listen": "ECONNREFUSED", "listen": "ok",
			"connect to own": "ok", "connect to own by 0.0.0.0": "ok", "connect to own by mapped address": "ok", "connect to closed": "ECONNREFUSED",
			"bind same port beside": "ok", "listen beside": "ok", "connect to outer": "EACCES", "bind over outer": "EADDRINUSE",
			"connect to outer after": "EACCES", "bind wildcard over outer": "EADDRINUSE", "bind 80": "EACCES", "bind elsewhere": "EACCES",
			"v6 bind": "ok", "v6 narrowed": "ok", "v6 listen": "ok", "v6 connect": "ok",
		}
		compare(t, verdicts(t, victim(t, "ports", outer.port).output(t)), want)
		if n := outer.visits(); n != 0 {
			t.Errorf("%d connections arrived outside", n)
		}
	})
}

// A server outside that shares its port (SO_REUSEPORT) shares it with nobody inside.
func TestSharedPort(t *testing.T) {
	both(t, func(t *testing.T) {
		fd, err := bindTo(unix.SOCK_STREAM, loopback(0), unix.SO_REUSEPORT)
		if err == nil {
			err = unix.Listen(fd, 5)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		local, _ := unix.Getsockname(fd)
		got := verdicts(t, victim(t, "ports", strconv.Itoa(local.(*unix.SockaddrInet4).Port)).output(t))
		for _, operation := range []string{"bind over outer", "bind wildcard over outer"} {
			if got[operation] != "EADDRINUSE" {
				t.Errorf("%s: %s, want EADDRINUSE", operation, got[operation])
			}
		}
	})
}

func TestListening(t *testing.T) {
	both(t, func(t *testing.T) {
		allowed := serve(t, "tcp4", "127.0.0.1:0")
		l := victim(t, "listening", allowed.port)
		l.Policy.Net.Ports = []uint16{uint16(allowed.number())}
		compare(t, verdicts(t, l.output(t)), map[string]string{
			"connect": "ok", "dissolve": "ok", "listen": "EACCES", "bind without a port": "ok", "listen on it": "ok", "on loopback": "ok",
		})
	})
}

func TestDatagrams(t *testing.T) {
	both(t, func(t *testing.T) {
		outer, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer outer.Close()
		_, port, _ := net.SplitHostPort(outer.LocalAddr().String())
		compare(t, verdicts(t, victim(t, "datagrams", port).output(t)), map[string]string{
			"bind wildcard": "ok", "stays wildcard": "ok", "connect to outer": "EACCES", "connect to nobody": "ok",
			"bind over outer": "EADDRINUSE", "bind 53": "EACCES", "bind loopback": "ok", "connect to own": "ok",
		})
	})
}

// A port of --allow-port may be bound as it was asked for, and reached on every address.
func TestAllowedPortIsNotNarrowed(t *testing.T) {
	both(t, func(t *testing.T) {
		probe := serve(t, "tcp4", "127.0.0.1:0") // finds a free port
		probe.Close()
		python := needsProgram(t, "python3")
		l := command(python, "-c", fmt.Sprintf("import socket; s=socket.create_server(('0.0.0.0',%s)); print(s.getsockname()[0])", probe.port))
		l.Policy.Net.Ports = []uint16{uint16(probe.number())}
		if got := l.output(t); got != "0.0.0.0\n" {
			t.Errorf("bound to %q", got)
		}
	})
}

// The address is exchanged by a second thread between the decision and the call; with Landlock, which refuses TCP to
// whoever would get past the supervisor, and without it, as on kernels before 6.7.
func TestAddressSwapped(t *testing.T) {
	both(t, func(t *testing.T) {
		tries := 5000
		if testing.Short() {
			tries = 500
		}
		for _, without := range [][]Layer{nil, {LayerLandlock}} {
			forbidden, allowed := serve(t, "tcp4", "127.0.0.1:0"), serve(t, "tcp4", "127.0.0.1:0")
			l := victim(t, "swap", allowed.port, forbidden.port, strconv.Itoa(tries))
			l.Policy.Net.Ports = []uint16{uint16(allowed.number())}
			l.Without, l.Policy.Accept = without, []string{string(LayerLandlock)}
			got := verdicts(t, l.output(t))
			if n := forbidden.visits(); n != 0 || got["FORBIDDEN"] != "" {
				t.Errorf("without %v: %d connections to the forbidden port (%v)", without, n, got)
			}
			if got["connected"] == "" || got["refused"] == "" { // both addresses have to have been read
				t.Errorf("without %v: no race: %v", without, got)
			}
		}
	})
}

// What waits for ever keeps nothing else waiting, also where it is more than the supervisor does at once; and it holds
// nobody up when the command has ended.
func TestConnectThatNeverEnds(t *testing.T) {
	both(t, func(t *testing.T) {
		full, open := mute(t), serve(t, "tcp4", "127.0.0.1:0")
		l := victim(t, "stuckconnect", full, open.port)
		l.Policy.Net.Ports = []uint16{uint16(portOf(full)), uint16(open.number())}
		l.begin(t)
		for range l.Events() {
		}
		l.finish()
		start := time.Now()
		l.Close()
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("closing took %v", d)
		}
		compare(t, verdicts(t, l.out.String()), map[string]string{"connect beside": "ok", "at once": "ok"})
	})
}

// A signal that the command handles reaches it in a connect that blocks, as it would without ward.
func TestConnectInterrupted(t *testing.T) {
	both(t, func(t *testing.T) {
		python := needsProgram(t, "python3")
		full := mute(t)
		l := command(python, "-c", `
import signal,socket,sys,time
def stop(*_): raise KeyboardInterrupt
signal.signal(signal.SIGALRM, stop)
signal.setitimer(signal.ITIMER_REAL, 0.5)
start=time.time()
try: socket.create_connection(("127.0.0.1", int(sys.argv[1])))
except KeyboardInterrupt: print("interrupted", time.time()-start < 5)
s=socket.socket(); s.settimeout(0.3)
try: s.connect(("127.0.0.1", int(sys.argv[1])))
except TimeoutError: print("timed out")
`, full)
		l.Policy.Net.Ports = []uint16{uint16(portOf(full))}
		if got := l.output(t); got != "interrupted True\ntimed out\n" {
			t.Errorf("got %q\n%s", got, l.err.String())
		}
	})
}

// Real servers and clients.
func TestRealServers(t *testing.T) {
	both(t, func(t *testing.T) {
		for _, c := range []struct{ program, script, want string }{
			{"node", `require('http').createServer((q,r)=>r.end('hello')).listen(0,async function(){
				const a=this.address(); console.log(await (await fetch('http://localhost:'+a.port)).text(), a.address); process.exit()})`, `^hello (::ffff:)?127\.0\.0\.1$`},
			{"node", `const c=require('child_process'); if(process.argv[1]){process.send('child')}else{
				const k=c.spawn(process.execPath,['-e','process.send("child")'],{stdio:['inherit','inherit','inherit','ipc']}); k.on('message',m=>console.log(m))}`, `^child$`},
			{"python3", `
import http.server,threading,urllib.request
s=http.server.ThreadingHTTPServer(("",0),http.server.SimpleHTTPRequestHandler)
threading.Thread(target=s.serve_forever,daemon=True).start()
print(urllib.request.urlopen("http://localhost:%d/etc/hostname"%s.server_port).status, s.server_address[0])`, `^200 127\.0\.0\.1$`},
			{"python3", `
import multiprocessing as m
def f(x): return x*x
if __name__=="__main__":
    with m.Pool(2) as p: print(p.map(f,[1,2,3]))
    q=m.get_context("fork").Queue(); q.put("queue"); print(q.get())
    with m.Manager() as g: d=g.dict(); d["a"]=1; print(d["a"])`, `(?s)^\[1, 4, 9\]\nqueue\n1$`},
		} {
			flag := map[string]string{"node": "-e", "python3": "-c"}[c.program]
			l := command(needsProgram(t, c.program), flag, c.script)
			if got := strings.TrimSpace(l.output(t)); !regexp.MustCompile(c.want).MatchString(got) {
				t.Errorf("%s: %q, want %s\n%s%v", c.program, got, c.want, l.err.String(), l.Refused())
			}
			if refused := l.Refused(); len(refused) != 0 {
				t.Errorf("%s: refused %v", c.program, refused)
			}
		}
	})
}

func TestCurl(t *testing.T) {
	both(t, func(t *testing.T) {
		foreign := serve(t, "tcp4", "127.0.0.1:0")
		l := command(needsProgram(t, "curl"), "-sS", "--max-time", "10", "http://localhost:"+foreign.port)
		if status := l.run(t); status.ExitStatus() != 7 {
			t.Errorf("curl: %s, want exit 7 (could not connect)\n%s", ending(status), l.err.String())
		}
		if n := foreign.visits(); n != 0 {
			t.Errorf("%d connections arrived", n)
		}
		var what []string
		for _, r := range l.Refused() {
			what = append(what, r.What)
		}
		if !slices.Contains(what, "connect 127.0.0.1:"+foreign.port) {
			t.Errorf("refused: %v", what)
		}
	})
}
