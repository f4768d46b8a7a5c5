"""What names need of a bundle: read once for each, since most passes are about pods that come and go. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from skatelet import services
from skatelet.contract import bundle
from skatelet.dns import labels


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Another node of the cluster."""

    name: str
    registered: str
    """What it is registered by: an address, or a host name."""
    gateway: str
    """Of its pods: the first address of its subnet."""


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """A bundle, as far as names go."""

    cidr: str
    vxlan: bool
    subnets: tuple[str, ...]
    """Of every node, this one included."""
    peers: tuple[Peer, ...] = ()
    known: tuple[services.Pod, ...] = ()
    """This node's pods, ready or not."""
    services: tuple[services.Service, ...] = ()
    problems: tuple[str, ...] = field(default=())


def read(followed: bundle.Bundle, identity: bundle.NodeIdentity) -> Catalogue:
    """What `followed` says. Raises one of bundle.UNREADABLE, and ValueError where the cluster's range is none."""
    cluster = followed.cluster()
    cidr = str(ipaddress.IPv4Network(cluster.cidr))
    own = services.node_address(identity)
    pods = [services.instance_pod(item, node=identity.node, node_address=own) for item in followed.instances()]
    peers, subnets, problems = [], [identity.subnet], []
    for node in followed.nodes():
        if node.name == identity.node:
            continue
        try:
            subnet = ipaddress.IPv4Network(node.subnet)
            gateway = subnet[1]
        except (ValueError, IndexError):
            problems.append(f"node {labels.shown(node.name)} has no subnet")
            continue
        if not labels.is_name(node.name):
            problems.append(f"node {labels.shown(node.name)} has no name that DNS could hold")
            continue
        registered = services.node_address(node) or node.peer_host or node.host
        peers.append(Peer(name=node.name, registered=registered, gateway=str(gateway)))
        subnets.append(str(subnet))
    return Catalogue(
        cidr=cidr,
        vxlan=cluster.network == "vxlan",
        subnets=tuple(subnets),
        peers=tuple(sorted(peers, key=lambda peer: peer.name)),
        known=tuple(pods),
        services=tuple(services.services(followed)),
        problems=tuple(problems),
    )


def addresses(found: Catalogue, names: Mapping[str, str]) -> tuple[dict[str, str], Sequence[str]]:
    """Where each peer is asked, by its name; and those that nobody knows an address of. `names`: addresses by host name."""
    known: dict[str, str] = {}
    unknown: list[str] = []
    for peer in found.peers:
        there = peer.gateway if found.vxlan else peer.registered
        address = there if labels.is_address(there) else names.get(there, "")
        if labels.is_address(address):
            known[peer.name] = address
        else:
            unknown.append(peer.name)
    return known, unknown
