"""The drop over SFTP: the chrooted `skate` account of a node, by asyncssh.

Host keys are always checked against the one that `create node` pinned. OpenSSH's SSH_FXP_RENAME fails when the target
exists, but with the same generic code as any other failure: so after a failure, look whether the target is there to tell a
lost race from an error.

asyncssh reads ~/.ssh/config (ProxyJump, …) for the host; the key and the account are always the drop's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterator

from skate import registry
from skate.drops import files, lean_asyncssh
from skate.errors import NodeError
from skatelet.contract import drop

with lean_asyncssh.without_library_search():
    import asyncssh

_AGAIN = "run `skate create node` for it again"
CLOSE_SECONDS = 1.0
_CHUNK = 4 * 1024 * 1024
_NOT_THERE = (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath)


class Account:
    """files.Carrier over one SFTP session."""

    def __init__(self, session: asyncssh.SFTPClient) -> None:
        self._session = session

    async def read(self, path: str, limit: int) -> tuple[bytes, float] | None:
        with self._words(path):
            try:
                async with self._session.open(f"/{path}", "rb") as handle:
                    attributes = await handle.stat()
                    data = await handle.read(limit + 1)
                    assert isinstance(data, bytes)
            except _NOT_THERE:
                return None
        if len(data) > limit:
            raise NodeError(f"{path} has more than {limit} bytes")
        return data, float(attributes.mtime or 0)

    async def names(self, directory: str) -> list[str]:
        with self._words(directory):
            return sorted(str(name) for name in await self._session.listdir(f"/{directory}") if name not in (".", ".."))

    async def write(self, path: str, data: bytes) -> None:
        with self._words(path):
            async with self._session.open(f"/{path}", "xb") as handle:
                for start in range(0, len(data), _CHUNK):
                    await handle.write(data[start : start + _CHUNK])
                await handle.fsync()

    async def rename_new(self, source: str, target: str) -> bool:
        with self._words(target):
            try:
                await self._session.rename(f"/{source}", f"/{target}")
            except asyncssh.SFTPError:
                if await self._session.exists(f"/{target}"):
                    return False
                raise
        return True

    async def remove(self, path: str) -> None:
        with self._words(path), contextlib.suppress(*_NOT_THERE):
            await self._session.remove(f"/{path}")

    @contextlib.contextmanager
    def _words(self, path: str) -> Iterator[None]:
        try:
            yield
        except (asyncssh.Error, OSError) as error:
            raise NodeError(f"{path}: {explain(error)}") from error


def explain(error: BaseException) -> str:
    """What a failed connection means, in words."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        return f"its host key is not the one that was pinned: {_AGAIN}"
    if isinstance(error, asyncssh.PermissionDenied):
        return f"the drop account does not take our key: {_AGAIN}"
    if isinstance(error, asyncssh.SFTPNoSpaceOnFilesystem):
        return "its disk is full"
    if isinstance(error, asyncssh.Error | asyncssh.KeyImportError):
        return getattr(error, "reason", "") or str(error) or type(error).__name__
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__


@contextlib.asynccontextmanager
async def connect(node: registry.NodeEntry, *, drop_key: str, timeout: float) -> AsyncIterator[files.FileDrop]:
    """The drop of `node`, connected within `timeout` seconds. Raises NodeError in words when it cannot be."""
    async with contextlib.AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(timeout):
                connection = await _open(node, drop_key, timeout)
                stack.push_async_callback(_close, connection)
                session = await connection.start_sftp_client()
        except (asyncssh.Error, OSError, TimeoutError, ValueError) as error:
            raise NodeError(f"{node.host}:{node.port}: {explain(error)}") from error
        yield files.FileDrop(Account(session))


async def _close(connection: asyncssh.SSHClientConnection) -> None:
    """Close in order, but not for ever: to a node that fell silent it would take until its keepalive runs out, 30 s."""
    connection.close()
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await connection.wait_closed()
    except TimeoutError:
        connection.abort()


def _drop_key(path: str) -> asyncssh.SSHKey:
    """The private key at `path`. Raises NodeError that names it, and not the node it was meant for."""
    try:
        return asyncssh.read_private_key(path)
    except (OSError, asyncssh.KeyImportError) as error:
        raise NodeError(f"the drop key {path} cannot be read ({explain(error)}): {_AGAIN}") from error


def _pinned(host_key: str) -> asyncssh.SSHKey:
    try:
        return asyncssh.import_public_key(host_key)
    except asyncssh.KeyImportError as error:
        raise NodeError(f"the registry has no readable host key for it: {_AGAIN}") from error


async def _open(node: registry.NodeEntry, drop_key: str, timeout: float) -> asyncssh.SSHClientConnection:
    # As a list, not as known_hosts lines: ~/.ssh/config may give the host another name, which a line would not match.
    known: tuple[list[asyncssh.SSHKey], ...] = ([_pinned(node.host_key)], [], [])
    return await asyncssh.connect(
        node.host,
        node.port,
        username=drop.ACCOUNT,
        client_keys=[_drop_key(drop_key)] if drop_key else (),
        agent_path=None,
        known_hosts=known,
        server_host_key_algs=_host_key_algorithms(node.host_key),
        preferred_auth="publickey",
        gss_host=None,
        compression_algs=None,
        connect_timeout=timeout,
        login_timeout=timeout,
        keepalive_interval=10,
    )


def _host_key_algorithms(host_key: str) -> list[str]:
    """Only the pinned key's algorithms may be negotiated, else the host would show another key than the pinned one."""
    algorithm = host_key.split(" ", 1)[0]
    if algorithm == "ssh-rsa":
        return ["rsa-sha2-512", "rsa-sha2-256"]
    return [algorithm]
