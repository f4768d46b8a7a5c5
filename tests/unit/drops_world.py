"""Nodes that are nothing but a drop on the disk and skatelet's own intake: for everything that deploys or reads without a pod."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from skate import drops, registry
from skate.drops import local
from skate.errors import NodeError
from skatelet import intake
from skatelet.contract import bundle, drop, status
from skatelet.paths import Paths

NAMES = ("n1", "n2", "n3")
CLUSTER = "test"
ROOM = status.Resources(cpu_millis=1000, memory_bytes=2**30, pods=10)
INFO = status.NodeInfo(
    capacity=ROOM,
    allocatable=ROOM,
    os_image="Debian",
    kernel="6.1",
    architecture="amd64",
    podman_version="4.3.1",
    skatelet_version="0.1.0",
    boot_time="2030-01-01T00:00:00Z",
)


class Node:
    """A drop on the disk, and what skatelet does with it, short of running pods: it says that they run."""

    def __init__(self, root: Path, name: str) -> None:
        self.name = name
        self.paths = Paths(root=root)
        self.identity = bundle.NodeIdentity(cluster=CLUSTER, node=name, subnet=f"10.66.{name[1:]}.0/24")
        self.own: bundle.Bundle | None = None
        self.data = b""
        self.refused: list[intake.Refusal] = []
        self.history: list[int] = []
        self.up = True
        self.says: dict[str, Any] = {}
        """What the status says otherwise than it would."""
        for directory in (*drop.WRITABLE, *drop.READABLE):
            (self.paths.drop / directory).mkdir(parents=True)
        self.paths.bundle.parent.mkdir(parents=True)
        self.write_status()

    def write_status(self) -> None:
        said = status.Status(
            **{
                "cluster": CLUSTER,
                "node": self.name,
                "time": "",
                "generation_seen": self.own.index.generation if self.own else 0,
                "info": INFO,
                "instances": [running(item) for item in self.own.instances()] if self.own else [],
                **self.says,
            }
        )
        temporary = self.paths.status.with_suffix(".new")
        temporary.write_text(json.dumps(said.to_data()))
        temporary.replace(self.paths.status)

    def wake(self) -> None:
        """What skatelet does when it is woken: take, keep, say so, and only then empty the inbox."""
        taken = intake.take(self.paths, identity=self.identity, own=self.own, own_data=self.data)
        self.refused += taken.refusals
        if taken.bundle is not None:
            self.own, self.data = taken.bundle, taken.data
            self.paths.accepted.write_bytes(taken.data)
            self.history.append(taken.bundle.index.generation)
        self.write_status()
        intake.clear(self.paths, taken.consumed)
        intake.prune(self.paths, generation=self.own.index.generation if self.own else 0)

    @property
    def objects(self) -> set[str]:
        return {item.manifest["metadata"]["name"] for item in self.own.objects()} if self.own else set()


def running(item: bundle.Instance, **changes: Any) -> status.InstanceStatus:
    """The instance as a node reports it when it runs and is ready."""
    up = status.ContainerState(running=status.Running(started_at="2030-01-01T00:00:00Z"))
    containers = [
        status.ContainerStatus(name=container["name"], image=container["image"], ready=True, state=up)
        for container in item.pod["spec"]["containers"]
    ]
    said = status.InstanceStatus(
        name=item.name,
        namespace=item.namespace,
        owner=item.owner,
        hash=item.hash,
        address=item.address,
        phase="Running",
        ready=True,
        start_time="2030-01-01T00:00:00Z",
        containers=containers,
    )
    return said.model_copy(update=changes)


def entries(names: Sequence[str] = NAMES) -> list[registry.NodeEntry]:
    return [registry.NodeEntry(name=name, host=name, subnet=f"10.66.{name[1:]}.0/24") for name in names]


def connector(made: dict[str, Node]) -> Callable[..., AbstractAsyncContextManager[drops.Drop]]:
    """What stands for drops.connect: the drops on the disk, of those nodes that are up."""

    @contextlib.asynccontextmanager
    async def connect(entry: registry.NodeEntry, *, drop_key: str, timeout: float) -> AsyncIterator[drops.Drop]:
        if not made[entry.name].up:
            raise NodeError("no answer in time")
        yield local.open_drop(made[entry.name].paths.drop)

    return connect
