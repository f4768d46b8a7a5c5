"""What `ip -N -j -d`, `bridge -j fdb` and `nft -j` print, as data. Pure: text in, what is there out.

Raises ValueError for what cannot be understood.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Mapping
from typing import Any

from skatelet.routes import files, plan

LOOK = (
    ("addr", "show"),
    ("link", "show", "type", "vxlan"),
    ("route", "show", "table", "all"),
    ("neigh", "show", "nud", "permanent"),
)
"""The batch for `ip -N -j -d -4` whose answer `observed` reads. Its `addr` leaves out links without an IPv4 address."""
_MAIN, _LOCAL = "254", "255"
_UNICAST = "1"
_TYPE_LOCAL = "2"


def observed(*, ip: str, table: str, fdb: str, forwarding: str) -> plan.Observed:
    """What is there, from the outputs of `ip` (for LOOK), of `nft` (empty: no table) and of `bridge` (empty: no device), and from
    the kernel's ip_forward."""
    try:
        links, tunnels, routes, neighbours = (json.loads(line) for line in ip.splitlines())
        device = next((link for link in tunnels if link.get("ifname") == plan.DEVICE), None)
        tunnel = _tunnel(device) if device is not None else None
        ours = [route for route in routes if str(route.get("protocol")) == str(plan.PROTOCOL)]
        main = [route for route in routes if str(route.get("table", _MAIN)) in (_MAIN, "main")]
        return plan.Observed(
            links=tuple(_link(link) for link in links if link),
            foreign=tuple(_foreign(route) for route in main if route not in ours),
            routes=tuple(sorted(_route(route) for route in ours if route in main)),
            gateways=tuple(_gateways(ours)),
            forwarding=forwarding.strip() == "1",
            unmasked=unmasked(table),
            tunnel=tunnel,
            tunnel_foreign=device is not None and tunnel is None,
            neighbours=tuple(
                sorted((item["dst"], item["lladdr"]) for item in neighbours if item.get("dev") == plan.DEVICE)
            ),
            forwards=tuple(sorted((item["mac"], item["dst"]) for item in json.loads(fdb or "[]") if item.get("dst"))),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"what the kernel says of its routes cannot be understood: {error!r}") from error


def unmasked(table: str) -> tuple[tuple[str, str], ...] | None:
    """From where to where addresses are kept, as `nft -j list table ip skate` shows it; None for any other content."""
    if not table.strip():
        return None
    items = json.loads(table)["nftables"]
    chains = [item["chain"] for item in items if "chain" in item]
    expected = {"name": files.CHAIN, "type": "nat", "hook": "postrouting", "prio": files.NAT_PRIORITY}
    if len(chains) != 1 or any(chains[0].get(key) != value for key, value in expected.items()):
        return None
    found = [_pair(item["rule"]["expr"]) for item in items if "rule" in item]
    pairs = tuple(pair for pair in found if pair is not None)
    return pairs if len(pairs) == len(found) else None


def _pair(expressions: list[Mapping[str, Any]]) -> tuple[str, str] | None:
    if len(expressions) != 3 or not all("match" in item for item in expressions[:2]):
        return None
    sides = [(item["match"]["left"], item["match"]["op"]) for item in expressions[:2]]
    if sides != [(_payload("saddr"), "=="), (_payload("daddr"), "==")]:
        return None
    if (expressions[2].get("snat") or {}).get("addr") != _payload("saddr"):
        return None
    prefixes = [(item["match"]["right"].get("prefix") or {}) for item in expressions[:2]]
    source, destination = (f"{prefix.get('addr')}/{prefix.get('len')}" for prefix in prefixes)
    return source, destination


def _payload(field: str) -> Mapping[str, Any]:
    return {"payload": {"protocol": "ip", "field": field}}


def _link(link: Mapping[str, Any]) -> plan.Link:
    addresses = tuple(f"{item['local']}/{item['prefixlen']}" for item in link.get("addr_info", ()) if "local" in item)
    return plan.Link(name=link["ifname"], mtu=int(link.get("mtu", plan.USUAL_MTU)), addresses=addresses)


def _network(route: Mapping[str, Any]) -> str:
    text = route["dst"]
    return str(ipaddress.IPv4Network("0.0.0.0/0" if text == "default" else text))


def _foreign(route: Mapping[str, Any]) -> plan.Foreign:
    hops = [route, *route.get("nexthops", ())]
    unicast = str(route.get("type", _UNICAST)) in (_UNICAST, "unicast")
    return plan.Foreign(
        network=_network(route),
        device=next((hop["dev"] for hop in hops if "dev" in hop), "") if unicast else "",
        via=next((_via(hop) for hop in hops if _via(hop)), ""),
    )


def _route(route: Mapping[str, Any]) -> plan.Route:
    device = route.get("dev", "")
    return plan.Route(
        subnet=_network(route),
        via=_via(route),
        device=device if device == plan.DEVICE else "",
        source=route.get("prefsrc", ""),
        metric=int(route.get("metric", 0)),
    )


def _via(hop: Mapping[str, Any]) -> str:
    return str(hop.get("gateway") or (hop.get("via") or {}).get("host", ""))


def _gateways(routes: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    for route in routes:
        if str(route.get("table")) in (_LOCAL, "local") and str(route.get("type")) in (_TYPE_LOCAL, "local"):
            yield str(route["dst"]).partition("/")[0]


def _tunnel(link: Mapping[str, Any]) -> plan.Tunnel | None:
    info = link.get("linkinfo") or {}
    data = info.get("info_data") or {}
    wanted = {"id": plan.VNI, "port": plan.PORT, "learning": False}
    if info.get("info_kind") != "vxlan" or any(data.get(key) != value for key, value in wanted.items()):
        return None
    return plan.Tunnel(
        mac=link["address"], mtu=int(link["mtu"]), local=data.get("local", ""), up="UP" in link.get("flags", ())
    )
