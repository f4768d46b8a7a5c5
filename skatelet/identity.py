"""Who this node is, as /etc/skate/node.yaml says it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skatelet.contract import bundle, canonical
from skatelet.network import reconcile as network
from skatelet.paths import Paths

NOBODY = bundle.NodeIdentity(cluster="", node="", subnet="0.0.0.0/32")
"""What a node without an identity calls itself in its status."""


class Reader:
    """Reads it again when the file is another one: `create node` may write it while skatelet is awake."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._file: tuple[int, int, int] | None = None
        self._known: bundle.NodeIdentity | None = None

    def read(self) -> bundle.NodeIdentity | None:
        """As `read` below."""
        try:
            found = self._paths.identity.stat()
        except OSError:
            self._file = self._known = None
            return None
        file = (found.st_ino, found.st_mtime_ns, found.st_size)
        if file != self._file:
            self._file, self._known = file, read(self._paths)
        return self._known


def read(paths: Paths) -> bundle.NodeIdentity | None:
    """Who this node is; None when /etc/skate/node.yaml is missing or cannot be read."""
    try:
        data: Mapping[str, Any] = canonical.load(paths.identity.read_bytes())
        identity = bundle.NodeIdentity.model_validate(data)
        network.definition(identity.subnet)
    except (OSError, ValueError, IndexError):
        return None
    return identity
