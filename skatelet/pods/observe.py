"""What pods there are, from one answer of podman's container list.

The list has everything: the pod's labels stand on each of its containers, its infra container is there too. Only a pod
without any container of its own (a play that was cut short) carries no label there; for those alone podman is asked again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from skatelet.pods import model

_STATES = {
    "running": "running",
    "paused": "running",
    "stopping": "running",
    "exited": "exited",
    "stopped": "exited",
    "lost": "lost",
}
_QUIRK_SECONDS = 2
"""podman may note a very short run as finished a moment before it started."""


def observe(
    containers: Iterable[Mapping[str, Any]],
    list_pods: Callable[[], Iterable[Mapping[str, Any]]],
    *,
    is_lost: Callable[[Mapping[str, Any]], bool] = lambda _: False,
) -> tuple[model.SeenPod, ...]:
    """Every pod on the node, foreign ones too, by name. `list_pods` is called only when a pod's labels are not known.

    `is_lost` is asked of each container that podman calls running.
    """
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for container in containers:
        if container.get("Pod"):
            lost = _state(container) == "running" and is_lost(container)
            groups.setdefault(str(container["Pod"]), []).append({**container, "State": "lost"} if lost else container)
    bare = [pod for pod, members in groups.items() if all(item.get("IsInfra") for item in members)]
    bare_labels = {str(pod["Id"]): pod.get("Labels") or {} for pod in list_pods()} if bare else {}
    pods = [_pod(identity, members, bare_labels.get(identity)) for identity, members in groups.items()]
    return tuple(sorted(pods, key=lambda pod: pod.name))


def without_containers(pods: Iterable[Mapping[str, Any]]) -> tuple[model.SeenPod, ...]:
    """Of podman's pod list, skate's pods that have no container at all, not even infra: a play cut at its very start."""
    return tuple(
        _labelled(str(item["Id"]), str(item["Name"]), item.get("Labels") or {}, infra="", containers=())
        for item in pods
        if not item.get("Containers") and (item.get("Labels") or {}).get(model.MANAGED) == "true"
    )


def _pod(identity: str, members: list[Mapping[str, Any]], labels: Mapping[str, str] | None) -> model.SeenPod:
    own = [item for item in members if not item.get("IsInfra")]
    infra = [item for item in members if item.get("IsInfra")]
    name = str(members[0].get("PodName", ""))
    known = labels if labels is not None else ((own[0].get("Labels") or {}) if own else {})
    return _labelled(
        identity,
        name,
        known,
        infra=_state(infra[0]) if infra else "",
        containers=tuple(_container(item, name) for item in sorted(own, key=lambda item: str(item["Names"][0]))),
    )


def _labelled(
    identity: str,
    name: str,
    labels: Mapping[str, str],
    *,
    infra: str,
    containers: tuple[model.SeenContainer, ...],
) -> model.SeenPod:
    grace = str(labels.get(model.GRACE, ""))
    return model.SeenPod(
        id=identity,
        name=name,
        managed=labels.get(model.MANAGED) == "true",
        infra=infra,
        namespace=labels.get(model.NAMESPACE, ""),
        instance=labels.get(model.INSTANCE, ""),
        owner=labels.get(model.OWNER, ""),
        hash=labels.get(model.HASH, ""),
        address=labels.get(model.ADDRESS, ""),
        host_ports=tuple(port for port in str(labels.get(model.HOST_PORTS, "")).split(",") if port),
        grace=int(grace) if grace.isdecimal() else model.DEFAULT_GRACE,
        containers=containers,
        labels={name: str(text) for name, text in labels.items() if not name.startswith(model.PREFIX)},
    )


def _container(item: Mapping[str, Any], pod_name: str) -> model.SeenContainer:
    return model.SeenContainer(
        id=str(item["Id"]),
        name=str(item["Names"][0]).removeprefix(f"{pod_name}-"),
        state=_state(item),
        exit_code=int(item.get("ExitCode") or 0),
        started=_seconds(item.get("StartedAt")),
        finished=_seconds(item.get("ExitedAt")),
        image=str(item.get("Image", "")),
        image_id=str(item.get("ImageID", "")),
    )


def _state(item: Mapping[str, Any]) -> str:
    """After a power loss podman 4.3 says `created`, 5.4 `exited`, both with a start and no later end: that is `cut`."""
    state = _STATES.get(str(item.get("State", "")).lower(), "created")
    if state in ("running", "lost"):
        return state
    started, finished = _seconds(item.get("StartedAt")), _seconds(item.get("ExitedAt"))
    if started and finished + _QUIRK_SECONDS < started:
        return "cut"
    return state


def _seconds(value: Any) -> int:
    """podman's time of year 1 means never."""
    return max(0, int(value or 0))
