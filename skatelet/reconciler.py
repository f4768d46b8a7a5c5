"""What the reconcilers of the cluster's network have in common: what each is given at a pass, and what it gives back.

A reconciler observes the node, plans (pure), and acts, in one call of `reconcile`. A pass with nothing to do writes no file and
starts as few processes as can be. Nothing is raised for what a bundle says or for what the node is like: what cannot be
made as desired goes into the condition, and all the rest is made all the same.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Protocol

from skatelet import services
from skatelet.contract import bundle


@dataclass(frozen=True, kw_only=True)
class Condition:
    """How a condition of the status stands after a pass."""

    word: str
    """True, False or Unknown"""
    reason: str
    """One CamelCase word"""
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class World:
    """What a reconciler of the network works from."""

    identity: bundle.NodeIdentity
    followed: bundle.Bundle
    version: str
    """Another bundle has another version; the same bundle has the same after a restart of skatelet, too."""
    serving: tuple[services.Pod, ...]
    """The pods of this node that are to be found by others: ready, and not about to be stopped."""
    now: float
    """Seconds since 1970."""
    notes: MutableMapping[str, str] = field(default_factory=dict)
    """What was remembered by earlier runs, kept as long as the node. A change of it writes skatelet's memory: sparingly."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a reconciler did and how things stand."""

    condition: Condition
    acted: bool = False
    """Something on the node was changed, so a second look is worth it."""
    events: tuple[tuple[str, str, str, str], ...] = ()
    """For the status: type (Normal, Warning), reason, object (`ingress/default/web`), message."""
    due: float | None = None
    """When to look again, seconds since 1970, where nothing else would wake skatelet; None: the drift timer will do."""
    busy: bool = False
    """Work goes on in a thread, which wakes skatelet when it is done."""


class Reconciler(Protocol):
    """One kind of thing of the network: routes, names, certificates, ingress."""

    condition: str
    """The condition's type, such as RoutesReady."""

    def reconcile(self, world: World) -> Outcome: ...

    def close(self) -> None:
        """skatelet leaves: begin nothing more."""
