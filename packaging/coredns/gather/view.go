package gather

import "time"

// view is all live zones of one moment, merged. It is never changed; a change makes another view.
type view struct {
	names map[string]*records
	// The live zones by node.
	zones  map[string]*zone
	serial uint32
}

// merge makes a view of zones, which come in a stable order.
func merge(zones []*zone, now time.Time) *view {
	size := 0
	for _, z := range zones {
		size += len(z.names)
	}
	v := &view{
		names:  make(map[string]*records, size),
		zones:  make(map[string]*zone, len(zones)),
		serial: uint32(now.Unix()),
	}
	// Names that several zones have; the others share their zone's records.
	mixed := make(map[string]*records)
	for _, z := range zones {
		v.zones[z.node] = z
		for name, r := range z.names {
			known := v.names[name]
			switch {
			case known == nil || known == nothing:
				v.names[name] = r
			case r == nothing:
			default:
				both := mixed[name]
				if both == nil {
					both = &records{}
					appendRecords(both, known)
					mixed[name] = both
					v.names[name] = both
				}
				appendRecords(both, r)
			}
		}
	}
	for _, r := range mixed {
		settle(r)
	}
	return v
}

func appendRecords(to, from *records) {
	to.a = append(to.a, from.a...)
	to.aaaa = append(to.aaaa, from.aaaa...)
	to.cname = append(to.cname, from.cname...)
	to.srv = append(to.srv, from.srv...)
	to.ptr = append(to.ptr, from.ptr...)
	to.txt = append(to.txt, from.txt...)
}
