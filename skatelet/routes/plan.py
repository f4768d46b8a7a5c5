"""Which routes a node should have, what stands in their way, and what to do about the difference. Pure.

A peer's subnet is routed through the peer's address. With VXLAN it is routed through the peer's pod gateway on the device
`skate-vx`, where a fixed neighbour and a fixed forwarding entry lead to the peer's address: nothing is learned, nothing flooded.

The node's own pod gateway is a route of type `local`, so that it can be listened on while there is no bridge. As an address of
`lo` it would do the same, but podman refuses to create a network of a subnet that some interface has an address in.

A route is only ever replaced, in one step of the kernel's, or deleted when nothing wants it: no pod ever notices.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from skatelet.contract import bundle

PROTOCOL = 83
"""Ours in rtnetlink: free in iproute2's rt_protos, and outside of what daemons have reserved."""
GATEWAY_METRIC = 83
"""Apart from the kernel's own route to the gateway (metric 0), which `replace` would replace otherwise."""
BRIDGE = "skate0"
DEVICE = "skate-vx"
VNI = 83
PORT = 4789
OVERHEAD = 50
"""What VXLAN adds to a packet: outer IPv4 20, UDP 8, VXLAN 8, inner Ethernet 14 bytes."""
USUAL_MTU = 1500
SHORTEST_FOREIGN = 8
"""Routes to more than a /8 are a default route in halves, as VPNs make them, and nobody's own network."""

Words = tuple[str, ...]
"""One line of a batch for `ip` or `bridge`."""


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Another node."""

    name: str
    subnet: str
    address: str = ""
    """Where its packets go; empty where it is not known."""
    registered: str = ""
    """What it is registered by: the address, or a name."""


@dataclass(frozen=True, kw_only=True, order=True)
class Route:
    """A route of ours to another node's subnet."""

    subnet: str
    via: str
    device: str = ""
    """`skate-vx`; empty where the kernel is to find the link by itself."""
    source: str = ""
    metric: int = 0


@dataclass(frozen=True, kw_only=True)
class Tunnel:
    """The VXLAN device."""

    mac: str
    mtu: int
    local: str = ""
    """The address to send from; empty: the kernel's choice."""
    up: bool = True


@dataclass(frozen=True, kw_only=True, order=True)
class Far:
    """Another node as the VXLAN device knows it."""

    gateway: str
    mac: str
    peer: str


@dataclass(frozen=True, kw_only=True)
class Desired:
    """What should be there."""

    subnet: str
    gateway: str
    routes: tuple[Route, ...] = ()
    tunnel: Tunnel | None = None
    far: tuple[Far, ...] = ()

    @property
    def unmasked(self) -> tuple[tuple[str, str], ...]:
        """From which subnet to which one pods keep their own address."""
        return tuple((self.subnet, route.subnet) for route in self.routes)


@dataclass(frozen=True, kw_only=True)
class Link:
    """An interface of the host."""

    name: str
    mtu: int = USUAL_MTU
    addresses: tuple[str, ...] = ()
    """With prefix length."""


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """A route that is not ours, in the main table."""

    network: str
    device: str = ""
    via: str = ""


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What is there."""

    links: tuple[Link, ...] = ()
    foreign: tuple[Foreign, ...] = ()
    routes: tuple[Route, ...] = ()
    gateways: tuple[str, ...] = ()
    """Our local routes."""
    forwarding: bool = False
    unmasked: tuple[tuple[str, str], ...] | None = None
    """What our table of nftables says; None where it is missing, or says anything else."""
    tunnel: Tunnel | None = None
    tunnel_foreign: bool = False
    """A device of our name is there, and is not what it must be: another kind, id or port."""
    neighbours: tuple[tuple[str, str], ...] = ()
    """On our device: address, MAC."""
    forwards: tuple[tuple[str, str], ...] = ()
    """On our device: MAC, peer's address."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Why a subnet is not routed."""

    reason: str
    message: str
    node: str = ""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to do."""

    forwarding: bool = False
    table: bool = False
    """Load our table anew, in one transaction."""
    ip: tuple[Words, ...] = ()
    bridge: tuple[Words, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.forwarding or self.table or self.ip or self.bridge)


def desired(
    *, identity: bundle.NodeIdentity, own: str, peers: Iterable[Peer], vxlan: bool, observed: Observed
) -> tuple[Desired, tuple[Problem, ...]]:
    """What should be there, and why some of it is left out. `own` is the address that peers reach this node by.

    Of what is there only the host's own networks count here, and no link that is missing right now: skatelet-routes.service has
    to do all this at a boot, too.
    """
    subnet = ipaddress.IPv4Network(identity.subnet)
    gateway = str(subnet[1])
    problems = [_overlap(identity.subnet, "this node's own subnet", observed, node="")]
    routes, far = [], []
    for peer in sorted(peers, key=lambda item: item.name):
        problem = _left_out(peer, subnet, observed)
        problems.append(problem)
        if problem is not None:
            continue
        if vxlan:
            inner = str(ipaddress.IPv4Network(peer.subnet)[1])
            routes.append(Route(subnet=peer.subnet, via=inner, device=DEVICE, source=gateway))
            far.append(Far(gateway=inner, mac=mac_of(peer.subnet), peer=peer.address))
        else:
            routes.append(Route(subnet=peer.subnet, via=peer.address))
    wanted = Desired(
        subnet=str(subnet),
        gateway=gateway,
        routes=tuple(sorted(routes)),
        tunnel=_tunnel(str(subnet), own, observed) if vxlan else None,
        far=tuple(sorted(far)),
    )
    return wanted, tuple(problem for problem in problems if problem is not None)


def unreachable(wanted: Desired, observed: Observed) -> tuple[Route, ...]:
    """The wanted routes that the kernel would refuse: their next hop is on no link of this host."""
    if wanted.tunnel is not None:
        return ()
    return tuple(route for route in wanted.routes if route not in observed.routes and not _on_link(route.via, observed))


def plan(wanted: Desired, observed: Observed) -> Plan:
    """What to do so that `observed` becomes `wanted`, except for the routes that are unreachable. Nothing when it is."""
    device = _device_lines(wanted.tunnel, observed) if wanted.tunnel is not None else ()
    if any(line[:2] == ("link", "add") for line in device):
        # With the device goes all that leads through it.
        routes = tuple(route for route in observed.routes if not route.device)
        observed = replace(observed, routes=routes, neighbours=(), forwards=())
    left_out = unreachable(wanted, observed)
    ip: list[Words] = []
    bridge: list[Words] = []
    if wanted.gateway not in observed.gateways:
        ip.append(gateway_line(wanted.gateway))
    if wanted.tunnel is not None:
        ip += device
        ip += [neighbour_line(far) for far in wanted.far if (far.gateway, far.mac) not in observed.neighbours]
        bridge += [forward_line(far) for far in wanted.far if (far.mac, far.peer) not in observed.forwards]
        bridge += _stale_forwards(wanted, observed.forwards)
        ip += _stale_neighbours(wanted, observed.neighbours)
    for route in wanted.routes:
        if route not in observed.routes and route not in left_out:
            ip.append(route_line(route))
    ip += _stale_routes(wanted, observed)
    ip += [_gateway_words("del", address) for address in observed.gateways if address != wanted.gateway]
    if wanted.tunnel is None and observed.tunnel is not None and not observed.tunnel_foreign:
        ip.append(("link", "del", DEVICE))
    return Plan(
        forwarding=not observed.forwarding,
        table=observed.unmasked is None or sorted(observed.unmasked) != sorted(wanted.unmasked),
        ip=tuple(ip),
        bridge=tuple(bridge),
    )


def mac_of(subnet: str) -> str:
    """The MAC of a node's VXLAN device: locally administered, out of its subnet, so that every node knows it."""
    return ":".join(f"{byte:02x}" for byte in b"\x02\x53" + ipaddress.IPv4Network(subnet).network_address.packed)


def gateway_line(gateway: str) -> Words:
    return _gateway_words("replace", gateway)


def device_line(tunnel: Tunnel) -> Words:
    """Making the device."""
    return (
        *("link", "add", DEVICE, "address", tunnel.mac, "mtu", str(tunnel.mtu)),
        *("type", "vxlan", "id", str(VNI), "dstport", str(PORT), "nolearning"),
        *(("local", tunnel.local) if tunnel.local else ()),
    )


def setting_line(tunnel: Tunnel) -> Words:
    """Setting what can be set of the device that is there."""
    return ("link", "set", "dev", DEVICE, "address", tunnel.mac, "mtu", str(tunnel.mtu), "up")


def neighbour_line(far: Far) -> Words:
    return ("neigh", "replace", far.gateway, "lladdr", far.mac, "dev", DEVICE, "nud", "permanent")


def forward_line(far: Far) -> Words:
    return ("fdb", "replace", far.mac, "dev", DEVICE, "dst", far.peer, "self", "permanent")


def route_line(route: Route) -> Words:
    return (
        *("route", "replace", route.subnet, "via", route.via),
        *(("dev", route.device, "onlink") if route.device else ()),
        *(("src", route.source) if route.source else ()),
        *("proto", str(PROTOCOL)),
    )


def _left_out(peer: Peer, own: ipaddress.IPv4Network, observed: Observed) -> Problem | None:
    try:
        subnet = ipaddress.IPv4Network(peer.subnet)
    except ValueError:
        return Problem(reason="SubnetOverlaps", node=peer.name, message=f"node {peer.name}'s subnet is no network")
    if subnet.overlaps(own):
        message = f"node {peer.name}'s subnet {subnet} overlaps this node's own, {own}"
        return Problem(reason="SubnetOverlaps", node=peer.name, message=message)
    overlap = _overlap(peer.subnet, f"node {peer.name}'s subnet", observed, node=peer.name)
    if overlap is not None:
        return overlap
    if not peer.address:
        known = f"its name {peer.registered} gives no IPv4 address" if peer.registered else "no address is known of it"
        message = f"node {peer.name}: {known}; give it one: skate create node --name {peer.name} --peer-host ADDRESS"
        return Problem(reason="NoPeerAddress", node=peer.name, message=message)
    if any(peer.address == address.partition("/")[0] for link in observed.links for address in link.addresses):
        message = (
            f"node {peer.name}'s address {peer.address} is one of this node's own; give it the one that other nodes reach"
            f" it by: skate create node --name {peer.name} --peer-host ADDRESS"
        )
        return Problem(reason="NoPeerAddress", node=peer.name, message=message)
    return None


def _overlap(subnet: str, whose: str, observed: Observed, *, node: str) -> Problem | None:
    wanted = ipaddress.IPv4Network(subnet)
    for network, device in _networks(observed):
        if wanted.overlaps(network):
            where = f" ({device})" if device else ""
            message = f"{whose} {wanted} overlaps {network}{where}, a network that this host itself has"
            return Problem(reason="SubnetOverlaps", message=message, node=node)
    return None


def _networks(observed: Observed) -> Iterable[tuple[ipaddress.IPv4Network, str]]:
    """The networks that the host itself has: what its interfaces have addresses in, and what it has routes to."""
    for link in observed.links:
        if link.name not in ("lo", BRIDGE, DEVICE):
            for address in link.addresses:
                yield ipaddress.IPv4Interface(address).network, link.name
    for route in observed.foreign:
        network = ipaddress.IPv4Network(route.network)
        if route.device not in (BRIDGE, DEVICE) and network.prefixlen >= SHORTEST_FOREIGN:
            yield network, route.device


def _on_link(address: str, observed: Observed) -> bool:
    """Whether the best of the host's own routes to `address` leads straight onto a link."""
    wanted = ipaddress.IPv4Address(address)
    found = [route for route in observed.foreign if wanted in ipaddress.IPv4Network(route.network)]
    longest = max((ipaddress.IPv4Network(route.network).prefixlen for route in found), default=-1)
    best = [route for route in found if ipaddress.IPv4Network(route.network).prefixlen == longest]
    return any(route.device and not route.via for route in best)


def _tunnel(subnet: str, own: str, observed: Observed) -> Tunnel:
    """Sent from `own` where the host has that address (behind a translation of addresses it has not)."""
    mine = [link for link in observed.links if any(own == item.partition("/")[0] for item in link.addresses)]
    ways = {route.device for route in observed.foreign if ipaddress.IPv4Network(route.network).prefixlen == 0}
    under = mine or [link for link in observed.links if link.name in ways]
    mtu = min((link.mtu for link in under), default=USUAL_MTU)
    return Tunnel(mac=mac_of(subnet), mtu=mtu - OVERHEAD, local=own if mine else "")


def _device_lines(wanted: Tunnel, observed: Observed) -> Sequence[Words]:
    standing = observed.tunnel
    if standing == wanted and not observed.tunnel_foreign:
        return ()
    setting = setting_line(wanted)
    if observed.tunnel_foreign or (standing is not None and standing.local != wanted.local):
        return ("link", "del", DEVICE), device_line(wanted), setting
    return (setting,) if standing is not None else (device_line(wanted), setting)


def _stale_routes(wanted: Desired, observed: Observed) -> list[Words]:
    kept = {(route.subnet, route.metric) for route in wanted.routes if route not in unreachable(wanted, observed)}
    return [
        ("route", "del", route.subnet, "proto", str(PROTOCOL), "metric", str(route.metric))
        for route in observed.routes
        if (route.subnet, route.metric) not in kept
    ]


def _stale_neighbours(wanted: Desired, neighbours: Iterable[tuple[str, str]]) -> list[Words]:
    kept = {far.gateway for far in wanted.far}
    return [("neigh", "del", address, "dev", DEVICE) for address, _ in neighbours if address not in kept]


def _stale_forwards(wanted: Desired, forwards: Iterable[tuple[str, str]]) -> list[Words]:
    kept = {far.mac for far in wanted.far}
    return [("fdb", "del", mac, "dev", DEVICE, "dst", peer, "self") for mac, peer in forwards if mac not in kept]


def _gateway_words(verb: str, address: str) -> Words:
    numbers = ("metric", str(GATEWAY_METRIC), "proto", str(PROTOCOL))
    return ("route", verb, "local", f"{address}/32", "dev", "lo", "table", "local", *numbers)
