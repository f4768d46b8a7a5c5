"""The nouns of the pods reconciler, as plain frozen data: what is desired, what is seen, what is remembered, what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PREFIX = "cluster.skate/"
MANAGED = "cluster.skate/managed"
NAMESPACE = "cluster.skate/namespace"
INSTANCE = "cluster.skate/instance"
HASH = "cluster.skate/hash"
OWNER = "cluster.skate/owner"
ADDRESS = "cluster.skate/address"
HOST_PORTS = "cluster.skate/host-ports"
GRACE = "cluster.skate/grace"
POD = "cluster.skate/pod"
DEFAULT_GRACE = 30


@dataclass(frozen=True, kw_only=True)
class DesiredContainer:
    """One container of a desired pod; `image` is the full reference, `invalid_image` is set when there is none."""

    name: str
    image: str
    pull: str
    """Always, IfNotPresent or Never"""
    invalid_image: bool = False


@dataclass(frozen=True, kw_only=True)
class DesiredPod:
    """One instance of the bundle, as far as planning needs to know it, and the manifest it is played from."""

    name: str
    namespace: str
    owner: str
    """As `Deployment/web`."""
    hash: str
    address: str
    restart_policy: str
    containers: tuple[DesiredContainer, ...]
    host_ports: tuple[str, ...] = ()
    """As `8080/tcp`; with hostNetwork every container port is one."""
    grace: int = DEFAULT_GRACE
    recreate: bool = False
    """The owner wants every old pod gone before a new one starts."""
    manifest: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def pod_name(self) -> str:
        """podman's name for the pod. A namespace has no dot, so two instances never share one."""
        return f"{self.name}.{self.namespace}"


@dataclass(frozen=True, kw_only=True)
class SeenContainer:
    """A container as podman has it; times in seconds since 1970, 0 where podman knows none."""

    id: str
    name: str
    """Without the pod's name in front."""
    state: str
    """running, exited, created (never started), cut (it ran when the node went down), or lost (see skatelet.pods.lost)"""
    exit_code: int = 0
    started: int = 0
    finished: int = 0
    image: str = ""
    image_id: str = ""

    @property
    def running(self) -> bool:
        return self.state == "running"


@dataclass(frozen=True, kw_only=True)
class SeenPod:
    """A podman pod with its containers, infra left out. `managed` says whether it is skate's to touch."""

    id: str
    name: str
    managed: bool
    infra: str = "running"
    """State of the infra container, empty when there is none."""
    namespace: str = ""
    instance: str = ""
    owner: str = ""
    hash: str = ""
    address: str = ""
    host_ports: tuple[str, ...] = ()
    grace: int = DEFAULT_GRACE
    containers: tuple[SeenContainer, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The user's own."""

    def is_as(self, pod: DesiredPod) -> bool:
        """Whether this is `pod` in the version that is desired.

        Names, zones and other nodes go by the address: another address is another pod, though name and template are the same.
        """
        return self.managed and (self.name, self.hash, self.address) == (pod.pod_name, pod.hash, pod.address)

    @property
    def runs(self) -> bool:
        """Whether every container of it runs."""
        return bool(self.containers) and all(item.running for item in self.containers)

    def container(self, name: str) -> SeenContainer | None:
        return next((item for item in self.containers if item.name == name), None)


@dataclass(frozen=True, kw_only=True)
class Exit:
    """How a container ended last."""

    exit_code: int
    reason: str
    message: str = ""
    started: int = 0
    finished: int = 0


@dataclass(frozen=True, kw_only=True)
class ContainerMemory:
    """What podman does not keep about one container of an instance."""

    id: str = ""
    noted: int = 0
    """Finish time of the exit that is already counted; 0 while it runs."""
    restarts: int = 0
    crashes: int = 0
    """Exits in a row without a good run of ten minutes between; the backoff grows with it."""
    due: float = 0.0
    """Not to be restarted before."""
    last: Exit | None = None


@dataclass(frozen=True, kw_only=True)
class Failure:
    """An action on a pod that failed, and when it is tried again."""

    reason: str
    message: str
    container: str = ""
    """Set where one container is to blame, such as for its image."""
    removal: bool = False
    """It is the removal of the pod that failed."""
    times: int = 1
    due: float = 0.0


@dataclass(frozen=True, kw_only=True)
class PodMemory:
    """What is remembered about one pod name. Another hash starts afresh."""

    hash: str = ""
    containers: Mapping[str, ContainerMemory] = field(default_factory=dict)
    failure: Failure | None = None
    images_ready: bool = False
    """Its images were fetched for the play that is to come."""
    ran: bool = False
    """Every container has run (or ended well) at least once."""
    replay: bool = False
    """The pod could not be started as it stands: remove it and play it anew."""


Memory = Mapping[str, PodMemory]
"""By podman pod name."""


@dataclass(frozen=True, kw_only=True)
class Play:
    """Play the pod; its images are there."""

    pod: DesiredPod

    @property
    def pod_name(self) -> str:
        return self.pod.pod_name


@dataclass(frozen=True, kw_only=True)
class Fetch:
    """Fetch the images that the pull policy asks for. An older pod that is in the way goes when they are here, not before."""

    pod: DesiredPod

    @property
    def pod_name(self) -> str:
        return self.pod.pod_name


@dataclass(frozen=True, kw_only=True)
class Start:
    """Start containers of a pod that stands."""

    pod: DesiredPod
    containers: tuple[SeenContainer, ...]

    @property
    def pod_name(self) -> str:
        return self.pod.pod_name


@dataclass(frozen=True, kw_only=True)
class Remove:
    """Stop the pod within its grace period and remove it; with `keep_volumes` its emptyDirs wait for the next play."""

    pod: SeenPod
    keep_volumes: bool = False

    @property
    def pod_name(self) -> str:
        return self.pod.name


Action = Play | Fetch | Start | Remove
