"""Drops: the places and carriers that bundles travel through, all behind one small interface.

A drop knows nothing of scheduling: it reads what a node says, claims a generation, and puts a bundle where systemd will
wake skatelet. `connect` finds the right carrier for a registered node.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from skate import registry
from skate.errors import NodeError


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What one look at a node's drop shows."""

    status: bytes | None
    """The status file; None when the node has never written one."""
    heartbeat: float = 0.0
    """When the status was last confirmed, in seconds since the epoch by the node's clock."""
    pending: tuple[int, ...] = ()
    """Generations in the inbox, not yet taken by skatelet."""
    claims: Mapping[int, bytes] = field(default_factory=dict)
    """Who claimed which generation."""


class Drop(Protocol):
    """One node's drop, connected. Every method raises NodeError when the carrier fails."""

    async def read_status(self) -> Reading:
        """The status alone: one file, as cheap as it gets. `pending` and `claims` stay empty."""
        ...

    async def read_all(self) -> Reading:
        """The status, what lies in the inbox, and every claim."""
        ...

    async def read_bundle(self, generation: int | None = None) -> bytes | None:
        """The archive of the pending `generation`, or (None) of the accepted bundle; None when it is not there."""
        ...

    async def claim(self, generation: int, content: bytes) -> bool:
        """Claim the right to publish `generation` on this node. False: somebody has it already."""
        ...

    async def retract(self, generation: int) -> None:
        """Take back a claim that `claim` has just granted us, and that we do not use."""
        ...

    async def publish(self, generation: int, archive: bytes) -> bool:
        """Put a bundle into the inbox, whole or not at all. False: that generation lies there already."""
        ...


@contextlib.asynccontextmanager
async def connect(node: registry.NodeEntry, *, drop_key: str, timeout: float) -> AsyncIterator[Drop]:
    """The drop of `node`, connected within `timeout` seconds. Raises NodeError in words when it cannot be."""
    if node.local:
        from skate.drops import local

        yield local.open_drop()
        return
    if not node.host:
        raise NodeError(
            "it was registered as --local elsewhere: its address is not known here",
            hint=f"give it one with `skate create node --name {node.name} --host HOST`",
        )
    from skate.drops import sftp

    async with sftp.connect(node, drop_key=drop_key, timeout=timeout) as drop:
        yield drop
