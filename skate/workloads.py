"""From a manifest to what the scheduler needs to know of it, and to the pods of its instances. Pure.

The template's hash is taken over what the user wrote, not over what defaults make of it: so a newer skate with another
default does not restart everything.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from skate import quantity, scheduling
from skate.errors import ScheduleError
from skatelet.contract import canonical

TEMPLATE_HASH = "pod-template-hash"


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A manifest that has instances."""

    demand: scheduling.Workload
    """What the scheduler places."""
    template: Mapping[str, Any]
    """The pod of every instance, `metadata` and `spec`, without a name."""


def from_manifest(manifest: Mapping[str, Any]) -> Workload | None:
    """The workload that a manifest (as plain data, already validated) describes; None for kinds without instances."""
    kind = manifest["kind"]
    metadata = manifest["metadata"]
    if kind == "Pod":
        replicas = 1
        template = {
            "metadata": {name: metadata[name] for name in ("labels", "annotations") if metadata.get(name)},
            "spec": manifest["spec"],
        }
    elif kind == "Deployment":
        replicas = manifest["spec"].get("replicas")
        replicas = 1 if replicas is None else replicas
        template = manifest["spec"]["template"]
    else:
        return None
    spec = template["spec"]
    demand = scheduling.Workload(
        kind=kind,
        namespace=metadata["namespace"],
        name=metadata["name"],
        replicas=replicas,
        cpu_millis=_requests(spec, "cpu", quantity.parse_cpu_millis),
        memory_bytes=_requests(spec, "memory", quantity.parse_bytes),
        node_name=spec.get("nodeName") or None,
        node_selector=spec.get("nodeSelector") or {},
        host_ports=_host_ports(spec),
        host_network=bool(spec.get("hostNetwork")),
        hash=hashlib.sha256(canonical.dump(template)).hexdigest(),
    )
    return Workload(demand=demand, template=template)


def pod_of(workload: Workload, instance: str) -> dict[str, Any]:
    """The Kubernetes Pod of one instance."""
    pod = copy.deepcopy(dict(workload.template))
    metadata = dict(pod.get("metadata") or {})
    metadata |= {"name": instance, "namespace": workload.demand.namespace}
    if workload.demand.kind == "Deployment":
        metadata["labels"] = {
            **(metadata.get("labels") or {}),
            TEMPLATE_HASH: scheduling.template_hash(workload.demand.hash),
        }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod["spec"]}


def unplaced_error(unplaced: Iterable[scheduling.Unplaced]) -> ScheduleError:
    """Every instance that fits nowhere, as kube-scheduler says it."""
    details = [f"{item.workload}: {item.count} unschedulable: {item.message}" for item in unplaced]
    return ScheduleError("nothing was changed: some instances fit on no node", details=details)


def _requests(spec: Mapping[str, Any], resource: str, parse: Any) -> int:
    """The sum over the containers; a limit without a request is the request, as in Kubernetes."""
    total = 0
    for container in spec["containers"]:
        resources = container.get("resources") or {}
        value = (resources.get("requests") or {}).get(resource)
        if value is None:
            value = (resources.get("limits") or {}).get(resource)
        total += parse(value) if value is not None else 0
    return total


def _host_ports(spec: Mapping[str, Any]) -> tuple[scheduling.HostPort, ...]:
    ports: list[scheduling.HostPort] = []
    for container in spec["containers"]:
        for port in container.get("ports") or ():
            number = port.get("hostPort") or (port["containerPort"] if spec.get("hostNetwork") else None)
            if number:
                ports.append(
                    scheduling.HostPort(
                        port=number,
                        protocol=port.get("protocol") or "TCP",
                        host_ip=port.get("hostIP") or "0.0.0.0",  # noqa: S104 - every address, as Kubernetes means it
                    )
                )
    return tuple(ports)
