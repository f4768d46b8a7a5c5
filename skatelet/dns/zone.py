"""The text of this node's zone, from the pods that serve here, those that are known but not ready, and the Services. Pure.

    <app>.<namespace>                      A     each serving pod of the app, where no Service has that name
    <service>.<namespace>, ….svc           A     each serving pod that the selector matches; CNAME for ExternalName
    _<port>._<protocol>.<the two above>    SRV   for named ports, where the pod has the target
    <pod>.<namespace>.pod                  A     each serving pod
    d.c.b.a.in-addr.arpa                   PTR   the pod of that address
    any of the first four, nothing ready   TXT   a marker, so that the name exists

Peers gather the same names from all zones, so a name is complete when every node lists its own pods only.

A CNAME never stands beside anything else (RFC 1034, 3.6.2), by how names are made: two labels, or three that end in `svc`, are a
Service's or, where there is no such Service, an app's; pods' have three or more and end in `pod`; addresses' have six and end in
`arpa`; ports' begin with an underscore. Of two Services with one name the first counts.

What is no name (a bundle may hold anything) is left out, and said in `problems`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from skatelet import services
from skatelet.dns import labels

TTL = 1
"""Seconds that an answer may be kept: what a pod's death takes to be seen by who keeps answers."""
REFRESH, RETRY, EXPIRE, MINIMUM = 1, 1, 5, 1
MARKER = 'TXT "skate"'
PROTOCOLS = frozenset({"tcp", "udp", "sctp"})
MAX_PORT_NAME = 62
"""A label less the underscore."""
_SERIAL = re.compile(r"^(@ IN SOA \S+ \S+ )([0-9]{1,10}) ", re.MULTILINE)
_SERIALS = 2**32


@dataclass(frozen=True, kw_only=True)
class Zone:
    """A zone but for its serial."""

    node: str
    records: tuple[str, ...]
    """Lines, in order."""
    problems: tuple[str, ...] = ()
    """What was left out, in words."""

    def text(self, serial: int) -> str:
        """The zone file."""
        origin = labels.zone_of(self.node)
        head = (
            f"$ORIGIN {origin}",
            f"$TTL {TTL}",
            f"@ IN SOA {origin} skate.{labels.NODES} {serial} {REFRESH} {RETRY} {EXPIRE} {MINIMUM}",
            f"@ IN NS {origin}",
        )
        return "\n".join((*head, *self.records, ""))


@dataclass
class _Names:
    """Names as they are collected: what stands at each, and what only exists."""

    records: dict[str, set[str]] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    problems: set[str] = field(default_factory=set)

    def add(self, name: str, record: str) -> None:
        self.records.setdefault(name, set()).add(record)

    def lines(self) -> Iterable[str]:
        for name in sorted(self.known | self.records.keys()):
            for record in sorted(self.records.get(name) or {MARKER}):
                yield f"{name} {record}"


def build(
    *,
    node: str,
    subnet: str,
    serving: Iterable[services.Pod],
    known: Iterable[services.Pod],
    catalogue: Iterable[services.Service],
) -> Zone:
    """The zone of `node`, whose pods have addresses in `subnet`. `known` are its pods that may not be ready.

    `catalogue` is every Service of the cluster. The same in another order gives the same zone. Raises ValueError for a node's
    name or a subnet that is none: both are the node's own, not a bundle's.
    """
    if not labels.is_name(node):
        raise ValueError(f"{labels.shown(node)} is no name for a node")
    names = _Names()
    network = ipaddress.IPv4Network(subnet)
    standing = _standing(catalogue, node, names)
    for pod in _named(known, node, names):
        _know(pod, standing, names)
    for pod in _named(serving, node, names):
        if labels.is_address(pod.address):
            _serve(pod, standing, network, names)
        else:
            names.problems.add(f"pod {_shown(pod)} has no address that others could use")
            _know(pod, standing, names)
    return Zone(node=node, records=tuple(names.lines()), problems=tuple(sorted(names.problems)))


def successor(old: str | None, zone: Zone, *, now: float) -> str | None:
    """The text that is to replace `old` (None where there is no file); None where `old` says the same already."""
    found = _SERIAL.search(old) if old else None
    if not old or not found:
        return zone.text(int(now) % _SERIALS)
    serial = int(found[2])
    if zone.text(serial) == old:
        return None
    return zone.text(max(serial + 1, int(now)) % _SERIALS)


def _named(pods: Iterable[services.Pod], node: str, names: _Names) -> Iterable[services.Pod]:
    """Those that have a name fit for DNS."""
    for pod in pods:
        if labels.is_label(pod.namespace) and labels.is_name(pod.name) and _fits(_pod_name(pod), node):
            yield pod
        else:
            names.problems.add(f"pod {_shown(pod)} has no name that DNS could hold")


def _standing(
    catalogue: Iterable[services.Service], node: str, names: _Names
) -> dict[str, dict[str, services.Service]]:
    """The Services by namespace and name; what each one's names are without any pod is noted."""
    found: dict[str, dict[str, services.Service]] = {}
    for item in sorted(catalogue, key=_order):
        both = f"{labels.shown(item.namespace)}/{labels.shown(item.name)}"
        if not (
            labels.is_label(item.namespace) and labels.is_label(item.name) and _fits(_service_names(item)[1], node)
        ):
            names.problems.add(f"Service {both} has no name that DNS could hold")
        elif item.name in found.get(item.namespace, {}):
            names.problems.add(f"Service {both} is there twice")
        else:
            found.setdefault(item.namespace, {})[item.name] = item
            _stand(item, node, names)
    return found


def _stand(service: services.Service, node: str, names: _Names) -> None:
    names.known.update(_service_names(service))
    target = service.external_name
    if target:
        own = {f"{name}.{labels.CLUSTER}" for name in _service_names(service)}
        if labels.is_name(target) and f"{target}." not in own:
            for name in _service_names(service):
                names.add(name, f"CNAME {target}.")
        else:
            where = f"{service.namespace}/{service.name}"
            names.problems.add(f"Service {where}: its externalName {labels.shown(target)} is no name to lead to")
        return
    for port in service.ports:
        if port.name and service.selector:
            found = _port_names(service, port)
            if found and _fits(found[1], node):
                names.known.update(found)
            else:
                where = f"{service.namespace}/{service.name}"
                names.problems.add(
                    f"Service {where}: its port {labels.shown(port.name)} has no name that DNS could hold"
                )


def _know(pod: services.Pod, standing: dict[str, dict[str, services.Service]], names: _Names) -> None:
    names.known.add(_pod_name(pod))
    if pod.app and pod.app not in standing.get(pod.namespace, {}):
        names.known.add(_app_name(pod))


def _serve(
    pod: services.Pod,
    standing: dict[str, dict[str, services.Service]],
    network: ipaddress.IPv4Network,
    names: _Names,
) -> None:
    address, canonical = f"A {pod.address}", f"{_pod_name(pod)}.{labels.CLUSTER}"
    names.add(_pod_name(pod), address)
    around = standing.get(pod.namespace, {})
    if pod.app and pod.app not in around:
        names.add(_app_name(pod), address)
    for service in around.values():
        if services.matches(service, pod) and not service.external_name:
            for name in _service_names(service):
                names.add(name, address)
            for port in service.ports:
                _serve_port(service, port, pod, canonical, names)
    if ipaddress.IPv4Address(pod.address) in network:
        names.add(ipaddress.IPv4Address(pod.address).reverse_pointer, f"PTR {canonical}")


def _serve_port(
    service: services.Service, port: services.ServicePort, pod: services.Pod, canonical: str, names: _Names
) -> None:
    number = services.target_of(port, pod)
    if number is None or not 0 < number < 2**16:
        return
    for name in _port_names(service, port):
        if name in names.known:
            names.add(name, f"SRV 0 100 {number} {canonical}")


def _pod_name(pod: services.Pod) -> str:
    return f"{pod.name}.{pod.namespace}.pod"


def _app_name(pod: services.Pod) -> str:
    return f"{pod.app}.{pod.namespace}"


def _service_names(service: services.Service) -> tuple[str, str]:
    name = f"{service.name}.{service.namespace}"
    return name, f"{name}.svc"


def _port_names(service: services.Service, port: services.ServicePort) -> Sequence[str]:
    """The two names of a named port; none where it has no name that can stand in DNS."""
    protocol = port.protocol.lower()
    if not labels.is_label(port.name) or len(port.name) > MAX_PORT_NAME or protocol not in PROTOCOLS:
        return ()
    return [f"_{port.name}._{protocol}.{name}" for name in _service_names(service)]


def _fits(name: str, node: str) -> bool:
    """Whether the relative `name` is short enough, in this node's zone and in the cluster's."""
    longest = max(len(labels.zone_of(node)), len(labels.CLUSTER))
    return len(name) + longest <= labels.MAX_NAME


def _order(service: services.Service) -> tuple[str, str, str, str]:
    """Any order will do that is the same for the same Services."""
    return (
        service.namespace,
        service.name,
        service.external_name,
        repr((sorted(service.selector.items()), service.ports)),
    )


def _shown(pod: services.Pod) -> str:
    return f"{labels.shown(pod.namespace)}/{labels.shown(pod.name)}"
