"""The catalogue: every object that is applied to the cluster, with where it was placed. Pure data and pure changes.

One thing flows through here: manifests go in (`with_manifests`, `without`), the scheduler places their instances (`place`), and
each node's part comes out (`instances_of`). Two catalogues are equal when their files are; then there is nothing to publish.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from skate import readable, scheduling, workloads
from skate.errors import SkateError
from skatelet.contract import bundle
from skatelet.contract.status import Status

if TYPE_CHECKING:  # reading the cluster must not pay for the models of manifests
    from skate import manifests

Key = tuple[str, str, str]
"""Kind, namespace (empty for cluster-wide kinds), name."""


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """What one generation says."""

    cluster: bundle.Cluster
    nodes: Mapping[str, bundle.Node]
    objects: Mapping[Key, bundle.CatalogueObject]
    generation: int = 0
    """The generation it was read from; 0 when nothing has ever been published."""

    def files(self) -> dict[str, bytes]:
        return bundle.catalogue_files(
            cluster=self.cluster, nodes=list(self.nodes.values()), objects=list(self.objects.values())
        )


def key_of(manifest: Mapping[str, Any]) -> Key:
    metadata = manifest["metadata"]
    return manifest["kind"], metadata.get("namespace", ""), metadata["name"]


def empty(cluster: bundle.Cluster) -> Catalogue:
    return Catalogue(cluster=cluster, nodes={}, objects={})


def from_bundle(source: bundle.Bundle) -> Catalogue:
    """The catalogue in a bundle. Raises BundleError when a node has made up one that no skate would have written."""
    nodes, objects = source.nodes(), source.objects()
    try:
        paths = {*map(bundle.node_path, nodes), *map(bundle.object_path, objects)}
        found = {key_of(item.manifest): item for item in objects}
        for item in objects:
            readable.check(item.manifest)
    except (SkateError, LookupError, TypeError, AttributeError, ValueError) as error:
        raise bundle.BundleError("Malformed", f"an object of the catalogue cannot be read: {error!r:.200}") from error
    if not paths <= source.files.keys():
        raise bundle.BundleError("Malformed", "an object of the catalogue has another name than its file")
    return Catalogue(
        cluster=source.cluster(),
        nodes={node.name: node for node in nodes},
        objects=found,
        generation=source.index.generation,
    )


def with_nodes(before: Catalogue, nodes: Iterable[bundle.Node]) -> Catalogue:
    """Add the nodes the catalogue does not know yet. What it knows already stays: it is the truth, not one laptop."""
    return replace(before, nodes={node.name: node for node in nodes} | dict(before.nodes))


def with_manifests(before: Catalogue, applied: Iterable[manifests.Manifest], *, now: str) -> Catalogue:
    """Add or replace objects; their placements stay until `place` is called."""
    objects = dict(before.objects)
    for manifest in applied:
        key = key_of(manifest.data)
        known = objects.get(key)
        if known is None:
            objects[key] = bundle.CatalogueObject(manifest=manifest.data, created=now)
        else:
            objects[key] = known.model_copy(update={"manifest": manifest.data})
    return replace(before, objects=objects)


def without(before: Catalogue, keys: Collection[Key]) -> Catalogue:
    """Remove objects; removing a Namespace removes all that is in it, as in Kubernetes."""
    namespaces = {name for kind, _, name in keys if kind == "Namespace"}
    kept = {key: item for key, item in before.objects.items() if key not in keys and key[1] not in namespaces}
    return replace(before, objects=kept)


def place(
    before: Catalogue, former: Catalogue, statuses: Mapping[str, Status], reachable: Collection[str]
) -> Catalogue:
    """Schedule every instance. Raises ScheduleError with every instance that fits nowhere.

    `former` is the catalogue that stands: names and addresses in it that are given up now rest for one generation. `statuses`
    are by node name; a node without one is taken to have room. Instances go to `reachable` nodes only; what stands on others
    stays there.
    """
    parsed = {key: workloads.from_manifest(item.manifest) for key, item in before.objects.items()}
    schedule = scheduling.schedule(
        nodes=[_node(node, statuses.get(node.name), node.name in reachable) for node in before.nodes.values()],
        workloads=[workload.demand for workload in parsed.values() if workload is not None],
        previous=placed(former),
        ready=frozenset(
            (item.namespace, item.name) for status in statuses.values() for item in status.instances if item.ready
        ),
    )
    if schedule.unplaced:
        raise workloads.unplaced_error(schedule.unplaced)
    placements: dict[Key, list[bundle.Placement]] = {key: [] for key in before.objects}
    for item in schedule.placements:
        placements[item.workload].append(
            bundle.Placement(instance=item.instance, node=item.node, address=item.address, hash=item.hash)
        )
    return replace(
        before,
        objects={
            key: known.model_copy(update={"placements": sorted(placements[key], key=lambda p: p.instance)})
            for key, known in before.objects.items()
        },
    )


def instances_of(source: Catalogue, node: str) -> list[bundle.Instance]:
    """What `node` must run: one Instance a placement on it."""
    found: list[bundle.Instance] = []
    for key, item in source.objects.items():
        here = [placement for placement in item.placements if placement.node == node]
        workload = workloads.from_manifest(item.manifest) if here else None
        if workload is None:
            continue
        found += [
            bundle.Instance(
                name=placement.instance,
                namespace=key[1],
                owner=bundle.Owner(kind=key[0], name=key[2]),
                address=placement.address,
                hash=placement.hash,
                pod=workloads.pod_of(workload, placement.instance),
            )
            for placement in here
        ]
    return found


def placed(source: Catalogue) -> list[scheduling.Placed]:
    """Every instance of the catalogue, with its place, as the scheduler knows it."""
    return [
        scheduling.Placed(
            workload=scheduling.Key(*key),
            instance=placement.instance,
            node=placement.node,
            address=placement.address,
            hash=placement.hash,
        )
        for key, item in source.objects.items()
        for placement in item.placements
    ]


def _node(node: bundle.Node, status: Status | None, reachable: bool) -> scheduling.Node:
    allocatable = status.info.allocatable if status else None
    return scheduling.Node(
        name=node.name,
        subnet=node.subnet,
        labels={
            "kubernetes.io/os": "linux",
            **({"kubernetes.io/arch": status.info.architecture} if status else {}),
            "kubernetes.io/hostname": node.name,
            **node.labels,
        },
        unschedulable=node.unschedulable,
        cpu_millis=allocatable.cpu_millis if allocatable else None,
        memory_bytes=allocatable.memory_bytes if allocatable else None,
        pods=allocatable.pods if allocatable else None,
        reachable=reachable,
        occupied=frozenset(item.address for item in status.instances if item.address) if status else frozenset(),
    )
