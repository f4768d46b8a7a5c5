"""The Corefile of this node's CoreDNS. Pure.

CoreDNS listens on the pod gateway, for pods and the host, and where the other nodes reach this one. It answers the cluster's own
networks only, and forwards to the host's nameservers only on the gateway: it is no open resolver.
What may stand in it is in packaging/coredns/README.md.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from skatelet.dns import labels

LOOPBACK = "127.0.0.0/8"
SERVER = "127.0.0.83"
"""Where the host asks; see skatelet.dns.resolved."""
OCTET = 8
MAX_FORWARDERS = 3
"""As many as a resolver takes from resolv.conf."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What the Corefile is made of."""

    node: str
    zone_file: str
    gateway: str
    """The first address of the node's subnet."""
    listen: Sequence[str] = ()
    """Further addresses of the node that peers reach it by."""
    cidr: str
    """All pods' addresses, on all nodes."""
    peers: Mapping[str, str] = field(default_factory=dict)
    """Of each other node that can be asked, by name: the address to ask."""
    askers: Sequence[str] = ()
    """Addresses that other nodes may ask from, beside those in `peers`."""
    subnets: Sequence[str] = ()
    """Of every node."""
    nameservers: Sequence[str] = ()
    """The host's own; empty: names outside the cluster are refused."""


def text(setup: Setup) -> str:
    """The Corefile. Raises ValueError for a node's name, an address or a subnet that is none."""
    for name in (setup.node, *setup.peers):
        if not labels.is_name(name):
            raise ValueError(f"{labels.shown(name)} is no name for a node")
    peers = {name: _address(address) for name, address in sorted(setup.peers.items())}
    own = [_address(item) for item in (setup.gateway, *sorted({*setup.listen, SERVER} - {setup.gateway}))]
    askers = sorted({_address(item) for item in (*peers.values(), *setup.askers, *own[1:])} - {SERVER})
    cidr = str(ipaddress.IPv4Network(setup.cidr))
    zones = " ".join([labels.CLUSTER.rstrip("."), labels.NODES.rstrip("."), *reverse_zones(setup.subnets)])
    transfers = " ".join([LOOPBACK, *askers])
    lines = [
        f"{zones} {{",
        f"    bind {' '.join(own)}",
        *_ERRORS,
        f"    acl {labels.NODES.rstrip('.')} {{",
        f"        allow type AXFR net {transfers}",
        "        block type AXFR",
        "    }",
        *_acl([LOOPBACK, cidr, *askers]),
        "    gather {",
        f"        own {setup.node} {setup.zone_file}",
        *(f"        node {name} {address}" for name, address in peers.items()),
        "    }",
        "}",
    ]
    nameservers = [str(ipaddress.ip_address(item)) for item in setup.nameservers][:MAX_FORWARDERS]
    if nameservers:
        lines += [
            "",
            ". {",
            f"    bind {own[0]}",
            *_ERRORS,
            *_acl([LOOPBACK, cidr]),
            "    cache 30",
            f"    forward . {' '.join(nameservers)} {{",
            "        policy sequential",
            "    }",
            "}",
        ]
    return "\n".join([*lines, ""])


_ERRORS = ("    errors {", '        consolidate 5m ".*"', "    }")


def _acl(networks: Iterable[str]) -> list[str]:
    return ["    acl {", f"        allow net {' '.join(networks)}", "        block", "    }"]


def reverse_zones(subnets: Iterable[str]) -> list[str]:
    """The zones below in-addr.arpa that hold every address of `subnets`, no wider than octets make them. No dot at the end.

    Raises ValueError for what is no IPv4 network.
    """
    found = set()
    for subnet in subnets:
        network = ipaddress.IPv4Network(subnet)
        prefix = min(max(OCTET, -(-network.prefixlen // OCTET) * OCTET), 3 * OCTET)
        parts = (
            [network.supernet(new_prefix=prefix)] if network.prefixlen > prefix else network.subnets(new_prefix=prefix)
        )
        for part in parts:
            octets = str(part.network_address).split(".")[: prefix // OCTET]
            found.add(tuple(octets))
    return [".".join([*reversed(octets), "in-addr.arpa"]) for octets in sorted(found)]


def _address(text: str) -> str:
    return str(ipaddress.IPv4Address(text))
