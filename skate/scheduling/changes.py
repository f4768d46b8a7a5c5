"""What a new schedule changes, workload by workload: for the plan that is shown before anything is done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from skate.scheduling import model


@dataclass(frozen=True, kw_only=True)
class Changes:
    """One workload's instances before and after. Each instance is in exactly one of the fields."""

    workload: model.Key
    added: tuple[model.Placed, ...]
    removed: tuple[model.Placed, ...]
    moved: tuple[tuple[model.Placed, model.Placed], ...]
    """Before and after: the same instance on another node."""
    replaced: tuple[tuple[model.Placed, model.Placed], ...]
    """Before and after: the same instance on the same node, with another hash or address."""
    unchanged: tuple[model.Placed, ...]

    @property
    def empty(self) -> bool:
        """Whether nothing at all changes."""
        return not (self.added or self.removed or self.moved or self.replaced)


def difference(before: Iterable[model.Placed], after: Iterable[model.Placed]) -> tuple[Changes, ...]:
    """The changes from `before` to `after`, one for each workload in either, sorted by workload."""
    old = _by_workload(before)
    new = _by_workload(after)
    return tuple(_changes(key, old.get(key, {}), new.get(key, {})) for key in sorted(old.keys() | new.keys()))


def _by_workload(placements: Iterable[model.Placed]) -> dict[model.Key, dict[str, model.Placed]]:
    result: dict[model.Key, dict[str, model.Placed]] = {}
    for placed in placements:
        result.setdefault(placed.workload, {})[placed.instance] = placed
    return result


def _changes(key: model.Key, old: dict[str, model.Placed], new: dict[str, model.Placed]) -> Changes:
    both = [(old[name], new[name]) for name in sorted(old.keys() & new.keys())]
    return Changes(
        workload=key,
        added=tuple(new[name] for name in sorted(new.keys() - old.keys())),
        removed=tuple(old[name] for name in sorted(old.keys() - new.keys())),
        moved=tuple((was, now) for was, now in both if was.node != now.node),
        replaced=tuple((was, now) for was, now in both if was.node == now.node and was != now),
        unchanged=tuple(now for was, now in both if was == now),
    )
