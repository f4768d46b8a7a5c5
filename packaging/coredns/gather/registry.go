package gather

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	clog "github.com/coredns/coredns/plugin/pkg/log"
)

var log = clog.NewWithPlugin("gather")

// registry is what this process knows of all zones. It belongs to the process and not to a Corefile: a reload makes new
// plugins before the old ones go, and both answer from here.
type registry struct {
	pace    pace
	current atomic.Pointer[view]
	// Every node has been asked once, or for long enough: what no zone has does not exist. Before, it is not known.
	settled atomic.Bool

	mutex     sync.Mutex
	config    *config
	own       *own
	followers map[string]*follower
}

func newRegistry(pace pace) *registry {
	r := &registry{pace: pace, followers: make(map[string]*follower)}
	r.current.Store(merge(nil, time.Now()))
	return r
}

var process = newRegistry(usual)

// apply makes the registry follow what c says, and returns when the own zone has been read. Zones of nodes that stay are
// kept, also when their address is another.
func (r *registry) apply(c *config) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	first := r.config == nil
	r.config = c
	if r.own != nil && (r.own.node != c.own || r.own.file != c.file) {
		close(r.own.stop)
		r.own = nil
	}
	for node, f := range r.followers {
		if _, ok := c.nodes[node]; !ok {
			close(f.stop)
			delete(r.followers, node)
		}
	}
	for node, address := range c.nodes {
		if f, ok := r.followers[node]; ok {
			f.address.Store(&address)
			f.hurry()
			continue
		}
		f := newFollower(r, node, address)
		r.followers[node] = f
		go f.run()
	}
	if c.own != "" && r.own == nil {
		r.own = newOwn(r, c.own, c.file)
		r.own.zone, r.own.problem = r.own.look()
		if r.own.problem != nil {
			log.Errorf("This node's zone cannot be read: %v", r.own.problem)
		}
		go r.own.run()
	}
	r.tellPeers()
	if first && len(c.nodes) > 0 {
		r.settled.Store(false)
		time.AfterFunc(r.pace.settling, func() { r.settled.Store(true) })
	} else {
		r.settled.Store(true)
	}
	r.merge()
}

// release stops everything, unless another configuration than c has been applied since.
func (r *registry) release(c *config) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.config != c {
		return
	}
	r.config = nil
	if r.own != nil {
		close(r.own.stop)
		r.own = nil
	}
	for node, f := range r.followers {
		close(f.stop)
		delete(r.followers, node)
	}
}

// merge makes the view that queries see. The mutex is held.
func (r *registry) merge() {
	var zones []*zone
	if r.own != nil && r.own.zone != nil {
		zones = append(zones, r.own.zone)
	}
	for _, f := range r.followers {
		if f.live {
			zones = append(zones, f.zone)
		}
	}
	slices.SortFunc(zones, func(a, b *zone) int {
		if a.node < b.node {
			return -1
		}
		return 1
	})
	r.current.Store(merge(zones, time.Now()))
}

// report is how a look at a primary ended: with its zone being what it is known to be (err is nil), or not. z is the zone
// when it is another than before.
func (r *registry) report(f *follower, z *zone, err error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.followers[f.node] != f {
		return
	}
	now := time.Now()
	f.problem, f.asked = err, true
	switch {
	case err == nil:
		if f.expired {
			log.Infof("%s answers again", f.node)
		}
		changed := !f.live || z != nil
		if z != nil {
			f.zone = z
		}
		f.live, f.expired, f.confirmed = true, false, now
		if changed {
			r.merge()
		}
	case f.live && now.Sub(f.confirmed) >= r.config.expire:
		log.Warningf("%s is out of all answers: %v", f.node, err)
		f.live, f.expired = false, true
		r.merge()
	}
	if !r.settled.Load() && !slices.ContainsFunc(r.all(), func(f *follower) bool { return !f.asked }) {
		r.settled.Store(true)
	}
}

// all is the followers in the order of their nodes' names. The mutex is held.
func (r *registry) all() []*follower {
	found := make([]*follower, 0, len(r.followers))
	for _, f := range r.followers {
		found = append(found, f)
	}
	slices.SortFunc(found, func(a, b *follower) int {
		if a.node < b.node {
			return -1
		}
		return 1
	})
	return found
}

// changed takes a new version of the own zone, or why there is none: then the last good one stays.
func (r *registry) changed(o *own, z *zone, err error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.own != o {
		return
	}
	o.problem = err
	if err != nil {
		log.Errorf("This node's zone cannot be read, the last one stays: %v", err)
		return
	}
	o.zone = z
	r.merge()
	r.tellPeers()
}

// tellPeers sends NOTIFYs of the own zone, side by side. The mutex is held.
func (r *registry) tellPeers() {
	if r.own == nil || r.own.zone == nil {
		return
	}
	for _, f := range r.followers {
		go notify(*f.address.Load(), r.own.node, r.pace.answer)
	}
}

// notified has the zone of a node looked at now. False: it is none that is followed.
func (r *registry) notified(node string) bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	f, ok := r.followers[node]
	if ok {
		f.hurry()
	}
	return ok
}

var errNeverAnswered = errors.New("no answer yet")
