package gather

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	_ "github.com/coredns/coredns/plugin/acl"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/forward"
	"github.com/miekg/dns"
)

func TestMain(m *testing.M) {
	dnsserver.Directives = []string{"bind", "errors", "acl", "cache", pluginName, "forward"}
	dnsserver.Quiet = true
	caddy.Quiet = true
	os.Exit(m.Run())
}

func TestWhatACorefileMaySay(t *testing.T) {
	for text, problem := range map[string]string{
		"gather {\nown node-1 /zone\nnode node-2 10.0.0.2\nexpire 3s\n}": "",
		"gather":                  "",
		"gather x":                "Wrong argument count",
		"gather {\nown node-1\n}": "Wrong argument count",
		"gather {\nown node-1 /a\nown node-2 /b\n}":               "named twice",
		"gather {\nown node.1 /a\n}":                              "no name of a node",
		"gather {\nnode node-2 example.org\n}":                    "no IP address",
		"gather {\nnode node-2 10.0.0.2\nnode node-2 10.0.0.3\n}": "named twice",
		"gather {\nown node-1 /a\nnode node-1 10.0.0.3\n}":        "this node and another",
		"gather {\nexpire never\n}":                               "no duration",
		"gather {\nexpire 0s\n}":                                  "no duration",
		"gather {\nfollow node-2\n}":                              "unknown option",
		"gather\ngather":                                          "another gather block",
	} {
		c := caddy.NewTestController("dns", text)
		c.ServerBlockKeys = []string{"cluster.skate:53", "nodes.skate:53", "66.10.in-addr.arpa:53"}
		parsed, err := parseConfig(c)
		switch {
		case problem == "" && err != nil:
			t.Errorf("%q: %v", text, err)
		case problem != "" && (err == nil || !strings.Contains(err.Error(), problem)):
			t.Errorf("%q: %v, want %q", text, err, problem)
		case problem == "" && len(parsed.zones) != 3:
			t.Errorf("%q: zones %v", text, parsed.zones)
		}
	}
	c := caddy.NewTestController("dns", "gather")
	c.ServerBlockKeys = []string{"example.org:53"}
	if _, err := parseConfig(c); err == nil {
		t.Error("a zone that is not ours was taken")
	}
}

func TestTheCorefileOfTheReadmeIsOne(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "## Corefile\n")
	var example strings.Builder
	for line := range strings.Lines(rest) {
		code, ok := strings.CutPrefix(line, "    ")
		if !ok && strings.TrimSpace(line) != "" {
			break
		}
		example.WriteString(code)
	}
	if !strings.Contains(example.String(), "own node-1") {
		t.Fatalf("no example: %q", example.String())
	}
	input := caddy.CaddyfileInput{Contents: []byte(example.String()), Filepath: "README.md", ServerTypeName: "dns"}
	if err := caddy.ValidateAndExecuteDirectives(input, nil, true); err != nil {
		t.Error(err)
	}
	broken := caddy.CaddyfileInput{
		Contents: []byte(strings.Replace(example.String(), "own node-1", "own", 1)), Filepath: "README.md", ServerTypeName: "dns",
	}
	if err := caddy.ValidateAndExecuteDirectives(broken, nil, true); err == nil {
		t.Error("a broken example was taken")
	}
}

func TestAddresses(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.2": "10.0.0.2:53", "10.0.0.2:1053": "10.0.0.2:1053", "fd00::2": "[fd00::2]:53", "[fd00::2]:1053": "[fd00::2]:1053",
	} {
		if got, err := parseAddress(text); got != want || err != nil {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}

func corefile(port, file, options string) caddy.Input {
	text := fmt.Sprintf(`cluster.skate:%[1]s nodes.skate:%[1]s {
	bind 127.0.0.1
	acl nodes.skate {
		allow type AXFR net 127.0.0.1
		block type AXFR
	}
	gather {
		own node-1 %[2]s
		%[3]s
	}
}
`, port, file, options)
	return caddy.CaddyfileInput{Contents: []byte(text), Filepath: "Corefile", ServerTypeName: "dns"}
}

// exchange asks a whole server.
func exchange(t *testing.T, address, name string, qtype uint16, network string) *dns.Msg {
	t.Helper()
	query := new(dns.Msg)
	query.SetQuestion(name, qtype)
	client := &dns.Client{Net: network, Timeout: 3 * time.Second}
	reply, _, err := client.Exchange(query, address)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

func TestAReloadOfTheCorefileNeverForgetsAName(t *testing.T) {
	peer := newPrimary(t, mustParse(t, "node-2", 1, "web.default A 10.66.2.10"))
	dead := newPrimary(t, nil)
	dead.silent.Store(true)
	file := filepath.Join(t.TempDir(), "zone")
	if err := os.WriteFile(file, []byte(zoneText("node-1", 1, "web.default A 10.66.1.10")), 0o600); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	address := net.JoinHostPort("127.0.0.1", port)
	instance, err := caddy.Start(corefile(port, file, "node node-2 "+peer.address))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		instance.ShutdownCallbacks()
		instance.Stop()
	}()
	eventually(t, "both nodes are gathered", func() (string, bool) {
		reply := exchange(t, address, web, dns.TypeA, "udp")
		return fmt.Sprint(texts(reply.Answer)), len(reply.Answer) == 2
	})

	stop, done := make(chan struct{}), make(chan error, 1)
	asked := 0
	go func() {
		client := &dns.Client{Timeout: 3 * time.Second}
		query := new(dns.Msg)
		query.SetQuestion(web, dns.TypeA)
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			reply, _, err := client.Exchange(query, address)
			if err != nil || len(reply.Answer) != 2 {
				done <- fmt.Errorf("after %d queries: %v %v", asked, reply, err)
				return
			}
			asked++
		}
	}()
	for _, options := range []string{
		"node node-2 " + peer.address + "\nnode node-3 " + dead.address,
		"node node-2 " + peer.address,
		"node node-2 " + peer.address + "\nexpire 30s",
	} {
		if instance, err = instance.Restart(corefile(port, file, options)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := instance.Restart(corefile(port, file, "node node-2 nowhere")); err == nil {
		t.Error("a broken Corefile was taken")
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
	t.Logf("%d queries during four reloads", asked)
}

func TestAWholeServerTransfersItsOwnZoneToAFollower(t *testing.T) {
	file := filepath.Join(t.TempDir(), "zone")
	lines := []string{"web.default A 10.66.1.10"}
	for i := range 3000 {
		lines = append(lines, fmt.Sprintf("pod-%d.default.pod A 10.66.1.%d", i, i%250))
	}
	if err := os.WriteFile(file, []byte(zoneText("node-1", 3, lines...)), 0o600); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	address := net.JoinHostPort("127.0.0.1", port)
	instance, err := caddy.Start(corefile(port, file, ""))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		instance.ShutdownCallbacks()
		instance.Stop()
	}()
	g := following(t, quick, &config{nodes: map[string]string{"node-1": address}})
	answers(t, g, "10.66.1.10")
	if reply := exchange(t, address, "example.org.", dns.TypeA, "udp"); reply.Rcode != dns.RcodeRefused {
		t.Errorf("a name that is not ours: %s", dns.RcodeToString[reply.Rcode])
	}
}
