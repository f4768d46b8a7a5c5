"""A drop made of files: what SFTP and a local directory have in common.

The carrier brings five operations; the protocol is here once. Publishing is: upload under a name of its own in upload/, fsync,
then rename to the final name, which fails when that name is taken. That rename is the compare-and-swap all else rests upon.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import Protocol

from skate import drops
from skatelet.contract import bundle, drop, status


class Carrier(Protocol):
    """Paths are relative to the drop's root. Every method raises NodeError when the carrier fails."""

    async def read(self, path: str, limit: int) -> tuple[bytes, float] | None:
        """A file's bytes and mtime; None when it is not there. Raises NodeError above `limit` bytes."""
        ...

    async def names(self, directory: str) -> list[str]:
        """The names in a directory."""
        ...

    async def write(self, path: str, data: bytes) -> None:
        """Write a new file durably (fsync)."""
        ...

    async def rename_new(self, source: str, target: str) -> bool:
        """Rename, unless `target` exists: then False, and nothing has changed."""
        ...

    async def remove(self, path: str) -> None:
        """Remove a file; nothing happens when it is not there."""
        ...


class FileDrop:
    """drops.Drop over a Carrier."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier

    async def read_status(self) -> drops.Reading:
        found = await self._carrier.read(drop.STATUS, status.MAX_BYTES)
        return drops.Reading(status=found[0] if found else None, heartbeat=found[1] if found else 0.0)

    async def read_all(self) -> drops.Reading:
        # The order matters: skatelet writes the status before it empties the inbox, so who looks at the inbox first and at
        # the status second never misses a bundle that is being taken.
        inbox, claims = await asyncio.gather(self._carrier.names(drop.INBOX), self._carrier.names(drop.CLAIMS))
        found = await self.read_status()
        pending = sorted(number for name in inbox if (number := drop.inbox_generation(name)) is not None)
        claimed = sorted(number for name in claims if (number := drop.claim_generation(name)) is not None)
        contents: dict[int, bytes] = {}
        for generation in claimed[-20:]:
            claim = await self._carrier.read(drop.claim_path(generation), 64 * 1024)
            contents[generation] = claim[0] if claim else b""
        return drops.Reading(status=found.status, heartbeat=found.heartbeat, pending=tuple(pending), claims=contents)

    async def read_bundle(self, generation: int | None = None) -> bytes | None:
        path = drop.ACCEPTED if generation is None else drop.inbox_path(generation)
        found = await self._carrier.read(path, bundle.MAX_BYTES)
        return found[0] if found else None

    async def claim(self, generation: int, content: bytes) -> bool:
        return await self._put_new(drop.claim_path(generation), content)

    async def retract(self, generation: int) -> None:
        await self._carrier.remove(drop.claim_path(generation))

    async def publish(self, generation: int, archive: bytes) -> bool:
        return await self._put_new(drop.inbox_path(generation), archive)

    async def _put_new(self, target: str, data: bytes) -> bool:
        temporary = f"{drop.UPLOAD}/{uuid.uuid4().hex}"
        try:
            await self._carrier.write(temporary, data)
            if await self._carrier.rename_new(temporary, target):
                return True
        except BaseException:
            await asyncio.shield(self._carrier.remove(temporary))
            raise
        await self._carrier.remove(temporary)
        return False
