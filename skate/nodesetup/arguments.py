"""What may be asked of `create cluster` and `create node`. Pure: every function returns the problems it sees, as sentences."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence

from skate import registry

LABEL = re.compile(r"^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$")
"""RFC 1123 label. https://kubernetes.io/docs/concepts/overview/working-with-objects/names/"""
_PREFIX = re.compile(r"^(?=.{1,253}$)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$")
_VALUE = re.compile(r"^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$")
_HOST = re.compile(r"^[A-Za-z0-9_](?:[-A-Za-z0-9_.]{0,252})$")
_USER = re.compile(r"^[A-Za-z_][-A-Za-z0-9_.]{0,31}\$?$")
PRIVATE = tuple(
    ipaddress.IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
)
"""RFC 1918, and RFC 6598's shared range."""
SMALLEST_SUBNET = 28
SMALLEST_RANGE = 23


def name_problems(what: str, name: str) -> list[str]:
    if LABEL.fullmatch(name):
        return []
    return [
        f"the {what}'s name {name!r} must be at most 63 lower case letters, digits and '-', beginning and ending with"
        " a letter or digit (RFC 1123 label)"
    ]


def cidr_problems(cidr: str) -> list[str]:
    """A cluster's range: private IPv4, written as a network, with room for at least one /24 (the first is never given out)."""
    network, problems = _network("the range", cidr)
    if network is None:
        return problems
    if not any(network.subnet_of(private) for private in PRIVATE):
        problems.append(f"the range {cidr} is not private: take one inside {', '.join(map(str, PRIVATE))}")
    if network.prefixlen > SMALLEST_RANGE:
        problems.append(f"the range {cidr} is too small: it needs /{SMALLEST_RANGE} or larger, each node takes a /24")
    return problems


def subnet_problems(subnet: str, *, name: str, cluster: registry.ClusterEntry) -> list[str]:
    """A node's subnet: inside the cluster's range, overlapping no other node's."""
    network, problems = _network("the subnet", subnet)
    if network is None:
        return problems
    if not network.subnet_of(ipaddress.IPv4Network(cluster.cidr)):
        problems.append(f"the subnet {subnet} does not lie in the range {cluster.cidr} of cluster {cluster.name}")
    if network.prefixlen > SMALLEST_SUBNET:
        problems.append(f"the subnet {subnet} is too small: it needs /{SMALLEST_SUBNET} or larger")
    for other in [*cluster.nodes, *cluster.pending]:
        if other.name != name and network.overlaps(ipaddress.IPv4Network(other.subnet)):
            problems.append(f"the subnet {subnet} overlaps {other.subnet} of node {other.name}")
    return problems


def network_problems(
    subnet: str, *, host: str, networks: Iterable[tuple[ipaddress.IPv4Network, str]], own: Sequence[str]
) -> list[str]:
    """A node's subnet against the `networks` (each with its interface) that the host has; `own` are skate's subnets there."""
    ours = [ipaddress.IPv4Network(text) for text in own]
    wanted = ipaddress.IPv4Network(subnet)
    return [
        f"the subnet {subnet} overlaps {network} ({interface}), a network that {host} itself has"
        for network, interface in networks
        if wanted.overlaps(network) and not any(network.subnet_of(known) for known in ours)
    ]


def host_problems(*, host: str, port: int, user: str, peer_host: str) -> list[str]:
    problems = [
        f"{flag} {value!r} is no host name or address"
        for flag, value in (("--host", host), ("--peer-host", peer_host))
        if value and not is_host(value)
    ]
    if not 0 < port < 65536:
        problems.append(f"--port {port} must lie between 1 and 65535")
    if not _USER.fullmatch(user):
        problems.append(f"--user {user!r} is no account name")
    return problems


def label_problems(labels: Mapping[str, str]) -> list[str]:
    """Kubernetes' rules: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/"""
    problems = []
    for key, value in labels.items():
        prefix, slash, name = key.rpartition("/")
        if not name or not _VALUE.fullmatch(name) or (slash and not _PREFIX.fullmatch(prefix)):
            problems.append(
                f"the label's key {key!r} must be [prefix/]name, the name of at most 63 letters, digits and -_."
            )
        if not _VALUE.fullmatch(value):
            problems.append(f"the label {key}={value}: the value may have at most 63 letters, digits and -_.")
    return problems


def is_host(text: str) -> bool:
    """Whether `text` can be a host's name or address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return bool(_HOST.fullmatch(text))
    return True


def _network(what: str, text: str) -> tuple[ipaddress.IPv4Network | None, list[str]]:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None, [f"{what} {text!r} is no IPv4 network such as 10.66.0.0/16"]
    if not isinstance(network, ipaddress.IPv4Network):
        return None, [f"{what} {text} is IPv6: pods have IPv4 addresses"]
    if str(network) != text:
        return None, [f"{what} {text} is not written as a network: did you mean {network}?"]
    return network, []
