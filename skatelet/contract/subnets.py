"""How a node's subnet is divided: what the scheduler gives to instances, and what stays podman's own.

Of a /24 (10.66.1.0/24):

    .0              the network
    .1              the gateway: the node itself
    .2   to .239    instances, given by the scheduler
    .240 to .255    podman's own allocations (`podman run` without --ip), and the broadcast address

A smaller subnet leaves podman a quarter: of a /28 instances have .2 to .11. 238 addresses are enough to replace at once all of
the 110 pods that a kubelet would allow, old beside new. Both sides must divide alike, so it stands in the contract.
"""

from __future__ import annotations

import ipaddress

FIRST = 2
"""Offset of the first address an instance may have: after the network's and the gateway's."""
PODMAN = 16
"""How many addresses at the end of the subnet are podman's own (with the broadcast address); at most a quarter of it."""


def instance_range(subnet: str) -> range:
    """The addresses in `subnet` that instances may have, as integers. Raises ValueError for what is no IPv4 subnet."""
    network = ipaddress.IPv4Network(subnet)
    start = int(network.network_address)
    return range(start + FIRST, start + network.num_addresses - _reserved(network))


def podman_range(subnet: str) -> str:
    """The part of `subnet` that podman may allocate from by itself, as CIDR: what `podman network create --ip-range` wants."""
    network = ipaddress.IPv4Network(subnet)
    reserved = _reserved(network)
    if not reserved:
        raise ValueError(f"{subnet} is too small for podman to have addresses of its own")
    start = int(network.broadcast_address) - reserved + 1
    return f"{ipaddress.IPv4Address(start)}/{33 - reserved.bit_length()}"


def _reserved(network: ipaddress.IPv4Network) -> int:
    return min(PODMAN, network.num_addresses // 4)
