"""What one pass over the node leaves to be done."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outlook:
    """What a pass leaves: whether actions run, when the next restart or retry is due, what cannot be removed."""

    busy: bool = False
    happened: bool = False
    """Something came in, or was begun, or ended."""
    due: float | None = None
    looked: float = 0.0
    """Seconds that looking at the pods took."""
    stuck: tuple[str, ...] = ()
    failed: str = ""
    """What did not answer or could not be written, in words: worth another try soon."""


def earlier(one: float | None, other: float | None) -> float | None:
    """The earlier of two times, either of which may be none."""
    return min((due for due in (one, other) if due is not None), default=None)
