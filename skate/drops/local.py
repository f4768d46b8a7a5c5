"""The drop as a directory of this very machine: one server, no SSH.

`link` then `unlink` stands for the exclusive rename: link fails when the target exists, and it is there whole or not at all.
"""

from __future__ import annotations

import os
from pathlib import Path

from skate.drops import files
from skate.errors import NodeError
from skatelet.contract import drop

_HINT = "run skate as root, or as a member of the group `skate` with sudo"


class Directory:
    """files.Carrier over a directory. The operations are short; they do not wait for a network, so nothing is awaited."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def read(self, path: str, limit: int) -> tuple[bytes, float] | None:
        try:
            with (self._root / path).open("rb") as stream:
                data = stream.read(limit + 1)
                modified = os.fstat(stream.fileno()).st_mtime
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _wrap(error) from error
        if len(data) > limit:
            raise NodeError(f"{path} has more than {limit} bytes")
        return data, modified

    async def names(self, directory: str) -> list[str]:
        try:
            return sorted(os.listdir(self._root / directory))
        except OSError as error:
            raise _wrap(error) from error

    async def write(self, path: str, data: bytes) -> None:
        try:
            with (self._root / path).open("xb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise _wrap(error) from error

    async def rename_new(self, source: str, target: str) -> bool:
        try:
            os.link(self._root / source, self._root / target)
        except FileExistsError:
            return False
        except OSError as error:
            raise _wrap(error) from error
        await self.remove(source)
        return True

    async def remove(self, path: str) -> None:
        try:
            (self._root / path).unlink(missing_ok=True)
        except OSError as error:
            raise _wrap(error) from error


def _wrap(error: OSError) -> NodeError:
    if isinstance(error, PermissionError):
        return NodeError(f"the local drop cannot be used: {error}", hint=_HINT)
    return NodeError(
        f"the local drop cannot be used: {error}", hint="is skatelet installed here? see `skate create node --local`"
    )


def open_drop(root: Path = Path(drop.ROOT)) -> files.FileDrop:
    """The drop of this machine."""
    return files.FileDrop(Directory(root))
