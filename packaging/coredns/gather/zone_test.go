package gather

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// zoneText is a zone of node with a serial and more lines.
func zoneText(node string, serial int, lines ...string) string {
	head := fmt.Sprintf("$ORIGIN %[1]s.nodes.skate.\n$TTL 5\n@ IN SOA %[1]s.nodes.skate. skate.nodes.skate. %[2]d 1 1 5 1\n", node, serial)
	return head + strings.Join(lines, "\n") + "\n"
}

func mustParse(t testing.TB, node string, serial int, lines ...string) *zone {
	t.Helper()
	z, err := parse(strings.NewReader(zoneText(node, serial, lines...)), node)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func texts(rrs []dns.RR) []string {
	found := make([]string, 0, len(rrs))
	for _, rr := range rrs {
		found = append(found, strings.Join(strings.Fields(rr.String()), " "))
	}
	slices.Sort(found)
	return found
}

func expect(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n  got  %q\n  want %q", what, got, want)
	}
}

func TestNamesOutsideOfItsZoneAreNotTakenFromAPeer(t *testing.T) {
	z := mustParse(t, "node-2", 1,
		"good.default A 10.66.2.10",
		"web.default.node-1.nodes.skate. A 10.66.2.66",
		"web.default.cluster.skate. A 10.66.2.66",
		"nodes.skate. A 10.66.2.66",
		"example.org. A 10.66.2.66",
		"xnode-2.nodes.skate. A 10.66.2.66",
		"@ A 10.66.2.66",
		`a\.b.default A 10.66.2.66`,
		"other.default MX 1 mail.example.org.",
		"*.default NS ns.example.org.",
	)
	var names []string
	for name := range z.names {
		names = append(names, name)
	}
	slices.Sort(names)
	expect(t, "names", names, []string{"default.cluster.skate.", "good.default.cluster.skate."})
	if z.count != 1 {
		t.Errorf("%d records were taken", z.count)
	}
}

func TestACNAMELosesAgainstOtherRecordsOfAnyNode(t *testing.T) {
	v := merge([]*zone{
		mustParse(t, "node-1", 1, "x.default CNAME b.example.org.", "y.default CNAME b.example.org."),
		mustParse(t, "node-2", 1, "x.default A 10.66.2.10", "y.default CNAME a.example.org."),
	}, time.Now())
	x, y := v.names["x.default.cluster.skate."], v.names["y.default.cluster.skate."]
	expect(t, "x", texts(x.cname), []string{})
	expect(t, "x", texts(x.a), []string{"x.default.cluster.skate. 5 IN A 10.66.2.10"})
	expect(t, "y", texts(y.cname), []string{"y.default.cluster.skate. 5 IN CNAME a.example.org."})
}

func TestMergingChangesNoZone(t *testing.T) {
	one, two := mustParse(t, "node-1", 1, "x.default A 10.66.1.10"), mustParse(t, "node-2", 1, "x.default A 10.66.2.10")
	for range 3 {
		v := merge([]*zone{one, two}, time.Now())
		if got := len(v.names["x.default.cluster.skate."].a); got != 2 {
			t.Fatalf("%d addresses", got)
		}
	}
	if len(one.names["x.default.cluster.skate."].a) != 1 || len(nothing.a) != 0 {
		t.Error("a zone was changed by merging")
	}
}

func TestAZoneThatIsTooLargeIsNotTaken(t *testing.T) {
	soa := mustParse(t, "node-2", 1).soa
	origin := originOf("node-2")
	records := collector{soa: soa}
	one, _ := dns.NewRR("a.b." + origin + " A 10.66.2.1")
	var err error
	for range maxRecords {
		if err = records.take(one, origin); err != nil {
			t.Fatalf("refused within the limit: %v", err)
		}
	}
	if err = records.take(one, origin); err == nil {
		t.Errorf("%d records were taken", len(records.rrs))
	}

	bytes := collector{soa: soa}
	long := &dns.TXT{Hdr: dns.RR_Header{Name: "a." + origin, Rrtype: dns.TypeTXT, Class: dns.ClassINET}}
	for range 200 {
		long.Txt = append(long.Txt, strings.Repeat("x", 255))
	}
	for err = nil; err == nil && bytes.bytes < 2*maxBytes; {
		err = bytes.take(long, origin)
	}
	if err == nil {
		t.Errorf("%d bytes were taken", bytes.bytes)
	}

	deep := make([]dns.RR, 0, 4000)
	for i := range 4000 {
		name := fmt.Sprintf("%s%d.%s", strings.Repeat("a.", 90), i, origin)
		rr, _ := dns.NewRR(name + " A 10.66.2.1")
		deep = append(deep, rr)
	}
	if _, err := newZone("node-2", soa, deep); err == nil {
		t.Error("names that are 90 labels deep were all taken")
	}
}

func TestAZoneFileWithoutASOAIsRefused(t *testing.T) {
	for _, text := range []string{"", "a.default A 10.66.1.1\n", zoneText("node-2", 1), "$INCLUDE /etc/passwd\n"} {
		if z, err := parse(strings.NewReader(text), "node-1"); err == nil {
			t.Errorf("%q made %v", text, z)
		}
	}
}

func TestATransferHoldsTheWholeZoneBetweenTwoSOAs(t *testing.T) {
	lines := make([]string, 0, 5000)
	for i := range 5000 {
		lines = append(lines, fmt.Sprintf("pod-%d.default A 10.66.%d.%d", i, i/250, i%250))
	}
	z := mustParse(t, "node-1", 7, append(lines, `later.default TXT "skate"`)...)
	var sent []dns.RR
	for _, envelope := range z.envelopes() {
		message := &dns.Msg{Answer: envelope.RR}
		if size := message.Len(); size > dns.MaxMsgSize {
			t.Errorf("a message of %d bytes", size)
		}
		sent = append(sent, envelope.RR...)
	}
	if len(sent) != 5003 || sent[0] != dns.RR(z.soa) || sent[len(sent)-1] != dns.RR(z.soa) {
		t.Errorf("%d records were sent", len(sent))
	}
}
