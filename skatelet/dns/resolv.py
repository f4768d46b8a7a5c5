"""The host's own resolver, read from resolv.conf (resolv.conf(5)): whom CoreDNS forwards to, and what pods are given."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from skatelet.dns import labels
from skatelet.paths import Paths

CONF = "/etc/resolv.conf"
UPSTREAM = "/run/systemd/resolve/resolv.conf"
"""Where systemd-resolved says whom it asks itself, while resolv.conf only names its stub."""
STUBS = frozenset({"127.0.0.53", "127.0.0.54"})
MAX_NAMESERVERS = 3


@dataclass(frozen=True, kw_only=True)
class Conf:
    """What a resolv.conf says. Only what is well formed; the order is kept, and repetitions go."""

    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


def parse(text: str) -> Conf:
    """Read a resolv.conf. As in glibc, of several `search` and `domain` lines the last counts. Pure."""
    nameservers: list[str] = []
    searches: Sequence[str] = ()
    options: list[str] = []
    for line in text.splitlines():
        word, *rest = line.split() or [""]
        match word:
            case "nameserver" if rest and _is_address(rest[0]):
                nameservers.append(rest[0])
            case "search" | "domain":
                searches = [name for item in rest if labels.is_name(name := item.rstrip(".").lower())]
            case "options":
                options += [item for item in rest if item.isascii() and item.isprintable()]
    return Conf(
        nameservers=tuple(dict.fromkeys(nameservers)),
        searches=tuple(dict.fromkeys(searches)),
        options=tuple(dict.fromkeys(options)),
    )


def host(paths: Paths) -> Conf:
    """What the host's programs use: /etc/resolv.conf as it stands. Empty where there is none."""
    return _read(paths, CONF) or Conf()


def upstream(paths: Paths, *, own: Sequence[str] = ()) -> Conf:
    """As `host`, but with the servers behind systemd-resolved in place of its stub, and without `own` (where CoreDNS answers).

    Servers on the loopback stay where there is nothing behind them: they answer whoever is on the host.
    """
    found = host(paths)
    if STUBS & set(found.nameservers):
        behind = _read(paths, UPSTREAM) or Conf()
        found = Conf(nameservers=behind.nameservers, searches=found.searches or behind.searches)
    servers = (item for item in found.nameservers if item not in own and item not in STUBS)
    return Conf(nameservers=tuple(servers)[:MAX_NAMESERVERS], searches=found.searches, options=found.options)


def _read(paths: Paths, name: str) -> Conf | None:
    try:
        return parse(paths.below(name).read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
