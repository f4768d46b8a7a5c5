"""Between `this pod is to go` and SIGTERM: first it is out of the names, on all nodes, and only then is it stopped.

A pod that serves is held for a moment after its removal was planned. Meanwhile it is left out of the node's zone; the zone is
read again within 250 ms, peers are told at once, and answers live for one second.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field

from skatelet.pods import model

SECONDS = 1.5


@dataclass(frozen=True, kw_only=True)
class Draining:
    """What was decided about the actions of one plan."""

    now: tuple[model.Action, ...] = ()
    """To be begun."""
    since: Mapping[str, float] = field(default_factory=dict)
    """When each pod that is to go went out of the names, by podman's name for it."""
    due: float | None = None
    """When the next of them may be stopped."""


def hold(actions: Iterable[model.Action], *, serving: Set[str], since: Mapping[str, float], now: float) -> Draining:
    """Hold back the removal of pods that serve (`serving`, podman's names) until they have been out of the names for long enough.

    `since` is what the last call gave back. Pure.
    """
    begin: list[model.Action] = []
    held: dict[str, float] = {}
    dues: list[float] = []
    for action in actions:
        if not isinstance(action, model.Remove):
            begin.append(action)
            continue
        name = action.pod_name
        out = min(now, since[name]) if name in since else now
        if name not in since and name not in serving:
            begin.append(action)
            continue
        held[name] = out
        if out + SECONDS <= now:
            begin.append(action)
        else:
            dues.append(out + SECONDS)
    return Draining(now=tuple(begin), since=held, due=min(dues, default=None))
