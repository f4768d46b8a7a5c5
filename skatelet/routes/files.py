"""What skatelet-routes.service does at a boot: the whole of it, as batches for `ip`, `bridge` and `nft`. Pure, and canonical.

Each line may be done again at any time without disturbing what is there, except for making the VXLAN device, whose file may
therefore fail.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from skatelet.routes import plan

ROUTES = "routes"
DEVICE = "device"
FORWARDS = "forwards"
TABLE = "table.nft"
NAT_PRIORITY = 99
"""Before `srcnat` (100), where netavark masquerades. The first chain that binds a connection's source address ends the matter."""
CHAIN = "source"


def files(wanted: plan.Desired) -> Mapping[str, bytes]:
    """Every file by name; those that VXLAN alone needs are empty without it."""
    tunnel = wanted.tunnel
    device = [plan.device_line(tunnel)] if tunnel is not None else []
    routes = [plan.gateway_line(wanted.gateway)]
    routes += [plan.setting_line(tunnel)] if tunnel is not None else []
    routes += [plan.neighbour_line(far) for far in wanted.far]
    routes += [plan.route_line(route) for route in wanted.routes]
    return {
        DEVICE: batch(device),
        FORWARDS: batch(plan.forward_line(far) for far in wanted.far),
        ROUTES: batch(routes),
        TABLE: table(wanted).encode(),
    }


def batch(lines: Iterable[plan.Words]) -> bytes:
    return "".join(f"{' '.join(words)}\n" for words in lines).encode()


def table(wanted: plan.Desired) -> str:
    """Our table of nftables, replaced in one transaction: pods keep their own address towards pods of other nodes.

    Translating an address to itself binds the connection, so that no later chain masquerades it; `accept` would only end our
    own chain. What was masqueraded before stays so until the connection ends.
    """
    rules = "".join(
        f"\t\tip saddr {source} ip daddr {destination} snat to ip saddr\n" for source, destination in wanted.unmasked
    )
    return (
        "table ip skate\ndelete table ip skate\ntable ip skate {\n"
        f"\tchain {CHAIN} {{\n\t\ttype nat hook postrouting priority {NAT_PRIORITY}; policy accept;\n{rules}\t}}\n}}\n"
    )
