"""The pods in Kubernetes' words: what `kubectl get pods` would know about each. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence

from skatelet.contract import status
from skatelet.contract.bundle import Owner
from skatelet.pods import memory as memories
from skatelet.pods import model
from skatelet.pods import plan as planning


def instances(
    *,
    desired: Sequence[model.DesiredPod],
    seen: Sequence[model.SeenPod],
    memory: model.Memory,
    problems: Mapping[str, model.Failure],
) -> list[status.InstanceStatus]:
    """Every desired pod, and every pod of skate's that is on its way out."""
    standing = {pod.name: pod for pod in seen if pod.managed}
    found = [
        _desired(
            pod,
            _if_same(standing.get(pod.pod_name), pod),
            memory.get(pod.pod_name, model.PodMemory()),
            problems.get(pod.pod_name),
        )
        for pod in desired
    ]
    wanted = {pod.pod_name: pod for pod in desired}
    found += [_leaving(pod) for name, pod in standing.items() if name not in wanted or not pod.is_as(wanted[name])]
    return sorted(found, key=lambda item: (item.namespace, item.name, not item.desired))


def stamp(seconds: float) -> str:
    """RFC 3339 in UTC; empty for 0."""
    if not seconds:
        return ""
    return datetime.datetime.fromtimestamp(int(seconds), datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _if_same(seen: model.SeenPod | None, pod: model.DesiredPod) -> model.SeenPod | None:
    return seen if seen is not None and seen.is_as(pod) else None


def _desired(
    pod: model.DesiredPod, seen: model.SeenPod | None, memory: model.PodMemory, problem: model.Failure | None
) -> status.InstanceStatus:
    failure = problem or (memory.failure if memory.hash == pod.hash else None)
    containers = [_container(pod, item, seen, memory, failure) for item in pod.containers]
    whole = failure if failure is not None and not failure.container else None
    kind, _, owner = pod.owner.partition("/")
    starts = [item.started for item in seen.containers if item.started] if seen else []
    return status.InstanceStatus(
        name=pod.name,
        namespace=pod.namespace,
        owner=Owner(kind=kind, name=owner),
        hash=pod.hash,
        address=pod.address,
        phase=_phase(pod, containers),
        ready=bool(containers) and all(item.ready for item in containers),
        reason=whole.reason if whole else "",
        message=whole.message if whole else "",
        start_time=stamp(min(starts, default=0)),
        containers=containers,
    )


def _leaving(pod: model.SeenPod) -> status.InstanceStatus:
    kind, _, owner = pod.owner.partition("/")
    containers = [
        status.ContainerStatus(
            name=item.name,
            image=item.image,
            image_id=item.image_id,
            container_id=item.id,
            ready=item.running,
            state=_plain_state(item),
        )
        for item in pod.containers
    ]
    return status.InstanceStatus(
        name=pod.instance,
        namespace=pod.namespace,
        owner=Owner(kind=kind, name=owner),
        hash=pod.hash,
        address=pod.address,
        phase="Running" if any(item.running for item in pod.containers) else "Unknown",
        ready=bool(containers) and all(item.ready for item in containers),
        desired=False,
        start_time=stamp(min((item.started for item in pod.containers if item.started), default=0)),
        containers=containers,
    )


def _plain_state(item: model.SeenContainer) -> status.ContainerState:
    if item.running:
        return status.ContainerState(running=status.Running(started_at=stamp(item.started)))
    if item.state == "exited":
        reason = "Error" if item.exit_code else "Completed"
        return _terminated(
            model.Exit(exit_code=item.exit_code, reason=reason, started=item.started, finished=item.finished)
        )
    return status.ContainerState(waiting=status.Waiting(reason="ContainerCreating"))


def _terminated(last: model.Exit) -> status.ContainerState:
    return status.ContainerState(
        terminated=status.Terminated(
            exit_code=last.exit_code,
            reason=last.reason,
            message=last.message,
            started_at=stamp(last.started),
            finished_at=stamp(last.finished),
        )
    )


def _container(
    pod: model.DesiredPod,
    item: model.DesiredContainer,
    seen: model.SeenPod | None,
    memory: model.PodMemory,
    failure: model.Failure | None,
) -> status.ContainerStatus:
    container = seen.container(item.name) if seen else None
    remembered = memory.containers.get(item.name, model.ContainerMemory())
    state = _state(pod, item, container, remembered, failure)
    last = remembered.last if remembered.last is not None and state.terminated is None else None
    return status.ContainerStatus(
        name=item.name,
        image=item.image,
        image_id=container.image_id if container else "",
        container_id=container.id if container else "",
        ready=state.running is not None,
        restarts=remembered.restarts,
        state=state,
        last_state=_terminated(last) if last else None,
    )


def _state(
    pod: model.DesiredPod,
    item: model.DesiredContainer,
    container: model.SeenContainer | None,
    memory: model.ContainerMemory,
    failure: model.Failure | None,
) -> status.ContainerState:
    if container is None:
        return status.ContainerState(waiting=_waiting_for_pod(item, failure))
    if container.running:
        return status.ContainerState(running=status.Running(started_at=stamp(container.started)))
    if memory.last is None:
        return status.ContainerState(waiting=status.Waiting(reason="ContainerCreating"))
    for_good = not planning.restarts(pod.restart_policy, memory.last.exit_code)
    delay = memories.restart_delay(memory.crashes)
    if for_good or (not delay and memory.last.reason != "StartError"):
        return _terminated(memory.last)
    if not delay:
        return status.ContainerState(waiting=status.Waiting(reason="RunContainerError", message=memory.last.message))
    message = f"back-off {_duration(delay)} restarting failed container={item.name} pod={pod.name}_{pod.namespace}"
    if memory.last.message:
        message += f": {memory.last.message}"
    return status.ContainerState(waiting=status.Waiting(reason="CrashLoopBackOff", message=message))


def _waiting_for_pod(item: model.DesiredContainer, failure: model.Failure | None) -> status.Waiting:
    if failure is None:
        return status.Waiting(reason="ContainerCreating")
    if not failure.container:
        return status.Waiting(reason="ContainerCreating", message=failure.message)
    if failure.container != item.name:
        return status.Waiting(reason="ContainerCreating")
    if failure.reason == "ErrImagePull" and failure.times > 1:
        message = f'Back-off pulling image "{item.image}": {failure.message}'
        return status.Waiting(reason="ImagePullBackOff", message=message)
    return status.Waiting(reason=failure.reason, message=failure.message)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def _phase(pod: model.DesiredPod, containers: Sequence[status.ContainerStatus]) -> str:
    """https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-phase"""
    ended = [item.state.terminated for item in containers if item.state.terminated]
    if len(ended) == len(containers) and ended:
        for_good = not any(planning.restarts(pod.restart_policy, item.exit_code) for item in ended)
        if for_good:
            return "Failed" if any(item.exit_code for item in ended) else "Succeeded"
        return "Running"
    if any(item.state.waiting and item.last_state is None for item in containers):
        return "Pending"
    return "Running"
