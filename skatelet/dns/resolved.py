"""The host itself resolves the cluster's names, where systemd-resolved is its resolver: by settings of a link of our own.

resolved asks the servers of a link for the domains of that link, and, with DefaultRoute=no, for nothing else. So whatever becomes
of CoreDNS, names outside the cluster go the way they always went. A drop-in in resolved.conf.d would not do: its servers are
global ones, which are asked for every name, and the host's own global servers would be asked for those of the cluster.

Tried with systemd 252 and 257, CoreDNS running, stopped and silent: names outside were answered in the same time. What it takes:

- resolved passes over links that are loopback, without carrier, or without a routable address. `skate0` is there only while pods
  are, and the module for `dummy` links is not everywhere, but podman needs `veth` anyhow: the link is one, its other end idle.
- CoreDNS is asked at 127.0.0.83. At the pod gateway resolved would send its questions out through the link, where nobody is,
  unless some link has that address; and podman makes no network of a subnet that a link has an address in.

What was set lasts over a restart of resolved (it keeps a file for each link, whose content is private, but not that it is there).
"""

from __future__ import annotations

from collections.abc import Sequence

from skatelet import durable
from skatelet.dns import labels, resolv
from skatelet.dns.corefile import SERVER
from skatelet.paths import Paths
from skatelet.system import command

LINK = "skate-dns"
OTHER_END = "skate-dns-end"
ADDRESS = "169.254.83.53/32"
"""For resolved to take the link for one that leads somewhere. Nothing is ever sent from or to it."""
_RECORD = "resolved"
"""In paths.names: what was set, and of which link."""
_OFF = ("default-route", "llmnr", "mdns", "dnssec", "dnsovertls")


def wanted(paths: Paths) -> bool:
    """Whether the host asks systemd-resolved."""
    return bool(resolv.STUBS & set(resolv.host(paths).nameservers))


def domains(reverse_zones: Sequence[str]) -> list[str]:
    """What resolved is to ask CoreDNS for: only these names, and not as suffixes to search."""
    return [f"~{name.rstrip('.')}" for name in (labels.CLUSTER, labels.NODES, *reverse_zones)]


def is_set(paths: Paths, reverse_zones: Sequence[str]) -> bool:
    """Whether `ensure` has nothing to do. Files only."""
    index = _index(paths)
    if not index or not paths.below(f"/run/systemd/resolve/netif/{index}").exists():
        return False
    try:
        return (paths.names / _RECORD).read_text(encoding="utf-8") == _record(index, reverse_zones)
    except (OSError, UnicodeError):
        return False


def ensure(paths: Paths, reverse_zones: Sequence[str]) -> None:
    """Make the link and tell resolved. Raises CommandError, OSError."""
    if not _index(paths):
        command.run(["ip", "link", "add", LINK, "type", "veth", "peer", "name", OTHER_END])
    command.run(["ip", "address", "replace", ADDRESS, "dev", LINK])
    for end in (OTHER_END, LINK):
        command.run(["ip", "link", "set", end, "up"])
    command.run(["resolvectl", "dns", LINK, SERVER])
    command.run(["resolvectl", "domain", LINK, *domains(reverse_zones)])
    for setting in _OFF:
        command.run(["resolvectl", setting, LINK, "no"])
    durable.write(paths.names / _RECORD, _record(_index(paths), reverse_zones).encode(), mode=0o644)


def _record(index: str, reverse_zones: Sequence[str]) -> str:
    return "\n".join([index, SERVER, *domains(reverse_zones), ""])


def _index(paths: Paths) -> str:
    try:
        return paths.below(f"/sys/class/net/{LINK}/ifindex").read_text(encoding="ascii").strip()
    except OSError:
        return ""
