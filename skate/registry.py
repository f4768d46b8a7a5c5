"""The developer's registry, `~/.skate/config.yaml`: which clusters there are and how their nodes are reached.

Nothing that matters lives only here: everything but the paths of keys can be rebuilt from one node's bundle. A context is a
cluster's name. The file is replaced by rename, so a crash leaves the old one; `SKATECONFIG` and `--skateconfig` name
another. Who changes it does so inside `edit`, which locks: two skate processes never lose each other's changes.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from skate.errors import ConfigError
from skatelet.contract import canonical

DEFAULT_CIDR = "10.66.0.0/16"
_MEND = "mend the file, or name another with --skateconfig"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True)


class NodeEntry(_Model):
    """One node as this machine reaches it."""

    name: str
    host: str = ""
    port: int = 22
    user: str = "root"
    """The operator's own account, used only by `create node` and the like; the drop is always reached as `skate`."""
    key: str = ""
    """The private key for both; empty means ssh's own defaults and agent."""
    peer_host: str = ""
    subnet: str
    host_key: str = ""
    """The pinned public host key, `algorithm base64`."""
    local: bool = False
    """This very machine: the drop is a directory, no SSH."""
    labels: dict[str, str] = Field(default_factory=dict)


class ClusterEntry(_Model):
    name: str
    cidr: str = DEFAULT_CIDR
    network: Literal["", "routes", "vxlan"] = ""
    """How nodes are to reach each other's pods, where this machine has said so; else the cluster's own word stands."""
    drop_key: str = ""
    """The private key the drop account knows; made by `create node`, never the operator's own."""
    seal_key: str = ""
    """The file with the private key that Secrets are unsealed with; empty where this machine has none."""
    nodes: list[NodeEntry] = Field(default_factory=list)
    pending: list[NodeEntry] = Field(default_factory=list)
    """Nodes that `create node` is at work on, or was interrupted at: no members yet, but their subnets are taken."""

    def node(self, name: str) -> NodeEntry | None:
        return next((node for node in self.nodes if node.name == name), None)

    def pending_node(self, name: str) -> NodeEntry | None:
        return next((node for node in self.pending if node.name == name), None)

    def put_node(self, entry: NodeEntry) -> None:
        """Make `entry` a member, in place of an older one of that name, pending or not."""
        self.pending = [node for node in self.pending if node.name != entry.name]
        self.nodes = sorted([node for node in self.nodes if node.name != entry.name] + [entry], key=lambda n: n.name)

    def put_pending(self, entry: NodeEntry) -> None:
        others = [node for node in self.pending if node.name != entry.name]
        self.pending = sorted([*others, entry], key=lambda n: n.name)


class Registry(_Model):
    current_context: str = ""
    clusters: list[ClusterEntry] = Field(default_factory=list)

    def cluster(self, name: str) -> ClusterEntry | None:
        return next((cluster for cluster in self.clusters if cluster.name == name), None)

    def require(self, context: str = "") -> ClusterEntry:
        """The cluster of `context`, or of the current context. Raises ConfigError when there is none."""
        name = context or self.current_context
        if not name:
            raise ConfigError(
                "no cluster is chosen", hint="make one with `skate create cluster NAME`, or pass --context"
            )
        cluster = self.cluster(name)
        if cluster is None:
            known = ", ".join(item.name for item in self.clusters) or "none"
            raise ConfigError(
                f'context "{name}" does not exist; known: {known}', hint="see `skate config get-contexts`"
            )
        return cluster

    def put_cluster(self, entry: ClusterEntry) -> None:
        self.clusters = sorted(
            [item for item in self.clusters if item.name != entry.name] + [entry], key=lambda c: c.name
        )

    def remove_cluster(self, name: str) -> None:
        self.clusters = [item for item in self.clusters if item.name != name]
        if self.current_context == name:
            self.current_context = ""


def default_path() -> Path:
    """Where the registry lies when no flag says otherwise."""
    return Path(os.environ.get("SKATECONFIG") or Path.home() / ".skate" / "config.yaml")


def load(path: Path) -> Registry:
    """The registry at `path`; an empty one where there is none. Raises ConfigError when it cannot be read."""
    try:
        data = canonical.load(path.read_bytes())
    except FileNotFoundError:
        return Registry()
    except (OSError, canonical.CanonicalError) as error:
        words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigError(f"{path} cannot be read: {words}", hint=_MEND) from error
    try:
        return Registry.model_validate(data or {})
    except ValidationError as error:
        details = [f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()]
        raise ConfigError(f"{path} is not a skate configuration", details=details, hint=_MEND) from error


def save(registry: Registry, path: Path) -> None:
    """Replace the registry at `path`, durably, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    data = canonical.dump(registry.model_dump(mode="json", by_alias=True, exclude_defaults=True))
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def edit(path: Path) -> Iterator[Registry]:
    """The registry at `path`, to be changed: saved when the block ends well and something changed.

    An exclusive lock (beside the file, since the file itself is replaced) is held meanwhile, also between threads: so keep
    the block short, and wait for no network in it. Raises ConfigError when it cannot be read or written.
    """
    import fcntl

    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(path.parent / f".{path.name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"{path} cannot be changed: {error}", hint="name another with --skateconfig") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        registry = load(path)
        before = registry.model_dump()
        yield registry
        if registry.model_dump() != before:
            try:
                save(registry, path)
            except OSError as error:
                raise ConfigError(f"{path} cannot be written: {error}") from error
    finally:
        os.close(lock)


def free_subnet(cluster: ClusterEntry, *, avoid: Iterable[ipaddress.IPv4Network] = ()) -> str:
    """The first /24 of the cluster's range (the very first left out) that no node has and that overlaps none of `avoid`.

    Raises ConfigError if there is none.
    """
    taken = [ipaddress.ip_network(node.subnet) for node in [*cluster.nodes, *cluster.pending]]
    taken += avoid
    candidates = ipaddress.ip_network(cluster.cidr).subnets(new_prefix=24)
    next(candidates)
    for candidate in candidates:
        if not any(candidate.overlaps(network) for network in taken):
            return str(candidate)
    raise ConfigError(f"every /24 of {cluster.cidr} is taken", hint="create the cluster with a larger --cidr")
