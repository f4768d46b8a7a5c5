"""Publishing one generation: read, change, claim, drop. No lock is ever held, so no lock is ever left behind.

One thing flows through here: `publish` reads every node, applies a pure change to the newest catalogue, claims generation G+1 on
a majority of the nodes by exclusive rename, looks once more whether anybody was quicker, and drops each node its bundle. Who
loses reads again, changes again and tries again, a bounded number of times; then says who won.

Two more things keep an update from being lost. The claim is retracted by whoever did not get a majority, so it stops nobody. And
every bundle names its parent: a node that has already gone past the parent refuses the bundle, whatever happened to the claims.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import getpass
import json
import random
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from skate import __version__, catalogue, session
from skate.errors import ConflictError, NodeError, ScheduleError
from skatelet.contract import bundle

ATTEMPTS = 6
CLAIM_PATIENCE_SECONDS = 5.0
"""How long a claim of somebody else, with nothing published yet, is waited for before it is gone past."""

Change = Callable[[catalogue.Catalogue, session.Session], catalogue.Catalogue]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What publishing did."""

    before: catalogue.Catalogue
    after: catalogue.Catalogue
    """With the generation it was published as (or already had)."""
    published: bool
    """Whether there is a new generation."""
    dropped: tuple[str, ...] = ()
    """The nodes that got a bundle."""
    behind: dict[str, str] = field(default_factory=dict)
    """The nodes that did not get it, and why."""


def now() -> str:
    """This moment as RFC 3339 in UTC, in whole seconds."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def author() -> str:
    """Who publishes, as user@host. For people to read."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):
        return f"unknown@{socket.gethostname()}"


async def publish(
    target: session.Session,
    change: Change,
    *,
    without_quorum: bool = False,
    dry_run: bool = False,
    on_plan: Callable[[catalogue.Catalogue, catalogue.Catalogue], None] = lambda before, after: None,
) -> Outcome:
    """Bring the cluster from its newest catalogue to what `change` makes of it.

    Where `change` changes nothing, no generation is made; nodes that are behind get what they missed. `on_plan` is called with
    both catalogues before anything is written. Raises ScheduleError (from `change`), NodeError below a majority, and
    ConflictError when others were quicker each time.
    """
    winner = "somebody else"
    for attempt in range(ATTEMPTS):
        await target.read()
        before = await target.read_catalogue()
        await _wait_for_claims(target, before.generation)
        if any(view.generation > before.generation for view in target.reachable):
            continue
        if not target.reachable:
            _check_majority(target, without_quorum=without_quorum)
        try:
            after = change(before, target)
        except ScheduleError:
            # Where most nodes cannot be reached, that is the reason, and not that nothing fits.
            _check_majority(target, without_quorum=without_quorum)
            raise
        if after.files() == before.files() or dry_run:
            on_plan(before, after)
            behind = {view.entry.name: view.error for view in target.unreachable}
            dropped = () if dry_run else await catch_up(target, before)
            return Outcome(before=before, after=after, published=False, dropped=dropped, behind=behind)
        _check_majority(target, without_quorum=without_quorum)
        generation = _next_generation(target, before.generation)
        won = await _claim(target, generation, without_quorum=without_quorum)
        if won is not None:
            winner = won
            await asyncio.sleep(random.uniform(0.05, 0.3) * (attempt + 1))  # noqa: S311 - jitter, no secret
            continue
        on_plan(before, after)
        return await _drop_everywhere(target, before, dataclasses.replace(after, generation=generation))
    _check_truthful(target, before)
    raise ConflictError(
        f"{winner} published at the same time, {ATTEMPTS} times over; nothing of this was published",
        hint="run the same command again",
    )


async def catch_up(target: session.Session, current: catalogue.Catalogue) -> tuple[str, ...]:
    """Drop the current generation to each reachable node that is behind it. Returns the names of those nodes."""
    if not current.generation:
        return ()
    behind = {view.entry.name for view in target.reachable if view.generation < current.generation}

    async def work(view: session.NodeView) -> bool:
        if view.entry.name not in behind:
            return False
        return await _drop(view, current, current.generation, current.generation - 1)

    results = await target.on_reachable(work)
    return tuple(sorted(name for name, result in results.items() if result is True))


async def _drop_everywhere(target: session.Session, before: catalogue.Catalogue, after: catalogue.Catalogue) -> Outcome:
    results = await target.on_reachable(lambda view: _drop(view, after, after.generation, before.generation))
    behind = {view.entry.name: view.error for view in target.unreachable}
    behind |= {name: result.message for name, result in results.items() if isinstance(result, NodeError)}
    dropped = tuple(sorted(name for name, result in results.items() if result is True))
    return Outcome(before=before, after=after, published=True, dropped=dropped, behind=behind)


async def _drop(view: session.NodeView, source: catalogue.Catalogue, generation: int, parent: int) -> bool:
    assert view.drop is not None
    made = bundle.build(
        catalogue=source.files(),
        instances=catalogue.instances_of(source, view.entry.name),
        cluster=source.cluster.name,
        node=view.entry.name,
        generation=generation,
        parent=parent,
        time=now(),
        author=author(),
        tool_version=__version__,
    )
    archive = bundle.pack(made)
    if len(archive) > bundle.MAX_BYTES:
        raise NodeError(f"the bundle has {len(archive)} bytes, the limit is {bundle.MAX_BYTES}")
    # False means that this generation lies there already: dropped by another refresh, so the node has it all the same.
    await view.drop.publish(generation, archive)
    return True


def _check_truthful(target: session.Session, found: catalogue.Catalogue) -> None:
    """Raise NodeError when a node says that it follows a generation that cannot be read from it, nor from any other."""
    ahead = [view for view in target.reachable if view.generation > found.generation]
    if ahead:
        raise NodeError(
            "nothing was changed: some nodes follow a generation that no node can show",
            details=[
                f"node {view.entry.name}: says generation {view.generation}, the newest readable is {found.generation}"
                for view in ahead
            ],
            hint="`journalctl -u skatelet` there; `apt-get purge skatelet` on it and `skate create node` make it anew",
        )


async def _wait_for_claims(target: session.Session, generation: int) -> None:
    """Wait while somebody has claimed a generation above `generation` and has not published it, but not for ever."""
    deadline = time.monotonic() + CLAIM_PATIENCE_SECONDS
    while time.monotonic() < deadline:
        claimed = max(
            (number for view in target.reachable if view.reading for number in view.reading.claims), default=0
        )
        if claimed <= generation or any(view.generation > generation for view in target.reachable):
            return
        await asyncio.sleep(0.2)
        await target.read()


def _check_majority(target: session.Session, *, without_quorum: bool) -> None:
    total = len(target.nodes)
    reachable = len(target.reachable)
    if total == 0:
        raise NodeError("the cluster has no nodes", hint="add one with `skate create node --name NAME --host HOST`")
    details = [f"node {view.entry.name}: {view.error}" for view in target.unreachable]
    if reachable == 0:
        raise NodeError("no node can be reached: nothing was changed", details=details, hint="see `skate get nodes`")
    if reachable * 2 <= total and not without_quorum:
        raise NodeError(
            f"only {reachable} of {total} nodes can be reached, which is no majority: nothing was changed",
            details=details,
            hint="pass --without-quorum if nobody else can be deploying to the others",
        )


def _next_generation(target: session.Session, current: int) -> int:
    claimed = [number for view in target.reachable if view.reading for number in view.reading.claims]
    return max([current, *claimed]) + 1


async def _claim(target: session.Session, generation: int, *, without_quorum: bool) -> str | None:
    """Claim `generation` on a majority. None when it is ours; else who has it, and our own claims are gone again."""
    content = json.dumps({"author": author(), "time": now()}).encode()

    async def claim(view: session.NodeView) -> bool:
        assert view.drop is not None
        return await view.drop.claim(generation, content)

    results = await target.on_reachable(claim)
    mine = {name for name, result in results.items() if result is True}
    needed = len(results) if without_quorum else len(target.nodes) // 2 + 1
    await target.read()
    overtaken = any(view.generation >= generation for view in target.reachable)
    if len(mine) >= needed and not overtaken:
        return None

    async def retract(view: session.NodeView) -> bool:
        assert view.drop is not None
        if view.entry.name in mine:
            await view.drop.retract(generation)
        return True

    winner = _claimant(target, generation, mine)
    await target.on_reachable(retract)
    return winner


def _claimant(target: session.Session, generation: int, mine: set[str]) -> str:
    for view in target.reachable:
        content = view.reading.claims.get(generation) if view.reading else None
        if content and view.entry.name not in mine:
            try:
                return str(json.loads(content)["author"])
            except (ValueError, KeyError, TypeError):
                break
    return "somebody else"
