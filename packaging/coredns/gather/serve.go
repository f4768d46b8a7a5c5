package gather

import (
	"context"
	"math/rand/v2"
	"net"
	"strings"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/pkg/upstream"
	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"
)

const (
	// The TTL of what is made up here, and of what does not exist.
	shortTTL = 1
	// The longest chain of CNAMEs within our zones.
	longestChain = 8

	serverName = "dns." + clusterZone
	statesZone = "_nodes." + clusterZone
)

// Gather answers queries from the registry's view.
type Gather struct {
	Next     plugin.Handler
	zones    []string
	registry *registry
	upstream *upstream.Upstream
}

// Name implements plugin.Handler.
func (g *Gather) Name() string { return pluginName }

// ServeDNS implements plugin.Handler.
func (g *Gather) ServeDNS(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	state := request.Request{W: w, Req: r}
	qname := state.Name()
	zone := g.zoneOf(qname)
	if zone == "" {
		return plugin.NextOrFailure(pluginName, g.Next, ctx, w, r)
	}
	if state.QClass() != dns.ClassINET {
		return dns.RcodeRefused, nil
	}
	switch r.Opcode {
	case dns.OpcodeQuery:
	case dns.OpcodeNotify:
		return g.notified(w, r, qname), nil
	default:
		return dns.RcodeNotImplemented, nil
	}
	if qtype := state.QType(); qtype == dns.TypeAXFR || qtype == dns.TypeIXFR {
		return g.transfer(state, qname)
	}
	q := &query{Gather: g, view: g.registry.current.Load(), state: state, reply: new(dns.Msg)}
	q.reply.SetReply(r)
	q.reply.Authoritative = true
	// Pods have this server as their resolver, and nslookup and host complain of one that says it does not recurse.
	q.reply.RecursionAvailable = true
	if !q.answer(ctx, qname, zone) {
		return dns.RcodeServerFailure, nil
	}
	w.WriteMsg(q.reply)
	return dns.RcodeSuccess, nil
}

// zoneOf is the longest of our zones that qname is in; empty when it is in none.
func (g *Gather) zoneOf(qname string) string {
	found := ""
	for _, zone := range g.zones {
		if len(zone) > len(found) && strings.HasSuffix(qname, zone) &&
			(len(qname) == len(zone) || qname[len(qname)-len(zone)-1] == '.') {
			found = zone
		}
	}
	return found
}

func (g *Gather) notified(w dns.ResponseWriter, r *dns.Msg, qname string) int {
	node, ok := strings.CutSuffix(qname, "."+nodesZone)
	reply := new(dns.Msg)
	reply.SetReply(r)
	reply.Authoritative = true
	// Who sent it, and what it says, does not matter: the primary is asked.
	if !ok || !g.registry.notified(node) {
		reply.Rcode = dns.RcodeNotAuth
	}
	w.WriteMsg(reply)
	return dns.RcodeSuccess
}

func (g *Gather) transfer(state request.Request, qname string) (int, error) {
	z := g.registry.ownZone()
	if z == nil || qname != originOf(z.node) || state.QType() != dns.TypeAXFR || state.Proto() != "tcp" {
		return dns.RcodeRefused, nil
	}
	envelopes := z.envelopes()
	sending := make(chan *dns.Envelope, len(envelopes))
	for _, envelope := range envelopes {
		sending <- envelope
	}
	close(sending)
	if err := new(dns.Transfer).Out(state.W, state.Req, sending); err != nil {
		log.Debugf("Transfer to %s: %v", state.IP(), err)
	}
	return dns.RcodeSuccess, nil
}

// query is one question being answered.
type query struct {
	*Gather
	view  *view
	state request.Request
	reply *dns.Msg
}

// answer fills the reply. False: what there is to say is not known.
func (q *query) answer(ctx context.Context, qname, zone string) bool {
	qtype := q.state.QType()
	for range longestChain {
		found := q.find(qname, zone)
		if found == nil {
			if len(q.reply.Answer) == 0 && q.special(qname, zone) {
				return true
			}
			if !q.registry.settled.Load() {
				return false
			}
			q.reply.Rcode = dns.RcodeNameError
			q.negative(zone)
			return true
		}
		if qtype == dns.TypeANY {
			q.reply.Answer = []dns.RR{&dns.HINFO{Hdr: header(qname, dns.TypeHINFO), Cpu: "RFC8482"}}
			return true
		}
		if rrs := found.of(qtype); len(rrs) > 0 {
			q.put(rrs, qname)
			return true
		}
		if len(found.cname) == 0 {
			if q.top(qname, zone) {
				return true
			}
			if found.empty() && qname != zone && !q.registry.settled.Load() {
				return false
			}
			q.negative(zone)
			return true
		}
		q.put(found.cname, qname)
		qname = strings.ToLower(found.cname[0].(*dns.CNAME).Target)
		if zone = q.zoneOf(qname); zone == "" {
			return q.follow(ctx, qname)
		}
	}
	return false
}

// find is what a name has; nil where it does not exist.
func (q *query) find(qname, zone string) *records {
	if zone == nodesZone {
		return q.findOfNode(qname)
	}
	if found := q.view.names[qname]; found != nil {
		return found
	}
	if qname == zone {
		return nothing
	}
	return nil
}

// findOfNode looks into one node's zone.
func (q *query) findOfNode(qname string) *records {
	if qname == nodesZone {
		return nothing
	}
	z, relative := q.zoneOfNode(qname)
	switch {
	case z == nil:
		return nil
	case relative == "" || relative == "in-addr.arpa" || relative == "arpa":
		return nothing
	}
	return z.names[absolute(relative)]
}

// zoneOfNode is the live zone that a name below nodes.skate. is in, and the name relative to it, without a dot at its end.
func (q *query) zoneOfNode(qname string) (*zone, string) {
	rest := strings.TrimSuffix(qname, "."+nodesZone)
	node := rest[strings.LastIndexByte(rest, '.')+1:]
	return q.view.zones[node], strings.TrimSuffix(strings.TrimSuffix(rest, node), ".")
}

// put adds records to the answer, addresses in a random order; of a name in a node's zone under that name.
func (q *query) put(rrs []dns.RR, qname string) {
	start := len(q.reply.Answer)
	q.reply.Answer = append(q.reply.Answer, rrs...)
	added := q.reply.Answer[start:]
	if len(added) > 1 {
		rand.Shuffle(len(added), func(i, j int) { added[i], added[j] = added[j], added[i] })
	}
	if added[0].Header().Name != qname {
		for i, rr := range added {
			added[i] = dns.Copy(rr)
			added[i].Header().Name = qname
		}
	}
	if added[0].Header().Rrtype == dns.TypeSRV {
		q.addTargets(added)
	}
}

// addTargets adds the addresses of the targets of SRV records, as far as they are gathered here.
func (q *query) addTargets(services []dns.RR) {
	var known map[string]bool
	if len(services) > 1 {
		known = make(map[string]bool, len(services))
	}
	for _, rr := range services {
		target := strings.ToLower(rr.(*dns.SRV).Target)
		found := q.view.names[target]
		if found == nil || known[target] {
			continue
		}
		if known != nil {
			known[target] = true
		}
		q.reply.Extra = append(q.reply.Extra, found.a...)
		q.reply.Extra = append(q.reply.Extra, found.aaaa...)
	}
}

// top answers for SOA and NS at the top of a zone. False: it is another question.
func (q *query) top(qname, zone string) bool {
	qtype := q.state.QType()
	if len(q.reply.Answer) > 0 {
		return false
	}
	if z, relative := q.zoneOfNode(qname); zone == nodesZone && z != nil && relative == "" && qtype == dns.TypeSOA {
		q.reply.Answer = []dns.RR{z.soa}
		return true
	}
	if qname != zone {
		return false
	}
	switch qtype {
	case dns.TypeSOA:
		q.reply.Answer = []dns.RR{q.soa(zone)}
	case dns.TypeNS:
		q.reply.Answer = []dns.RR{&dns.NS{Hdr: header(zone, dns.TypeNS), Ns: serverName}}
		q.reply.Extra = q.server()
	default:
		return false
	}
	return true
}

// special answers for names that no node's zone has: this server's, and what is known of the nodes.
func (q *query) special(qname, zone string) bool {
	if zone == nodesZone {
		return q.silent(qname)
	}
	if qname == serverName {
		if q.reply.Answer = q.server(); q.reply.Answer[0].Header().Rrtype != q.state.QType() {
			q.reply.Answer = nil
			q.negative(zone)
		}
		return true
	}
	if zone != clusterZone || !strings.HasSuffix(qname, statesZone) {
		return false
	}
	states, ok := q.registry.states(qname)
	if !ok {
		return false
	}
	if q.state.QType() == dns.TypeTXT {
		q.reply.Answer = states
	}
	if len(q.reply.Answer) == 0 {
		q.negative(zone)
	}
	return true
}

// silent answers for the zone of a node that is not live: it is there, and what it says is not known.
func (q *query) silent(qname string) bool {
	rest := strings.TrimSuffix(qname, "."+nodesZone)
	if !q.registry.follows(rest[strings.LastIndexByte(rest, '.')+1:]) {
		return false
	}
	if z, _ := q.zoneOfNode(qname); z != nil {
		return false
	}
	q.reply.Rcode = dns.RcodeServerFailure
	return true
}

// follow resolves the target of a CNAME that lies outside of our zones, through the server itself: the stub resolvers of
// glibc, musl and busybox take a CNAME without its target for "no address".
func (q *query) follow(ctx context.Context, target string) bool {
	if q.state.QType() == dns.TypeCNAME {
		return true
	}
	got, err := q.upstream.Lookup(ctx, q.state, target, q.state.QType())
	if err != nil || got == nil {
		q.reply.Rcode = dns.RcodeServerFailure
		return true
	}
	if got.Rcode == dns.RcodeRefused {
		// This server says so itself where it has no forward at the address that was asked: who asks there follows by itself.
		if got.RecursionAvailable {
			q.reply.Rcode = dns.RcodeServerFailure
		}
		return true
	}
	q.reply.Rcode, q.reply.Truncated = got.Rcode, got.Truncated
	q.reply.Answer = append(q.reply.Answer, got.Answer...)
	return true
}

func (q *query) negative(zone string) {
	q.reply.Ns = []dns.RR{q.soa(zone)}
}

func (q *query) soa(zone string) dns.RR {
	return &dns.SOA{
		Hdr: header(zone, dns.TypeSOA), Ns: serverName, Mbox: "skate." + clusterZone, Serial: q.view.serial,
		Refresh: shortTTL, Retry: shortTTL, Expire: uint32(defaultExpire.Seconds()), Minttl: shortTTL,
	}
}

// server is the address that was asked.
func (q *query) server() []dns.RR {
	ip := net.ParseIP(q.state.LocalIP())
	if four := ip.To4(); four != nil {
		return []dns.RR{&dns.A{Hdr: header(serverName, dns.TypeA), A: four}}
	}
	return []dns.RR{&dns.AAAA{Hdr: header(serverName, dns.TypeAAAA), AAAA: ip}}
}

func header(owner string, rrtype uint16) dns.RR_Header {
	return dns.RR_Header{Name: owner, Rrtype: rrtype, Class: dns.ClassINET, Ttl: shortTTL}
}
