"""Who answers for which name: the pods and Services of a bundle, as DNS and ingress both see them. Pure.

A pod answers to the name of its app without any Service (`web.default`), and to every Service whose selector matches its labels.
clusterIP and headless Services mean the same here: the addresses of the pods.
https://kubernetes.io/docs/concepts/services-networking/service/
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from skatelet.contract import apps, bundle


@dataclass(frozen=True, kw_only=True, order=True)
class Port:
    """A port of a container."""

    name: str
    """May be empty."""
    number: int
    protocol: str = "TCP"


@dataclass(frozen=True, kw_only=True)
class Pod:
    """An instance, on whichever node."""

    namespace: str
    name: str
    node: str
    address: str
    """Of its own, or its node's with hostNetwork; empty where it is not known."""
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[Port, ...] = ()

    @property
    def app(self) -> str:
        """The first part of the pod's implicit name; empty where no label gives one that can stand in a name."""
        return apps.app_of(self.labels)


@dataclass(frozen=True, kw_only=True)
class ServicePort:
    name: str
    """May be empty where the Service has only one port."""
    port: int
    target: int | str
    """A number, or the name of a container's port."""
    protocol: str = "TCP"


@dataclass(frozen=True, kw_only=True)
class Service:
    namespace: str
    name: str
    selector: Mapping[str, str] = field(default_factory=dict)
    """Empty: it selects no pods, as in Kubernetes."""
    ports: tuple[ServicePort, ...] = ()
    external_name: str = ""
    """Set for type ExternalName."""


def matches(service: Service, pod: Pod) -> bool:
    """Whether `pod` is one that `service` stands for."""
    return (
        service.namespace == pod.namespace
        and bool(service.selector)
        and all(pod.labels.get(name) == value for name, value in service.selector.items())
    )


def target_of(port: ServicePort, pod: Pod) -> int | None:
    """The number of the pod's port that `port` leads to; None where it names one that the pod has not."""
    if isinstance(port.target, int):
        return port.target
    found = (item.number for item in pod.ports if item.name == port.target and item.protocol == port.protocol)
    return next(found, None)


def services(followed: bundle.Bundle) -> list[Service]:
    """Every Service of the catalogue. Raises one of bundle.UNREADABLE."""
    found = [item.manifest for item in followed.objects_with(b"Service") if item.manifest.get("kind") == "Service"]
    return [service_of(manifest) for manifest in found]


def service_of(manifest: Mapping[str, Any]) -> Service:
    """A Service's manifest, validated already, as far as names and ports need it."""
    metadata, spec = manifest["metadata"], manifest.get("spec") or {}
    external = str(spec.get("externalName") or "") if spec.get("type") == "ExternalName" else ""
    return Service(
        namespace=str(metadata["namespace"]),
        name=str(metadata["name"]),
        selector={} if external else {str(name): str(value) for name, value in (spec.get("selector") or {}).items()},
        ports=tuple(_service_port(item) for item in spec.get("ports") or []),
        external_name=external.rstrip("."),
    )


def _service_port(item: Mapping[str, Any]) -> ServicePort:
    target = item.get("targetPort")
    if isinstance(target, str) and target.isdecimal():
        target = int(target)
    return ServicePort(
        name=str(item.get("name") or ""),
        port=int(item["port"]),
        target=target or int(item["port"]),
        protocol=str(item.get("protocol") or "TCP"),
    )


def placed_pods(followed: bundle.Bundle) -> list[Pod]:
    """Every instance that the catalogue has placed, on every node. Reads the whole catalogue: only where that changed."""
    nodes = {node.name: node_address(node) for node in followed.nodes()}
    found = []
    for item in followed.objects():
        if item.placements:
            template = _template(item.manifest)
            for placement in item.placements:
                address = placement.address or nodes.get(placement.node, "")
                namespace = str(item.manifest["metadata"]["namespace"])
                found.append(_pod(namespace, placement.instance, placement.node, address, template))
    return found


def instance_pod(instance: bundle.Instance, *, node: str, node_address: str) -> Pod:
    """An instance of this node's bundle."""
    return _pod(instance.namespace, instance.name, node, instance.address or node_address, instance.pod)


def node_address(node: bundle.Node | bundle.NodeIdentity) -> str:
    """The IPv4 address other nodes reach a node by; empty where it is registered by a name, or is local."""
    for text in (node.peer_host, getattr(node, "host", "")):
        try:
            return str(ipaddress.IPv4Address(text))
        except ValueError:
            continue
    return ""


def _template(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    if manifest["kind"] == "Pod":
        return manifest
    template: Mapping[str, Any] = (manifest.get("spec") or {}).get("template") or {}
    return template


def _pod(namespace: str, name: str, node: str, address: str, template: Mapping[str, Any]) -> Pod:
    metadata, spec = template.get("metadata") or {}, template.get("spec") or {}
    return Pod(
        namespace=namespace,
        name=name,
        node=node,
        address=address,
        labels={str(key): str(value) for key, value in (metadata.get("labels") or {}).items()},
        ports=tuple(_ports(spec.get("containers") or [])),
    )


def _ports(containers: Iterable[Mapping[str, Any]]) -> Iterable[Port]:
    for container in containers:
        for port in container.get("ports") or []:
            yield Port(
                name=str(port.get("name") or ""),
                number=int(port["containerPort"]),
                protocol=str(port.get("protocol") or "TCP"),
            )
