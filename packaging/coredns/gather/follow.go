package gather

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// pace is how often things are looked at, and for how long they are waited for.
type pace struct {
	interval time.Duration
	// NOTIFYs have a zone looked at no more often than this.
	shortest time.Duration
	file     time.Duration
	answer   time.Duration
	settling time.Duration
}

var usual = pace{
	interval: time.Second,
	shortest: 50 * time.Millisecond,
	file:     250 * time.Millisecond,
	answer:   time.Second,
	settling: 2 * time.Second,
}

const (
	messageTimeout = 2 * time.Second
	// The longest that a transfer may take as a whole.
	transferTimeout = 10 * time.Second
)

// follower keeps the zone of another node.
type follower struct {
	registry *registry
	node     string
	address  atomic.Pointer[string]
	wake     chan struct{}
	stop     chan struct{}

	// All below is guarded by the registry's mutex.
	zone *zone
	// The zone is part of the answers.
	live bool
	// It was, and its primary has been silent for too long.
	expired bool
	// When the zone was last known to be what the primary has.
	confirmed time.Time
	// One look has ended, however it did.
	asked   bool
	problem error
}

func newFollower(r *registry, node, address string) *follower {
	f := &follower{
		registry: r,
		node:     node,
		wake:     make(chan struct{}, 1),
		stop:     make(chan struct{}),
		problem:  errNeverAnswered,
	}
	f.address.Store(&address)
	return f
}

// hurry has the next look taken now.
func (f *follower) hurry() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *follower) run() {
	pace := f.registry.pace
	for {
		start := time.Now()
		f.look()
		if !f.wait(time.Until(start.Add(pace.shortest)), nil) || !f.wait(time.Until(start.Add(pace.interval)), f.wake) {
			return
		}
	}
}

// wait returns after d, or at once when something comes through wake. False: the follower is to stop.
func (f *follower) wait(d time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-f.stop:
		return false
	}
	return true
}

// look asks the primary for its serial, and for its zone where that is another than the one that is here.
func (f *follower) look() {
	address := *f.address.Load()
	f.registry.mutex.Lock()
	known, expired := f.zone, f.expired
	f.registry.mutex.Unlock()

	serial, err := askSerial(address, f.node, f.registry.pace.answer)
	if err != nil {
		f.registry.report(f, nil, err)
		return
	}
	if known != nil && known.soa.Serial == serial {
		f.registry.report(f, nil, nil)
		if !expired {
			return
		}
		// Back at once with what is here; but a node that was away may have begun its serials anew.
	}
	z, err := transfer(address, f.node, f.registry.pace.answer)
	f.registry.report(f, z, err)
}

func askSerial(address, node string, timeout time.Duration) (uint32, error) {
	origin := originOf(node)
	query := new(dns.Msg)
	query.SetQuestion(origin, dns.TypeSOA)
	query.RecursionDesired = false
	client := &dns.Client{Timeout: timeout}
	reply, _, err := client.Exchange(query, address)
	if err != nil {
		return 0, plain(err)
	}
	if reply.Rcode != dns.RcodeSuccess {
		return 0, fmt.Errorf("it answers %s", dns.RcodeToString[reply.Rcode])
	}
	for _, rr := range reply.Answer {
		if soa, ok := rr.(*dns.SOA); ok && strings.EqualFold(soa.Hdr.Name, origin) && reply.Authoritative {
			return soa.Serial, nil
		}
	}
	return 0, errors.New("it is not primary for its zone")
}

// transfer fetches the zone of a node from address (AXFR, RFC 5936).
func transfer(address, node string, timeout time.Duration) (*zone, error) {
	origin := originOf(node)
	deadline := time.Now().Add(transferTimeout)
	connection, err := net.DialTimeout("tcp", address, timeout)
	if err != nil {
		return nil, plain(err)
	}
	stream := &dns.Conn{Conn: connection}
	defer stream.Close()
	query := new(dns.Msg)
	query.SetAxfr(origin)
	if err := stream.SetDeadline(time.Now().Add(messageTimeout)); err != nil {
		return nil, err
	}
	if err := stream.WriteMsg(query); err != nil {
		return nil, plain(err)
	}
	var got collector
	for {
		next := time.Now().Add(messageTimeout)
		if next.After(deadline) {
			next = deadline
		}
		if err := stream.SetDeadline(next); err != nil {
			return nil, err
		}
		message, err := stream.ReadMsg()
		if err != nil {
			return nil, plain(err)
		}
		if message.Id != query.Id {
			return nil, errors.New("its transfer is of another question")
		}
		if message.Rcode != dns.RcodeSuccess {
			return nil, fmt.Errorf("it answers a transfer with %s", dns.RcodeToString[message.Rcode])
		}
		if len(message.Answer) == 0 {
			return nil, errors.New("its transfer has no end")
		}
		for _, rr := range message.Answer {
			if _, ok := rr.(*dns.SOA); ok && got.soa != nil {
				return newZone(node, got.soa, got.rrs)
			}
			if err := got.take(rr, origin); err != nil {
				return nil, fmt.Errorf("its zone is not taken: %w", err)
			}
		}
	}
}

// plain says in few words what is wrong with a connection.
func plain(err error) error {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return errors.New("no answer")
	}
	var operation *net.OpError
	if errors.As(err, &operation) {
		return operation.Err
	}
	return err
}
