// dnsload asks a DNS server one question as often as it answers, and prints how many answers came in a second.
//
//	dnsload SERVER:PORT NAME ANSWERS SECONDS
//
// Each of a few sockets keeps a few questions on their way. Every answer must hold ANSWERS records; a question that is not
// answered within a second, or answered with less, ends the program.
package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	sockets = 8
	window  = 16
)

func main() {
	if len(os.Args) != 5 {
		fail("usage: dnsload SERVER:PORT NAME ANSWERS SECONDS")
	}
	answers, err := strconv.Atoi(os.Args[3])
	if err != nil {
		fail(err)
	}
	seconds, err := strconv.ParseFloat(os.Args[4], 64)
	if err != nil {
		fail(err)
	}
	query := new(dns.Msg)
	query.SetQuestion(dns.Fqdn(os.Args[2]), dns.TypeA)
	packed, err := query.Pack()
	if err != nil {
		fail(err)
	}
	counts := make([]int, sockets)
	start := time.Now()
	end := start.Add(time.Duration(seconds * float64(time.Second)))
	var all sync.WaitGroup
	for i := range sockets {
		all.Go(func() { counts[i] = ask(os.Args[1], packed, answers, end) })
	}
	all.Wait()
	total := 0
	for _, count := range counts {
		total += count
	}
	fmt.Printf("%.0f\n", float64(total)/time.Since(start).Seconds())
}

// ask sends query until end and returns how many answers came.
func ask(server string, query []byte, answers int, end time.Time) int {
	socket, err := net.Dial("udp", server)
	if err != nil {
		fail(err)
	}
	defer socket.Close()
	for range window {
		send(socket, query)
	}
	count := 0
	buffer := make([]byte, dns.MaxMsgSize)
	for waiting := window; waiting > 0; {
		socket.SetReadDeadline(time.Now().Add(time.Second))
		size, err := socket.Read(buffer)
		if err != nil {
			fail(err)
		}
		if got := int(binary.BigEndian.Uint16(buffer[6:8])); size < 12 || got != answers {
			fail(fmt.Sprintf("%d records in an answer, and not %d", got, answers))
		}
		count++
		if time.Now().Before(end) {
			send(socket, query)
		} else {
			waiting--
		}
	}
	return count
}

func send(socket net.Conn, query []byte) {
	if _, err := socket.Write(query); err != nil {
		fail(err)
	}
}

func fail(reason any) {
	fmt.Fprintln(os.Stderr, "dnsload:", reason)
	os.Exit(1)
}
