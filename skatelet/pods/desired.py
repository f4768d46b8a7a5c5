"""From a bundle's instances to the desired pods that planning works on. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from skatelet.contract import bundle
from skatelet.pods import images, model


def desired_pods(followed: bundle.Bundle) -> tuple[model.DesiredPod, ...]:
    """The bundle's instances, by namespace and name."""
    # Reading every object of a large cluster at each wake would take longer than all the rest.
    recreate = _recreating_owners(followed.objects_with(b"Recreate"))
    pods = [desired_pod(item, recreate=_owner_key(item) in recreate) for item in followed.instances()]
    return tuple(sorted(pods, key=lambda pod: (pod.namespace, pod.name)))


def desired_pod(instance: bundle.Instance, *, recreate: bool = False) -> model.DesiredPod:
    """One instance, its defaults filled in as Kubernetes does where planning depends on them."""
    spec: Mapping[str, Any] = instance.pod.get("spec") or {}
    containers = list(spec.get("containers") or [])
    grace = spec.get("terminationGracePeriodSeconds")
    return model.DesiredPod(
        name=instance.name,
        namespace=instance.namespace,
        owner=f"{instance.owner.kind}/{instance.owner.name}",
        hash=instance.hash,
        address=instance.address,
        restart_policy=str(spec.get("restartPolicy") or "Always"),
        containers=tuple(_container(item) for item in containers),
        host_ports=tuple(sorted(_host_ports(containers, host_network=bool(spec.get("hostNetwork"))))),
        grace=model.DEFAULT_GRACE if grace is None else int(grace),
        recreate=recreate,
        manifest=instance.pod,
    )


def _container(data: Mapping[str, Any]) -> model.DesiredContainer:
    written = str(data.get("image") or "")
    try:
        image = images.full_name(written)
    except ValueError:
        return model.DesiredContainer(name=str(data["name"]), image=written, pull="Never", invalid_image=True)
    pull = str(data.get("imagePullPolicy") or images.default_policy(image))
    return model.DesiredContainer(name=str(data["name"]), image=image, pull=pull)


def _host_ports(containers: Iterable[Mapping[str, Any]], *, host_network: bool) -> set[str]:
    found = set()
    for container in containers:
        for port in container.get("ports") or []:
            number = port.get("hostPort") or (port.get("containerPort") if host_network else None)
            if number:
                found.add(f"{number}/{str(port.get('protocol') or 'TCP').lower()}")
    return found


def _owner_key(instance: bundle.Instance) -> tuple[str, str, str]:
    return instance.owner.kind, instance.namespace, instance.owner.name


def _recreating_owners(objects: Iterable[bundle.CatalogueObject]) -> set[tuple[str, str, str]]:
    found = set()
    for item in objects:
        strategy = (item.manifest.get("spec") or {}).get("strategy") or {}
        if isinstance(strategy, Mapping) and strategy.get("type") == "Recreate":
            metadata = item.manifest["metadata"]
            found.add((str(item.manifest["kind"]), str(metadata.get("namespace", "-")), str(metadata["name"])))
    return found
