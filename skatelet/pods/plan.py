"""What to do about the pods of this node: desired, seen and remembered in, actions out. Pure.

One plan holds what can be done now, side by side; what must wait for it (playing a pod after its older self is gone) comes
with the next look. When nothing is left to do, the plan is empty and `due` says when a backoff ends.

The hold rule: a pod that is no longer desired stays while a desired pod of the same owner does not run here, so that a broken
new version never takes the old one away. Where the two cannot stand side by side (same name, address or host port, or
strategy Recreate) the old one goes as soon as the new one's images are on the node.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from skatelet.pods import model


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Actions to do now, when the next one is due (seconds since 1970), and pods that cannot be made as things stand."""

    actions: tuple[model.Action, ...] = ()
    due: float | None = None
    problems: Mapping[str, model.Failure] = field(default_factory=dict)


def plan(
    *,
    desired: Sequence[model.DesiredPod],
    seen: Sequence[model.SeenPod],
    memory: model.Memory,
    now: float,
) -> Plan:
    """The plan at `now`, seconds since 1970."""
    wanted = {pod.pod_name: pod for pod in desired}
    standing = {pod.name: pod for pod in seen}
    leaving = [pod for pod in seen if pod.managed and not _is_desired(pod, wanted)]
    awaited = [pod for pod in desired if not runs(pod, standing.get(pod.pod_name))]
    actions: list[model.Action] = []
    dues: list[float] = []
    problems: dict[str, model.Failure] = {}

    for old in leaving:
        if _goes(old, awaited, memory):
            _unless_failed(model.Remove(pod=old), memory, now, actions, dues)
    for pod in desired:
        there = standing.get(pod.pod_name)
        remembered = memory.get(pod.pod_name, model.PodMemory())
        if there is not None and not there.managed:
            message = f"a pod named {pod.pod_name} that is not skate's stands on the node; rename or remove it"
            problems[pod.pod_name] = model.Failure(reason="NameTaken", message=message)
        elif there is not None and there.is_as(pod):
            for action in _keep_up(pod, there, remembered, now, dues):
                _unless_failed(action, memory, now, actions, dues)
        elif not remembered.images_ready:
            _unless_failed(model.Fetch(pod=pod), memory, now, actions, dues)
        elif not any(_in_the_way(old, pod) for old in leaving):
            _unless_failed(model.Play(pod=pod), memory, now, actions, dues)
    return Plan(actions=tuple(actions), due=min(dues, default=None), problems=problems)


def runs(pod: model.DesiredPod, seen: model.SeenPod | None) -> bool:
    """Whether every container of `pod` runs or has ended well for good."""
    if seen is None or not seen.is_as(pod):
        return False
    found = [seen.container(item.name) for item in pod.containers]
    return all(
        item is not None
        and (item.running or (item.state == "exited" and not item.exit_code and pod.restart_policy != "Always"))
        for item in found
    )


def restarts(policy: str, exit_code: int) -> bool:
    """Whether a container that ended with `exit_code` is to be started again."""
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


def _is_desired(pod: model.SeenPod, wanted: Mapping[str, model.DesiredPod]) -> bool:
    return pod.name in wanted and pod.is_as(wanted[pod.name])


def _unless_failed(
    action: model.Action, memory: model.Memory, now: float, actions: list[model.Action], dues: list[float]
) -> None:
    """Add `action`, or when it is due if the last one for this pod failed."""
    failure = memory.get(action.pod_name, model.PodMemory()).failure
    # An old pod does not stay because the image of the new one of its name cannot be had, where another one needs its place.
    concerned = not isinstance(action, model.Remove) or (failure is not None and failure.removal)
    if failure is not None and concerned and failure.due > now:
        dues.append(failure.due)
    else:
        actions.append(action)


def _goes(old: model.SeenPod, awaited: Sequence[model.DesiredPod], memory: model.Memory) -> bool:
    successors = [pod for pod in awaited if _same_owner(old, pod)]
    if not successors:
        return True
    hindered = [pod for pod in awaited if _in_the_way(old, pod)]
    return any(memory.get(pod.pod_name, model.PodMemory()).images_ready for pod in hindered)


def _same_owner(old: model.SeenPod, pod: model.DesiredPod) -> bool:
    return (old.namespace, old.owner) == (pod.namespace, pod.owner)


def _in_the_way(old: model.SeenPod, pod: model.DesiredPod) -> bool:
    return (
        old.name == pod.pod_name
        or (bool(pod.address) and old.address == pod.address)
        or bool(set(old.host_ports) & set(pod.host_ports))
        or (pod.recreate and _same_owner(old, pod))
    )


def _keep_up(
    pod: model.DesiredPod, seen: model.SeenPod, memory: model.PodMemory, now: float, dues: list[float]
) -> list[model.Action]:
    """What a pod that stands as desired needs: to be made anew where it is broken, its ended containers started."""
    found = {item.name: seen.container(item.name) for item in pod.containers}
    incomplete = None in found.values() or not seen.infra
    severed = seen.infra != "running" and any(item.running for item in seen.containers)
    # podman takes what is lost for running, and would not start it.
    lost = pod.restart_policy != "Never" and any(item.state == "lost" for item in seen.containers)
    if incomplete or severed or lost or memory.replay:
        return [model.Remove(pod=seen, keep_volumes=True)]
    ready: list[model.SeenContainer] = []
    for name, container in found.items():
        if container is None or container.running:
            continue
        remembered = memory.containers.get(name, model.ContainerMemory())
        if not _to_be_started(pod.restart_policy, container, remembered):
            continue
        if remembered.due > now:
            dues.append(remembered.due)
        else:
            ready.append(container)
    return [model.Start(pod=pod, containers=tuple(ready))] if ready else []


def _to_be_started(policy: str, container: model.SeenContainer, memory: model.ContainerMemory) -> bool:
    if container.state == "exited":
        return restarts(policy, container.exit_code)
    never_started = container.state == "created" and memory.last is None
    return never_started or policy != "Never"
