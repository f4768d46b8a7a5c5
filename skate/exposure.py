"""Services, Ingresses, Secrets and ClusterIssuers as a reader of the cluster sees them, and who stands behind them now. Pure.

None of them has instances: they are what the catalogue says, with a status out of what the nodes say.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from skate import backends, objects, printers
from skatelet.contract import apps, issuing

Object = objects.Object


def services(seen: objects.Seen) -> list[Object]:
    """Every Service. It has no address of its own, whatever its manifest says."""
    return [item | {"status": {"loadBalancer": {}}} for item in _of_kind(seen, "Service")]


def ingresses(seen: objects.Seen) -> list[Object]:
    """Every Ingress. Every node answers for it."""
    points = [_point(address) for _, item in sorted(seen.nodes.items()) if (address := _address(item))]
    state = {"loadBalancer": {"ingress": points} if points else {}}
    return [item | {"status": state} for item in _of_kind(seen, "Ingress")]


def secrets(seen: objects.Seen) -> list[Object]:
    """Every Secret, with the names of its values and nothing of what is in them."""
    found = []
    for item in _of_kind(seen, "Secret"):
        sealed = item.get("sealed") or {}
        kept = {name: value for name, value in item.items() if name not in ("data", "stringData", "sealed")}
        found.append({"type": "Opaque", **kept, "sealed": {"keys": sorted(map(str, sealed.get("keys") or ()))}})
    return found


def cluster_issuers(seen: objects.Seen) -> list[Object]:
    """Every ClusterIssuer; ready when the nodes have the account's key to ask with."""
    found = []
    for item in _of_kind(seen, "ClusterIssuer"):
        acme = (item.get("spec") or {}).get("acme") or {}
        account = str((acme.get("privateKeySecretRef") or {}).get("name") or "")
        title = f"secret/{account} in {issuing.ACCOUNT_NAMESPACE}"
        ready = ("Secret", issuing.ACCOUNT_NAMESPACE, account) in seen.catalogue.objects
        condition = {
            "type": "Ready",
            "status": "True" if ready else "False",
            "reason": "AccountKey" if ready else "NoAccountKey",
            "message": f"{title} holds the account's key" if ready else f"{title} with the account's key is missing",
        }
        found.append(item | {"status": {"conditions": [condition]}})
    return found


def service_endpoints(service: Object, port: backends.Manifest, pods: Sequence[Object]) -> list[str]:
    """`address:port` of every ready pod behind a port of a Service."""
    found = []
    for pod in _ready(pods, service["metadata"].get("namespace", "")):
        target = backends.target_of(port, pod)
        if target is not None and backends.selects(service, backends.labels_of(pod)):
            found.append(f"{pod['status']['podIP']}:{target}")
    return found


def app_endpoints(name: backends.Name, wanted: backends.Manifest, pods: Sequence[Object]) -> list[str]:
    """`address:port` of every ready pod of an app, which has no Service."""
    found = []
    for pod in _ready(pods, name.namespace):
        number = wanted.get("number") or backends.container_port(pod, str(wanted.get("name")))
        if number and apps.app_of(backends.labels_of(pod)) == name.name:
            found.append(f"{pod['status']['podIP']}:{number}")
    return found


def backend_text(backend: backends.Manifest, namespace: str, seen: objects.Seen, pods: Sequence[Object]) -> str:
    """A backend of an Ingress and who stands behind it, as `kubectl describe ingress` writes it."""
    service, wanted = backend.get("service") or {}, (backend.get("service") or {}).get("port") or {}
    name = backends.named(str(service.get("name")), namespace)
    title = f"{service.get('name')}:{wanted.get('name') or wanted.get('number')}"
    apps = app_endpoints(name, wanted, pods) if name.implicit else []
    entry = seen.catalogue.objects.get(("Service", name.namespace, name.name))
    if entry is None:
        if not name.implicit:
            return f'{title} (<error: services "{name.name}" not found>)'
        return f"{title} ({endpoints_text(apps)})"
    if external := (entry.manifest.get("spec") or {}).get("externalName"):
        return f"{title} ({external})"
    port = backends.port_of(entry.manifest, wanted)
    found = service_endpoints(dict(entry.manifest), port, pods) if port else apps
    return f"{title} ({endpoints_text(found)})"


def endpoints_text(found: Sequence[str]) -> str:
    """Addresses as kubectl lists them, the first three."""
    return printers.shortened(found, 3, len(found)) or "<none>"


def _of_kind(seen: objects.Seen, kind: str) -> list[Object]:
    return [objects.with_creation(entry) for key, entry in sorted(seen.catalogue.objects.items()) if key[0] == kind]


def _ready(pods: Sequence[Object], namespace: str) -> list[Object]:
    return [
        pod
        for pod in pods
        if pod["metadata"].get("namespace", "") == namespace
        and pod["status"].get("podIP")
        and printers.is_ready(pod)
        and "deletionTimestamp" not in pod["metadata"]
    ]


def _address(item: objects.NodeSeen) -> str:
    """Where the world reaches a node; empty for one that does not answer."""
    if not item.reachable:
        return ""
    known = item.status.info.addresses if item.status else []
    return item.node.host or next(iter(known), "") or item.node.peer_host


def _point(address: str) -> Object:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return {"hostname": address}
    return {"ip": address}
