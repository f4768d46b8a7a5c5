"""What the node keeps: the bundle it follows, and what skatelet remembers between runs.

The bundle in /var/lib/skatelet is the truth. The copy in the drop, which `skate` reads, is rewritten from it when it is not the
file that was last written there. What skatelet remembers may be lost without harm: counts start afresh, nothing else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from skatelet import durable
from skatelet.contract import bundle, status
from skatelet.paths import Paths
from skatelet.pods import memory as memories
from skatelet.pods import model

ACCEPTED_MODE = 0o640


@dataclass(kw_only=True)
class State:
    """What skatelet remembers. Changed in place during a run, saved when it differs from what was loaded."""

    boot_id: str = ""
    pods: dict[str, model.PodMemory] = field(default_factory=dict)
    events: list[status.Event] = field(default_factory=list)
    rejected: list[status.Rejection] = field(default_factory=list)
    conditions: list[status.Condition] = field(default_factory=list)
    reached: int = 0
    network: str = ""
    notes: dict[str, str] = field(default_factory=dict)
    """What the reconcilers of the network remember, each under names that begin with its own."""
    accepted_copy: str = ""
    podman: str = ""
    podman_version: str = ""
    saved: bytes = b""
    """The bytes on the disk."""


def load(path: Path) -> State:
    """What was saved at `path`; a fresh state where there is none or it cannot be read."""
    try:
        raw = path.read_bytes()
        data = json.loads(raw)
        return State(
            boot_id=str(data["boot_id"]),
            pods=memories.from_data(data["pods"]),
            events=[status.Event.model_validate(item) for item in data["events"]],
            rejected=[status.Rejection.model_validate(item) for item in data["rejected"]],
            conditions=[status.Condition.model_validate(item) for item in data["conditions"]],
            reached=int(data["reached"]),
            network=str(data["network"]),
            notes={str(name): str(text) for name, text in data["notes"].items()},
            accepted_copy=str(data["accepted_copy"]),
            podman=str(data["podman"]),
            podman_version=str(data["podman_version"]),
            saved=raw,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return State()


def save(state: State, path: Path) -> None:
    """Write `state` if it is not what lies there. Raises OSError."""
    data = {
        "boot_id": state.boot_id,
        "pods": memories.to_data(state.pods),
        "events": [item.to_data() for item in state.events],
        "rejected": [item.to_data() for item in state.rejected],
        "conditions": [item.to_data() for item in state.conditions],
        "reached": state.reached,
        "network": state.network,
        "notes": state.notes,
        "accepted_copy": state.accepted_copy,
        "podman": state.podman,
        "podman_version": state.podman_version,
    }
    raw = json.dumps(data, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    if raw != state.saved:
        durable.write(path, raw)
        state.saved = raw


def followed(path: Path) -> tuple[bundle.Bundle, bytes] | None:
    """The bundle that is followed and its bytes; None where there is none yet.

    Raises BundleError when it has been damaged, OSError when it cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    return bundle.unpack_known(data), data


def publish_copy(paths: Paths, data: bytes, *, known: str, group: int | None) -> str:
    """See that the drop's copy holds `data`. `known` is what the last call gave back; so is the answer. Raises OSError."""
    digest = hashlib.sha256(data).hexdigest()
    if known and known == _copy_key(paths.accepted, digest):
        return known
    durable.write(paths.accepted, data, mode=ACCEPTED_MODE, group=group)
    return _copy_key(paths.accepted, digest)


def _copy_key(path: Path, digest: str) -> str:
    try:
        found = path.stat()
    except OSError:
        return ""
    return f"{found.st_ino} {found.st_mtime_ns} {found.st_size} {digest}"


def with_event(
    events: Sequence[status.Event], *, time: str, type: str, reason: str, object: str, message: str
) -> list[status.Event]:
    """`events` and one more. One that says the same as an earlier one is counted with it, as Kubernetes does."""
    count = 1
    kept = []
    for item in events:
        if (item.type, item.reason, item.object, item.message) == (type, reason, object, message):
            count += item.count
        else:
            kept.append(item)
    kept.append(status.Event(time=time, type=type, reason=reason, object=object, message=message, count=count))
    return kept[-status.MAX_EVENTS :]


def with_rejection(rejected: Sequence[status.Rejection], item: status.Rejection) -> list[status.Rejection]:
    """`rejected` and one more; the same bundle, by sha256, is not listed twice."""
    kept = [old for old in rejected if not _same_rejection(old, item)]
    return [*kept, item][-status.MAX_REJECTED :]


def _same_rejection(old: status.Rejection, new: status.Rejection) -> bool:
    if new.sha256:
        return old.sha256 == new.sha256
    return (old.generation, old.reason, old.message) == (new.generation, new.reason, new.message)


def with_condition(
    conditions: Sequence[status.Condition], *, time: str, type: str, status_word: str, reason: str, message: str
) -> list[status.Condition]:
    """`conditions` with the one of this type replaced; its transition time changes only with its status."""
    old = next((item for item in conditions if item.type == type), None)
    since = old.last_transition_time if old is not None and old.status == status_word else time
    new = status.Condition(type=type, status=status_word, reason=reason, message=message, last_transition_time=since)
    return sorted([*(item for item in conditions if item.type != type), new], key=lambda item: item.type)
