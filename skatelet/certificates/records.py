"""What is kept of a certificate that was asked for by ACME, over reboots: a directory each, below /var/lib/skatelet/acme.

    <namespace>_<secret>/record.json        what is held, and what came of ordering
    <namespace>_<secret>/<version>/         one pair, written once and never changed
    <namespace>_<secret>/unused             since when no Ingress asks for it: by its mtime

The record is written when something has happened, never in a pass that only looks.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from skatelet import durable
from skatelet.certificates import acme
from skatelet.certificates.model import Pair
from skatelet.certificates.plan import Attempts, Held

KEPT_UNUSED_SECONDS = 30 * 86400.0
"""An Ingress that is deleted and applied again finds its certificate: authorities count those they give."""
_LONGEST_NAME = 200
_RECORD = "record.json"
_UNUSED = "unused"


@dataclass(frozen=True, kw_only=True)
class Record:
    """What a certificate's record.json says."""

    attempts: Attempts
    held: Held | None = None


def directory(root: Path, namespace: str, secret: str) -> Path:
    """Where the certificate for one Secret's name is kept."""
    name = f"{namespace}_{secret}"
    if len(name) > _LONGEST_NAME:
        name = f"{name[:_LONGEST_NAME]}_{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    return root / name


def read(folder: Path) -> Record | None:
    """The record in `folder`; None where there is none that can be read, and then all begins anew."""
    try:
        data = json.loads((folder / _RECORD).read_bytes())
        held = Held(**data["held"]) if data["held"] is not None else None
        if held is not None and not (folder / str(held.version) / acme.CHAIN).exists():
            held = None
        return Record(attempts=Attempts(**data["attempts"]), held=held)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write(folder: Path, record: Record) -> None:
    """Replace the record, durably, and remove the versions before the last two. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    durable.write(folder / _RECORD, json.dumps(dataclasses.asdict(record), sort_keys=True).encode() + b"\n")
    current = record.held.version if record.held else 0
    for path in folder.iterdir():
        # nginx may still be told to read the one before: it has the new paths only after the next reload.
        if path.name.isdecimal() and int(path.name) not in (current, current - 1):
            shutil.rmtree(path, ignore_errors=True)


def pair(folder: Path, held: Held) -> Pair:
    """The files of what is held."""
    place = folder / str(held.version)
    return Pair(chain=place / acme.CHAIN, key=place / acme.KEY, digest=held.digest)


def next_version(folder: Path) -> int:
    """A version that nothing in `folder` has yet."""
    with contextlib.suppress(OSError):
        return 1 + max((int(path.name) for path in folder.iterdir() if path.name.isdecimal()), default=0)
    return 1


def sweep(root: Path, wanted: Collection[Path], *, now: float) -> None:
    """Mark what no Ingress asks for, and remove what has been so marked for KEPT_UNUSED_SECONDS."""
    for folder in _folders(root):
        mark = folder / _UNUSED
        with contextlib.suppress(OSError):
            if folder in wanted:
                mark.unlink(missing_ok=True)
            elif not mark.exists():
                mark.touch(mode=0o600)
                os.utime(mark, (now, now))
            elif now - mark.stat().st_mtime > KEPT_UNUSED_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def _folders(root: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from [path for path in root.iterdir() if path.is_dir()]
