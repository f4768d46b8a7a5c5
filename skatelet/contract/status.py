"""The status: what skatelet saw and did, as one JSON file that `skate get` reads back.

Container states and reasons are Kubernetes' own (https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/), so that
the CLI prints what kubectl would. Times are RFC 3339 in UTC, from the node's clock. The file's mtime is the heartbeat: a
run with nothing to do writes no byte.
"""

from __future__ import annotations

from pydantic import Field

from skatelet.contract.bundle import Owner
from skatelet.contract.models import Model

FORMAT = 1
MAX_BYTES = 8 * 1024 * 1024
MAX_EVENTS = 100
MAX_REJECTED = 10
HEARTBEAT_SECONDS = 300
"""How often the drift timer wakes skatelet. A heartbeat older than three of these is stale."""


class Waiting(Model):
    reason: str
    """ContainerCreating, ErrImagePull, ImagePullBackOff, CrashLoopBackOff, CreateContainerError, …"""
    message: str = ""


class Running(Model):
    started_at: str


class Terminated(Model):
    exit_code: int
    reason: str
    """Completed, Error, OOMKilled, ContainerCannotRun"""
    message: str = ""
    started_at: str = ""
    finished_at: str = ""


class ContainerState(Model):
    """Exactly one of the three is set."""

    waiting: Waiting | None = None
    running: Running | None = None
    terminated: Terminated | None = None


class ContainerStatus(Model):
    name: str
    image: str
    image_id: str = ""
    container_id: str = ""
    ready: bool = False
    restarts: int = 0
    state: ContainerState
    last_state: ContainerState | None = None


class InstanceStatus(Model):
    name: str
    namespace: str
    owner: Owner
    hash: str
    address: str = ""
    phase: str
    """Pending, Running, Succeeded, Failed or Unknown"""
    ready: bool = False
    desired: bool = True
    """False for a pod that is on its way out: not in the bundle any more, still there."""
    reason: str = ""
    """Set when the pod as a whole has one, such as a port that is taken."""
    message: str = ""
    start_time: str = ""
    containers: list[ContainerStatus] = Field(default_factory=list)


class Condition(Model):
    type: str
    """Ready, PodsReady, DropReady, …"""
    status: str
    """True, False or Unknown"""
    reason: str = ""
    message: str = ""
    last_transition_time: str = ""


class Event(Model):
    time: str
    """When it last happened."""
    type: str
    """Normal or Warning"""
    reason: str
    object: str
    """As `pod/namespace/name`, `node/name` or `bundle/generation`."""
    message: str
    count: int = 1


class Rejection(Model):
    """A bundle that was refused, and is never tried again by itself."""

    time: str
    generation: int | None = None
    """None where the bundle could not be read that far."""
    sha256: str = ""
    reason: str
    message: str


class Resources(Model):
    cpu_millis: int
    memory_bytes: int
    pods: int


class NodeInfo(Model):
    addresses: list[str] = Field(default_factory=list)
    capacity: Resources
    allocatable: Resources
    os_image: str
    kernel: str
    architecture: str
    """As Kubernetes names it: amd64, arm64."""
    podman_version: str
    skatelet_version: str
    boot_time: str
    images: list[str] = Field(default_factory=list)


class Status(Model):
    format_version: int = FORMAT
    cluster: str
    node: str
    time: str
    """When this content was written; the file's mtime says when it was last confirmed."""
    generation_seen: int = 0
    """The generation of the bundle that is followed."""
    generation_reached: int = 0
    """The highest generation whose every instance was made as desired."""
    info: NodeInfo
    conditions: list[Condition] = Field(default_factory=list)
    instances: list[InstanceStatus] = Field(default_factory=list)
    events: list[Event] = Field(default_factory=list)
    rejected: list[Rejection] = Field(default_factory=list)
