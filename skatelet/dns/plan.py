"""What to do so that CoreDNS serves what it should: pure.

The zone has a file of its own, which CoreDNS looks at every 250 ms: a change of what is ready writes that file, and that is all.
"""

from __future__ import annotations

from dataclasses import dataclass

from skatelet.dns import zone


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What stands on the node."""

    zone: str | None
    """The text of the zone file; None where there is none."""
    corefile: str | None
    running: bool
    """The unit has a process."""


@dataclass(frozen=True, kw_only=True)
class WriteZone:
    text: str


@dataclass(frozen=True, kw_only=True)
class WriteCorefile:
    text: str


@dataclass(frozen=True, kw_only=True)
class Start:
    """Start the unit."""


@dataclass(frozen=True, kw_only=True)
class Reload:
    """Let CoreDNS read the Corefile again."""


Action = WriteZone | WriteCorefile | Start | Reload


def plan(*, wanted: zone.Zone, corefile: str, observed: Observed, now: float) -> tuple[Action, ...]:
    """What to do, in order; empty when all is as it should be. `now` is for the zone's serial."""
    actions: list[Action] = []
    text = zone.successor(observed.zone, wanted, now=now)
    if text is not None:
        actions.append(WriteZone(text=text))
    if observed.corefile != corefile:
        actions.append(WriteCorefile(text=corefile))
    if not observed.running:
        actions.append(Start())
    elif observed.corefile != corefile:
        actions.append(Reload())
    return tuple(actions)
