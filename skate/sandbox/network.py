"""The sandbox's network: one bridge with a /24 of its own, the machine at .1 and the nodes from .11 on.

A port is the machine's end of the veth pair that systemd-nspawn makes; it is named after the machine name, which is chosen so
that the name is never shortened. A partition takes the port off the bridge: the node keeps its address, its routes and its
carrier and simply hears nothing any more, as when a switch somewhere fails.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable
from pathlib import Path

from skate import registry
from skate.errors import SkateError
from skate.sandbox import host

RANGE = "10.213.0.0/16"
"""Where sandboxes get their /24 from; podman's own networks begin at 10.88.0.0/16."""

FIRST_NODE = 11


def free_subnet(taken: Iterable[str]) -> str:
    """The first /24 of RANGE that overlaps none of `taken`, nor skate's default cluster range. Raises SkateError if none is."""
    networks = [ipaddress.ip_network(item, strict=False) for item in [*taken, registry.DEFAULT_CIDR]]
    for candidate in ipaddress.ip_network(RANGE).subnets(new_prefix=24):
        if not any(candidate.version == other.version and candidate.overlaps(other) for other in networks):
            return str(candidate)
    raise SkateError(f"every /24 of {RANGE} is taken on this machine", hint="delete a sandbox: `skate sandbox list`")


def machine_routes() -> list[str]:
    """The IPv4 networks that this machine has routes to, in every table but the default route."""
    routes = json.loads(host.run(["ip", "-4", "-json", "route", "show", "table", "all"]) or "[]")
    found = []
    for route in routes:
        destination = str(route.get("dst", "default"))
        if destination != "default" and route.get("type", "unicast") == "unicast":
            found.append(destination)
    return found


def address(subnet: str, index: int) -> str:
    """The address of the node at `index` (from 0)."""
    return str(ipaddress.ip_network(subnet)[FIRST_NODE + index])


def gateway(subnet: str) -> str:
    """The machine's own address on the bridge."""
    return str(ipaddress.ip_network(subnet)[1])


def create_bridge(bridge: str, subnet: str) -> None:
    """Make sure that the bridge is there, has its address and is up."""
    if not exists(bridge):
        host.run(["ip", "link", "add", bridge, "type", "bridge"])
    host.run(["ip", "addr", "replace", f"{gateway(subnet)}/24", "dev", bridge])
    host.run(["ip", "link", "set", bridge, "up"])


def delete_link(name: str) -> None:
    """Remove a bridge or a port; nothing happens when it is not there."""
    if not exists(name):
        return
    try:
        host.run(["ip", "link", "delete", name])
    except host.HostCommandError:
        # A killed node's port goes by itself, a little after the node: it may have gone in between.
        if exists(name):
            raise


def exists(link: str) -> bool:
    return Path("/sys/class/net", link).exists()


def attached(port: str, bridge: str) -> bool:
    """Whether `port` is on `bridge`."""
    return Path("/sys/class/net", bridge, "brif", port).exists()


def detach(port: str) -> None:
    """Take a node's port off its bridge."""
    host.run(["ip", "link", "set", port, "nomaster"])


def attach(port: str, bridge: str) -> None:
    """Put a node's port on its bridge."""
    host.run(["ip", "link", "set", port, "master", bridge])
