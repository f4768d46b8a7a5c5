package gather

import (
	"errors"
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

const (
	clusterZone = "cluster.skate."
	nodesZone   = "nodes.skate."
	reverseZone = "in-addr.arpa."
	// A TXT record with this text makes a name exist, and is never answered.
	marker = "skate"

	maxRecords = 50_000
	maxBytes   = 8 << 20
	maxNames   = 200_000
)

// records is what one name has, by type. It is never changed once others can see it.
type records struct {
	a, aaaa, cname, srv, ptr, txt []dns.RR
}

// nothing is what a name has that exists only because of names below it.
var nothing = &records{}

func (r *records) of(qtype uint16) []dns.RR {
	if field := r.field(qtype); field != nil {
		return *field
	}
	return nil
}

func (r *records) field(qtype uint16) *[]dns.RR {
	switch qtype {
	case dns.TypeA:
		return &r.a
	case dns.TypeAAAA:
		return &r.aaaa
	case dns.TypeCNAME:
		return &r.cname
	case dns.TypeSRV:
		return &r.srv
	case dns.TypePTR:
		return &r.ptr
	case dns.TypeTXT:
		return &r.txt
	}
	return nil
}

func (r *records) empty() bool {
	return len(r.a)+len(r.aaaa)+len(r.cname)+len(r.srv)+len(r.ptr)+len(r.txt) == 0
}

// zone is one version of a node's zone. It is never changed once built.
type zone struct {
	node  string
	soa   *dns.SOA
	count int
	// By the name that it is gathered under, lower case: below cluster.skate. or in-addr.arpa. Records have that name too.
	names map[string]*records
	// What a transfer sends between two SOAs; only of this node's own zone.
	sent []dns.RR
}

// newZone builds the zone of a node of its SOA and whatever else was sent for it. What a node may not say is left out.
func newZone(node string, soa *dns.SOA, rrs []dns.RR) (*zone, error) {
	z := &zone{node: node, soa: soa, names: make(map[string]*records, 2*len(rrs))}
	for _, rr := range rrs {
		name, ok := gatheredName(rr.Header().Name, node)
		if !ok || rr.Header().Class != dns.ClassINET {
			continue
		}
		if z.add(name, rr) {
			z.count++
		}
		if len(z.names) > maxNames {
			return nil, fmt.Errorf("more than %d names", maxNames)
		}
	}
	for _, r := range z.names {
		if r != nothing {
			settle(r)
		}
	}
	return z, nil
}

// add puts rr below name, when it is of a type that is taken.
func (z *zone) add(name string, rr dns.RR) bool {
	if (&records{}).field(rr.Header().Rrtype) == nil {
		return false
	}
	r := z.names[name]
	if r == nil || r == nothing {
		r = &records{}
		z.names[name] = r
		z.addParents(name)
	}
	if txt, ok := rr.(*dns.TXT); ok && len(txt.Txt) == 1 && txt.Txt[0] == marker {
		return true
	}
	owned := dns.Copy(rr)
	owned.Header().Name = name
	field := r.field(rr.Header().Rrtype)
	*field = append(*field, owned)
	return true
}

func (z *zone) addParents(name string) {
	for parent := after(name); parent != clusterZone && parent != reverseZone; parent = after(parent) {
		if _, ok := z.names[parent]; ok {
			return
		}
		z.names[parent] = nothing
	}
}

// after is name without its first label. Names here have no escaped dots.
func after(name string) string {
	_, rest, _ := strings.Cut(name, ".")
	return rest
}

// gatheredName is the name under which a name of a node's zone is gathered; false for one that is not below that zone.
func gatheredName(name, node string) (string, bool) {
	name = strings.ToLower(name)
	relative, ok := strings.CutSuffix(name, "."+node+"."+nodesZone)
	// An escape would be a dot or a byte that no name of ours has.
	if !ok || relative == "" || strings.ContainsRune(relative, '\\') {
		return "", false
	}
	return absolute(relative), true
}

// absolute is the gathered name of a name relative to a node's zone.
func absolute(relative string) string {
	if strings.HasSuffix(relative, ".in-addr.arpa") {
		return relative + "."
	}
	return relative + "." + clusterZone
}

// settle takes duplicates out, and decides between CNAMEs and the rest: they cannot stand side by side (RFC 1034 3.6.2).
func settle(r *records) {
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeCNAME, dns.TypeSRV, dns.TypePTR, dns.TypeTXT} {
		field := r.field(qtype)
		*field = withoutDuplicates(*field)
	}
	if len(r.cname) == 0 {
		return
	}
	if len(r.a)+len(r.aaaa)+len(r.srv)+len(r.ptr)+len(r.txt) > 0 {
		r.cname = nil
		return
	}
	first := r.cname[0]
	for _, rr := range r.cname[1:] {
		if rdata(rr) < rdata(first) {
			first = rr
		}
	}
	r.cname = []dns.RR{first}
}

func withoutDuplicates(rrs []dns.RR) []dns.RR {
	if len(rrs) < 2 {
		return rrs
	}
	seen := make(map[string]bool, len(rrs))
	kept := rrs[:0]
	for _, rr := range rrs {
		if text := rdata(rr); !seen[text] {
			seen[text] = true
			kept = append(kept, rr)
		}
	}
	return kept
}

func rdata(rr dns.RR) string {
	return strings.TrimPrefix(rr.String(), rr.Header().String())
}

// collector takes the records of a zone one by one, and refuses what is too much.
type collector struct {
	soa   *dns.SOA
	rrs   []dns.RR
	bytes int
}

var errNoSOA = errors.New("no SOA at the beginning")

func (c *collector) take(rr dns.RR, origin string) error {
	if c.soa == nil {
		soa, ok := rr.(*dns.SOA)
		if !ok || !strings.EqualFold(soa.Hdr.Name, origin) {
			return errNoSOA
		}
		c.soa = soa
		return nil
	}
	c.bytes += dns.Len(rr)
	if len(c.rrs) >= maxRecords {
		return fmt.Errorf("more than %d records", maxRecords)
	}
	if c.bytes > maxBytes {
		return fmt.Errorf("more than %d bytes", maxBytes)
	}
	c.rrs = append(c.rrs, rr)
	return nil
}

func originOf(node string) string {
	return node + "." + nodesZone
}
