"""Whether an object of a catalogue has the shape that its readers count on. Pure.

What is applied was validated; but a catalogue comes from a node, and a node can lie. Looking at each object once, where the
catalogue is read, keeps everybody else free of doubts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skate import backends, workloads


def check(manifest: Mapping[str, Any]) -> None:
    """Raises LookupError, TypeError, AttributeError, ValueError or SkateError where `manifest` is not what skate would write."""
    workloads.from_manifest(manifest)
    metadata, spec = manifest["metadata"], manifest.get("spec") or {}
    for pairs in (metadata.get("labels"), metadata.get("annotations")):
        _texts(*(pairs or {}).keys(), *(pairs or {}).values())
    match manifest["kind"]:
        case "Service":
            _service(spec)
        case "Ingress":
            _ingress(manifest, spec)
        case "Secret":
            _texts(manifest.get("type"), *((manifest.get("sealed") or {}).get("keys") or ()))
        case "ClusterIssuer":
            acme = spec["acme"]
            _texts(acme["server"], acme.get("email"), acme["privateKeySecretRef"]["name"])


def _service(spec: Mapping[str, Any]) -> None:
    selector = spec.get("selector") or {}
    _texts(spec.get("type"), spec.get("externalName"), *selector.keys(), *selector.values())
    for port in spec.get("ports") or ():
        _texts(port.get("name"), port.get("protocol"))
        if not isinstance(port["port"], int) or not isinstance(port.get("targetPort"), int | str | None):
            raise TypeError("a port is no number")


def _ingress(manifest: Mapping[str, Any], spec: Mapping[str, Any]) -> None:
    _texts(spec.get("ingressClassName"))
    for _, backend in backends.all_backends(manifest):
        port = backend.get("port") or {}
        _texts(backend["name"], port.get("name"))
        if not isinstance(port.get("number"), int | None):
            raise TypeError("a port is no number")
    for rule in spec.get("rules") or ():
        _texts(rule.get("host"))
        for item in rule["http"]["paths"] if rule.get("http") else ():
            _texts(item.get("path"), item.get("pathType"), item["backend"]["service"]["name"])
    for entry in spec.get("tls") or ():
        _texts(entry.get("secretName"), *(entry.get("hosts") or ()))


def _texts(*values: Any) -> None:
    for value in values:
        if not isinstance(value, str | None):
            raise TypeError(f"a {type(value).__name__} stands where a string should")
