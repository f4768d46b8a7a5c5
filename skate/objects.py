"""Kubernetes objects as a reader of the cluster sees them: the catalogue's manifests with a status filled in from the nodes.

Pure: a catalogue and what the nodes say go in, plain dicts in the shape of the Kubernetes API come out, for `get -o yaml` as
well as for the tables. https://kubernetes.io/docs/reference/kubernetes-api/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from skate import catalogue, printers, workloads
from skatelet.contract import bundle, status

Object = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class NodeSeen:
    """One node, as far as it could be read."""

    node: bundle.Node
    reachable: bool
    status: status.Status | None = None
    """What it says now, or said last."""
    connected: bool = False
    """Whether it could be connected to, though what it says cannot be used."""
    error: str = ""
    since: str = ""
    """RFC 3339: for an unreachable node when it was last seen; else the heartbeat."""
    heartbeat_age: float = 0.0
    """Seconds since the heartbeat."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The whole cluster, as far as it could be read."""

    catalogue: catalogue.Catalogue
    nodes: Mapping[str, NodeSeen] = field(default_factory=dict)


STALE_SECONDS = 3 * status.HEARTBEAT_SECONDS
SKEW_SECONDS = 60.0
"""A heartbeat this far in the future is no jitter: the node's clock is wrong, or ours."""
_DEFAULT_NAMESPACES = ("default",)


def trouble(item: NodeSeen) -> str:
    """What is wrong with a node that is not `reachable`, to follow its name."""
    return f"cannot be read: {item.error}" if item.connected else f"cannot be reached: {item.error}"


def nodes(seen: Seen) -> list[Object]:
    """Every registered node as a v1 Node."""
    return [_node(item, seen.catalogue.generation) for _, item in sorted(seen.nodes.items())]


def pods(seen: Seen) -> list[Object]:
    """Every instance as a v1 Pod.

    Those that the nodes have, those placed that no node has yet, and those on nodes that cannot be asked: as the catalogue places
    them there, or, where it does not any more, as the node said last.
    """
    found: list[Object] = []
    reported: set[tuple[str, str, str]] = set()
    for name, item in seen.nodes.items():
        if not item.reachable or item.status is None:
            continue
        for instance in item.status.instances:
            reported.add((name, instance.namespace, instance.name))
            found.append(_observed_pod(instance, item, seen.catalogue))
    for key, entry in seen.catalogue.objects.items():
        for placement in entry.placements:
            if (placement.node, key[1], placement.instance) not in reported:
                reported.add((placement.node, key[1], placement.instance))
                found.append(_placed_pod(key, entry, placement, seen))
    for name, item in seen.nodes.items():
        for instance in item.status.instances if item.status and not item.reachable else ():
            if (name, instance.namespace, instance.name) not in reported:
                found.append(_lost_pod(instance, item, seen.catalogue))
    return sorted(found, key=_identity)


def deployments(seen: Seen) -> list[Object]:
    """Every Deployment with a status counted from its pods."""
    every = pods(seen)
    return [
        _deployment(key, entry, every)
        for key, entry in sorted(seen.catalogue.objects.items())
        if key[0] == "Deployment"
    ]


def namespaces(seen: Seen) -> list[Object]:
    """Every Namespace that was applied, and those that objects lie in."""
    applied = {key[2]: entry for key, entry in seen.catalogue.objects.items() if key[0] == "Namespace"}
    names = {*_DEFAULT_NAMESPACES, *applied, *(key[1] for key in seen.catalogue.objects if key[1])}
    found = []
    for name in sorted(names):
        base: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        if name in applied:
            base = with_creation(applied[name])
        found.append({**base, "status": {"phase": "Active"}})
    return found


def _identity(item: Object) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


def with_creation(entry: bundle.CatalogueObject) -> Object:
    """An object as it was applied, with when that was."""
    metadata = dict(entry.manifest["metadata"])
    if entry.created:
        metadata["creationTimestamp"] = entry.created
    return {**entry.manifest, "metadata": metadata}


def _node(item: NodeSeen, generation: int) -> Object:
    node, said = item.node, item.status
    conditions = [_ready_condition(item, generation)]
    if said is not None:
        conditions += [condition.to_data() for condition in said.conditions if condition.type != "Ready"]
    labels = {"kubernetes.io/hostname": node.name, "kubernetes.io/os": "linux"}
    addresses = [{"type": "Hostname", "address": node.name}]
    if node.peer_host or node.host:
        addresses.insert(0, {"type": "InternalIP", "address": node.peer_host or node.host})
    elif said is not None and said.info.addresses:
        addresses.insert(0, {"type": "InternalIP", "address": said.info.addresses[0]})
    result: Object = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node.name},
        "spec": {"podCIDR": node.subnet},
        "status": {"addresses": addresses, "conditions": conditions},
    }
    if node.unschedulable:
        result["spec"]["unschedulable"] = True
    if said is not None:
        labels["kubernetes.io/arch"] = said.info.architecture
        result["status"] |= {
            "capacity": _resources(said.info.capacity),
            "allocatable": _resources(said.info.allocatable),
            "nodeInfo": {
                "architecture": said.info.architecture,
                "bootTime": said.info.boot_time,
                "containerRuntimeVersion": f"podman://{said.info.podman_version}",
                "kernelVersion": said.info.kernel,
                "kubeletVersion": f"v{said.info.skatelet_version}",
                "operatingSystem": "linux",
                "osImage": said.info.os_image,
            },
            "generationSeen": said.generation_seen,
            "generationReached": said.generation_reached,
            "rejected": [rejection.to_data() for rejection in said.rejected],
        }
    result["metadata"]["labels"] = {**labels, **node.labels}
    return result


def _ready_condition(item: NodeSeen, generation: int) -> Object:
    base: Object = {"type": "Ready", "lastHeartbeatTime": item.since}
    if not item.reachable:
        return base | {
            "status": "Unknown",
            "reason": "NodeStatusUnknown",
            "message": trouble(item),
            "lastTransitionTime": item.since,
        }
    if item.status is None:
        return base | {"status": "False", "reason": "NoStatus", "message": "skatelet has never written a status"}
    if item.heartbeat_age > STALE_SECONDS:
        return base | {
            "status": "Unknown",
            "reason": "StatusStale",
            "message": f"the status is {item.heartbeat_age:.0f} s old: skatelet has not run since, or a clock is wrong",
            "lastTransitionTime": item.since,
        }
    for condition in item.status.conditions:
        if condition.type == "Ready" and condition.status != "True":
            return base | condition.to_data()
    if item.status.generation_seen < generation:
        message = f"the node follows generation {item.status.generation_seen} of {generation}"
        return base | {"status": "True", "reason": "Behind", "message": message}
    return base | {"status": "True", "reason": "SkateletReady", "message": "skatelet has done its work"}


def _resources(value: status.Resources) -> dict[str, str]:
    cpu = f"{value.cpu_millis}m" if value.cpu_millis % 1000 else str(value.cpu_millis // 1000)
    return {"cpu": cpu, "memory": f"{value.memory_bytes // 1024}Ki", "pods": str(value.pods)}


def _owner_reference(kind: str, name: str) -> list[Object]:
    return [] if kind == "Pod" else [{"apiVersion": "apps/v1", "kind": kind, "name": name, "controller": True}]


def _pod_base(kind: str, name: str, pod: Object, node: str) -> Object:
    metadata = dict(pod["metadata"])
    owners = _owner_reference(kind, name)
    if owners:
        metadata["ownerReferences"] = owners
    return {**pod, "metadata": metadata, "spec": {**pod["spec"], "nodeName": node}}


def _pod_of(source: catalogue.Catalogue, key: catalogue.Key, instance: str, hash_: str) -> Object | None:
    """The pod as the catalogue has it, when the catalogue still has that version of it."""
    entry = source.objects.get(key)
    workload = workloads.from_manifest(entry.manifest) if entry is not None else None
    if workload is None or workload.demand.hash != hash_:
        return None
    return workloads.pod_of(workload, instance)


def _observed_pod(instance: status.InstanceStatus, item: NodeSeen, source: catalogue.Catalogue) -> Object:
    owner = instance.owner
    key = (owner.kind, instance.namespace, owner.name)
    pod = _pod_of(source, key, instance.name, instance.hash)
    if pod is None:
        # A version that the catalogue has no more, on its way out: what the node says of it is all there is.
        containers = [{"name": container.name, "image": container.image} for container in instance.containers]
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": instance.name, "namespace": instance.namespace},
            "spec": {"containers": containers},
        }
    result = _pod_base(owner.kind, owner.name, pod, item.node.name)
    if instance.start_time:
        result["metadata"]["creationTimestamp"] = instance.start_time
    if not instance.desired:
        result["metadata"]["deletionTimestamp"] = item.status.time if item.status else ""
    ready = "True" if instance.ready else "False"
    result["status"] = {
        "phase": instance.phase,
        "conditions": [{"type": kind, "status": ready} for kind in ("Ready", "ContainersReady")],
        "containerStatuses": [_container(container) for container in instance.containers],
        "hostIP": item.node.peer_host or item.node.host,
    }
    for name, value in (("podIP", instance.address), ("startTime", instance.start_time)):
        if value:
            result["status"][name] = value
    for name, value in (("reason", instance.reason), ("message", instance.message)):
        if value:
            result["status"][name] = value
    return result


def _container(container: status.ContainerStatus) -> Object:
    result: Object = {
        "name": container.name,
        "image": container.image,
        "imageID": container.image_id,
        "containerID": f"podman://{container.container_id}" if container.container_id else "",
        "ready": container.ready,
        "restartCount": container.restarts,
        "state": container.state.to_data(),
    }
    if container.last_state is not None:
        result["lastState"] = container.last_state.to_data()
    return result


def _placed_pod(key: catalogue.Key, entry: bundle.CatalogueObject, placement: bundle.Placement, seen: Seen) -> Object:
    workload = workloads.from_manifest(entry.manifest)
    assert workload is not None
    result = _pod_base(key[0], key[2], workloads.pod_of(workload, placement.instance), placement.node)
    node = seen.nodes.get(placement.node)
    if node is not None and not node.reachable:
        result["status"] = {
            "phase": "Unknown",
            "reason": "NodeLost",
            "message": f"node {placement.node} {trouble(node)}",
        }
        _fill_from_last_status(result, placement, key, node)
    else:
        result["status"] = {"phase": "Pending"}
    if placement.address:
        result["status"]["podIP"] = placement.address
    return result


def _lost_pod(instance: status.InstanceStatus, item: NodeSeen, source: catalogue.Catalogue) -> Object:
    """A pod that should go, on a node that cannot be told so."""
    result = _observed_pod(instance, item, source)
    result["metadata"]["deletionTimestamp"] = item.since
    result["status"] |= {
        "phase": "Unknown",
        "reason": "NodeLost",
        "message": f"node {item.node.name} {trouble(item)}",
        "conditions": [{"type": kind, "status": "Unknown"} for kind in ("Ready", "ContainersReady")],
        "containerStatuses": [_container(container) | {"ready": False} for container in instance.containers],
    }
    return result


def _fill_from_last_status(result: Object, placement: bundle.Placement, key: catalogue.Key, node: NodeSeen) -> None:
    for instance in node.status.instances if node.status else ():
        if (instance.namespace, instance.name) == (key[1], placement.instance):
            if instance.start_time:
                result["metadata"]["creationTimestamp"] = instance.start_time
            result["status"]["containerStatuses"] = [
                _container(container) | {"ready": False} for container in instance.containers
            ]


def _deployment(key: catalogue.Key, entry: bundle.CatalogueObject, every: Iterable[Object]) -> Object:
    workload = workloads.from_manifest(entry.manifest)
    assert workload is not None
    current = {placement.instance for placement in entry.placements}
    mine = [
        pod
        for pod in every
        if pod["metadata"].get("namespace") == key[1]
        and any(ref["name"] == key[2] for ref in pod["metadata"].get("ownerReferences", ()))
    ]
    ready = [pod for pod in mine if printers.is_ready(pod)]
    updated = [pod for pod in mine if pod["metadata"]["name"] in current and pod["status"]["phase"] != "Pending"]
    desired = workload.demand.replicas
    available = "True" if len(ready) >= desired else "False"
    return with_creation(entry) | {
        "status": {
            "replicas": len(mine),
            "readyReplicas": len(ready),
            "updatedReplicas": len(updated),
            "availableReplicas": len(ready),
            "unavailableReplicas": max(0, desired - len(ready)),
            "conditions": [{"type": "Available", "status": available}],
        }
    }
