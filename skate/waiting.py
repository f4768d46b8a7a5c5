"""Waiting for what was applied: until every instance runs or has failed, with the reason.

`judge` is pure: placements and statuses in, one verdict an instance out. `wait` reads the statuses again and again over the open
drops and calls it. An instance counts as running only when it has been seen so for a moment: a command that dies at
once is running, too, for some milliseconds.
"""

from __future__ import annotations

import asyncio
import enum
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from skate import catalogue, session
from skatelet.contract import bundle
from skatelet.contract.status import InstanceStatus, Rejection, Status

POLL_SECONDS = 0.2
SETTLE_SECONDS = 1.0
SETTLE_AFTER_RESTART_SECONDS = 12.0
"""Longer than the first back-off, so that a crash loop is not taken for a start."""
FAILING = frozenset(
    {
        "CrashLoopBackOff", "CreateContainerConfigError", "CreateContainerError", "ErrImageNeverPull", "ErrImagePull",
        "ImagePullBackOff", "InvalidImageName", "RunContainerError", "StartError",
    }
)  # fmt: skip
"""Reasons of a waiting container that do not pass by themselves (kubelet's words)."""


class Verdict(enum.Enum):
    WAITING = "waiting"
    RUNNING = "running"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One instance that must come or go, or one node that must take its bundle, and how it stands."""

    name: str
    """As `pod/namespace/name` or `node/name`."""
    node: str
    verdict: Verdict
    reason: str = ""
    message: str = ""
    restarts: int = 0


def judge(
    *,
    wanted: Iterable[tuple[str, bundle.Placement]],
    gone: Iterable[tuple[str, bundle.Placement]] = (),
    dropped: Iterable[str] = (),
    statuses: Mapping[str, Status],
    generation: int,
) -> list[Judged]:
    """How each `wanted` instance, each that must be `gone`, and each node that was `dropped` a bundle, stands.

    Instances are (namespace, placement). Nodes without a status in `statuses`, and their instances, are left out: nothing can
    be said of them.
    """
    found = [_judge_node(name, statuses[name], generation) for name in dropped if name in statuses]
    for namespace, placement in wanted:
        status = statuses.get(placement.node)
        if status is not None:
            found.append(_judge_wanted(namespace, placement, status, generation))
    for namespace, placement in gone:
        status = statuses.get(placement.node)
        if status is not None:
            found.append(_judge_gone(namespace, placement, status, generation))
    return found


def _judge_node(name: str, status: Status, generation: int) -> Judged:
    if (refused := _refusal(status, generation)) is not None:
        return Judged(name=f"node/{name}", node=name, verdict=Verdict.FAILED, reason=refused[0], message=refused[1])
    taken = status.generation_seen >= generation
    verdict, reason = (Verdict.RUNNING, "Taken") if taken else (Verdict.WAITING, "Waking")
    return Judged(name=f"node/{name}", node=name, verdict=verdict, reason=reason)


def _judge_wanted(namespace: str, placement: bundle.Placement, status: Status, generation: int) -> Judged:
    name = f"pod/{namespace}/{placement.instance}"
    if (refused := _refusal(status, generation)) is not None:
        return Judged(name=name, node=placement.node, verdict=Verdict.FAILED, reason=refused[0], message=refused[1])
    here = _find(status, namespace, placement)
    if status.generation_seen < generation or here is None:
        return Judged(name=name, node=placement.node, verdict=Verdict.WAITING, reason="Pending")
    restarts = sum(container.restarts for container in here.containers)
    verdict, reason, message = _stand(here)
    return Judged(name=name, node=placement.node, verdict=verdict, reason=reason, message=message, restarts=restarts)


def _judge_gone(namespace: str, placement: bundle.Placement, status: Status, generation: int) -> Judged:
    name = f"pod/{namespace}/{placement.instance}"
    if (refused := _refusal(status, generation)) is not None:
        return Judged(name=name, node=placement.node, verdict=Verdict.FAILED, reason=refused[0], message=refused[1])
    still = any((item.namespace, item.name) == (namespace, placement.instance) for item in status.instances)
    if still or status.generation_seen < generation:
        return Judged(name=name, node=placement.node, verdict=Verdict.WAITING, reason="Terminating")
    return Judged(name=name, node=placement.node, verdict=Verdict.RUNNING, reason="Gone")


def _refusal(status: Status, generation: int) -> tuple[str, str] | None:
    if status.generation_seen >= generation:
        return None
    for rejection in status.rejected:
        if rejection.generation == generation:
            return f"Bundle{rejection.reason}", f"the node refused generation {generation}: {rejection.message}"
    return None


def _find(status: Status, namespace: str, placement: bundle.Placement) -> InstanceStatus | None:
    for item in status.instances:
        same = (item.namespace, item.name, item.address) == (namespace, placement.instance, placement.address)
        if same and item.desired and item.hash == placement.hash:
            return item
    return None


def _stand(here: InstanceStatus) -> tuple[Verdict, str, str]:
    if here.phase == "Succeeded":
        return Verdict.RUNNING, "Completed", ""
    for container in here.containers:
        waiting = container.state.waiting
        if waiting is not None and waiting.reason in FAILING:
            return Verdict.FAILED, waiting.reason, waiting.message
    if here.phase == "Failed" or (here.reason and not here.ready):
        return Verdict.FAILED, here.reason or "Failed", here.message or _last_words(here)
    if here.phase == "Running" and here.ready:
        return Verdict.RUNNING, "Running", ""
    waiting_reasons = [c.state.waiting.reason for c in here.containers if c.state.waiting is not None]
    return Verdict.WAITING, waiting_reasons[0] if waiting_reasons else here.phase, ""


def _last_words(here: InstanceStatus) -> str:
    for container in here.containers:
        ended = container.state.terminated
        if ended is not None and ended.exit_code:
            return f"container {container.name} exited with {ended.exit_code} {ended.message}".rstrip()
    return ""


@dataclass(frozen=True, kw_only=True)
class Result:
    """How waiting ended: every instance's last verdict, and whether time ran out."""

    judged: list[Judged]
    timed_out: bool

    @property
    def failed(self) -> list[Judged]:
        return [item for item in self.judged if item.verdict is not Verdict.RUNNING]


async def wait(
    target: session.Session,
    current: catalogue.Catalogue,
    *,
    wanted: list[tuple[str, bundle.Placement]],
    gone: list[tuple[str, bundle.Placement]],
    dropped: Sequence[str],
    timeout: float,
    fresh: bool,
    on_change: Callable[[list[Judged]], None],
) -> Result:
    """Read the statuses until everything is settled or `timeout` seconds have passed. Nodes that vanish are left out.

    `fresh` says that something was just changed: then an instance must be seen running for a moment before it counts.
    """
    deadline = time.monotonic() + timeout
    # What was read last is from before the drop: what nodes had refused by then does not concern what lies there now.
    refused_before = {name: status.rejected for name, status in session.statuses(target).items()}
    since: dict[str, tuple[Judged, float]] = {}
    while True:
        await target.read(everything=False)
        statuses = {
            name: without_refusals(status, refused_before.get(name, []))
            for name, status in session.statuses(target).items()
        }
        judged = judge(wanted=wanted, gone=gone, dropped=dropped, statuses=statuses, generation=current.generation)
        moment = time.monotonic()
        if [item for item in judged if since.get(item.name, (None,))[0] != item]:
            on_change(judged)
        for item in judged:
            if since.get(item.name, (None,))[0] != item:
                since[item.name] = (item, moment)
        if all(_settled(item, moment - since[item.name][1], fresh=fresh) for item in judged):
            return Result(judged=judged, timed_out=False)
        if moment >= deadline:
            return Result(judged=judged, timed_out=True)
        await asyncio.sleep(POLL_SECONDS)


def without_refusals(status: Status, known: Sequence[Rejection]) -> Status:
    """The status without refusals that were known before. (The same generation may be dropped again, by a refresh.)"""
    return status.model_copy(update={"rejected": [item for item in status.rejected if item not in known]})


def _settled(item: Judged, seconds: float, *, fresh: bool) -> bool:
    if item.verdict is Verdict.WAITING:
        return False
    if item.verdict is Verdict.FAILED or item.reason in {"Gone", "Completed", "Taken"} or not fresh:
        return True
    return seconds >= (SETTLE_AFTER_RESTART_SECONDS if item.restarts else SETTLE_SECONDS)
