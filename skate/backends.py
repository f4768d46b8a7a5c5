"""Whom a name stands for: Services with their ports, and apps by the labels of their pods. Pure, over plain manifests.

The nodes decide the same from the same catalogue; here it is decided to say beforehand what will come of it, and to show it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Manifest = Mapping[str, Any]
DOMAIN = ".cluster.skate"


@dataclass(frozen=True, kw_only=True)
class Name:
    """The backend of an Ingress, taken apart."""

    namespace: str
    name: str
    implicit: bool = False
    """It is a name of DNS: it may be an app, too, and its port that of the container."""


def named(backend: str, namespace: str) -> Name:
    """`web` in the Ingress's own namespace, or `web.default.cluster.skate`."""
    if not backend.endswith(DOMAIN):
        return Name(namespace=namespace, name=backend)
    name, _, rest = backend.removesuffix(DOMAIN).partition(".")
    return Name(namespace=rest.removesuffix(".svc"), name=name, implicit=True)


def template_of(manifest: Manifest) -> Manifest:
    """The pod of a workload: its metadata with labels, and its spec. Empty for kinds without pods."""
    if manifest["kind"] == "Pod":
        return manifest
    return (manifest.get("spec") or {}).get("template") or {}


def labels_of(pod: Manifest) -> Mapping[str, Any]:
    return (pod.get("metadata") or {}).get("labels") or {}


def selects(service: Manifest, labels: Mapping[str, Any]) -> bool:
    """Whether a Service stands for pods with `labels`, if they lie in its namespace."""
    spec = service.get("spec") or {}
    selector = {} if spec.get("type") == "ExternalName" else spec.get("selector") or {}
    return bool(selector) and all(labels.get(name) == value for name, value in selector.items())


def port_of(service: Manifest, wanted: Manifest) -> Manifest | None:
    """The port of a Service that an Ingress names by `number` or `name`."""
    for port in (service.get("spec") or {}).get("ports") or ():
        if port.get("name") == wanted.get("name") if wanted.get("name") else port["port"] == wanted.get("number"):
            return port  # type: ignore[no-any-return]
    return None


def target_of(port: Manifest, pod: Manifest) -> int | None:
    """The number of the pod's port that a Service's port leads to; None where it names one that the pod has not."""
    target = port.get("targetPort") or port["port"]
    return target if isinstance(target, int) else container_port(pod, target, port.get("protocol") or "TCP")


def container_port(pod: Manifest, name: str, protocol: str = "TCP") -> int | None:
    """The number of a pod's port, by its name."""
    for container in (pod.get("spec") or {}).get("containers") or ():
        for port in container.get("ports") or ():
            if (port.get("name"), port.get("protocol") or "TCP") == (name, protocol):
                return int(port["containerPort"])
    return None


def all_backends(ingress: Manifest) -> Iterable[tuple[tuple[str | int, ...], Manifest]]:
    """Every backend of an Ingress that is a Service, and the path to it."""
    spec = ingress.get("spec") or {}
    default = (spec.get("defaultBackend") or {}).get("service")
    if default:
        yield ("spec", "defaultBackend", "service"), default
    for index, rule in enumerate(spec.get("rules") or ()):
        for position, item in enumerate((rule.get("http") or {}).get("paths") or ()):
            service = (item.get("backend") or {}).get("service")
            if service:
                yield ("spec", "rules", index, "http", "paths", position, "backend", "service"), service
