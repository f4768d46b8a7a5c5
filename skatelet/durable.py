"""The one place where bytes are made durable: written beside, synced, renamed over, and the directory synced.

After `write` returns, a power cut leaves the new content; before, the old one; never a mixture. A leftover `.new` file of a
cut run is simply overwritten by the next.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def write(path: Path, data: bytes, *, mode: int = 0o600, group: int | None = None) -> None:
    """Replace `path` by `data`, durably, with `mode` and, when given, the numeric `group`. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(handle, "wb", closefd=False) as stream:
            stream.write(data)
        os.fchmod(handle, mode)
        if group is not None:
            os.fchown(handle, -1, group)
        os.fsync(handle)
    except OSError:
        # On a full disk the half that was written would keep the space that others need.
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    finally:
        os.close(handle)
    os.rename(temporary, path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the names in `path` durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
