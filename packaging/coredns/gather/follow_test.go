package gather

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coredns/coredns/plugin/pkg/upstream"
	"github.com/coredns/coredns/plugin/test"
	"github.com/miekg/dns"
)

var quick = pace{
	interval: 40 * time.Millisecond,
	shortest: 2 * time.Millisecond,
	file:     5 * time.Millisecond,
	answer:   100 * time.Millisecond,
	settling: 150 * time.Millisecond,
}

// patient looks at nothing by itself in the time that a test takes.
var patient = pace{interval: time.Hour, shortest: time.Millisecond, file: time.Hour, answer: time.Second, settling: time.Hour}

const soon = 10 * time.Second

// eventually waits until what holds, and says what was seen instead when it never does.
func eventually(t testing.TB, what string, seen func() (string, bool)) {
	t.Helper()
	deadline := time.Now().Add(soon)
	for {
		text, ok := seen()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v; last seen: %s", what, soon, text)
		}
		time.Sleep(time.Millisecond)
	}
}

// primary is a node's server as far as its peers see it.
type primary struct {
	address   string
	zone      atomic.Pointer[zone]
	silent    atomic.Bool
	refuses   atomic.Bool
	queries   atomic.Int32
	transfers atomic.Int32
	notified  atomic.Int32
	// Sent instead of the zone, when set.
	instead atomic.Pointer[[]dns.RR]
}

func newPrimary(t testing.TB, z *zone) *primary {
	t.Helper()
	p := &primary{}
	p.zone.Store(z)
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.address = packets.LocalAddr().String()
	listener, err := net.Listen("tcp", p.address)
	if err != nil {
		t.Fatal(err)
	}
	var started sync.WaitGroup
	for _, server := range []*dns.Server{{PacketConn: packets}, {Listener: listener}} {
		started.Add(1)
		server.Handler = dns.HandlerFunc(p.serve)
		server.NotifyStartedFunc = started.Done
		go server.ActivateAndServe()
		t.Cleanup(func() { server.Shutdown() })
	}
	started.Wait()
	return p
}

func (p *primary) serve(w dns.ResponseWriter, query *dns.Msg) {
	if p.silent.Load() {
		return
	}
	z := p.zone.Load()
	reply := new(dns.Msg)
	reply.SetReply(query)
	reply.Authoritative = true
	switch {
	case query.Opcode == dns.OpcodeNotify:
		p.notified.Add(1)
	case z == nil || p.refuses.Load() && query.Question[0].Qtype == dns.TypeAXFR:
		reply.Rcode = dns.RcodeRefused
	case query.Question[0].Qtype == dns.TypeAXFR:
		p.transfers.Add(1)
		if instead := p.instead.Load(); instead != nil {
			reply.Answer = *instead
			break
		}
		envelopes := make(chan *dns.Envelope, 100)
		for _, envelope := range z.envelopes() {
			envelopes <- envelope
		}
		close(envelopes)
		new(dns.Transfer).Out(w, query, envelopes)
		return
	default:
		p.queries.Add(1)
		reply.Answer = []dns.RR{z.soa}
	}
	w.WriteMsg(reply)
}

func following(t testing.TB, pace pace, c *config) *Gather {
	t.Helper()
	if c.expire == 0 {
		c.expire = 200 * time.Millisecond
	}
	r := newRegistry(pace)
	r.apply(c)
	t.Cleanup(func() {
		r.mutex.Lock()
		last := r.config
		r.mutex.Unlock()
		r.release(last)
	})
	return &Gather{
		Next: test.ErrorHandler(), zones: []string{clusterZone, nodesZone}, registry: r, upstream: upstream.New(),
	}
}

func addresses(t testing.TB, g *Gather, name string) string {
	t.Helper()
	reply := ask(t, g, name, dns.TypeA)
	if reply.Rcode != dns.RcodeSuccess {
		return dns.RcodeToString[reply.Rcode]
	}
	var found []string
	for _, rr := range reply.Answer {
		found = append(found, rr.(*dns.A).A.String())
	}
	slices.Sort(found)
	return strings.Join(found, " ")
}

const web = "web.default.cluster.skate."

func answers(t testing.TB, g *Gather, want string) {
	t.Helper()
	eventually(t, web+" is "+want, func() (string, bool) {
		got := addresses(t, g, web)
		return got, got == want
	})
}

func TestZonesOfAllNodesAreGathered(t *testing.T) {
	one := newPrimary(t, mustParse(t, "node-1", 1, "web.default A 10.66.1.10"))
	two := newPrimary(t, mustParse(t, "node-2", 1, "web.default A 10.66.2.10"))
	g := following(t, quick, &config{nodes: map[string]string{"node-1": one.address, "node-2": two.address}})
	answers(t, g, "10.66.1.10 10.66.2.10")
}

func TestAnySerialThatDiffersIsFetchedAndTheSameIsNot(t *testing.T) {
	p := newPrimary(t, mustParse(t, "node-1", 100, "web.default A 10.66.1.10"))
	g := following(t, quick, &config{nodes: map[string]string{"node-1": p.address}})
	answers(t, g, "10.66.1.10")
	p.zone.Store(mustParse(t, "node-1", 101, "web.default A 10.66.1.11"))
	answers(t, g, "10.66.1.11")
	p.zone.Store(mustParse(t, "node-1", 5, "web.default A 10.66.1.12"))
	answers(t, g, "10.66.1.12")
	asked := p.queries.Load()
	eventually(t, "five looks more", func() (string, bool) {
		return fmt.Sprint(p.queries.Load()), p.queries.Load() > asked+5
	})
	if p.transfers.Load() != 3 {
		t.Errorf("%d transfers of three versions", p.transfers.Load())
	}
}

func TestAPrimaryThatFallsSilentIsDroppedAndBackAtItsFirstAnswerWithTheSameSerial(t *testing.T) {
	p := newPrimary(t, mustParse(t, "node-1", 1, "web.default A 10.66.1.10"))
	other := newPrimary(t, mustParse(t, "node-2", 1, "web.default A 10.66.2.10"))
	g := following(t, quick, &config{nodes: map[string]string{"node-1": p.address, "node-2": other.address}})
	for range 2 {
		answers(t, g, "10.66.1.10 10.66.2.10")
		p.silent.Store(true)
		answers(t, g, "10.66.2.10")
		p.silent.Store(false)
	}
	answers(t, g, "10.66.1.10 10.66.2.10")
}

func TestAPrimaryThatRestartedWithTheSameSerialAndOtherDataIsBelieved(t *testing.T) {
	p := newPrimary(t, mustParse(t, "node-1", 1, "web.default A 10.66.1.10"))
	g := following(t, quick, &config{nodes: map[string]string{"node-1": p.address}})
	answers(t, g, "10.66.1.10")
	p.silent.Store(true)
	answers(t, g, "NXDOMAIN")
	p.zone.Store(mustParse(t, "node-1", 1, "web.default A 10.66.1.99"))
	p.silent.Store(false)
	answers(t, g, "10.66.1.99")
}

func TestARefusedTransferKeepsTheOldZoneUntilItExpires(t *testing.T) {
	p := newPrimary(t, mustParse(t, "node-1", 1, "web.default A 10.66.1.10"))
	g := following(t, quick, &config{expire: 400 * time.Millisecond, nodes: map[string]string{"node-1": p.address}})
	answers(t, g, "10.66.1.10")
	p.refuses.Store(true)
	p.zone.Store(mustParse(t, "node-1", 2, "web.default A 10.66.1.11"))
	asked := p.queries.Load()
	eventually(t, "two looks at the new serial", func() (string, bool) {
		return fmt.Sprint(p.queries.Load()), p.queries.Load() >= asked+2
	})
	if got := addresses(t, g, web); got != "10.66.1.10" {
		t.Errorf("after refused transfers: %s", got)
	}
	answers(t, g, "NXDOMAIN")
	p.refuses.Store(false)
	answers(t, g, "10.66.1.11")
}

func TestAZoneThatIsNotOneIsNotTaken(t *testing.T) {
	z := mustParse(t, "node-1", 1, "web.default A 10.66.1.10")
	p := newPrimary(t, z)
	g := following(t, quick, &config{nodes: map[string]string{"node-1": p.address}})
	answers(t, g, "10.66.1.10")
	other := mustParse(t, "node-2", 9)
	for what, sent := range map[string][]dns.RR{
		"no SOA":       {z.sent[0], z.soa},
		"no end":       {z.soa, z.sent[0]},
		"another zone": {other.soa, other.soa},
		"nothing":      {},
	} {
		p.instead.Store(&sent)
		p.zone.Store(mustParse(t, "node-1", int(p.zone.Load().soa.Serial)+1, "web.default A 10.66.1.10"))
		if got, err := transfer(p.address, "node-1", time.Second); err == nil {
			t.Errorf("%s: made %v", what, got)
		}
	}
}

func TestANotifyHasTheZoneLookedAtNowAndNothingElseIsBelieved(t *testing.T) {
	p := newPrimary(t, mustParse(t, "node-1", 1, "web.default A 10.66.1.10"))
	g := following(t, patient, &config{nodes: map[string]string{"node-1": p.address}})
	answers(t, g, "10.66.1.10")
	p.zone.Store(mustParse(t, "node-1", 2, "web.default A 10.66.1.11"))

	notification := new(dns.Msg)
	notification.SetNotify("Node-1.nodes.skate.")
	lie, _ := dns.NewRR("node-1.nodes.skate. SOA a. b. 77 1 1 1 1")
	notification.Answer = []dns.RR{lie}
	if reply := send(t, g, notification, &test.ResponseWriter{}); reply.Rcode != dns.RcodeSuccess {
		t.Errorf("NOTIFY: %s", dns.RcodeToString[reply.Rcode])
	}
	answers(t, g, "10.66.1.11")
	for _, name := range []string{"node-9.nodes.skate.", "nodes.skate.", "cluster.skate."} {
		notification.SetNotify(name)
		if reply := send(t, g, notification, &test.ResponseWriter{}); reply.Rcode != dns.RcodeNotAuth {
			t.Errorf("NOTIFY of %s: %s", name, dns.RcodeToString[reply.Rcode])
		}
	}
}

func TestNoQueryWaitsForADeadPeer(t *testing.T) {
	p := newPrimary(t, mustParse(t, "node-1", 1, "web.default A 10.66.1.10"))
	dead := newPrimary(t, nil)
	dead.silent.Store(true)
	slow := quick
	slow.answer = 5 * time.Second
	g := following(t, slow, &config{nodes: map[string]string{"node-1": p.address, "node-2": dead.address}})
	answers(t, g, "10.66.1.10")
	eventually(t, "an unknown name is NXDOMAIN", func() (string, bool) {
		got := addresses(t, g, "no.default.cluster.skate.")
		return got, got == "NXDOMAIN"
	})
	start := time.Now()
	for range 1000 {
		addresses(t, g, web)
		addresses(t, g, "no.default.cluster.skate.")
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("2000 queries took %v", took)
	}
}

func TestTheOwnZoneIsServedFollowedAndAnnounced(t *testing.T) {
	file := filepath.Join(t.TempDir(), "zone")
	write := func(text string) {
		if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	write(zoneText("node-1", 1, "web.default A 10.66.1.10"))
	peer := newPrimary(t, mustParse(t, "node-2", 1))
	dead := newPrimary(t, nil)
	dead.silent.Store(true)
	c := &config{own: "node-1", file: file, nodes: map[string]string{"node-2": peer.address, "node-3": dead.address}}
	g := following(t, quick, c)
	if got := addresses(t, g, web); got != "10.66.1.10" {
		t.Errorf("right after the start: %s", got)
	}
	before := peer.notified.Load()
	write(zoneText("node-1", 2, "web.default A 10.66.1.11"))
	answers(t, g, "10.66.1.11")
	eventually(t, "the peer is told", func() (string, bool) {
		return fmt.Sprint(peer.notified.Load()), peer.notified.Load() > before
	})
	write("this is no zone\n")
	eventually(t, "the broken file is noticed", func() (string, bool) {
		text := strings.Join(texts(ask(t, g, "node-1._nodes.cluster.skate.", dns.TypeTXT).Answer), "")
		return text, strings.Contains(text, "error=")
	})
	if got := addresses(t, g, web); got != "10.66.1.11" {
		t.Errorf("with a broken file: %s", got)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	write(zoneText("node-1", 1, "web.default A 10.66.1.12"))
	answers(t, g, "10.66.1.12")
}

func TestAReloadKeepsTheZonesOfNodesThatStay(t *testing.T) {
	one := newPrimary(t, mustParse(t, "node-1", 1, "web.default A 10.66.1.10"))
	two := newPrimary(t, mustParse(t, "node-2", 1, "web.default A 10.66.2.10"))
	dead := newPrimary(t, nil)
	dead.silent.Store(true)
	before := &config{nodes: map[string]string{"node-1": one.address, "node-2": two.address}}
	g := following(t, patient, before)
	answers(t, g, "10.66.1.10 10.66.2.10")

	after := &config{expire: time.Hour, nodes: map[string]string{"node-1": dead.address, "node-3": two.address}}
	g.registry.apply(after)
	g.registry.release(before)
	if got := addresses(t, g, web); got != "10.66.1.10" {
		t.Errorf("node-1 has moved, node-2 is gone: %s", got)
	}
	if got := addresses(t, g, "no.default.cluster.skate."); got != "NXDOMAIN" {
		t.Errorf("an unknown name after a reload: %s", got)
	}
	g.registry.apply(before)
	answers(t, g, "10.66.1.10 10.66.2.10")
}

func TestWhatIsKnownOfTheNodesCanBeAsked(t *testing.T) {
	live := newPrimary(t, mustParse(t, "node-1", 7, "web.default A 10.66.1.10"))
	lost := newPrimary(t, mustParse(t, "node-2", 8))
	dead := newPrimary(t, nil)
	dead.silent.Store(true)
	c := &config{nodes: map[string]string{"node-1": live.address, "node-2": lost.address, "node-3": dead.address}}
	g := following(t, quick, c)
	answers(t, g, "10.66.1.10")
	state := func(name string, want ...string) {
		t.Helper()
		eventually(t, name, func() (string, bool) {
			reply := ask(t, g, name, dns.TypeTXT)
			text := strings.Join(texts(reply.Answer), "\n")
			return text, !slices.ContainsFunc(want, func(part string) bool { return !strings.Contains(text, part) })
		})
	}
	state("node-1._nodes.cluster.skate.", `"node=node-1" "state=live" "serial=7" "age_ms=`, `"records=1"`)
	state("node-2._nodes.cluster.skate.", `"state=live" "serial=8"`)
	state("node-3._nodes.cluster.skate.", `"state=unknown" "serial=0" "age_ms=-1" "records=0" "error=no answer"`)
	lost.silent.Store(true)
	state("_nodes.cluster.skate.", `"node=node-1" "state=live"`, `"node=node-2" "state=expired" "serial=8"`, `"node=node-3"`)
	for name, want := range map[string]int{
		"node-9._nodes.cluster.skate.":    dns.RcodeNameError,
		"x.node-1._nodes.cluster.skate.":  dns.RcodeNameError,
		"web.default.node-3.nodes.skate.": dns.RcodeServerFailure,
		"node-2.nodes.skate.":             dns.RcodeServerFailure,
		"web.default.node-9.nodes.skate.": dns.RcodeNameError,
	} {
		if reply := ask(t, g, name, dns.TypeTXT); reply.Rcode != want {
			t.Errorf("%s: %s", name, dns.RcodeToString[reply.Rcode])
		}
	}
	if reply := ask(t, g, "_nodes.cluster.skate.", dns.TypeA); reply.Rcode != dns.RcodeSuccess || len(reply.Ns) != 1 {
		t.Errorf("A of _nodes: %v", reply)
	}
}
