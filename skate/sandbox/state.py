"""What a sandbox leaves on disk, and where. All of it lies in one directory, so that deleting that directory ends it.

/var/lib/skate-sandbox/            SKATE_SANDBOX_DIR; `lock` serialises the choice of subnets and names
  NAME/sandbox.json                this module's Sandbox: written before anything is made, removed last
  NAME/ssh/                        the key that nodes accept for root, and their pinned host keys
  NAME/nodes/NODE/upper, work      what the node changed of its root file system (overlayfs)
  NAME/nodes/NODE/var              the node's /var, a plain directory: podman and skate do not work on an overlay
  NAME/nodes/NODE/root             where the node's root is mounted, in a mount namespace of the node's own
  NAME/nodes/NODE/console.log      what the node printed since its last start
/var/cache/skate-sandbox/          SKATE_SANDBOX_CACHE; root file systems, see rootfs
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from skate.errors import SkateError
from skate.sandbox import host

DEFAULT_ROOT = Path("/var/lib/skate-sandbox")
_NAME = re.compile(r"^[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?$")


@dataclass(frozen=True, kw_only=True)
class NodeRecord:
    """One node: its name, its release, the root file system in the cache it starts from, and its address."""

    name: str
    release: str
    rootfs: str
    address: str
    host_key: str = ""
    """The public host key, `algorithm base64`."""


@dataclass(frozen=True, kw_only=True)
class Sandbox:
    """One sandbox as recorded on disk."""

    name: str
    subnet: str
    complete: bool = False
    """False from the first byte written until the last step of `create` is done."""
    registry: str = ""
    """The registry in which its context was made; empty when none was."""
    nodes: list[NodeRecord] = field(default_factory=list)

    @property
    def tag(self) -> str:
        """Eight characters of its own, for names that the kernel bounds at fifteen."""
        # Another SKATE_SANDBOX_DIR may hold a sandbox of the same name.
        identity = self.name if root() == DEFAULT_ROOT else str(self.directory)
        return hashlib.sha256(identity.encode()).hexdigest()[:8]

    @property
    def bridge(self) -> str:
        return f"sk-{self.tag}"

    @property
    def directory(self) -> Path:
        return root() / self.name

    @property
    def key(self) -> Path:
        """The private key that every node accepts for root."""
        return self.directory / "ssh" / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        return self.directory / "ssh" / "known_hosts"


def root() -> Path:
    """The directory that holds every sandbox."""
    return Path(os.environ.get("SKATE_SANDBOX_DIR") or DEFAULT_ROOT).absolute()


def cache() -> Path:
    """The directory that holds the root file systems nodes start from."""
    return Path(os.environ.get("SKATE_SANDBOX_CACHE") or "/var/cache/skate-sandbox").absolute()


def check_name(name: str) -> None:
    """Raises SkateError when `name` cannot be a sandbox's or a node's."""
    if not _NAME.match(name):
        raise SkateError(
            f"{name!r} is not a name for a sandbox or a node",
            hint="lower case letters, digits and dashes, at most 42, beginning and ending with a letter or digit",
        )


def load(name: str) -> Sandbox | None:
    """The sandbox of that name, also a half-made one; None when there is none. Raises SkateError for a broken record."""
    path = root() / name / "sandbox.json"
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        nodes = [NodeRecord(**item) for item in data.pop("nodes")]
        return Sandbox(nodes=nodes, **data)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise SkateError(f"{path} cannot be read: {error}", hint=f"`skate sandbox delete {name}` removes it") from error


def require(name: str) -> Sandbox:
    """The sandbox of that name. Raises SkateError when there is none."""
    sandbox = load(name)
    if sandbox is None:
        known = ", ".join(names()) or "none"
        raise SkateError(f"there is no sandbox {name!r}; there are: {known}", hint="`skate sandbox create` makes one")
    return sandbox


def names() -> list[str]:
    """The names of every sandbox that has a directory, half-made ones included."""
    if not root().is_dir():
        return []
    return sorted(path.name for path in root().iterdir() if path.is_dir() and _NAME.match(path.name))


def save(sandbox: Sandbox) -> None:
    """Record `sandbox`, replacing what was recorded of it."""
    sandbox.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = sandbox.directory / "sandbox.json"
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(asdict(sandbox), indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)


def forget(name: str) -> None:
    """Remove everything recorded of a sandbox; its record goes last, so that an interrupted delete can be repeated."""
    directory = root() / name
    for path in [*directory.glob("nodes/*"), *(item for item in directory.glob("*") if item.is_dir())]:
        host.remove_tree(path)
    host.remove_tree(directory)


@contextlib.contextmanager
def lock() -> Iterator[None]:
    """Held while a name and a subnet are chosen, so that two `create`s at once cannot choose the same."""
    root().mkdir(parents=True, exist_ok=True, mode=0o711)
    with (root() / "lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
