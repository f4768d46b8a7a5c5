package gather

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coredns/coredns/plugin/pkg/dnstest"
	"github.com/coredns/coredns/plugin/pkg/upstream"
	"github.com/coredns/coredns/plugin/test"
	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"
)

// answering is a plugin that knows zones and follows nobody.
func answering(zones ...*zone) *Gather {
	r := newRegistry(usual)
	r.settled.Store(true)
	r.current.Store(merge(zones, time.Now()))
	return &Gather{
		Next:     test.ErrorHandler(),
		zones:    []string{clusterZone, nodesZone, "66.10.in-addr.arpa."},
		registry: r,
		upstream: upstream.New(),
	}
}

func three(t testing.TB) *Gather {
	t.Helper()
	var zones []*zone
	for node := 1; node <= 3; node++ {
		zones = append(zones, mustParse(t, fmt.Sprintf("node-%d", node), 1,
			fmt.Sprintf("web.default A 10.66.%d.10", node),
			fmt.Sprintf("web.default A 10.66.%d.11", node),
			fmt.Sprintf("_http._tcp.web.default SRV 0 100 8080 web-%d.default.pod.cluster.skate.", node),
			fmt.Sprintf("web-%d.default.pod A 10.66.%d.10", node, node),
			fmt.Sprintf("10.%d.66.10.in-addr.arpa PTR web-%d.default.pod.cluster.skate.", node, node),
			"same.default A 10.66.9.9",
			"starting.default TXT \"skate\"",
			"outside.default CNAME Mail.Example.org.",
			"inside.default CNAME WEB.default.cluster.skate.",
			"loop-a.default CNAME loop-b.default.node-1.nodes.skate.",
			"loop-b.default CNAME loop-a.default.cluster.skate.",
			"gone.default CNAME no.default.cluster.skate.",
			"said.default TXT \"hello\"",
		))
	}
	return answering(zones...)
}

func ask(t testing.TB, g *Gather, name string, qtype uint16) *dns.Msg {
	t.Helper()
	query := new(dns.Msg)
	query.SetQuestion(name, qtype)
	return send(t, g, query, &test.ResponseWriter{})
}

func send(t testing.TB, g *Gather, query *dns.Msg, w dns.ResponseWriter) *dns.Msg {
	t.Helper()
	recorder := dnstest.NewRecorder(request.NewScrubWriter(query, w))
	code, err := g.ServeDNS(context.Background(), recorder, query)
	if err != nil {
		t.Fatal(err)
	}
	if recorder.Msg == nil {
		return new(dns.Msg).SetRcode(query, code)
	}
	return recorder.Msg
}

func TestAnswers(t *testing.T) {
	g := three(t)
	type wants struct {
		code   int
		answer []string
		extra  []string
	}
	web := []string{}
	for node := 1; node <= 3; node++ {
		web = append(web, fmt.Sprintf("web.default.cluster.skate. 5 IN A 10.66.%d.10", node),
			fmt.Sprintf("web.default.cluster.skate. 5 IN A 10.66.%d.11", node))
	}
	noData := wants{}
	noName := wants{code: dns.RcodeNameError}
	servers := []string{"dns.cluster.skate. 1 IN A 127.0.0.1"}
	for question, want := range map[string]wants{
		"web.default.cluster.skate. A":        {answer: web},
		"WEB.Default.CLUSTER.skate. A":        {answer: web},
		"web.default.cluster.skate. AAAA":     noData,
		"web.default.cluster.skate. DS":       noData,
		"web.default.cluster.skate. ANY":      {answer: []string{`web.default.cluster.skate. 1 IN HINFO "RFC8482" ""`}},
		"same.default.cluster.skate. A":       {answer: []string{"same.default.cluster.skate. 5 IN A 10.66.9.9"}},
		"starting.default.cluster.skate. A":   noData,
		"starting.default.cluster.skate. TXT": noData,
		"said.default.cluster.skate. TXT":     {answer: []string{`said.default.cluster.skate. 5 IN TXT "hello"`}},
		"default.cluster.skate. A":            noData,
		"_tcp.web.default.cluster.skate. SRV": noData,
		"pod.cluster.skate. A":                noData,
		"svc.cluster.skate. A":                noName,
		"no.default.cluster.skate. A":         noName,
		"x.web.default.cluster.skate. A":      noName,
		"no.default.cluster.skate. ANY":       noName,
		"_http._tcp.web.default.cluster.skate. SRV": {
			answer: []string{
				"_http._tcp.web.default.cluster.skate. 5 IN SRV 0 100 8080 web-1.default.pod.cluster.skate.",
				"_http._tcp.web.default.cluster.skate. 5 IN SRV 0 100 8080 web-2.default.pod.cluster.skate.",
				"_http._tcp.web.default.cluster.skate. 5 IN SRV 0 100 8080 web-3.default.pod.cluster.skate.",
			},
			extra: []string{
				"web-1.default.pod.cluster.skate. 5 IN A 10.66.1.10",
				"web-2.default.pod.cluster.skate. 5 IN A 10.66.2.10",
				"web-3.default.pod.cluster.skate. 5 IN A 10.66.3.10",
			},
		},
		"10.2.66.10.in-addr.arpa. PTR": {answer: []string{"10.2.66.10.in-addr.arpa. 5 IN PTR web-2.default.pod.cluster.skate."}},
		"2.66.10.in-addr.arpa. PTR":    noData,
		"66.10.in-addr.arpa. PTR":      noData,
		"99.2.66.10.in-addr.arpa. PTR": noName,
		"inside.default.cluster.skate. A": {
			answer: append([]string{"inside.default.cluster.skate. 5 IN CNAME WEB.default.cluster.skate."}, web...),
		},
		"inside.default.cluster.skate. AAAA": {
			answer: []string{"inside.default.cluster.skate. 5 IN CNAME WEB.default.cluster.skate."},
		},
		"inside.default.cluster.skate. CNAME": {
			answer: []string{"inside.default.cluster.skate. 5 IN CNAME WEB.default.cluster.skate."},
		},
		"gone.default.cluster.skate. A": {
			code: dns.RcodeNameError, answer: []string{"gone.default.cluster.skate. 5 IN CNAME no.default.cluster.skate."},
		},
		"loop-a.default.cluster.skate. A": {code: dns.RcodeServerFailure},
		"cluster.skate. A":                noData,
		"cluster.skate. NS":               {answer: []string{"cluster.skate. 1 IN NS dns.cluster.skate."}, extra: servers},
		"dns.cluster.skate. A":            {answer: servers},
		"dns.cluster.skate. AAAA":         noData,
		"66.10.in-addr.arpa. NS":          {answer: []string{"66.10.in-addr.arpa. 1 IN NS dns.cluster.skate."}, extra: servers},

		"web.default.node-2.nodes.skate. A": {answer: []string{
			"web.default.node-2.nodes.skate. 5 IN A 10.66.2.10", "web.default.node-2.nodes.skate. 5 IN A 10.66.2.11",
		}},
		"web.default.node-2.nodes.skate. AAAA":            noData,
		"default.node-2.nodes.skate. A":                   noData,
		"in-addr.arpa.node-2.nodes.skate. A":              noData,
		"10.2.66.10.in-addr.arpa.node-2.nodes.skate. PTR": {answer: []string{"10.2.66.10.in-addr.arpa.node-2.nodes.skate. 5 IN PTR web-2.default.pod.cluster.skate."}},
		"web-1.default.pod.node-2.nodes.skate. A":         noName,
		"web.default.node-9.nodes.skate. A":               noName,
		"node-2.nodes.skate. SOA":                         {answer: []string{"node-2.nodes.skate. 5 IN SOA node-2.nodes.skate. skate.nodes.skate. 1 1 1 5 1"}},
		"node-2.nodes.skate. A":                           noData,
		"nodes.skate. A":                                  noData,
		"web.default.cluster.skate.node-2.nodes.skate. A": noName,
	} {
		t.Run(question, func(t *testing.T) {
			name, qtype, _ := strings.Cut(question, " ")
			reply := ask(t, g, name, dns.StringToType[qtype])
			if reply.Rcode != want.code {
				t.Errorf("%s, want %s", dns.RcodeToString[reply.Rcode], dns.RcodeToString[want.code])
			}
			if want.code == dns.RcodeServerFailure {
				return
			}
			expect(t, "answer", texts(reply.Answer), append([]string{}, want.answer...))
			expect(t, "additional", texts(reply.Extra), append([]string{}, want.extra...))
			if !reply.Authoritative {
				t.Error("not authoritative")
			}
			if last := len(reply.Answer) - 1; last >= 0 && reply.Answer[last].Header().Rrtype != dns.TypeCNAME {
				return
			} else if last >= 0 && qtype == "CNAME" {
				return
			}
			if len(reply.Ns) != 1 {
				t.Fatalf("authority: %v", reply.Ns)
			}
			if soa, ok := reply.Ns[0].(*dns.SOA); !ok || soa.Minttl != 1 || soa.Hdr.Ttl != 1 {
				t.Errorf("authority: %v", reply.Ns)
			}
		})
	}
}

func TestTheTopOfAZoneHasASOA(t *testing.T) {
	g := three(t)
	for _, zone := range g.zones {
		reply := ask(t, g, zone, dns.TypeSOA)
		if len(reply.Answer) != 1 || reply.Answer[0].Header().Name != zone || reply.Answer[0].Header().Rrtype != dns.TypeSOA {
			t.Errorf("%s: %v", zone, reply.Answer)
		}
	}
}

func TestEachAddressComesFirstEquallyOften(t *testing.T) {
	g := three(t)
	first := make(map[string]int)
	for range 600 {
		reply := ask(t, g, "web.default.cluster.skate.", dns.TypeA)
		first[reply.Answer[0].(*dns.A).A.String()]++
	}
	if len(first) != 6 {
		t.Errorf("first were only %v", first)
	}
	for address, times := range first {
		if times < 60 || times > 140 {
			t.Errorf("%s was first %d times of 600", address, times)
		}
	}
}

func TestALargeAnswerIsCutForUDPAndWholeOverTCP(t *testing.T) {
	lines := make([]string, 0, 200)
	for i := range 200 {
		lines = append(lines, fmt.Sprintf("web.default A 10.66.1.%d", i))
	}
	g := answering(mustParse(t, "node-1", 1, lines...))
	query := new(dns.Msg)
	query.SetQuestion("web.default.cluster.skate.", dns.TypeA)
	if reply := send(t, g, query, &test.ResponseWriter{}); !reply.Truncated || len(reply.Answer) == 0 || reply.Len() > dns.MinMsgSize {
		t.Errorf("UDP: truncated is %v with %d addresses, %d bytes", reply.Truncated, len(reply.Answer), reply.Len())
	}
	if reply := send(t, g, query, &test.ResponseWriter{TCP: true}); reply.Truncated || len(reply.Answer) != 200 {
		t.Errorf("TCP: truncated is %v with %d addresses", reply.Truncated, len(reply.Answer))
	}
}

func TestWhatIsNoQueryOfOursIsRefused(t *testing.T) {
	g := three(t)
	chaos := new(dns.Msg)
	chaos.SetQuestion("web.default.cluster.skate.", dns.TypeTXT)
	chaos.Question[0].Qclass = dns.ClassCHAOS
	update := new(dns.Msg)
	update.SetUpdate(clusterZone)
	for what, reply := range map[string]*dns.Msg{
		"another class":           send(t, g, chaos, &test.ResponseWriter{}),
		"AXFR of the merged zone": ask(t, g, clusterZone, dns.TypeAXFR),
		"AXFR of a followed zone": ask(t, g, "node-2.nodes.skate.", dns.TypeAXFR),
		"IXFR":                    ask(t, g, "node-1.nodes.skate.", dns.TypeIXFR),
	} {
		if reply.Rcode != dns.RcodeRefused {
			t.Errorf("%s: %s", what, dns.RcodeToString[reply.Rcode])
		}
	}
	if reply := send(t, g, update, &test.ResponseWriter{}); reply.Rcode != dns.RcodeNotImplemented {
		t.Errorf("UPDATE: %s", dns.RcodeToString[reply.Rcode])
	}
}

func TestWhatIsNotKnownYetIsNotSaidToBeMissing(t *testing.T) {
	g := answering(mustParse(t, "node-1", 1, "web.default A 10.66.1.10", `later.default TXT "skate"`))
	g.registry.settled.Store(false)
	for name, want := range map[string]int{
		"web.default.cluster.skate.":   dns.RcodeSuccess,
		"other.default.cluster.skate.": dns.RcodeServerFailure,
		"later.default.cluster.skate.": dns.RcodeServerFailure,
		"_nodes.cluster.skate.":        dns.RcodeSuccess,
		"dns.cluster.skate.":           dns.RcodeSuccess,
	} {
		if reply := ask(t, g, name, dns.TypeA); reply.Rcode != want {
			t.Errorf("%s: %s", name, dns.RcodeToString[reply.Rcode])
		}
	}
	if reply := ask(t, g, "web.default.cluster.skate.", dns.TypeAAAA); reply.Rcode != dns.RcodeSuccess {
		t.Errorf("AAAA of a name that has A: %s", dns.RcodeToString[reply.Rcode])
	}
}

func BenchmarkSixAddresses(b *testing.B) {
	g := three(b)
	query := new(dns.Msg)
	query.SetQuestion("web.default.cluster.skate.", dns.TypeA)
	w := &test.ResponseWriter{}
	b.ReportAllocs()
	for b.Loop() {
		g.ServeDNS(context.Background(), w, query)
	}
}
