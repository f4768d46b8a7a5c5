package gather

import (
	"io"
	"os"
	"time"

	"github.com/miekg/dns"
)

// How often a NOTIFY is sent to a peer that does not answer; the look that the peer takes each second is behind it.
const notifications = 2

// own is the zone of this node, which is a file.
type own struct {
	registry *registry
	node     string
	file     string
	stop     chan struct{}
	// The file as it was last looked at, whether it could be read or not.
	seen os.FileInfo

	// Guarded by the registry's mutex.
	zone    *zone
	problem error
}

func newOwn(r *registry, node, file string) *own {
	return &own{registry: r, node: node, file: file, stop: make(chan struct{})}
}

func (o *own) run() {
	ticker := time.NewTicker(o.registry.pace.file)
	defer ticker.Stop()
	for {
		select {
		case <-o.stop:
			return
		case <-ticker.C:
			if z, err := o.look(); z != nil || err != nil {
				o.registry.changed(o, z, err)
			}
		}
	}
}

// look reads the file when it is another than at the last look. Both nil: it is the same.
func (o *own) look() (*zone, error) {
	info, err := os.Stat(o.file)
	if err != nil {
		if o.seen == nil && o.problem != nil {
			return nil, nil
		}
		o.seen = nil
		return nil, err
	}
	if o.seen != nil && os.SameFile(o.seen, info) && o.seen.ModTime().Equal(info.ModTime()) && o.seen.Size() == info.Size() {
		return nil, nil
	}
	o.seen = info
	file, err := os.Open(o.file)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return parse(file, o.node)
}

// parse reads the zone of a node from a zone file (RFC 1035 5).
func parse(reader io.Reader, node string) (*zone, error) {
	origin := originOf(node)
	parser := dns.NewZoneParser(reader, origin, "")
	var got collector
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		if err := got.take(rr, origin); err != nil {
			return nil, err
		}
	}
	if err := parser.Err(); err != nil {
		return nil, err
	}
	if got.soa == nil {
		return nil, errNoSOA
	}
	z, err := newZone(node, got.soa, got.rrs)
	if err != nil {
		return nil, err
	}
	z.sent = got.rrs
	return z, nil
}

// notify tells a peer that the zone of node has changed (RFC 1996).
func notify(address, node string, timeout time.Duration) {
	message := new(dns.Msg)
	message.SetNotify(originOf(node))
	client := &dns.Client{Timeout: timeout}
	for range notifications {
		if _, _, err := client.Exchange(message, address); err == nil {
			return
		}
	}
}

// envelopes is the zone as a transfer sends it, in messages of at most 64 KB.
func (z *zone) envelopes() []*dns.Envelope {
	const enough = 60_000
	var made []*dns.Envelope
	batch, size := []dns.RR{z.soa}, dns.Len(z.soa)
	for _, rr := range append(z.sent[:len(z.sent):len(z.sent)], z.soa) {
		if size+dns.Len(rr) > enough {
			made = append(made, &dns.Envelope{RR: batch})
			batch, size = nil, 0
		}
		batch, size = append(batch, rr), size+dns.Len(rr)
	}
	return append(made, &dns.Envelope{RR: batch})
}
