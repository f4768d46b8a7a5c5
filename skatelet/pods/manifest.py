"""From an instance to what `podman kube play` is given: the user's pod, with what podman does differently straightened. Pure.

- restartPolicy is Never for podman: skatelet restarts containers itself, with Kubernetes' backoff, which podman has not.
- imagePullPolicy is Never: images are fetched before, so that a refused pull and a failed start are told apart.
- up to podman 4.x every containerPort is published on the host: only ports with a hostPort stay.
- dnsPolicy means nothing to podman: what it comes to is said by dnsConfig; see skatelet.pods.resolving.
- an emptyDir named `tmp` is one volume `tmp` for all pods that have one (4.3 and 5.4): each becomes a volume of the pod's own,
  created before, with labels, in memory where asked for (4.3 ignores `medium: Memory`).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from skatelet.contract import canonical
from skatelet.pods import model, resolving

MAX_HOSTNAME = 63


def labels(pod: model.DesiredPod) -> dict[str, str]:
    """The labels that say whose the pod is; enough to handle it when the bundle has forgotten it."""
    return {
        model.MANAGED: "true",
        model.NAMESPACE: pod.namespace,
        model.INSTANCE: pod.name,
        model.HASH: pod.hash,
        model.OWNER: pod.owner,
        model.ADDRESS: pod.address,
        model.HOST_PORTS: ",".join(pod.host_ports),
        model.GRACE: str(pod.grace),
    }


def volume_name(pod: model.DesiredPod, volume: str) -> str:
    """The podman volume of an emptyDir. No pod's name has an underscore, so two pods never share one."""
    return f"{pod.pod_name}_{volume}"


def empty_dirs(pod: model.DesiredPod) -> dict[str, dict[str, str]]:
    """The podman volumes the pod needs for its emptyDirs, by name, with podman's options for them."""
    found: dict[str, dict[str, str]] = {}
    for volume in (pod.manifest.get("spec") or {}).get("volumes") or []:
        if "emptyDir" in volume:
            memory = (volume["emptyDir"] or {}).get("medium") == "Memory"
            # podman 4.3 refuses a size here, so sizeLimit is not passed on.
            options = {"type": "tmpfs", "device": "tmpfs", "o": "mode=0777"} if memory else {}
            found[volume_name(pod, str(volume["name"]))] = options
    return found


def dns(pod: model.DesiredPod, node: resolving.Resolving) -> resolving.Settings | None:
    """What the pod's resolv.conf is to say; None where what podman does by itself is right."""
    spec: Mapping[str, Any] = pod.manifest.get("spec") or {}
    return resolving.settings(spec, pod_name=pod.pod_name, namespace=pod.namespace, node=node)


def play_manifest(pod: model.DesiredPod, settings: resolving.Settings | None = None) -> bytes:
    """The YAML that podman plays. `settings` are those that `dns` gave."""
    user = copy.deepcopy(dict(pod.manifest))
    metadata: Mapping[str, Any] = user.get("metadata") or {}
    spec: dict[str, Any] = user.get("spec") or {}
    spec["hostname"] = spec.get("hostname") or pod.name[:MAX_HOSTNAME].rstrip("-.")
    spec["restartPolicy"] = "Never"
    images = {item.name: item.image for item in pod.containers}
    for container in spec.get("containers") or []:
        container["image"] = images[str(container["name"])]
        container["imagePullPolicy"] = "Never"
        _keep_host_ports(container)
    for volume in spec.get("volumes") or []:
        if "emptyDir" in volume:
            del volume["emptyDir"]
            volume["persistentVolumeClaim"] = {"claimName": volume_name(pod, str(volume["name"]))}
    for field in ("dnsPolicy", "dnsConfig"):
        spec.pop(field, None)
    if settings is not None and settings.file is not None:
        resolving.mount(spec, settings.file)
    elif settings is not None:
        spec["dnsConfig"] = settings.dns_config()
    return canonical.dump(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": pod.pod_name,
                "labels": {**(metadata.get("labels") or {}), **labels(pod)},
                "annotations": {
                    **(metadata.get("annotations") or {}),
                    model.INSTANCE: f"{pod.namespace}/{pod.name}",
                },
            },
            "spec": spec,
        }
    )


def _keep_host_ports(container: dict[str, Any]) -> None:
    ports = [port for port in container.pop("ports", None) or [] if port.get("hostPort")]
    if ports:
        container["ports"] = ports
