"""Where a backend leads: from the name and port in a rule to the pods on all nodes. Pure.

A backend is a Service of the Ingress's namespace, or a name of the cluster's DNS: `web.default.cluster.skate` is the Service
`web` of the namespace `default`, else the pods whose app is `web`; a port that the Service does not have is the container's.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from skatelet import services
from skatelet.ingress import model, quoting

MAX_PORT = 65535
ZONE = ".cluster.skate"
_NAME = re.compile(r"([a-z0-9][-a-z0-9]*)\.([a-z0-9][-a-z0-9]*)(?:\.svc)?\.cluster\.skate\.?")
_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")


class Nowhere(Exception):
    """A backend that leads to nobody; reason and message."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        self.message = message
        super().__init__(message)


@dataclass(kw_only=True)
class Backends:
    """The Services and pods that backends are found among."""

    offered: Iterable[services.Service]
    pods: Iterable[services.Pod]
    """Every instance of the catalogue."""
    serving: Iterable[services.Pod] = ()
    """Pods of this node that serve: those that are not in the catalogue any more serve until they are stopped."""
    gathered: Mapping[str, Iterable[str]] = field(default_factory=dict)
    """By the DNS name of a backend: addresses that the names have for it on all nodes."""
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The DNS names of all backends that were looked for, with the catalogue's addresses."""
    strangers: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._services = {(item.namespace, item.name): item for item in self.offered}
        self._pods: dict[str, list[services.Pod]] = {}
        for pod in self.pods:
            if pod.address:
                self._pods.setdefault(pod.namespace, []).append(pod)
        self._placed = {pod.address for pods in self._pods.values() for pod in pods}
        self._old = [pod for pod in self.serving if pod.address and pod.address not in self._placed]

    def find(self, namespace: str, backend: Mapping[str, Any], protocol: str) -> model.Upstream | model.External:
        """What `backend` (of an Ingress in `namespace`) leads to. Raises Nowhere."""
        service = backend.get("service")
        if not isinstance(service, Mapping):
            raise Nowhere("UnsupportedBackend", "a backend must be a service")
        name, port = str(service.get("name") or ""), service.get("port") or {}
        wanted = _wanted(port)
        implicit = _NAME.fullmatch(name)
        if implicit:
            name, namespace = implicit[1], implicit[2]
        if not _LABEL.fullmatch(name) or not _LABEL.fullmatch(namespace):
            raise Nowhere("ServiceNotFound", "the backend's name is no name of a Service")
        found = self._services.get((namespace, name))
        if found is None and not implicit:
            hint = f"{name}.{namespace}{ZONE} is the name of the pods whose app is {name}"
            raise Nowhere("ServiceNotFound", f"there is no Service {name} in namespace {namespace}; {hint}")
        if found is not None and found.external_name:
            return _external(found, wanted)
        members = self._members(namespace, name, found, wanted, implicit=bool(implicit))
        if not members:
            raise Nowhere("NoPods", f"no pod stands for {name} in namespace {namespace} with port {wanted}")
        label = f"{namespace}.{name}.{wanted}.{protocol}"
        return model.Upstream(name=label, members=tuple(sorted(members)))

    def _members(
        self, namespace: str, name: str, service: services.Service | None, wanted: int | str, *, implicit: bool
    ) -> set[model.Member]:
        def stands(pod: services.Pod) -> bool:
            if service is not None:
                return services.matches(service, pod)
            return pod.namespace == namespace and pod.app == name

        port = _service_port(service, wanted, implicit=implicit) if service is not None else None
        target = port or services.ServicePort(name="", port=0, target=wanted)
        placed = [pod for pod in self._pods.get(namespace, []) if stands(pod)]
        numbers = {pod.address: services.target_of(target, pod) for pod in placed}
        found = {model.Member(address=address, port=number) for address, number in numbers.items() if number}
        dns = f"{name}.{namespace}{ZONE}"
        self.names[dns] = tuple(sorted(numbers))
        counted = Counter(member.port for member in found).most_common(1)
        usual = target.target if isinstance(target.target, int) else counted[0][0] if counted else None
        old = {pod.address for pod in self._old if stands(pod)} | set(self.gathered.get(dns, ())) - set(numbers)
        if usual is not None:
            found |= {model.Member(address=address, port=usual) for address in old}
            self.strangers |= old
        return found


def _wanted(port: Mapping[str, Any]) -> int | str:
    number, name = port.get("number"), port.get("name")
    if isinstance(number, int) and 1 <= number <= MAX_PORT:
        return number
    if isinstance(name, str) and _LABEL.fullmatch(name) and not name.isdecimal():
        return name
    raise Nowhere("PortNotFound", "the backend's port must be a number or a name")


def _service_port(service: services.Service, wanted: int | str, *, implicit: bool) -> services.ServicePort | None:
    """The Service's port that is meant; None where the number is the container's own."""
    for port in service.ports:
        if wanted in (port.port, port.name) and port.protocol == "TCP":
            return port
    if (implicit or not service.ports) and isinstance(wanted, int):
        return None
    message = f"Service {service.name} in namespace {service.namespace} has no port {wanted}"
    raise Nowhere("PortNotFound", message)


def _external(service: services.Service, wanted: int | str) -> model.External:
    found = _service_port(service, wanted, implicit=True)
    target = found.target if found is not None else wanted
    number = target if isinstance(target, int) else found.port if found is not None else 0
    try:
        name = quoting.host_name(service.external_name)
    except quoting.Refused as error:
        raise Nowhere("InvalidExternalName", f"externalName of Service {service.name} {error}") from error
    if name.startswith("*") or not 1 <= number <= MAX_PORT:
        raise Nowhere("InvalidExternalName", f"Service {service.name} has no external name and port to go to")
    return model.External(name=name, port=number)
