// CoreDNS with the plugins that a skate node uses, and no other.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"

	_ "github.com/coredns/coredns/plugin/acl"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/forward"

	_ "skate.invalid/coredns/gather"
)

func init() {
	// A query passes the plugins in this order.
	dnsserver.Directives = []string{"bind", "errors", "acl", "cache", "gather", "file", "forward"}
}

func main() {
	coremain.Run()
}
