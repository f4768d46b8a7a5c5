"""A world of pods as plain data, in which planned actions are simply carried out: for golden cases and properties."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from skatelet.pods import memory, model, plan


@dataclasses.dataclass
class World:
    """What is desired, seen and remembered; `step` plans once and does what was planned."""

    desired: list[model.DesiredPod]
    seen: list[model.SeenPod]
    memory: dict[str, model.PodMemory]
    now: float
    broken: frozenset[str] = frozenset()
    """Names of pods whose images cannot be fetched."""
    serial: int = 0

    def plan(self) -> plan.Plan:
        standing = {pod.name: pod for pod in self.seen}
        for pod in self.desired:
            name = pod.pod_name
            before = self.memory.get(name, model.PodMemory())
            self.memory[name] = memory.note(before, pod, standing.get(name), self.now)
        return plan.plan(desired=self.desired, seen=self.seen, memory=self.memory, now=self.now)

    def step(self) -> plan.Plan:
        todo = self.plan()
        for action in todo.actions:
            self._do(action)
        return todo

    def settle(self, rounds: int = 20) -> list[list[str]]:
        """The words of each round's actions until one plans nothing; that last, empty round is left out."""
        found = []
        for _ in range(rounds):
            words = sorted(describe(action) for action in self.step().actions)
            if not words:
                return found
            found.append(words)
        raise AssertionError(f"still busy after {rounds} rounds: {found}")

    def _do(self, action: model.Action) -> None:
        result = memory.Result()
        match action:
            case model.Fetch():
                if action.pod_name in self.broken:
                    container = action.pod.containers[0].name
                    failure = model.Failure(reason="ErrImagePull", message="no such host", container=container)
                    result = memory.Result(failure=failure)
            case model.Remove():
                self.seen = [pod for pod in self.seen if pod.id != action.pod.id]
            case model.Play():
                assert action.pod_name not in {pod.name for pod in self.seen}, "played beside a pod of the same name"
                pod = self._played(action.pod)
                self.seen.append(pod)
                result = memory.Result(
                    started=tuple(memory.Started(name=item.name, id=item.id) for item in pod.containers)
                )
            case model.Start():
                chosen = {item.id for item in action.containers}
                self.seen = [self._started(pod, chosen) for pod in self.seen]
                result = memory.Result(
                    started=tuple(memory.Started(name=item.name, id=item.id) for item in action.containers)
                )
        before = self.memory.get(action.pod_name, model.PodMemory())
        self.memory[action.pod_name] = memory.apply(before, action, result, self.now)

    def _played(self, pod: model.DesiredPod) -> model.SeenPod:
        self.serial += 1
        return model.SeenPod(
            id=f"made-{self.serial}",
            name=pod.pod_name,
            managed=True,
            namespace=pod.namespace,
            instance=pod.name,
            owner=pod.owner,
            hash=pod.hash,
            address=pod.address,
            host_ports=pod.host_ports,
            grace=pod.grace,
            containers=tuple(
                model.SeenContainer(
                    id=f"made-{self.serial}-{item.name}", name=item.name, state="running", started=int(self.now)
                )
                for item in pod.containers
            ),
        )

    def _started(self, pod: model.SeenPod, chosen: set[str]) -> model.SeenPod:
        if not any(item.id in chosen for item in pod.containers):
            return pod
        containers = tuple(
            dataclasses.replace(item, state="running", started=int(self.now), finished=0) if item.id in chosen else item
            for item in pod.containers
        )
        return dataclasses.replace(pod, infra="running", containers=containers)


def describe(action: model.Action) -> str:
    """One action in words, such as `start web-1.default app` or `remove web-1.default keeping volumes`."""
    words = [type(action).__name__.lower(), action.pod_name]
    if isinstance(action, model.Start):
        words += sorted(item.name for item in action.containers)
    if isinstance(action, model.Remove) and action.keep_volumes:
        words.append("keeping volumes")
    return " ".join(words)


def desired_from(data: Mapping[str, Any]) -> model.DesiredPod:
    """A desired pod from a golden file: everything but the name has a default."""
    fields = {
        "namespace": "default",
        "owner": "Deployment/web",
        "hash": "h1",
        "address": "",
        "restart_policy": "Always",
    }
    containers = [
        model.DesiredContainer(name=name, image="docker.io/library/x:1", pull="IfNotPresent")
        for name in data.get("containers", ["app"])
    ]
    rest = {key: value for key, value in data.items() if key not in ("containers", "host_ports")}
    return model.DesiredPod(
        **{**fields, **rest}, containers=tuple(containers), host_ports=tuple(data.get("host_ports", ()))
    )


def seen_from(data: Mapping[str, Any]) -> model.SeenPod:
    """A seen pod from a golden file; its id is its name unless given."""
    name, _, namespace = data["name"].rpartition(".")
    managed = data.get("managed", True)
    fields: dict[str, Any] = {"id": data["name"], "managed": managed}
    if managed:
        fields |= {"namespace": namespace, "instance": name, "owner": "Deployment/web", "hash": "h1"}
    containers = tuple(
        model.SeenContainer(**{"id": f"{data['name']}-{item['name']}", "state": "running", "started": 900, **item})
        for item in data.get("containers", [{"name": "app"}])
    )
    rest = {key: value for key, value in data.items() if key not in ("containers", "host_ports")}
    return model.SeenPod(**{**fields, **rest}, containers=containers, host_ports=tuple(data.get("host_ports", ())))


def memory_from(data: Mapping[str, Any]) -> dict[str, model.PodMemory]:
    """What is remembered, from a golden file."""
    found = {}
    for name, item in data.items():
        containers = {
            key: model.ContainerMemory(**{**value, "last": model.Exit(**value["last"]) if value.get("last") else None})
            for key, value in item.get("containers", {}).items()
        }
        failure = model.Failure(**item["failure"]) if item.get("failure") else None
        found[name] = model.PodMemory(**{"hash": "h1", **item, "containers": containers, "failure": failure})
    return found


def world_from(case: Mapping[str, Any]) -> World:
    """The world of a golden case."""
    return World(
        desired=[desired_from(item) for item in case.get("desired") or []],
        seen=[seen_from(item) for item in case.get("seen") or []],
        memory=memory_from(case.get("memory") or {}),
        now=float(case.get("now", 1000)),
        broken=frozenset(case.get("broken") or ()),
    )


def names(actions: Sequence[model.Action]) -> set[str]:
    return {action.pod_name for action in actions}
