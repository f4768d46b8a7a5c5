package gather

import (
	"fmt"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// ownZone is the zone of this node; nil before it could be read.
func (r *registry) ownZone() *zone {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.own == nil {
		return nil
	}
	return r.own.zone
}

// follows says whether node is one of the cluster's, this one included.
func (r *registry) follows(node string) bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.followers[node] != nil || r.own != nil && r.own.node == node
}

// states is what is known of the zones, as TXT records of _nodes.cluster.skate. (all nodes) or NODE._nodes.cluster.skate.
// False: there is no such name.
func (r *registry) states(qname string) ([]dns.RR, bool) {
	wanted := strings.TrimSuffix(strings.TrimSuffix(qname, statesZone), ".")
	if strings.Contains(wanted, ".") {
		return nil, false
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	var found []dns.RR
	add := func(node string, fields ...string) {
		if wanted == "" || wanted == node {
			txt := &dns.TXT{Hdr: header(qname, dns.TypeTXT), Txt: append([]string{"node=" + node}, fields...)}
			txt.Hdr.Ttl = 0
			found = append(found, txt)
		}
	}
	if r.own != nil {
		add(r.own.node, r.own.fields()...)
	}
	for _, f := range r.all() {
		add(f.node, f.fields()...)
	}
	return found, wanted == "" || len(found) > 0
}

func (o *own) fields() []string {
	state, age := "unknown", -1
	if o.zone != nil {
		state, age = "live", 0
	}
	return fields(state, age, o.zone, o.problem)
}

func (f *follower) fields() []string {
	state, age := "unknown", -1
	if f.zone != nil {
		age = int(time.Since(f.confirmed).Milliseconds())
	}
	switch {
	case f.live:
		state = "live"
	case f.expired:
		state = "expired"
	}
	return fields(state, age, f.zone, f.problem)
}

func fields(state string, age int, z *zone, problem error) []string {
	serial, count := uint32(0), 0
	if z != nil {
		serial, count = z.soa.Serial, z.count
	}
	made := []string{
		"state=" + state, fmt.Sprintf("serial=%d", serial), fmt.Sprintf("age_ms=%d", age), fmt.Sprintf("records=%d", count),
	}
	if problem != nil {
		text := "error=" + problem.Error()
		made = append(made, text[:min(len(text), 200)])
	}
	return made
}
