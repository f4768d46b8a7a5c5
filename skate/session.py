"""A cluster as this machine reaches it: every node's drop, connected side by side, and what they say.

A node that cannot be reached delays nobody: it is a NodeView with an error, and the last status this machine has read of it (kept
beside the registry) tells since when. Nodes that only the catalogue knows, because somebody else registered them, are
reached as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from skate import catalogue, drops, registry
from skate.errors import NodeError
from skatelet.contract import bundle
from skatelet.contract import status as contract_status

Result = TypeVar("Result")
CONNECT_SECONDS = 5.0
HURRIED_SECONDS = 2.0
HURRIED_FACTOR = 3.0
"""Who only looks waits for a silent node this many times as long as the slowest other took, and HURRIED_SECONDS at least:
so a node that is down delays a look by 2 s and not by 5, and a slow link, where every node is slow, still gets its time."""
STATUS_SECONDS = 10.0
OPERATION_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class NodeView:
    """One node as it is seen now."""

    entry: registry.NodeEntry
    drop: drops.Drop | None = None
    error: str = ""
    """Why the node cannot be reached or read; empty when it can."""
    reading: drops.Reading | None = None
    status: contract_status.Status | None = None
    """What the node says; what it said last when it cannot be reached now; None when it never said anything."""
    last_seen: float = 0.0
    """The heartbeat in seconds since the epoch: by the node's clock; for one that cannot be reached, when we last did."""

    @property
    def reachable(self) -> bool:
        return self.drop is not None and not self.error

    @property
    def generation(self) -> int:
        """The highest generation this node has taken or is about to take; 0 for none."""
        seen = self.status.generation_seen if self.status and self.reachable else 0
        return max([seen, *(self.reading.pending if self.reading else ())])


class Session:
    """The drops of one cluster. Made by `open_session`."""

    def __init__(
        self,
        cluster: registry.ClusterEntry,
        *,
        cache: Path,
        stack: contextlib.AsyncExitStack,
        hurried: bool = False,
    ) -> None:
        self.cluster = cluster
        self._hurried = hurried
        self.nodes: dict[str, NodeView] = {}
        self._cache = cache
        self._stack = stack

    @property
    def reachable(self) -> list[NodeView]:
        return [view for view in self.nodes.values() if view.reachable]

    @property
    def unreachable(self) -> list[NodeView]:
        return [view for view in self.nodes.values() if not view.reachable]

    async def connect(self, entries: list[registry.NodeEntry]) -> None:
        """Connect to nodes side by side; those that do not answer become views with an error."""
        start = time.monotonic()
        pending = {asyncio.create_task(self._connect(entry)): entry for entry in entries}
        deadline = math.inf
        try:
            while pending and (left := deadline - time.monotonic()) > 0:
                timeout = None if left == math.inf else left
                done, _ = await asyncio.wait(pending, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    view = self.nodes[pending.pop(task).name] = task.result()
                    if self._hurried and view.drop is not None:
                        took = time.monotonic() - start
                        deadline = start + max(HURRIED_SECONDS, HURRIED_FACTOR * took)
        finally:
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        for entry in pending.values():
            silence = NodeError(f"{entry.host}:{entry.port}: no answer within {time.monotonic() - start:.1f} s")
            self.nodes[entry.name] = self._unreachable(NodeView(entry=entry), silence)
        self.nodes = dict(sorted(self.nodes.items()))

    async def read(self, *, everything: bool = True) -> None:
        """Read every connected node anew: its status, and with `everything` its inbox and claims.

        Without `everything`, who reads is polling: a node that fell silent is not asked again, or each round would wait for it.
        """
        views = await asyncio.gather(*(self._read(view, everything) for view in self.nodes.values()))
        for view in views:
            self.nodes[view.entry.name] = view

    async def read_catalogue(self) -> catalogue.Catalogue:
        """The newest catalogue any reachable node has, and the nodes only it knows connected and read as well."""
        found = catalogue.empty(
            bundle.Cluster(name=self.cluster.name, cidr=self.cluster.cidr, network=self.cluster.network or "routes")
        )
        for view in sorted(self.reachable, key=lambda item: (-item.generation, item.entry.name)):
            if view.generation <= found.generation:
                break
            with contextlib.suppress(NodeError, bundle.BundleError):
                newest = await self._read_bundle(view)
                if newest is not None and newest.index.generation > found.generation:
                    found = catalogue.from_bundle(newest)
        foreign = [node for node in found.nodes.values() if node.name not in self.nodes]
        if foreign:
            await self.connect([_entry_of(node) for node in foreign])
            await self.read()
            if any(self.nodes[node.name].generation > found.generation for node in foreign):
                return await self.read_catalogue()
        return found

    async def on_reachable(self, work: Callable[[NodeView], Awaitable[bool]]) -> dict[str, bool | NodeError]:
        """Do `work` on every reachable node side by side: node name to what it returned, or to the NodeError."""

        async def guarded(view: NodeView) -> bool | NodeError:
            try:
                async with asyncio.timeout(OPERATION_SECONDS):
                    return await work(view)
            except NodeError as error:
                return error
            except TimeoutError:
                return NodeError(f"no answer within {OPERATION_SECONDS:.0f} s")

        views = self.reachable
        return dict(zip([view.entry.name for view in views], await asyncio.gather(*map(guarded, views)), strict=True))

    async def _connect(self, entry: registry.NodeEntry) -> NodeView:
        try:
            connecting = drops.connect(entry, drop_key=self.cluster.drop_key, timeout=CONNECT_SECONDS)
            drop = await self._stack.enter_async_context(connecting)
        except NodeError as error:
            return self._unreachable(NodeView(entry=entry), error)
        return NodeView(entry=entry, drop=drop)

    async def _read(self, view: NodeView, everything: bool) -> NodeView:
        if view.drop is None or (view.error and not everything):
            return view
        try:
            async with asyncio.timeout(STATUS_SECONDS):
                reading = await (view.drop.read_all() if everything else view.drop.read_status())
            status = self._parse(view, reading)
        except NodeError as error:
            return self._unreachable(view, error)
        except TimeoutError:
            return self._unreachable(view, NodeError(f"no answer within {STATUS_SECONDS:.0f} s"))
        return replace(view, reading=reading, status=status, last_seen=reading.heartbeat, error="")

    def _parse(self, view: NodeView, reading: drops.Reading) -> contract_status.Status | None:
        if reading.status is None:
            return None
        if view.reading is not None and view.reading.status == reading.status and view.status is not None:
            return view.status
        try:
            status = contract_status.Status.model_validate_json(reading.status)
        except ValidationError as error:
            raise NodeError(f"its status cannot be understood: {error.errors()[0]['msg']}") from error
        if status.format_version > contract_status.FORMAT:
            raise NodeError(
                f"its status has format {status.format_version}, this skate reads up to {contract_status.FORMAT}:"
                " upgrade skate on this machine"
            )
        if status.node != view.entry.name or status.cluster != self.cluster.name:
            raise NodeError(f"it says it is node {status.node} of cluster {status.cluster}")
        self._remember(view.entry.name, reading.status)
        return status

    def _unreachable(self, view: NodeView, error: NodeError) -> NodeView:
        remembered = self._cache / f"{view.entry.name}.json"
        status, last_seen = view.status, view.last_seen
        with contextlib.suppress(OSError, ValidationError):
            last_seen = remembered.stat().st_mtime
            status = contract_status.Status.model_validate_json(remembered.read_bytes())
        return replace(view, error=error.message, reading=None, status=status, last_seen=last_seen)

    def _remember(self, node: str, content: bytes) -> None:
        """Keep a node's last status beside the registry. Only a convenience: failing to write it is no error."""
        with contextlib.suppress(OSError):
            self._cache.mkdir(parents=True, exist_ok=True, mode=0o700)
            target = self._cache / f"{node}.json"
            if target.exists() and target.read_bytes() == content:
                os.utime(target)
                return
            temporary = target.with_suffix(f".{os.getpid()}")
            temporary.write_bytes(content)
            temporary.replace(target)

    async def _read_bundle(self, view: NodeView) -> bundle.Bundle | None:
        assert view.drop is not None
        pending = view.reading.pending if view.reading else ()
        for generation in sorted(pending, reverse=True):
            data = await view.drop.read_bundle(generation)
            with contextlib.suppress(bundle.BundleError):
                if data is not None and (found := bundle.unpack(data)).index.cluster == self.cluster.name:
                    return found
        data = await view.drop.read_bundle()
        return None if data is None else bundle.unpack(data)


def _entry_of(node: bundle.Node) -> registry.NodeEntry:
    return registry.NodeEntry(
        name=node.name,
        host=node.host,
        port=node.port,
        peer_host=node.peer_host,
        subnet=node.subnet,
        host_key=node.host_key,
        labels=node.labels,
    )


def node_of(entry: registry.NodeEntry) -> bundle.Node:
    """A registered node as the catalogue records it."""
    return bundle.Node(
        name=entry.name,
        host=entry.host,
        port=entry.port,
        peer_host=entry.peer_host,
        subnet=entry.subnet,
        host_key=entry.host_key,
        labels=entry.labels,
    )


@contextlib.asynccontextmanager
async def open_session(
    cluster: registry.ClusterEntry, *, registry_path: Path, hurried: bool = False
) -> AsyncIterator[Session]:
    """Connect to every registered node of `cluster` side by side; `hurried` for who only looks (see HURRIED_SECONDS)."""
    cache = registry_path.parent / "cache" / cluster.name
    async with contextlib.AsyncExitStack() as stack:
        session = Session(cluster, cache=cache, stack=stack, hurried=hurried)
        await session.connect(cluster.nodes)
        yield session


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """asyncio.run, but silent about what ends on the side: connections cut by Ctrl-C leave futures that nobody awaits."""
    with asyncio.Runner() as runner:
        if not os.environ.get("SKATE_DEBUG"):
            runner.get_loop().set_exception_handler(lambda loop, context: None)
        return runner.run(main)


def statuses(session: Session) -> Mapping[str, contract_status.Status]:
    """The statuses of the nodes that can be reached now, by node name."""
    return {view.entry.name: view.status for view in session.reachable if view.status is not None}
