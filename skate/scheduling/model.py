"""What goes into the scheduler and what comes out: plain frozen values, which know nothing of manifests, files or time.

Units: cpu in thousandths of a core, memory in bytes, addresses as dotted IPv4 text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

POD = "Pod"
DEPLOYMENT = "Deployment"


class Key(NamedTuple):
    """Which workload: a tuple, so that it sorts and serves in dictionaries."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind.lower()}/{self.namespace}/{self.name}"


@dataclass(frozen=True, kw_only=True)
class HostPort:
    """A port of the node that an instance takes for itself. No `host_ip`, or 0.0.0.0, is every address of it."""

    port: int
    protocol: str = "TCP"
    host_ip: str = ""


@dataclass(frozen=True, kw_only=True)
class Node:
    """A registered node, as far as it is known.

    `cpu_millis`, `memory_bytes` and `pods` are what it can give to instances altogether (Kubernetes' allocatable); None where
    the node was never seen, and then that resource is not checked.
    """

    name: str
    subnet: str
    """Where its instances' addresses are taken from, such as 10.66.1.0/24."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """`kubernetes.io/hostname` and `kubernetes.io/os` are implied where absent."""
    unschedulable: bool = False
    """Cordoned: keeps what it has, gets nothing new."""
    cpu_millis: int | None = None
    memory_bytes: int | None = None
    pods: int | None = None
    reachable: bool = True
    """An unreachable node keeps what it has (it may well be running it) and gets nothing new."""
    occupied: frozenset[str] = frozenset()
    """Addresses known to be in use there, such as those of pods that are still stopping: never given to a new instance."""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A Deployment, or a Pod that was applied by itself: `replicas` instances which are all alike."""

    kind: str
    namespace: str
    name: str
    hash: str
    """Of the pod template: an instance with another hash is another pod. The number of replicas has no part in it."""
    replicas: int = 1
    cpu_millis: int = 0
    """What one instance requests; 0 where it requests none."""
    memory_bytes: int = 0
    node_name: str | None = None
    node_selector: Mapping[str, str] = field(default_factory=dict)
    host_ports: tuple[HostPort, ...] = ()
    """With `host_network` also every containerPort."""
    host_network: bool = False
    """The instance has the node's addresses and none of its own."""

    def __post_init__(self) -> None:
        if self.replicas < 0 or (self.kind == POD and self.replicas != 1):
            raise ValueError(f"{self.key} cannot have {self.replicas} instances")

    @property
    def key(self) -> Key:
        return Key(self.kind, self.namespace, self.name)


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Where one instance stands: its name, its node, its address (empty with the host's network), its template's hash."""

    workload: Key
    instance: str
    node: str
    address: str
    hash: str


@dataclass(frozen=True, kw_only=True)
class Unplaced:
    """`count` instances of a workload which fit nowhere, and why, in kube-scheduler's words."""

    workload: Key
    count: int
    message: str


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Every instance that has a place, and what has none; both sorted. With anything unplaced, nothing should be applied."""

    placements: tuple[Placed, ...]
    unplaced: tuple[Unplaced, ...]
