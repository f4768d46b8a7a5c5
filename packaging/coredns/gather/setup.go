package gather

import (
	"fmt"
	"net"
	"regexp"
	"strings"
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/pkg/upstream"
)

func init() { plugin.Register(pluginName, setup) }

const (
	pluginName    = "gather"
	defaultExpire = 5 * time.Second
)

var label = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// config is one gather block of a Corefile.
type config struct {
	zones  []string
	own    string
	file   string
	nodes  map[string]string
	expire time.Duration
}

type onlyOne struct{}

func setup(c *caddy.Controller) error {
	if c.Get(onlyOne{}) != nil {
		return plugin.Error(pluginName, c.Err("there is another gather block"))
	}
	c.Set(onlyOne{}, true)
	parsed, err := parseConfig(c)
	if err != nil {
		return plugin.Error(pluginName, err)
	}
	apply := func() error {
		process.apply(parsed)
		return nil
	}
	c.OnStartup(apply)
	c.OnRestartFailed(apply)
	c.OnShutdown(func() error {
		process.release(parsed)
		return nil
	})
	dnsserver.GetConfig(c).AddPlugin(func(next plugin.Handler) plugin.Handler {
		return &Gather{Next: next, zones: parsed.zones, registry: process, upstream: upstream.New()}
	})
	return nil
}

func parseConfig(c *caddy.Controller) (*config, error) {
	parsed := &config{nodes: make(map[string]string), expire: defaultExpire}
	blocks := 0
	for c.Next() {
		if blocks++; blocks > 1 {
			return nil, c.Err("there is another gather block")
		}
		if len(c.RemainingArgs()) > 0 {
			return nil, c.ArgErr()
		}
		for c.NextBlock() {
			if err := parsed.option(c, c.Val(), c.RemainingArgs()); err != nil {
				return nil, err
			}
		}
	}
	if _, ok := parsed.nodes[parsed.own]; ok {
		return nil, c.Errf("%s is this node and another", parsed.own)
	}
	parsed.zones = plugin.OriginsFromArgsOrServerBlock(nil, c.ServerBlockKeys)
	for _, zone := range parsed.zones {
		if zone != clusterZone && zone != nodesZone && !strings.HasSuffix(zone, "."+reverseZone) {
			return nil, c.Errf("%s is not one of its zones", zone)
		}
	}
	return parsed, nil
}

func (parsed *config) option(c *caddy.Controller, word string, args []string) error {
	switch {
	case word == "own" && len(args) == 2:
		if parsed.own != "" {
			return c.Err("this node is named twice")
		}
		if !label.MatchString(args[0]) {
			return c.Errf("%q is no name of a node", args[0])
		}
		parsed.own, parsed.file = args[0], args[1]
	case word == "node" && len(args) == 2:
		if !label.MatchString(args[0]) {
			return c.Errf("%q is no name of a node", args[0])
		}
		if _, ok := parsed.nodes[args[0]]; ok {
			return c.Errf("%s is named twice", args[0])
		}
		address, err := parseAddress(args[1])
		if err != nil {
			return c.Err(err.Error())
		}
		parsed.nodes[args[0]] = address
	case word == "expire" && len(args) == 1:
		expire, err := time.ParseDuration(args[0])
		if err != nil || expire <= 0 {
			return c.Errf("%q is no duration", args[0])
		}
		parsed.expire = expire
	case word == "own" || word == "node" || word == "expire":
		return c.ArgErr()
	default:
		return c.Errf("unknown option %q", word)
	}
	return nil
}

// parseAddress reads ADDRESS or ADDRESS:PORT; an IPv6 address with a port is in brackets.
func parseAddress(text string) (string, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = text, "53"
	}
	if net.ParseIP(host) == nil {
		return "", fmt.Errorf("%q is no IP address", text)
	}
	return net.JoinHostPort(host, port), nil
}
