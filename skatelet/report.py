"""The status file: built from what was seen, written only when its content changed, else touched as the node's heartbeat."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skatelet import durable
from skatelet.contract import bundle, status

MODE = 0o640
HEARTBEAT_AFTER_SECONDS = status.HEARTBEAT_SECONDS * 0.8
"""A status older than this is touched: each run of the drift timer finds it so, a wake in between mostly not."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a status is made of."""

    identity: bundle.NodeIdentity
    info: status.NodeInfo
    generation_seen: int
    generation_reached: int
    conditions: Sequence[status.Condition]
    instances: Sequence[status.InstanceStatus]
    events: Sequence[status.Event]
    rejected: Sequence[status.Rejection]


def build(seen: Seen, *, time: str) -> status.Status:
    """The status as of `time` (RFC 3339)."""
    return status.Status(
        cluster=seen.identity.cluster,
        node=seen.identity.node,
        time=time,
        generation_seen=seen.generation_seen,
        generation_reached=seen.generation_reached,
        info=seen.info,
        conditions=list(seen.conditions),
        instances=list(seen.instances),
        events=list(seen.events),
        rejected=list(seen.rejected),
    )


def pods_ready(instances: Sequence[status.InstanceStatus]) -> tuple[str, str, str]:
    """Status word, reason and message of the condition PodsReady."""
    desired = [item for item in instances if item.desired]
    good = [item for item in desired if item.ready or item.phase == "Succeeded"]
    message = f"{len(good)} of {len(desired)} pods are ready"
    if len(good) == len(desired):
        return "True", "AllReady", message
    return "False", "NotAllReady", message


class Reporter:
    """Keeps the status file at `path`, readable for `group`."""

    def __init__(self, path: Path, *, group: int | None) -> None:
        self._path = path
        self._group = group
        self._content = _content(_read(path))

    def write(self, new: status.Status) -> bool:
        """Write `new` unless the file says the same already; whether it was written. Raises OSError."""
        data = new.to_data()
        if _content(data) == self._content and self._path.exists():
            self._beat()
            return False
        raw = json.dumps(data, sort_keys=True, separators=(",", ":")).encode() + b"\n"
        durable.write(self._path, raw, mode=MODE, group=self._group)
        self._content = _content(data)
        return True

    def _beat(self) -> None:
        with contextlib.suppress(OSError):
            if time.time() - self._path.stat().st_mtime > HEARTBEAT_AFTER_SECONDS:
                os.utime(self._path)


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def _content(data: Any) -> Any:
    """The status without the time it was written."""
    return {key: value for key, value in data.items() if key != "time"} if isinstance(data, dict) else None
