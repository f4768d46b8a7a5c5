// Package gather is a CoreDNS plugin that answers for a skate cluster from the zones of its nodes.
//
// Each node is primary for one zone, <node>.nodes.skate., that lists what is ready there. A process serves the zone of its
// own node from a file (own.go), follows the zones of the others (follow.go), and keeps what it knows in one registry of
// the process (registry.go), so that a reload of the Corefile forgets nothing. Whenever a zone changes, is dropped or comes
// back, the registry merges all live zones into a new view; a query (serve.go) is a look into the view of that moment, and
// waits for nobody.
//
// CoreDNS' own plugins were tried first. secondary keeps a zone expired for ever when its primary comes back with the same
// serial, and waits up to 5 s at random before it looks. transfer sends its NOTIFYs one after the other, up to 6 s to each
// peer that is down, and file reads no change of its zone in the meantime. Nothing merges zones.
package gather
