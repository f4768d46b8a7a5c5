"""What to do about one certificate that is asked for by ACME: nothing, to order it, or to wait. Pure.

A certificate is renewed when less than a third of its lifetime is left, each node at a moment of its own. What failed is tried
again later and later: the certificate authority counts failures (Let's Encrypt: five validations an hour for one account and
host, and all nodes share the account), so a failure that it has seen waits longer than one that it has not.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

SPREAD = 8.0
"""Seconds over which the nodes' first orders are spread."""
QUICK = (10.0, 30.0, 120.0)
"""Seconds to wait after the first failures that the authority knows nothing of."""
FIRST_DELAY = 300.0
LONGEST_DELAY = 12 * 3600.0


@dataclass(frozen=True, kw_only=True)
class Held:
    """A certificate that this node has; moments in seconds since 1970."""

    request: str
    """What it was ordered for: see `digest`."""
    version: int
    not_before: float
    not_after: float
    digest: str


@dataclass(frozen=True, kw_only=True)
class Attempts:
    """What came of ordering so far, since the request is as it is."""

    request: str
    since: float
    """When this node first saw the request."""
    unseen: int = 0
    """Failures in a row that the authority knows nothing of."""
    refused: int = 0
    """Failures in a row that it counts."""
    next: float = 0.0
    """No order before this moment."""
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """`order` now, or look again at `due`."""

    order: bool
    due: float


def digest(*, hosts: tuple[str, ...], server: str, email: str, account: str) -> str:
    """What makes one request another: then failures count no more, and what is held is replaced."""
    text = "\0".join([server, email, account, *sorted(hosts)])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def decide(*, held: Held | None, attempts: Attempts, node: str, now: float) -> Decision:
    """What to do about the certificate that `attempts` is about."""
    if held is not None and held.request == attempts.request and now < held.not_after:
        due = renewal(held, node)
    else:
        due = attempts.since + SPREAD * share(node, attempts.request)
    due = max(due, attempts.next)
    return Decision(order=now >= due, due=due)


def renewal(held: Held, node: str) -> float:
    """When `held` is to be renewed: before a third of its lifetime is left, up to a thirtieth earlier, by the node's name."""
    lifetime = max(0.0, held.not_after - held.not_before)
    return held.not_after - lifetime / 3 - lifetime / 30 * share(node, held.request)


def failed(before: Attempts, *, seen: bool, message: str, nodes: int, now: float) -> Attempts:
    """`before` and one more failure. `seen`: the authority knows of it; `nodes` of them share what it allows."""
    unseen, refused = (before.unseen, before.refused + 1) if seen else (before.unseen + 1, before.refused)
    if seen:
        delay = FIRST_DELAY * max(1, nodes) * 2.0 ** min(refused - 1, 16)
    elif unseen <= len(QUICK):
        delay = QUICK[unseen - 1]
    else:
        delay = FIRST_DELAY * 2.0 ** min(unseen - len(QUICK) - 1, 16)
    return Attempts(
        request=before.request,
        since=before.since,
        unseen=unseen,
        refused=refused,
        next=now + min(delay, LONGEST_DELAY),
        message=message,
    )


def share(node: str, text: str) -> float:
    """A number from 0 up to 1 that is each node's own, and always the same."""
    return int.from_bytes(hashlib.sha256(f"{node}\0{text}".encode()).digest()[:6], "big") / 2**48
